"""A teacher for tests: an OpenAI-compatible server on a real socket that answers, refuses, trickles and hangs up.

    python tests/llm_server.py PORT_FILE [--latency 0.02] [--slots N] [--rate R]

What it does to a request is decided by the fault that the first message names in brackets, such as `[500] question`.
It counts what it was asked and what it answered. An answer has arrived for sure when its connection carries another
request; `again` counts the requests for what had so arrived.
"""

import argparse
import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"
PROSE = "Certainly! Here it is:\n```json\n{'score': 3, 'why': \"他说\"好\"\",}\n```\nAnything else?"


@dataclass(frozen=True)
class Fault:
    """What happens instead of an answer; a request ends with `plain`, or with `shaped` where it asks for data."""

    plain: str = ""  # a reason, empty where there is an answer in the end
    shaped: str = "as plain"
    once: bool = False  # only the first time
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    text: str | None = None
    finish: str = "stop"
    act: str = ""


FAULTS = {
    "429": Fault(once=True, status=429, body={"error": {"message": "slow down"}}),
    "429 later": Fault(once=True, status=429, headers={"retry-after-ms": "50"}, body={"error": "slow down"}),
    "429 date": Fault(once=True, status=429, headers={"Retry-After": LONG_AGO}, body={"message": "slow down"}),
    "429 always": Fault("server too busy", status=429, body={"error": {"message": "not you"}}),
    "500": Fault(once=True, status=500, body={"error": {"message": "boom"}}),
    "500 always": Fault("error in the server", status=500, body={"error": {"message": "boom"}}),
    "hang up": Fault(once=True, act="hang up"),
    "hang up always": Fault("connection broken off", act="hang up"),
    "trickle": Fault("no whole answer in time", act="trickle"),
    "not json": Fault("not a chat answer", body="<html>Bad gateway</html>"),
    "null body": Fault("not a chat answer", body={"choices": None}),
    "error in 200": Fault("request refused by the server", body={"error": {"code": 400, "message": "too long"}}),
    "refused": Fault("request refused by the server", status=400, body={"error": {"message": "context too long"}}),
    "filter": Fault("stopped by the content filter", finish="content_filter"),
    "filter 400": Fault(
        "stopped by the content filter", status=400, body={"error": {"message": "Content Exists Risk"}}
    ),
    "declined": Fault("declined by the model", act="decline"),
    "empty": Fault("empty answer", text=" \n"),
    "cut": Fault("answer cut at the token limit", finish="length"),
    "prose": Fault(text=PROSE),
    "shape": Fault(once=True, text='{"score": "three"}'),
    "shape always": Fault(shaped="answer is JSON of another shape", text='{"score": "three"}'),
    "bad data": Fault(shaped="answer is not JSON", text="I would give it a three"),
    "thinking": Fault(act="think"),
}


def vector_of(text: str) -> list[float]:
    """Return how often each of 32 kinds of characters stands in a text."""
    kinds = Counter(ord(letter) % 32 for letter in text)
    return [float(kinds[kind]) for kind in range(32)]


def asked_of(body: dict[str, Any]) -> str:
    """Return what a request asks: its first message; with a system message the whole talk, of which it is no part.

    Of a call for vectors it is the first text that names a fault, else the first one.
    """
    if "input" in body:
        texts: list[str] = body["input"]
        return next((text for text in texts if text[1 : text.find("]")] in FAULTS), texts[0])
    first, *others = (str(message["content"]) for message in body["messages"])
    return "\n".join([first, *others]) if body["messages"][0]["role"] == "system" else first


