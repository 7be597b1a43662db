"""Who may review: the first by a name, others by their tokens, and nobody as somebody else."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import orjson
import pytest
from starlette.datastructures import Headers
from studio_look import Site
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.recipe import load
from weitiao.review import place
from weitiao.review.desk import Desk
from weitiao.studio import reviewers
from weitiao.studio.reviewers import Reviewers

TOKEN = "correct-horse-battery"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
Open = Callable[..., AbstractContextManager[Site]]


def make(folder: Path) -> Desk:
    """Write a project and draw its queue."""
    folder.mkdir()
    row = {"messages": [{"role": "user", "content": "Can fish drown?"}, {"role": "assistant", "content": "No."}]}
    (folder / "data.jsonl").write_bytes(orjson.dumps(row) + b"\n")
    (folder / "recipe.yaml").write_text("model: nano\nsource: {inputs: [data.jsonl]}\nreview: {queue: all}\n")
    recipe = load(folder / "recipe.yaml", pipeline.SETTINGS)
    pipeline.run(recipe, folder / "runs", last="review")
    return place.desk(recipe, folder / "runs" / "recipe")


@pytest.fixture(scope="module")
def guarded(open_studio: Open, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Desk]]:
    folder = tmp_path_factory.mktemp("guarded") / "fish"
    desk = make(folder)
    with open_studio(folder, token=TOKEN, command="review") as site:
        yield site, desk
    desk.close()


def send(site: Site, method: str, path: str, body: str | None = None, **headers: str) -> tuple[HTTPResponse, str]:
    line = HTTPConnection(urlsplit(site.url).netloc, timeout=60)
    line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = line.getresponse()
    text = response.read().decode(errors="replace")
    line.close()
    return response, text


def come(site: Site, **said: str) -> tuple[int, str, str]:
    """Log in to review; return the status, where it leads, and the cookie by which the person is known."""
    response, _ = send(site, "POST", "/login?next=/review", urlencode(said), Origin=site.url, **FORM)
    cookies = [value.partition(";")[0] for name, value in response.getheaders() if name == "set-cookie"]
    own = [cookie for cookie in cookies if not cookie.startswith("weitiao_visitor=")]
    return response.status, response.headers["location"] or "", "".join(own)


def socket(site: Site, cookie: str) -> int:
    async def open_() -> int:
        address = site.url.replace("http", "ws", 1) + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        try:
            async with connect(address, additional_headers={"Origin": site.url, "Cookie": cookie}, proxy=None):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, open_()).result()


def test_a_reviewers_token_opens_the_review_alone(guarded: tuple[Site, Desk]) -> None:
    site, desk = guarded
    status, where, cookie = come(site, token=desk.invite("ann"))
    assert (status, where) == (303, "/review")
    assert cookie.startswith("weitiao_reviewer=")
    answer, text = send(site, "GET", "/review", Cookie=cookie)
    assert answer.status == 200
    assert "ann" in text
    assert send(site, "GET", "/studio.css", Cookie=cookie)[0].status == 200
    for path in ("/chat", "/data", "/compare", "/report", "/reviews", "/review/x", "/v1/models"):
        assert send(site, "GET", path, Cookie=cookie)[0].status == 401, path
    assert socket(site, cookie) == 101
    for guess in ("weitiao_reviewer=guess", "weitiao_login=guess", "weitiao_reviewer="):
        assert send(site, "GET", "/review", Cookie=guess)[0].status == 401
        assert socket(site, guess) == 403


def test_the_studios_token_names_nobody(guarded: tuple[Site, Desk]) -> None:
    site, desk = guarded
    status, where, cookie = come(site, token=TOKEN)
    assert (status, where) == (303, "/review")
    assert cookie.startswith("weitiao_login=")
    answer, _ = send(site, "GET", "/review", Cookie=cookie)
    assert (answer.status, answer.headers["location"]) == (303, "/login?next=/review")
    answer, text = send(site, "GET", "/login?next=/review", Cookie=cookie)
    assert answer.status == 200
    assert "<code>weitiao review invite RECIPE NAME</code>" in text
    own = come(site, token=desk.invite("bob"))[2]
    assert send(site, "GET", "/review", Cookie=f"{cookie}; {own}")[0].status == 200
    assert come(site, name="carol") == (401, "", "")  # a name is enough for nobody from elsewhere
    assert [one.name for one in desk.people() if one.name == "carol"] == []


def test_logging_out_forgets_all(guarded: tuple[Site, Desk]) -> None:
    site, desk = guarded
    cookie = come(site, token=desk.invite("dan"))[2]
    answer, _ = send(site, "POST", "/logout", "", Cookie=cookie, Origin=site.url)
    gone = [value for name, value in answer.getheaders() if name == "set-cookie"]
    assert [value.partition("=")[0] for value in gone] == ["weitiao_login", "weitiao_visitor", "weitiao_reviewer"]
    assert all("Max-Age=0" in value for value in gone)


def test_the_first_needs_a_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make(tmp_path / "fish")
    recipe = load(tmp_path / "fish" / "recipe.yaml", pipeline.SETTINGS)
    known = Reviewers(recipe, tmp_path / "fish" / "runs" / "recipe")
    assert known.offered()
    token = known.begin("ann")
    assert known.offered() == ""
    with pytest.raises(UserError, match="People were invited"):
        known.begin("bob")
    cookie = Headers({"cookie": f"weitiao_reviewer={token}"})
    assert known.person(cookie) == desk.whoami(token)
    assert known.person(Headers({"cookie": "weitiao_reviewer=guess"})) is known.person(Headers({})) is None
    newer = desk.invite("ann")
    monkeypatch.setattr(reviewers, "_KNOWN", -1.0)
    assert known.person(cookie) is None
    assert known.whoami(newer)
    desk.close()


def test_no_queue_no_people(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("source: {inputs: [data.jsonl]}\nreview: {}\n")
    known = Reviewers(load(tmp_path / "recipe.yaml", pipeline.SETTINGS), tmp_path / "runs" / "recipe")
    assert known.desk() is None
    assert known.offered() == ""
    assert known.whoami("anything") is None
