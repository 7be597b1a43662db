"""What a server bears: broken bodies, strangers, crowds, people who leave, a model that fails, and its own end."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai import OpenAI
from serve_adapters import make_adapter
from serve_ask import NANO, QUESTIONS, Alone, Opened, ask, streamed

from weitiao.errors import UserError
from weitiao.model import batch
from weitiao.model.batch import Batch
from weitiao.model.generate import Sampling, answer
from weitiao.model.load import load_model
from weitiao.model.pair import Place, template
from weitiao.serve import Limits, door, run
from weitiao.serve.run import Address, Service

CHAT = {"model": "nano", "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
JSON = {"Content-Type": "application/json"}


def send(service: Service, body: bytes, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any, Any]:
    """Post a body as it is; returns status, headers and the JSON that came back."""
    line = HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    line.request("POST", path, body, {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}})
    response = line.getresponse()
    read = response.read()
    line.close()
    return response.status, response.headers, json.loads(read) if read else None


BROKEN = {
    "nothing": b"",
    "not JSON": b'{"model": "nano"',
    "not UTF-8": b'{"model": "\xff"}',
    "a list": b"[]",
    "deep": b'{"model": "nano", "messages": ' + b"[" * 100_000,
    "no messages": b'{"model": "nano"}',
    "messages of the wrong kind": b'{"model": "nano", "messages": "a"}',
    "no content": b'{"model": "nano", "messages": [{"role": "user"}]}',
    "a picture": b'{"model": "nano", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
    "a broken call": b'{"model": "nano", "messages": '
    b'[{"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]}]}',
    **{
        f"{name} {value}": json.dumps({**CHAT, name: value}).encode()
        for name, value in (
            ("temperature", -1), ("temperature", "hot"), ("top_p", 2), ("n", 0), ("n", 1000), ("max_tokens", 0),
            ("max_tokens", 1.5), ("stop", ""), ("stop", [1]), ("seed", "x"), ("top_logprobs", 99), ("stream", 1),
            ("best_of", 3), ("nonsense", 1), ("top_k", 10**30), ("repetition_penalty", 0), ("temperature", math.nan),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bodies_are_refused_in_openais_format(service: Service, name: str) -> None:
    status, _, said = send(service, BROKEN[name])
    assert status == 400, said
    assert said["error"]["message"]
    assert said["error"]["type"] == "invalid_request_error"
    assert set(said["error"]) == {"message", "type", "param", "code"}


def test_other_broken_requests(service: Service) -> None:
    good = json.dumps(CHAT).encode()
    assert send(service, good, Content_Type="text/plain")[0] == 415  # what a form of another page could send
    assert send(service, good, path="/v1/embeddings")[0] == 404
    assert send(service, b" " * 4_100_000)[0] == 413
    wrong: list[Any] = [[], [[]], [99_999], [["a"]]]
    for prompt in wrong:
        assert send(service, json.dumps({"model": "nano", "prompt": prompt}).encode(), "/v1/completions")[0] == 400
    assert send(service, good)[0] == 200
    huge = {
        **CHAT,
        "max_tokens": 10**15,
        "temperature": 1e-40,
        "seed": 10**30,
        "top_k": 1 << 30,
        "stop": ["。", "a", "."],
    }
    assert send(service, json.dumps(huge).encode())[0] == 200  # as long as the model holds, and no random number more


def test_pages_of_other_sites_may_not_ask(service: Service) -> None:
    good = json.dumps(CHAT).encode()
    place = urlsplit(service.url).netloc
    assert send(service, good, Origin="https://example.com")[2]["error"]["code"] == "wrong_origin"
    assert send(service, good, Origin="null")[0] == 403
    assert send(service, good, Host="example.com")[2]["error"]["code"] == "wrong_host"  # a name that leads here
    assert send(service, good, Host="localhost")[0] == 200
    status, headers, _ = send(service, good, Origin=f"http://{place}")
    assert status == 200
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_token_is_asked_for(open_server: Opened) -> None:
    token = "0123456789abcdef"
    good = json.dumps(CHAT).encode()
    with open_server(token=token) as service:
        assert send(service, good)[0] == 401
        assert send(service, good, Authorization="Bearer 0123456789abcdeg")[0] == 401
        assert send(service, good, Authorization=f"Bearer {token}", Host="models.example.com")[0] == 200
        with OpenAI(base_url=service.url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
            assert client.with_options(api_key=token).models.list().data


@pytest.mark.parametrize("token", ["", "short", "with blanks in the middle"])
def test_other_machines_need_a_token(token: str) -> None:
    with pytest.raises(UserError, match="token"):
        Address("0.0.0.0", 0, token).check()
    if " " not in token:
        Address("127.0.0.1", 0, token).check()
        Address("localhost", 0, token).check()
    Address("::", 0, "0123456789abcdef").check()


def test_a_port_that_is_taken_is_said(service: Service) -> None:
    port = urlsplit(service.url).port
    assert port
    with pytest.raises(UserError, match=f"Cannot listen on 127.0.0.1:{port}"):
        Service({"nano": Place(NANO)}, Address(port=port), Limits())


def test_slow_requests_are_cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ARRIVAL", 0.3)
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port or 0), 30) as line:
        line.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        line.sendall(b"Content-Length: 50\r\n\r\n{")
        assert line.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHo"])
def test_connections_that_bring_no_request_are_closed(
    service: Service, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(run, "ARRIVAL", 0.2)
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port or 0), 30) as line:
        line.sendall(sent)
        assert line.recv(1000) == b""


def settle(service: Service) -> None:
    """Wait until nobody is answered any more."""
    end = time.monotonic() + 60
    while b"weitiao_answers_running 0.0" not in service.metrics.text() and time.monotonic() < end:
        time.sleep(0.01)
    assert b"weitiao_answers_running 0.0" in service.metrics.text()


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_in_mid_answer_frees_the_place(open_server: Opened, stream: bool) -> None:
    long = {**CHAT, "max_tokens": 400, "temperature": 9.0, "seed": 1, "stream": stream}
    body = json.dumps(long).encode()
    with open_server(places=1) as service:
        with socket.create_connection(("127.0.0.1", urlsplit(service.url).port or 0), 30) as line:
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            while b"weitiao_answers_running 1.0" not in service.metrics.text():
                time.sleep(0.005)
            if stream:
                line.recv(100)
        settle(service)
        assert service.metrics.gone == 1
        assert service.metrics.answers == 0
        assert send(service, json.dumps(CHAT).encode())[0] == 200


def test_a_crowd_is_answered_as_there_is_room_and_the_rest_told_when_to_come_back(
    open_server: Opened, alone: Alone
) -> None:
    with (
        open_server(places=2, waiting=3) as service,
        OpenAI(base_url=service.url, api_key="-", max_retries=0) as client,
    ):

        def one(number: int) -> str | float:
            try:
                return str(ask(client, QUESTIONS[number % 6], max_tokens=20).choices[0].message.content)
            except openai.RateLimitError as error:
                return float(error.response.headers["retry-after"]) if error.code == "server_busy" else 0.0

        with ThreadPoolExecutor(16) as pool:
            said = list(pool.map(one, range(16)))
        answered = {number: text for number, text in enumerate(said) if isinstance(text, str)}
        assert 5 <= len(answered) < 16
        assert all(wait >= 1 for wait in said if isinstance(wait, float))
        for number, text in answered.items():
            assert text == alone(QUESTIONS[number % 6], max_new_tokens=20).text
        settle(service)
        with pytest.raises(openai.BadRequestError, match="5 is the most"):
            ask(client, "a", n=6)


def test_models_whose_rows_cannot_be_joined_answer_one_by_one(
    open_server: Opened, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_joinable", lambda model: False)
    with (
        open_server() as service,
        OpenAI(base_url=service.url, api_key="-", max_retries=0) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        said = list(pool.map(lambda question: ask(client, question, max_tokens=12), QUESTIONS[:4]))
    wanted = [alone(question, max_new_tokens=12).text for question in QUESTIONS[:4]]
    assert [one.choices[0].message.content for one in said] == wanted


def test_time_is_bounded(open_server: Opened) -> None:
    with (
        open_server(places=1, seconds=0.4) as service,
        OpenAI(base_url=service.url, api_key="-", max_retries=0) as client,
    ):
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(ask, client, "a", max_tokens=480, temperature=9.0, seed=3) for _ in range(2)]
            errors = [future.exception() for future in both]
        assert time.monotonic() - began < 30
        for future, error in zip(both, errors, strict=True):
            if error is None:
                assert future.result().choices[0].finish_reason == "length"
            else:
                assert isinstance(error, openai.InternalServerError)
                assert "No place" in str(error)


def test_a_model_that_fails_fails_its_answers_alone(open_server: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_server() as service, OpenAI(base_url=service.url, api_key="-", max_retries=0) as client:
        with monkeypatch.context() as patch:

            def broken(*_: object) -> None:
                raise RuntimeError("out of memory")

            patch.setattr(Batch, "step", broken)
            with pytest.raises(openai.InternalServerError, match="out of memory"):
                ask(client, "a")
            with pytest.raises(openai.APIError, match="out of memory"):
                streamed(ask(client, "a", stream=True))
        assert ask(client, "a").choices


def test_a_bug_ends_the_server_with_everybody_told(open_server: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(Batch, "step", broken)
    with (
        pytest.raises(KeyError, match="a bug"),
        open_server() as service,
        OpenAI(base_url=service.url, api_key="-", max_retries=0) as client,
        pytest.raises(openai.APIError),
    ):
        ask(client, "a")


def begun(client: OpenAI) -> Any:
    """Return a long stream that has begun."""
    events = iter(ask(client, "a", max_tokens=300, temperature=9.0, seed=5, stream=True))
    for _ in range(3):
        next(events)
    return events


def test_answers_get_time_to_end(open_server: Opened) -> None:
    with open_server(grace=60) as service, OpenAI(base_url=service.url, api_key="-", max_retries=0) as client:
        events = begun(client)
        service.stop()
        assert streamed(events)[1] in ("length", "stop")
    assert service.metrics.answers == 1


def test_ctrl_c_ends_answers_in_order() -> None:
    words = [sys.executable, "-m", "weitiao", "--lang", "en", "serve", "--model", "nano", "--port", "0", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*words, "--grace", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        assert process.stderr
        ready = json.loads(process.stdout.readline())
        assert ready["models"] == ["nano"]
        with OpenAI(base_url=ready["url"], api_key="-", max_retries=0) as client:
            events = begun(client)
            process.send_signal(signal.SIGINT)
            with pytest.raises(openai.APIError, match="The server is stopping"):
                streamed(events)
        assert process.wait(60) == 0
        told = process.stderr.read()
    assert "Serving nano at http://127.0.0.1:" in told
    assert "Answers given: 0 in" in told


def test_adapters_stand_side_by_side(open_server: Opened, tmp_path: Path, alone: Alone) -> None:
    places = {"nano": Place(NANO)} | {
        name: Place(NANO, str(make_adapter(tmp_path / name, seed))) for seed, name in enumerate(("one", "two"))
    }
    wanted = {("nano", question): alone(question, max_new_tokens=12).text for question in QUESTIONS[:3]}
    for name in ("one", "two"):
        tuned = load_model(NANO, adapter=places[name].adapter)
        chats = [[("user", question)] for question in QUESTIONS[:3]]
        said = answer(tuned, template(places[name]), chats, Sampling(12), batch_tokens=1)
        wanted |= {(name, question): one.text for question, one in zip(QUESTIONS, said, strict=False)}
    assert len(set(wanted.values())) == 9
    with open_server(places) as service, OpenAI(base_url=service.url, api_key="-") as client:
        assert [model.id for model in client.models.list()] == ["nano", "one", "two"]

        def one(asked: tuple[str, str]) -> Any:
            chat: Any = [{"role": "user", "content": asked[1]}]
            done = client.chat.completions.create(model=asked[0], messages=chat, temperature=0, max_tokens=12)
            return done.choices[0].message.content

        with ThreadPoolExecutor(9) as pool:
            assert dict(zip(wanted, pool.map(one, wanted), strict=True)) == wanted
