"""A server from its first to its last moment: the socket, the thread that answers, and an end in order."""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from weitiao.errors import UserError
from weitiao.model.pair import Place
from weitiao.serve import Limits
from weitiao.serve.api import build
from weitiao.serve.desk import Desk
from weitiao.serve.door import ARRIVAL, LOOPBACK, App, Door
from weitiao.serve.metrics import Metrics
from weitiao.serve.models import Group, Models
from weitiao.talk import t

# Puts pages on the application beside the API, and returns who receives their callers.
Pages = Callable[[FastAPI, Desk], App]
# Shorter tokens can be guessed.
_TOKEN = 16


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the token that it asks for, empty for none."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""

    def check(self) -> None:
        """Raise UserError where other machines could ask without a token."""
        if not _is_loopback(self.host) and len(self.token) < _TOKEN:
            raise UserError(
                t("Other machines can reach {host}: that needs a token of at least {size} characters",
                  host=self.host, size=_TOKEN),
                t("export WEITIAO_TOKEN=$(openssl rand -hex 16), and give it to those who may ask as their API key"),
            )  # fmt: skip
        if not self.token.isascii() or any(letter.isspace() for letter in self.token):
            raise UserError(t("The token has characters that no header can carry"), t("Take letters and digits"))

    def listen(self) -> socket.socket:
        """Return a socket that listens; raises UserError where that cannot be."""
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            return socket.create_server((self.host, self.port), family=family, backlog=1024)
        except OSError as error:
            raise UserError(
                t(
                    "Cannot listen on {host}:{port}: {error}",
                    host=self.host,
                    port=self.port,
                    error=t(os.strerror(error.errno or 0)),
                ),
                t("Name another port with --port, or 0 for any that is free"),
            ) from None


class Service:
    """Models behind an address where somebody listens already, and pages beside them; `run` answers."""

    def __init__(
        self,
        places: Mapping[str, Place],
        address: Address,
        limits: Limits,
        *,
        found: Callable[[], Sequence[Group]] = lambda: (),
        pages: Pages | None = None,
    ) -> None:
        """Listen at `address` and load what stands at `places`; raises UserError where that cannot be.

        What is `found` is loaded at the first question.
        """
        address.check()
        self._socket = address.listen()
        host, port = self._socket.getsockname()[:2]
        self.site = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.url = f"{self.site}/v1"
        self.metrics = Metrics()
        self._models = Models(places, found, limits, self.metrics)
        desk = Desk(self._models)
        door = Door(
            app := build(desk),
            token=address.token,
            hosts={*LOOPBACK, address.host},
            megabytes=limits.megabytes,
            count=self.metrics.request,
        )
        if pages:
            door.pages = pages(app, desk)
        config = uvicorn.Config(
            door,
            http=_Patient,
            ws="websockets-sansio" if pages else "none",
            ws_max_size=int(limits.megabytes * 1e6),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=int(ARRIVAL),
        )
        self._server = _Server(config, self._models)

    def run(self) -> None:
        """Answer until Ctrl-C or `stop`."""
        with self._socket:
            self._models.begin(self.stop)
            try:
                self._server.run(sockets=[self._socket])
            finally:
                self._models.end()

    def stop(self) -> None:
        """End in order, from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn, with an end in order: nobody new, answers under way get some time, then those left are told."""

    def __init__(self, config: uvicorn.Config, models: Models) -> None:
        super().__init__(config)
        self.models = models

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order on the first signal, at once on the second."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self.models.close()
        ending = asyncio.get_running_loop().call_later(self.models.limits.grace, self.models.break_off)
        await super().shutdown(sockets=sockets)
        ending.cancel()


class _Patient(H11Protocol):
    """A connection that is closed when it brings no request for as long as one may take to arrive."""

    def connection_made(self, transport: Any) -> None:
        """Begin to watch."""
        super().connection_made(transport)
        self._last: Any = None
        self._watch = self.loop.call_later(ARRIVAL, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._watch.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop watching: what comes now is no request any more."""
        self._watch.cancel()
        super().handle_websocket_upgrade(event)

    def _look(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.cycle is self._last:
            self.transport.close()
            return
        self._last = self.cycle
        self._watch = self.loop.call_later(ARRIVAL, self._look)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