@dataclass
class Server:
    """The server: `slots` calls at once, more get 429; `rate` calls a second, more get 429 with Retry-After."""

    latency: float = 0.0
    slots: int | None = None
    rate: float | None = None
    key: str = ""
    knows: tuple[str, ...] = ("json_schema", "json_object")
    wants: str = "max_tokens"
    retry_after: str = "1"
    status: int = 0  # every request gets this
    script: Callable[[str], Fault | None] | None = None  # what happens to a question, instead of what it names
    message: str = "no"
    vector: Callable[[str], list[float]] = vector_of
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    arrived: set[str] = field(default_factory=set)
    again: Counter[str] = field(default_factory=Counter)
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
        before: set[str] = set()
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                content = await reader.readexactly(int(fields.get("content-length", 0)))
                self.arrived |= before
                if head.startswith("GET /counts"):
                    await self.send(
                        writer,
                        200,
                        {"asked": self.asked, "answered": self.answered, "again": self.again, "used": self.used},
                    )
                    continue
                body = json.loads(content)
                question = asked_of(body)
                answers = self.answered[question]
                if not await self.chat(body, fields, writer):
                    break
                before = {question} if self.answered[question] > answers else set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def chat(self, body: dict[str, Any], fields: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        question = asked_of(body)
        self.asked.update(body.get("input", [question]))
        self.again[question] += question in self.arrived
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
        return await self.answer(question, body, writer)

    def unknown(self, body: dict[str, Any]) -> str:
        form = body.get("response_format", {}).get("type")
        if form and form not in self.knows:
            return f"This response_format type {form} is unavailable now"
        if self.wants not in body and "input" not in body:
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

    async def answer(self, question: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        named = (
            self.script(question)
            if self.script and "input" not in body
            else FAULTS.get(question[1 : question.find("]")])
        )
        fault = named or Fault()
        if fault.once and self.asked[question] > 1:
            fault = Fault()
        if fault.act in ("hang up", "trickle"):
            return await self.break_off(writer, fault.act)
        if fault.body is not None:
            return await self.send(writer, fault.status, fault.body, fault.headers)
        if "input" in body:
            rows = [{"index": place, "embedding": self.vector(text)} for place, text in enumerate(body["input"])]
            self.answered.update(body["input"])
            size = 5 * len(rows)
            used = {"prompt_tokens": size, "total_tokens": size}
            return await self.send(writer, 200, {"data": rows[::-1], "usage": used})
        shaped = "response_format" in body or "JSON" in str(body["messages"])
        text = json.dumps({"score": 3, "why": question}) if shaped else f"answer to {question}"
        message: dict[str, Any] = {"content": text if fault.text is None else fault.text}
        if fault.act == "think":
            message = {"content": f"<think>\nhm, {{3}}?\n</think>\n\n{text}"}
        elif fault.act == "decline":
            message = {"content": None, "refusal": "I cannot do that"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": fault.finish}
        going = await self.send(writer, 200, {"id": "x", "choices": [choice], "usage": usage})
        self.answered[question] += 1
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

    async def break_off(self, writer: asyncio.StreamWriter, act: str) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b'{"choices": [{"mess')
        await writer.drain()
        for _ in range(400 if act == "trickle" else 0):
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
def serving(server: Any) -> Iterator[Any]:
    """Let a server, of teachers or of web pages, serve in a thread meanwhile."""
    started = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(started)))
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        server.loop.call_soon_threadsafe(server.stop.set)
        thread.join()


def run(server: Any, port_file: Path) -> None:
    """Serve until killed; the port stands in a file, whole as soon as that is there."""

    async def serve() -> None:
        started = threading.Event()
        serving = asyncio.create_task(server.serve(started))
        while not started.is_set():
            await asyncio.sleep(0.01)
        aside = port_file.with_suffix(".part")
        aside.write_text(str(server.port))
        aside.replace(port_file)
        await serving

    asyncio.run(serve())


def unlike(number: int, fault: str = "") -> str:
    """Return one of many questions that are unlike each other; a fault is named by what a prompt holds of it."""
    draw = random.Random(number)
    words = "".join(chr(draw.randrange(0x4E00, 0x9F00)) for _ in range(16))
    return f"{words}？{fault and '⟦' + fault + '⟧'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    server = Server(given.latency, given.slots, given.rate, keep_bodies=False)

    run(server, given.port_file)


if __name__ == "__main__":
    main()
