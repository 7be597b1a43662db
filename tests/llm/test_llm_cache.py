"""The key of an answer, and what the file keeps."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from llm_ask import Verdict, asking
from pydantic import ValidationError

from weitiao.errors import UserError
from weitiao.llm import Teacher, family
from weitiao.llm.cache import Cache, Key, keys
from weitiao.llm.call import Failure, Reason, Reply, Request, Usage

TEACHER = {"endpoint": "https://api.example.com/v1", "model": "m"}


def key(request: Request | None = None, **settings: Any) -> Key:
    return keys(Teacher.model_validate({**TEACHER, **settings}), [request or asking("q")[0]])[0]


def test_what_shapes_an_answer_is_in_the_key() -> None:
    others = [
        key(endpoint="https://api.other.com/v1"),
        key(model="n"),
        key(temperature=None),
        key(max_tokens=5),
        key(seed=1),
        key(extra={"top_k": 5}),
        key(asking("Q")[0]),
        key(Request((("system", "q"),))),
        key(Request((("user", "q"),), schema=Verdict)),
        key(Request((("user", "q"),), sample=1)),
    ]
    assert len({key().digest, *(other.digest for other in others)}) == 11


def test_what_shapes_none_is_not() -> None:
    same = [
        key(endpoint="http://api.example.com:8443/openai/v1/"),
        key(
            key_env="K", timeout=5.0, concurrency=3, attempts=1, budget=3.0, prices={"m": {"input": 1.0, "output": 1.0}}
        ),
    ]
    assert {other.digest for other in same} == {key().digest}


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("http://localhost:8000/v1", "local"),
        ("http://127.0.0.1:11434/v1", "local"),
        ("http://192.168.1.7/v1", "local"),
        ("http://[::1]:80/v1", "local"),
        ("http://gpu-box:23333/v1", "local"),
        ("https://API.DeepSeek.com/v1", "api.deepseek.com"),
        ("http://8.8.8.8/v1", "8.8.8.8"),
    ],
)
def test_family(address: str, who: str) -> None:
    assert family(address) == who


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "api.example.com"},
        {"endpoint": "https://sk-key@api.example.com/v1"},
        {"endpoint": "https://api.example.com/v1?key=1"},
        {"extra": {"stream": True}},
        {"temperature": "0.7"},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Teacher.model_validate({**TEACHER, **wrong})


def test_the_address_may_be_pasted_whole() -> None:
    whole = Teacher(endpoint="http://localhost:8000/v1/chat/completions", model="m")
    assert whole.endpoint == "http://localhost:8000/v1"


def test_answers_and_failures_are_kept_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.sqlite"
    request = Request((("user", "打几分？"),), schema=Verdict)
    asked = key(request)
    reply = Reply('{"score": 3, "why": "好"}', "想", Verdict(score=3, why="好"), Usage(7, 5, 2), "stop")
    failure = Failure(Reason.SHAPE, "[]", "no")
    with Cache(path) as cache:
        cache.keep(asked, failure, "judge")
        assert cache.find(asked, request) is None
        assert cache.failure(asked) == failure
        cache.keep(asked, reply, "judge")
        assert cache.failure(asked) is None
    with Cache(path) as cache:
        assert cache.find(asked, request) == reply
    base = sqlite3.connect(path)
    rows = base.execute("SELECT family, model, messages, sampling, sample, step FROM answers").fetchall()
    base.close()
    sampling = '{"max_tokens":2048,"temperature":0.7}'
    assert rows == [("api.example.com", "m", '[["user","打几分？"]]', sampling, 0, "judge")]


def test_what_is_no_cache_is_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be looked at " * 50)
    with pytest.raises(UserError, match=r"notes\.txt"):
        Cache(path)


def test_a_model_that_is_trained_anew_is_another(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = key(endpoint=None, model=str(tmp_path))
    assert (before.family, before.model.partition("@")[0]) == ("folder", tmp_path.name)
    assert key(endpoint=None, model=str(tmp_path)) == before
    os.utime(tmp_path / "config.json", (1, 1))
    assert key(endpoint=None, model=str(tmp_path)) != before
    with pytest.raises(UserError, match="has no config"):
        key(endpoint=None, model=str(tmp_path / "none"))
