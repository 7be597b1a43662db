"""Every way in which a teacher fails ends with an answer or its true reason, and nothing is paid twice."""

import logging
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from llm_ask import Ask, Verdict, asking
from llm_server import FAULTS, Server, serving
from pydantic import BaseModel

from weitiao.errors import UserError
from weitiao.llm import Teacher
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Reason, Reply, Request
from weitiao.llm.client import ask_all, proxy
from weitiao.llm.pace import Patience


@pytest.mark.parametrize("schema", [None, Verdict])
def test_every_fault_ends_as_it_should(ask: Ask, server: Server, schema: type[BaseModel] | None) -> None:
    requests = asking(*[f"[{name}] 你好 {twin}" for name in FAULTS for twin in "ab"], schema=schema)
    ended = ask(requests, timeout=0.5, attempts=2)
    assert sorted(ended) == list(range(len(requests)))
    for index, outcome in ended.items():
        fault = list(FAULTS.values())[index // 2]
        wanted = fault.plain if schema is None or fault.shaped == "as plain" else fault.shaped
        assert (outcome.reason if isinstance(outcome, Failure) else "") == wanted, requests[index]
        if schema and isinstance(outcome, Reply):
            assert isinstance(outcome.data, Verdict)
    by_name = {name: ended[2 * place] for place, name in enumerate(FAULTS)}
    thinking = by_name["thinking"]
    assert isinstance(thinking, Reply)
    assert thinking.reasoning == "hm, {3}?"
    assert "</think>" not in thinking.text
    if schema:
        prose = by_name["prose"]
        assert isinstance(prose, Reply)
        assert prose.data == Verdict(score=3, why='他说"好"')
        assert by_name["bad data"] == Failure(Reason.NOT_JSON, "I would give it a three", "no JSON object")
        assert server.asked["[bad data] 你好 a"] == 2  # asked once more, and no oftener


def test_only_what_failed_is_asked_again(ask: Ask, server: Server) -> None:
    requests = asking("good", "[empty] bad", "better", "good")
    first = ask(requests)
    assert [isinstance(first[index], Reply) for index in range(4)] == [True, False, True, True]
    assert server.asked == {"good": 1, "[empty] bad": 1, "better": 1}
    again = ask([*requests, *asking("new")])
    assert server.asked == {"good": 1, "[empty] bad": 2, "better": 1, "new": 1}
    assert {index: again[index] for index in range(4)} == first


def test_a_cut_answer_is_paid_once_until_there_is_more_room(ask: Ask, server: Server, cache: Cache) -> None:
    first = ask(asking("[cut] long"))
    assert first == ask(asking("[cut] long")) == {0: Failure(Reason.LENGTH, "answer to [cut] long")}
    assert (server.asked.total(), cache.spent("label").calls) == (1, 1)
    ask(asking("[cut] long"), max_tokens=4096)
    assert server.asked.total() == 2


def test_another_sample_is_another_call(ask: Ask, server: Server) -> None:
    ask([Request((("user", "q"),), sample=number) for number in (0, 1, 2)], seed=7)
    assert sorted(body["seed"] for body in server.bodies) == [7, 8, 9]


def test_the_key_is_sent_and_nowhere_written(
    server: Server, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.key = "sk-right-0123456789"
    monkeypatch.setenv("TEACHER_KEY", server.key)
    assert isinstance(ask(asking("hello"), key_env="TEACHER_KEY")[0], Reply)
    wrong = "sk-wrong-9876543210"
    monkeypatch.setenv("TEACHER_KEY", wrong)
    with pytest.raises(UserError) as error:
        ask(asking("more"), key_env="TEACHER_KEY")
    assert "Incorrect API key provided: bearer ***" in str(error.value)
    server.key, server.status, server.message = "", 400, f"bad {wrong}"
    assert ask(asking("again"), key_env="TEACHER_KEY") == {0: Failure(Reason.REFUSED, detail="400 bad ***")}
    written = caplog.text.encode() + b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hello" in written
    assert server.key.encode() not in written or not server.key
    assert b"sk-" not in written


def test_a_key_that_is_not_there_is_said_before_any_call(server: Server, ask: Ask) -> None:
    with pytest.raises(UserError, match="NO_SUCH_KEY"):
        ask(asking("hello"), key_env="NO_SUCH_KEY")
    with pytest.raises(UserError) as error:
        ask(asking("hello"), key_env="sk-this-is-it")
    assert "sk-" not in str(error.value)
    assert not server.asked


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "who"), (402, "Insufficient Balance"), (404, "no model"), (302, "moved"), (429, "insufficient_quota")],
)
def test_what_no_call_can_mend_stops_all_and_keeps_what_arrived(
    server: Server, ask: Ask, status: int, message: str
) -> None:
    assert isinstance(ask(asking("first"))[0], Reply)
    server.status, server.message = status, message
    with pytest.raises(UserError, match=message):
        ask(asking("first", *[f"q{number}" for number in range(200)]))
    assert server.asked["first"] == 1
    assert len(server.asked) < 50


