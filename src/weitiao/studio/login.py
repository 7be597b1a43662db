"""The login: a page that asks for the token, and the cookie of those who knew it."""

import asyncio
import hmac
import re
import secrets
import time
from importlib import resources
from string import Template
from urllib.parse import parse_qs, quote, urlsplit

from markupsafe import escape
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

from weitiao.errors import UserError
from weitiao.serve.door import ARRIVAL, Event, Receive
from weitiao.serve.refusal import Refusal
from weitiao.studio.reviewers import Reviewers, forget, remember
from weitiao.studio.visitor import (
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    VISITOR_COOKIE,
    chosen,
    next_theme,
    other_language,
    theme_name,
    visitor,
)
from weitiao.talk import t

LOGIN, LOGOUT, REVIEW = "/login", "/logout", "/review"
_COOKIE = "weitiao_login"
_SECONDS = 7 * 86400
_MOST = 1000  # logins that are remembered
_BYTES = 4096
_CODE = re.compile(r"`([^`]+)`")
_PAUSE = 1.0  # seconds that a wrong token costs


class Login:
    """Who has logged in; forgotten when the server ends. Reviewers log in here too, each with a token of their own."""

    def __init__(self, token: str, reviewers: Reviewers | None = None) -> None:
        self.token, self.reviewers = token, reviewers
        self._until: dict[str, float] = {}

    def knows(self, headers: Headers) -> bool:
        """Tell whether the cookie is of somebody who knew the token."""
        given = cookie_parser(headers.get("cookie", "")).get(_COOKIE, "")
        return self._until.get(given, 0) > time.monotonic()

    async def reviews(self, headers: Headers) -> bool:
        """Tell whether the cookie is of somebody who was invited to review."""
        try:
            return bool(self.reviewers and await asyncio.to_thread(self.reviewers.person, headers))
        except UserError:  # the database is away
            return False

    async def strange(self, headers: Headers) -> bool:
        """Tell whether who wants to review has yet to say who they are; where there is no queue, nobody has."""
        try:
            desk = await asyncio.to_thread(self.reviewers.desk) if self.reviewers else None
        except UserError:  # the page says it
            return False
        return bool(desk) and not await self.reviews(headers)

    def address(self, scope: Event) -> str:
        """Return where to log in, to come back to this page."""
        return f"{LOGIN}?next={quote(scope['path'])}"

    async def answer(self, scope: Event, receive: Receive) -> Response:
        """Answer a request for the login."""
        headers = Headers(scope=scope)
        there = _inside(parse_qs(scope["query_string"].decode("latin-1")).get("next", [""])[0] or self._first())
        if scope["method"] in ("GET", "HEAD"):
            done = await self._done(there, headers)
            return RedirectResponse(there, 303) if done else await self._form(there, headers)
        if scope["method"] != "POST" or "origin" not in headers:
            raise Refusal(405, t("Pages are only read here"))
        if scope["path"] == LOGOUT:
            self._until.pop(cookie_parser(headers.get("cookie", "")).get(_COOKIE, ""), None)
            gone = RedirectResponse(LOGIN, 303)
            for name in (_COOKIE, VISITOR_COOKIE):
                gone.delete_cookie(name, httponly=True, samesite="strict")
            forget(gone)
            return gone
        given = parse_qs((await _body(receive)).decode(errors="replace"))
        token, name = (given.get(field, [""])[0].strip() for field in ("token", "name"))
        secure = scope["scheme"] == "https"
        if self.token and hmac.compare_digest(token.encode(), self.token.encode()):
            return self._welcome(RedirectResponse(there, 303), secure=secure)
        try:
            if self.reviewers and name and not self.token:
                token = await asyncio.to_thread(self.reviewers.begin, name)
            person = await asyncio.to_thread(self.reviewers.whoami, token) if self.reviewers else None
            if person:
                return remember(RedirectResponse(REVIEW, 303), token, secure=secure)
        except UserError as error:
            return await self._form(there, headers, wrong=str(error))
        await asyncio.sleep(_PAUSE)
        wrong = t("That is not the token. Look for blanks and missing letters, then try again.")
        return await self._form(there, headers, wrong=wrong)

    def _first(self) -> str:
        return "/" if self.token else REVIEW

    async def _done(self, there: str, headers: Headers) -> bool:
        """Tell whether who asks for a page may go there."""
        if not self.token or self.knows(headers):
            return there != REVIEW or not await self.strange(headers)
        return there == REVIEW and await self.reviews(headers)

    async def _form(self, there: str, headers: Headers, wrong: str = "") -> Response:
        asked = {"name": "token", "type": "password", "complete": "current-password", "value": "", "most": "512"}
        asked |= {"title": t("Log in"), "label": t("Token"), "enter": t("Log in")}
        asked["lead"] = t("This studio is open to those who know its token.")
        asked["where"] = t("It is what WEITIAO_TOKEN held when the server was started.")
        if self.reviewers and there == REVIEW:
            offered = "" if self.token else await asyncio.to_thread(self.reviewers.offered)
            asked["lead"] = t("Who reviews has a token of their own: decisions are kept under its name.")
            asked["where"] = t("`weitiao review invite RECIPE NAME` prints it; a new one ends the old one.")
            if offered:
                asked |= {"name": "name", "type": "text", "complete": "username", "value": offered, "most": "100"}
                asked |= {"title": t("Review"), "label": t("Your name"), "enter": t("Begin")}
                asked["lead"] = t("What you decide is kept under this name.")
                asked["where"] = t("You are the first. Others are invited: `weitiao review invite RECIPE NAME`")
        return _page(asked | {"wrong": wrong, "address": f"{LOGIN}?next={quote(there)}"})

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


def _page(said: dict[str, str]) -> Response:
    text = resources.files("weitiao.studio").joinpath("login.html").read_text(encoding="utf-8")
    theme, (other, name) = visitor.get().theme, other_language()
    own = {
        "language": "zh-CN" if visitor.get().language == "zh" else "en",
        "scheme": {"auto": "light dark"}.get(theme, theme),
        "theme": theme_name(theme),
        "theme_cookie": chosen(THEME_COOKIE, next_theme(theme)),
        "other": name,
        "other_tag": {"zh": "zh-CN"}.get(other, other),
        "other_cookie": chosen(LANGUAGE_COOKIE, other),
    }
    shown = {name: str(escape(value)) for name, value in (said | own).items()}
    shown |= {name: _CODE.sub(r"<code>\1</code>", shown[name]) for name in ("lead", "where", "wrong")}
    page = Template(text).substitute(shown)
    return HTMLResponse(page, 401 if said["wrong"] else 200, {"Cache-Control": "no-store"})
