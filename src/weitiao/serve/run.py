"""A server from its first to its last moment: the socket, the thread that answers, and an end in order."""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from weitiao.errors import UserError
from weitiao.model.pair import Place
from weitiao.model.shelf import Shelf
from weitiao.serve import Limits
from weitiao.serve.api import build
from weitiao.serve.door import ARRIVAL, LOOPBACK, Door
from weitiao.serve.metrics import Metrics
from weitiao.serve.worker import Worker
from weitiao.talk import t

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
                    error=os.strerror(error.errno or 0),
                ),
                t("Name another port with --port, or 0 for any that is free"),
            ) from None


class Service:
    """Models that are loaded behind an address where somebody listens already; `run` answers."""

    def __init__(self, places: Mapping[str, Place], address: Address, limits: Limits) -> None:
        """Listen at `address` and load what stands at `places`; raises UserError where that cannot be."""
        address.check()
        self._socket = address.listen()
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
        self.metrics = Metrics()
        self._worker = Worker(Shelf(places), limits, self.metrics)
        door = Door(
            build(self._worker, self.metrics),
            token=address.token,
            hosts={*LOOPBACK, address.host},
            megabytes=limits.megabytes,
            count=self.metrics.request,
        )
        config = uvicorn.Config(
            door,
            http=_Patient,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=int(ARRIVAL),
        )
        self._server = _Server(config, self._worker)

    def run(self) -> None:
        """Answer until Ctrl-C or `stop`."""
        with self._socket, ThreadPoolExecutor(1, "worker") as thread:
            working = thread.submit(copy_context().run, self._worker.run)
            working.add_done_callback(lambda _: self.stop())
            try:
                self._server.run(sockets=[self._socket])
            finally:
                self._worker.close()
                self._worker.break_off()
            working.result()  # raises what it died of

    def stop(self) -> None:
        """End in order, from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn, with an end in order: nobody new, answers under way get some time, then those left are told."""

    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self.worker = worker

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order on the first signal, at once on the second."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self.worker.close()
        ending = asyncio.get_running_loop().call_later(self.worker.limits.grace, self.worker.break_off)
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