def test_an_address_without_its_path_is_told(server: Server, cache: Cache) -> None:
    server.status, server.message = 404, "Not Found"
    address = server.address.removesuffix("/v1")
    with pytest.raises(UserError) as error:
        list(ask_all(asking("a"), Teacher(endpoint=f"{address}/", model="m"), cache, "label"))
    assert error.value.hint == f"Most servers answer under /v1: is it {address}/v1?"


def test_a_server_that_is_not_there(cache: Cache) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    teacher = Teacher(endpoint=f"http://127.0.0.1:{port}/v1", model="m", attempts=2)
    with pytest.raises(UserError, match="No connection to the teacher"):
        list(ask_all(asking("a", "b"), teacher, cache, "label", patience=Patience(0.02)))


def test_a_server_that_goes_away_leaves_what_it_gave(cache: Cache) -> None:
    requests = asking(*[f"q{number}" for number in range(300)])
    with serving(Server(latency=0.02)) as server:
        teacher = Teacher(endpoint=server.address, model="m", attempts=2)
        arriving = ask_all(requests, teacher, cache, "label", patience=Patience(0.02))
        got = {index for index, _ in (next(arriving) for _ in range(20))}
    with pytest.raises(UserError):
        got |= {index for index, outcome in arriving if isinstance(outcome, Reply)}
    kept = {index for index, key in enumerate(keys(teacher, requests)) if cache.find(key, requests[index])}
    assert got <= kept
    assert len(kept) < 300


def test_a_server_that_refuses_everything_is_given_up(server: Server, ask: Ask) -> None:
    server.status = 429
    with pytest.raises(UserError, match="has no room"):
        ask(asking("a"), quiet=0.2)


def test_a_request_that_alone_is_refused_fails_alone(server: Server, ask: Ask) -> None:
    ended = ask(asking("a", "[429 always] b", "c"), attempts=1)
    assert ended[1] == Failure(Reason.BUSY, detail="not you")
    assert isinstance(ended[0], Reply)
    assert isinstance(ended[2], Reply)


def test_a_wait_of_a_day_is_not_waited(server: Server, ask: Ask) -> None:
    server.rate, server.retry_after = 0.0001, "86400"
    began = time.monotonic()
    with pytest.raises(UserError, match="has no room"):
        ask(asking("a"))
    assert time.monotonic() - began < 2


def test_the_server_decides_how_many_at_once(server: Server, ask: Ask) -> None:
    server.latency, server.slots = 0.02, 5
    ended = ask(asking(*[f"q{number}" for number in range(200)]), concurrency=40)
    assert Counter(map(type, ended.values())) == {Reply: 200}
    assert server.most_busy == 5
    assert server.refused < 200  # about 50; one that went on at 40 at once would be refused seven times a call


def test_a_reader_that_leaves_stops_the_asking(server: Server, cache: Cache) -> None:
    server.latency = 0.02
    requests = asking(*[f"q{number}" for number in range(1000)])
    teacher = Teacher(endpoint=server.address, model="m")
    arriving = ask_all(requests, teacher, cache, "label")
    for _ in range(10):
        next(arriving)
    del arriving
    time.sleep(0.2)  # what is on the wire arrives
    asked = sum(server.asked.values())
    assert asked < 500
    time.sleep(0.1)
    assert sum(server.asked.values()) == asked


def test_a_slow_reader_costs_no_call(server: Server, cache: Cache) -> None:
    teacher = Teacher(endpoint=server.address, model="m", timeout=0.3)
    for _ in ask_all(asking(*"abcdefgh"), teacher, cache, "label"):
        time.sleep(0.1)
    assert set(server.asked.values()) == {1}


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert proxy("http://models.example/v1/chat/completions") == "http://proxy:3128"
    assert proxy("http://127.0.0.1:8000/v1/chat/completions") is None


def test_what_the_server_does_not_know_is_learnt(server: Server, cache: Cache) -> None:
    said: list[str] = []

    class Listening:
        def track(self, items, total, what):  # type: ignore[no-untyped-def]
            yield from items

        def say(self, text: str) -> None:
            said.append(text)

    server.knows, server.wants = (), "max_completion_tokens"
    teacher = Teacher(endpoint=server.address, model="m", concurrency=4)
    ended = dict(ask_all(asking(*"abcdef", schema=Verdict), teacher, cache, "label", Listening()))
    assert all(isinstance(outcome, Reply) and outcome.data for outcome in ended.values())
    assert len(said) == 3
    last = server.bodies[-1]
    assert "response_format" not in last
    assert last["max_completion_tokens"] == 2048
    assert "JSON schema" in last["messages"][0]["content"]
