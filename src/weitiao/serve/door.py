"""The door of a server: who may come in, and how large and how slow a request may be."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from weitiao.serve.refusal import Refusal
from weitiao.talk import t

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Seconds that a request may take to arrive.
ARRIVAL = 30.0
# Many clients read no refusal before they have sent all: a request this many times too large is still heard out.
_HEARD_OUT = 4
_CLOSE = {"Connection": "close"}
_OPEN = "/health"  # for those who only look whether the server lives
# Counted by name: made up ones would fill the memory.
_PATHS = (_OPEN, "/metrics", "/v1/models", "/v1/completions", "/v1/chat/completions")


class Door:
    """Lets requests through to `app` whole, or refuses them.

    With a `token` whoever knows it may come in; without one, only who calls the server by one of `hosts`: the name of a
    web site that leads to this machine is not among them. No page of another site may, with a token or without.
    """

    def __init__(
        self, app: App, *, token: str, hosts: Collection[str], megabytes: float, count: Callable[[str, int], None]
    ) -> None:
        """`count` is told the path and the status of each request."""
        self.app, self.token, self.hosts, self.most, self.count = app, token, hosts, int(megabytes * 1e6), count
        self.pages: App | None = None  # where all that is not the API is asked for; it looks itself who comes

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif self.pages and not is_api(scope["path"]):
            await self.pages(scope, receive, send)
        elif scope["type"] == "http":
            await self._let_in(scope, receive, send)

    async def _let_in(self, scope: Event, receive: Receive, send: Send) -> None:
        async def counted(event: Event) -> None:
            if event["type"] == "http.response.start":
                self.count(scope["path"] if scope["path"] in _PATHS else "other", event["status"])
            await send(event)

        try:
            self._admit(scope["path"], Headers(scope=scope))
            body = await self._body(Headers(scope=scope), receive) if scope["method"] == "POST" else b""
        except Refusal as refusal:
            await refusal.response()(scope, receive, counted)
            return
        await self.app(scope, _replayed(body, receive), counted)

    def _admit(self, path: str, headers: Headers) -> None:
        hold_caller(headers, () if self.token else self.hosts)
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if self.token and path != _OPEN and not hmac.compare_digest(given.encode(), self.token.encode()):
            message = t("The token is missing or wrong: send it as `Authorization: Bearer …`")
            raise Refusal(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, t("The request is to be JSON, with the header `Content-Type: application/json`"))
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(ARRIVAL):
                while True:
                    event = await receive()
                    size += len(event.get("body", b""))
                    if size <= self.most:
                        body += event.get("body", b"")
                    elif size > _HEARD_OUT * self.most or not event.get("more_body"):
                        raise Refusal(
                            413, t("The request is larger than {most:,} bytes", most=self.most), headers=_CLOSE
                        )
                    if not event.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise Refusal(408, t("The request took too long to arrive"), headers=_CLOSE) from None


def is_api(path: str) -> bool:
    """Tell whether a path belongs to the API."""
    return path.startswith("/v1/") or path in _PATHS


def hold_caller(headers: Headers, hosts: Collection[str]) -> None:
    """Raise Refusal for who calls the server by none of its `hosts`, where some are named, and for pages of others."""
    host = headers.get("host", "")
    if hosts and urlsplit(f"//{host}").hostname not in hosts:
        raise Refusal(403, t("This server does not answer to the name {host}", host=host), code="wrong_host")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refusal(403, t("Pages of other sites may not ask this server"), code="wrong_origin")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first, and then what comes."""
    first = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Event:
        return next(first, None) or await receive()

    return again
