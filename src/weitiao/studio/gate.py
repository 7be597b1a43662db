"""The gate before the pages: who may come in, how, and what the browser may do with what it gets."""

import base64
import hashlib
import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response

from weitiao.serve.door import App, Event, Receive, Send, hold_caller
from weitiao.serve.refusal import Refusal
from weitiao.studio.login import LOGIN, LOGOUT, REVIEW, Login
from weitiao.studio.reviewers import Reviewers
from weitiao.studio.visitor import VISITOR_COOKIE, Visitor, read, visitor
from weitiao.talk import set_language, t

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with less, browsers send no Origin with a form
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Vue makes functions of templates and sets styles on elements. Scripts inside the page are its own, word for word.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_SOCKET = "/_nicegui_ws/"
# What a reviewer may ask for who knows no other token than their own: a websocket opens only to whose page is known.
_REVIEWING = re.compile(rf"({re.escape(REVIEW)}|/studio\.css|/favicon\.ico|{_SOCKET}.*|/_nicegui/.*)")


class Gate:
    """Lets callers through to the pages of `app`.

    What pages change, they change over their websocket, which only a page of ours may open: beside it nothing but the
    login is ever posted.
    """

    def __init__(self, app: App, *, token: str, hosts: Collection[str], reviewers: Reviewers | None = None) -> None:
        """With an empty `token`, all who call the server by one of `hosts` may come in."""
        self.app, self.token, self.hosts = app, token, hosts
        self._login = Login(token, reviewers)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Pass a request on, ask who comes, or say why not."""
        headers = Headers(scope=scope)
        came = read(headers)
        visitor.set(came)
        set_language(came.language)
        if scope["type"] == "http":
            send = _Guarded(send, _cookie(came, scope) if came.fresh else "")
        answer: Response | None = None
        try:
            hold_caller(headers, () if self.token else self.hosts)
            if scope["type"] == "websocket":
                await self._hold_socket(scope, headers)
            elif (self.token or self._login.reviewers) and scope["path"] in (LOGIN, LOGOUT):
                answer = await self._login.answer(scope, receive)
            else:
                answer = await self._answer(scope, headers)
        except Refusal as refusal:
            answer = Response(refusal.message, refusal.status, media_type="text/plain; charset=utf-8")
        if answer is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send)

    async def _hold_socket(self, scope: Event, headers: Headers) -> None:
        if "origin" not in headers or not await self._known(scope, headers):
            raise Refusal(403, t("Pages of other sites may not ask this server"))

    async def _answer(self, scope: Event, headers: Headers) -> Response | None:
        """Return what is said instead of the page."""
        if scope["path"] in (LOGIN, LOGOUT):
            return RedirectResponse("/", 303)
        if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith(_SOCKET):
            raise Refusal(405, t("Pages are only read here"))
        if await self._known(scope, headers):
            strange = scope["path"] == REVIEW and await self._login.strange(headers)
            return RedirectResponse(self._login.address(scope), 303) if strange else None
        if "text/html" in headers.get("accept", ""):
            return RedirectResponse(self._login.address(scope), 303)
        raise Refusal(401, t("Log in first"))

    async def _known(self, scope: Event, headers: Headers) -> bool:
        if not self.token or self._login.knows(headers):
            return True
        return bool(_REVIEWING.fullmatch(scope["path"])) and await self._login.reviews(headers)


class _Guarded:
    """A `send` that adds the headers; a whole page waits until its scripts can be named."""

    def __init__(self, send: Send, cookie: str) -> None:
        """`cookie` goes with a page, where it is not empty."""
        self._send, self._cookie, self._page = send, cookie, b""
        self._start: Event | None = None

    async def __call__(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            headers = MutableHeaders(scope=event)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if "text/html" in headers.get("content-type", "") and "content-security-policy" not in headers:
                if self._cookie:
                    headers.append("Set-Cookie", self._cookie)
                self._start = event
                return
        if self._start is None:
            await self._send(event)
            return
        self._page += event.get("body", b"")
        if event.get("more_body"):
            return
        MutableHeaders(scope=self._start)["Content-Security-Policy"] = _policy(self._page)
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._page})


def _cookie(came: Visitor, scope: Event) -> str:
    """Return the cookie by which a visitor is known again, until the browser is closed."""
    secure = "; secure" if scope["scheme"] == "https" else ""
    return f"{VISITOR_COOKIE}={came.id}; path=/; httponly; samesite=strict{secure}"


def _policy(page: bytes) -> str:
    hashes = {
        base64.b64encode(hashlib.sha256(script).digest()).decode()
        for script in _SCRIPT.findall(page.replace(b"\r\n", b"\n"))
    }
    return _POLICY.format(scripts=" ".join(f"'sha256-{digest}'" for digest in sorted(hashes)))
