"""A teacher for tests: an OpenAI-compatible server on a real socket that answers, miscounts, trickles and hangs up.

    python tests/llm/server.py PORT_FILE [--latency 0.02] [--slots N] [--rate R] [--faults]

What it does to a request is decided by the fault that the last message names in brackets, such as `[500 twice] …`;
`script` gives the faults by name. It counts what it was asked and what it answered, with the instant of each answer.
"""

import argparse
import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAULTS = (
    "429", "429 later", "429 date", "500", "500 always", "hang up", "hang up always", "trickle", "not json", "empty",
    "cut", "filter", "filter 400", "refused", "prose", "shape", "shape always", "bad data", "thinking", "null body",
    "error in 200", "declined",
)  # fmt: skip


@dataclass
class Teacher:
    """The server's state. `slots`: calls at once, more get 429; `rate`: calls a second, more get 429 with Retry-After."""

    latency: float = 0.0
    slots: int | None = None
    rate: float | None = None
    key: str = ""
    knows: tuple[str, ...] = ("json_schema", "json_object")
    wants: str = "max_tokens"
    retry_after: str = "1"
    status: int = 0  # every request gets this
    message: str = "no"
    asked: Counter[str] = field(default_factory=Counter)
    answered: dict[str, list[float]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keep_bodies: bool = True
    refused: int = 0
    busy: int = 0
    most_busy: int = 0
    used: float = 0.0  # seconds of slots
    port: int = 0
    tokens: float = 0.0
    filled: float = field(default_factory=time.monotonic)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                content = await reader.readexactly(int(fields.get("content-length", 0)))
                if head.startswith("GET /counts"):
                    await self.send(writer, 200, {"asked": self.asked, "answered": self.answered})
                elif not await self.chat(json.loads(content), fields, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def chat(self, body: dict[str, Any], fields: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        question = str(body["messages"][0]["content"])
        self.asked[question] += 1
        if self.keep_bodies:
            self.bodies.append(body)
        if self.status:
            return await self.send(writer, self.status, {"error": {"message": self.message}})
        if self.key and fields.get("authorization") != f"bearer {self.key}".lower():
            got = fields.get("authorization", "")
            return await self.send(writer, 401, {"error": {"message": f"Incorrect API key provided: {got}"}})
        if why := self.unknown(body):
            return await self.send(writer, 400, {"error": {"message": why, "type": "invalid_request_error"}})
        if (self.slots and self.busy >= self.slots) or not self.token():
            self.refused += 1
            after = {"Retry-After": self.retry_after} if self.rate else {}
            return await self.send(writer, 429, {"error": {"message": "slow down", "code": "rate_limit"}}, after)
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        began = time.monotonic()
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.busy -= 1
            self.used += time.monotonic() - began
        name = question[1 : question.index("]")] if question.startswith("[") else ""
        going = await self.fault(name, question, body, writer)
        return going

    def unknown(self, body: dict[str, Any]) -> str:
        form = body.get("response_format", {}).get("type")
        if form and form not in self.knows:
            return f"This response_format type {form} is unavailable now"
        if self.wants not in body:
            return f"Unsupported parameter: 'max_tokens' is not supported with this model. Use '{self.wants}' instead."
        return ""

    def token(self) -> bool:
        if self.rate is None:
            return True
        now = time.monotonic()
        self.tokens = min(2 * self.rate, self.tokens + (now - self.filled) * self.rate)  # two seconds' worth may wait
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    async def fault(self, name: str, question: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        first = self.asked[question] == 1
        data = json.dumps({"score": 3, "why": question})
        text = data if "response_format" in body or "JSON" in str(body["messages"]) else f"answer to {question}"
        finish = "stop"
        match name:
            case "429" | "429 later" | "429 date" if first:
                when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))
                after = {"429": {}, "429 later": {"retry-after-ms": "50"}, "429 date": {"Retry-After": when}}[name]
                return await self.send(writer, 429, {"error": {"message": "slow down"}}, after)
            case "500" if first:
                return await self.send(writer, 500, {"error": {"message": "boom"}})
            case "500 always":
                return await self.send(writer, 500, {"error": {"message": "boom"}})
            case "hang up" if first:
                return await self.hang_up(writer)
            case "hang up always":
                return await self.hang_up(writer)
            case "trickle":
                return await self.trickle(writer)
            case "not json":
                return await self.send(writer, 200, "<html>Bad gateway</html>")
            case "null body":
                return await self.send(writer, 200, {"choices": None})
            case "error in 200":
                return await self.send(writer, 200, {"error": {"code": 400, "message": "context too long"}})
            case "empty":
                text = " \n"
            case "cut":
                finish = "length"
            case "filter":
                finish = "content_filter"
            case "filter 400":
                error = {"message": "Content Exists Risk", "code": "invalid_request_error"}
                return await self.send(writer, 400, {"error": error})
            case "refused":
                return await self.send(writer, 400, {"error": {"message": "context too long"}})
            case "prose":
                text = "Certainly! Here it is:\n```json\n{'score': 3, 'why': \"他说\"好\"\",}\n```\nAnything else?"
            case "shape":
                text = '{"score": "three"}' if first else data
            case "shape always":
                text = '{"score": "three"}'
            case "bad data":
                text = "I would give it a three"
            case "thinking":
                text = f"<think>\nhm, {{3}}?\n</think>\n\n{text}"
            case "declined":
                return await self.say(writer, question, {"content": None, "refusal": "I cannot do that"}, "stop")
        return await self.say(writer, question, {"content": text}, finish)

    async def say(
        self, writer: asyncio.StreamWriter, question: str, message: dict[str, Any], finish: str | None
    ) -> bool:
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        going = await self.send(writer, 200, {"id": "x", "choices": [choice], "usage": usage})
        self.answered.setdefault(question, []).append(time.time())
        return going

    async def send(
        self, writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> bool:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(head.encode() + b"\r\n" + content)
        await writer.drain()
        return True

    async def hang_up(self, writer: asyncio.StreamWriter) -> bool:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"choices": [{"mess')
        await writer.drain()
        return False

    async def trickle(self, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        for _ in range(500):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)
        return False

    async def serve(self, started: threading.Event, port: int = 0) -> None:
        server = await asyncio.start_server(self.handle, "127.0.0.1", port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.stop = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        started.set()
        async with server:
            await self.stop.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def serving(teacher: Teacher) -> Iterator[Teacher]:
    """Serve in a thread meanwhile."""
    started = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(teacher.serve(started)))
    thread.start()
    started.wait()
    try:
        yield teacher
    finally:
        teacher.loop.call_soon_threadsafe(teacher.stop.set)
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    teacher = Teacher(given.latency, given.slots, given.rate, keep_bodies=False)

    async def run() -> None:
        started = threading.Event()
        serving = asyncio.create_task(teacher.serve(started))
        while not started.is_set():
            await asyncio.sleep(0.01)
        aside = given.port_file.with_suffix(".part")
        aside.write_text(str(teacher.port))
        aside.replace(given.port_file)
        await serving

    asyncio.run(run())


if __name__ == "__main__":
    main()
