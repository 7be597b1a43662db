"""An answer that is heard while it is written."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from weitiao.errors import UserError
from weitiao.llm import Teacher
from weitiao.llm.stream import stream


class Scripted(BaseHTTPRequestHandler):
    """Answers as `script` says: (status, lines), one after the other; keeps what it was asked."""

    script: list[tuple[int, list[str]]]
    asked: list[dict[str, object]]

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.asked[-1]["key"] = self.headers.get("Authorization")
        status, lines = self.script.pop(0)
        self.send_response(status)
        self.end_headers()
        for line in lines:
            self.wfile.write(line.encode() + b"\n\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Scripted.script, Scripted.asked = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def piece(text: str | None, finish: str | None = None) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})


def hear(address: str, key: str = "") -> list[tuple[str, str | None]]:
    async def all_of_it() -> list[tuple[str, str | None]]:
        teacher = Teacher(endpoint=address, model="m", seed=3, max_tokens=8)
        return [(one.text, one.finish) async for one in stream(teacher, (("user", "你好"),), key)]

    return asyncio.run(all_of_it())


def test_pieces_come_as_they_are_written(server: str) -> None:
    end = 'data: {"choices": [], "usage": {}}'
    Scripted.script = [(200, [": comment", piece(None), piece("你"), piece("好", "stop"), end, "data: [DONE]"])]
    assert hear(server, "a key of mine") == [("", None), ("你", None), ("好", "stop")]
    (asked,) = Scripted.asked
    assert asked["stream"] is True
    assert asked["messages"] == [{"role": "user", "content": "你好"}]
    assert asked["seed"] == 3
    assert asked["key"] == "Bearer a key of mine"


def test_what_the_server_does_not_know_is_left_out(server: str) -> None:
    refusal = json.dumps({"error": {"message": "seed is not supported", "param": "seed"}})
    Scripted.script = [(400, [refusal]), (200, [piece("a", "stop")])]
    assert hear(server) == [("a", "stop")]
    assert "seed" not in Scripted.asked[1]


@pytest.mark.parametrize(
    ("status", "line", "said"),
    [
        (401, '{"error": {"message": "wrong key secret-key-of-mine"}}', r"401 wrong key \*\*\*"),
        (200, "data: nonsense", "no piece of an answer"),
        (200, 'data: {"error": {"message": "out of memory"}}', "out of memory"),
        (200, "data: " + "x" * 3_000_000, "No answer"),
    ],
)
def test_no_answer_is_said(server: str, status: int, line: str, said: str) -> None:
    Scripted.script = [(status, [line])]
    with pytest.raises(UserError, match=said):
        hear(server, "secret-key-of-mine")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"No answer from http://127\.0\.0\.1:9/v1"):
        hear("http://127.0.0.1:9/v1")
