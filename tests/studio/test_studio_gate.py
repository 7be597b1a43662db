"""Who comes in, and how: names, origins, tokens, cookies, headers, and requests of the wrong size and pace."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect
from studio_look import Site
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from weitiao.serve.refusal import Refusal
from weitiao.studio import login

T = TypeVar("T")
TOKEN = "correct-horse-battery"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def guarded(project: Path, open_studio: Callable[..., AbstractContextManager[Site]]) -> Iterator[Site]:
    with open_studio(project, token=TOKEN) as site:
        yield site


def send(site: Site, method: str, path: str, body: str | None = None, **headers: str) -> HTTPResponse:
    line = HTTPConnection(urlsplit(site.url).netloc, timeout=60)
    line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = line.getresponse()
    response.text = response.read().decode(errors="replace")  # type: ignore[attr-defined]
    line.close()
    return response


def alone(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: the browser has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def log_in(site: Site, token: str = TOKEN, where: str = "/chat") -> HTTPResponse:
    return send(
        site, "POST", f"/login?{urlencode({'next': where})}", urlencode({"token": token}), Origin=site.url, **FORM
    )


def test_people_log_in_and_out(guarded: Site, look: Callable[..., Page]) -> None:
    page = look(f"{guarded.url}/compare")
    expect(page).to_have_url(f"{guarded.url}/login?next=/compare")
    page.get_by_label("Token").fill("something else")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not the token")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{guarded.url}/compare")
    expect(page.frame_locator("iframe").locator("#said")).to_be_visible()
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "weitiao_login"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    page.get_by_label("Log out").click()
    expect(page).to_have_url(f"{guarded.url}/login")
    page.goto(f"{guarded.url}/chat")
    expect(page).to_have_url(f"{guarded.url}/login?next=/chat")


def test_without_login_nothing_is_given(guarded: Site) -> None:
    for path in ("/chat", "/studio.css", "/report", "/_nicegui/3.18.0/static/nicegui.js", "/nowhere"):
        assert send(guarded, "GET", path).status == 401
        assert send(guarded, "GET", path, Cookie="weitiao_login=guess").status == 401
    assert send(guarded, "GET", "/chat", Accept="text/html").status == 303
    assert send(guarded, "GET", "/v1/models").status == 401
    assert send(guarded, "GET", "/health").status == 200


def test_a_login_leads_nowhere_else_and_its_cookie_is_for_pages_alone(guarded: Site) -> None:
    assert log_in(guarded, "wrong").status == 401
    for where in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""):
        assert log_in(guarded, where=where).headers["location"] == "/"
    came = log_in(guarded)
    assert came.headers["location"] == "/chat"
    cookie = came.headers["set-cookie"].partition(";")[0]
    assert send(guarded, "GET", "/chat", Cookie=cookie).status == 200
    assert send(guarded, "GET", "/v1/models", Cookie=cookie).status == 401
    assert send(guarded, "POST", "/logout", "", Cookie=cookie, Origin="https://evil.example").status == 403
    assert send(guarded, "POST", "/logout", "", Cookie=cookie).status == 405  # without an origin
    assert send(guarded, "POST", "/logout", "", Cookie=cookie, Origin=guarded.url).status == 303
    assert send(guarded, "GET", "/chat", Cookie=cookie).status == 401
    secure = send(guarded, "POST", "/login", f"token={TOKEN}", Origin=guarded.url, X_Forwarded_Proto="https", **FORM)
    assert "; Secure" in secure.headers["set-cookie"]


def test_strangers_are_refused(site: Site, guarded: Site) -> None:
    assert send(site, "GET", "/chat", Host="evil.example").status == 403
    assert send(site, "GET", "/chat", Origin="https://evil.example").status == 403
    assert send(guarded, "GET", "/chat", Host="studio.example", Accept="text/html").status == 303
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert send(site, method, "/chat", "x").status == 405
    assert send(site, "POST", "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "x").status == 405
    assert send(site, "GET", "/_nicegui_ws/socket.io/?EIO=4&transport=polling").status == 405
    for path in ("/v1/nowhere", "/v1/"):
        answer = send(site, "GET", path)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/json"


def test_only_our_pages_open_the_websocket(site: Site, guarded: Site) -> None:
    cookie = log_in(guarded).headers["set-cookie"].partition(";")[0]

    async def status(where: Site, **headers: str) -> int:
        try:
            address = where.url.replace("http", "ws", 1) + SOCKET
            async with connect(address, additional_headers=headers, proxy=None):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    async def all_of_them() -> list[int]:
        evil = "https://evil.example"
        return [
            await status(site, Origin=site.url),
            await status(site),
            await status(site, Origin=evil),
            await status(site, Origin="null"),
            await status(guarded, Origin=guarded.url),
            await status(guarded, Origin=guarded.url, Cookie="weitiao_login=guess"),
            await status(guarded, Origin=evil, Cookie=cookie),
            await status(guarded, Origin=guarded.url, Cookie=cookie),
        ]

    assert alone(all_of_them()) == [101, 403, 403, 403, 403, 403, 403, 101]


def test_browsers_are_told_what_pages_may_do(site: Site, guarded: Site) -> None:
    page = send(site, "GET", "/chat")
    policy = page.headers["content-security-policy"]
    scripts = re.search(r"script-src ([^;]+)", policy)
    assert scripts
    assert "'unsafe-inline'" not in scripts[1]
    assert scripts[1].count("'sha256-") >= 4
    assert "frame-ancestors 'none'" in policy
    report = send(site, "GET", "/report").headers
    assert report["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert "sandbox allow-scripts;" in report["content-security-policy"]
    for headers in (
        page.headers,
        report,
        send(guarded, "GET", "/login").headers,
        send(site, "GET", "/studio.css").headers,
    ):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert "http" not in policy


def test_a_login_is_small_and_comes_in_time(guarded: Site) -> None:
    assert send(guarded, "POST", "/login", "token=" + "x" * 5000, Origin=guarded.url, **FORM).status == 413


def test_a_slow_login_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "ARRIVAL", 0.05)

    async def never() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    with pytest.raises(Refusal) as refused:
        alone(login._body(never))
    assert refused.value.status == 408


def test_the_login_is_read_in_another_language_and_other_colours(guarded: Site, look: Callable[..., Page]) -> None:
    page = look(f"{guarded.url}/login?next=/compare")
    page.get_by_label("Token").fill("something else")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not the token")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    page.wait_for_load_state("networkidle")  # the page is there before it listens
    scheme = page.locator("meta[name=color-scheme]")
    for content in ("light", "dark", "light dark"):
        page.locator("header button").first.click()
        expect(scheme).to_have_attribute("content", content)
    page.get_by_role("button", name="English").click()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{guarded.url}/compare")


def test_no_page_asks_for_what_is_not_there(site: Site, guarded: Site, look: Callable[..., Page]) -> None:
    assert send(site, "GET", "/favicon.ico").headers["content-type"].startswith("image/svg+xml")
    wrong: list[str] = []
    for where, paths in ((guarded, ("login",)), (site, ("data", "train", "compare", "chat"))):
        page = look(f"{where.url}/login")
        page.on("response", lambda response: wrong.append(response.url) if response.status >= 400 else None)
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        for path in paths:
            page.goto(f"{where.url}/{path}", wait_until="networkidle")
    assert not wrong
