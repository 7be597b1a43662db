"""A web server for tests on a real socket: it answers, refuses, trickles, cuts off, and sends round in circles."""

import asyncio
import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """One answer; `cut` bytes of the body are sent, `trickle` sends it a byte at a time."""

    body: bytes = b"<p>page</p>"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    trickle: bool = False
    endless: bool = False


@dataclass
class WebServer:
    """Answers by path, the last one for good; notes each request with its time and user agent."""

    pages: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, path: str, *answers: Answer) -> str:
        self.pages[path] = list(answers)
        return f"{self.address}{path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                self.asked.append(path)
                self.times.append(time.monotonic())
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                self.agents.add(fields.get("user-agent", ""))
                left = self.pages.get(path, [Answer(status=404)])
                if not await self.send(writer, left.pop(0) if len(left) > 1 else left[0]):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def send(self, writer: asyncio.StreamWriter, answer: Answer) -> bool:
        fields = {"Content-Type": "text/html", "Content-Length": str(len(answer.body)), **answer.headers}
        if answer.endless:
            del fields["Content-Length"]
        head = f"HTTP/1.1 {answer.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(head.encode() + b"\r\n")
        while answer.endless:
            writer.write(b"x" * 65536)
            await writer.drain()
        for byte in answer.body if answer.trickle else b"":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)
        if not answer.trickle:
            writer.write(answer.body[: answer.cut])
        await writer.drain()
        return answer.cut is None

    async def serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.stop = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        started.set()
        async with server:
            await self.stop.wait()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
