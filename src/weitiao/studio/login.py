"""The login: a page that asks for the token, and the cookie of those who knew it."""

import asyncio
import hmac
import secrets
import time
from importlib import resources
from string import Template
from urllib.parse import parse_qs, quote, urlsplit

from markupsafe import escape
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

from weitiao.serve.door import ARRIVAL, Event, Receive
from weitiao.serve.refusal import Refusal
from weitiao.studio.visitor import visitor
from weitiao.talk import t

LOGIN, LOGOUT = "/login", "/logout"
_COOKIE = "weitiao_login"
_SECONDS = 7 * 86400
_MOST = 1000  # logins that are remembered
_BYTES = 4096
_PAUSE = 1.0  # seconds that a wrong token costs


class Login:
    """Who has logged in; forgotten when the server ends."""

    def __init__(self, token: str) -> None:
        self.token = token
        self._until: dict[str, float] = {}

    def knows(self, headers: Headers) -> bool:
        """Tell whether the cookie is of somebody who knew the token."""
        given = cookie_parser(headers.get("cookie", "")).get(_COOKIE, "")
        return self._until.get(given, 0) > time.monotonic()

    def address(self, scope: Event) -> str:
        """Return where to log in, to come back to this page."""
        return f"{LOGIN}?next={quote(scope['path'])}"

    async def answer(self, scope: Event, receive: Receive) -> Response:
        """Answer a request for the login."""
        headers = Headers(scope=scope)
        there = _inside(parse_qs(scope["query_string"].decode("latin-1")).get("next", ["/"])[0])
        if scope["method"] in ("GET", "HEAD"):
            return RedirectResponse(there, 303) if self.knows(headers) else _page(there)
        if scope["method"] != "POST" or "origin" not in headers:
            raise Refusal(405, t("Pages are only read here"))
        if scope["path"] == LOGOUT:
            self._until.pop(cookie_parser(headers.get("cookie", "")).get(_COOKIE, ""), None)
            gone = RedirectResponse(LOGIN, 303)
            gone.delete_cookie(_COOKIE, httponly=True, samesite="strict")
            return gone
        given = parse_qs((await _body(receive)).decode(errors="replace")).get("token", [""])[0].strip()
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            await asyncio.sleep(_PAUSE)
            return _page(there, wrong=True)
        return self._welcome(RedirectResponse(there, 303), secure=scope["scheme"] == "https")

    def _welcome(self, response: Response, *, secure: bool) -> Response:
        name = secrets.token_urlsafe(32)
        self._until = {one: until for one, until in self._until.items() if until > time.monotonic()}
        if len(self._until) >= _MOST:
            self._until.pop(next(iter(self._until)))
        self._until[name] = time.monotonic() + _SECONDS
        response.set_cookie(_COOKIE, name, _SECONDS, httponly=True, samesite="strict", secure=secure)
        return response


def _inside(address: str) -> str:
    """Return an address of this site: what leads elsewhere is the first page."""
    parts = urlsplit(address)
    return address if address[:1] == "/" and address[1:2] not in ("/", "\\") and not parts.netloc else "/"


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(ARRIVAL):
            while True:
                event = await receive()
                body += event.get("body", b"")
                if len(body) > _BYTES:
                    raise Refusal(413, t("The request is larger than {most:,} bytes", most=_BYTES))
                if not event.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refusal(408, t("The request took too long to arrive")) from None


def _page(there: str, *, wrong: bool = False) -> Response:
    text = resources.files("weitiao.studio").joinpath("login.html").read_text(encoding="utf-8")
    said = {
        "language": "zh-CN" if visitor.get().language == "zh" else "en",
        "scheme": {"auto": "light dark"}.get(visitor.get().theme, visitor.get().theme),
        "title": t("Log in"),
        "lead": t("This studio is open to those who know its token."),
        "where": t("It is what WEITIAO_TOKEN held when the server was started."),
        "label": t("Token"),
        "enter": t("Log in"),
        "wrong": t("That is not the token. Look for blanks and missing letters, then try again.") if wrong else "",
        "address": f"{LOGIN}?next={quote(there)}",
    }
    page = Template(text).substitute({name: escape(value) for name, value in said.items()})
    return HTMLResponse(page, 401 if wrong else 200, {"Cache-Control": "no-store"})
