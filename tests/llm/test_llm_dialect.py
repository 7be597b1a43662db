"""What responses mean, in the words of several services."""

import time
from email.utils import formatdate
from typing import Any

import orjson
import pytest
from llm_ask import asking

from weitiao.llm import Teacher
from weitiao.llm.call import Reason, Said, Usage
from weitiao.llm.dialect import Dialect, Kind, Trouble, read, wait_named


def said(message: dict[str, Any], usage: dict[str, Any] | None = None, finish: str | None = "stop") -> Said | Trouble:
    body = {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
    return read(200, {}, orjson.dumps(body))


def test_reasoning_and_usage_under_their_several_names() -> None:
    counts = {"prompt_tokens": 9, "completion_tokens": 4}
    wanted = Said("a", "r", "stop", Usage(9, 4, 3))
    assert said({"content": "a", "reasoning_content": "r"}, counts | {"prompt_cache_hit_tokens": 3}) == wanted
    assert said({"content": "a", "reasoning": "r"}, counts | {"prompt_tokens_details": {"cached_tokens": 3}}) == wanted
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert said({"content": parts}, None, None) == Said("ab", "", "", Usage())
    assert said({"content": None}) == Said("", "", "stop", Usage())
    broken = said({"content": "a"}, finish="insufficient_system_resource")
    assert isinstance(broken, Trouble)
    assert broken.kind is Kind.FAULT


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, {"error": {"code": "content_filter", "message": "filtered"}}, Kind.ROW, Reason.FILTER),
        (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}, Kind.ROW, Reason.FILTER),
        (400, {"error": {"code": "data_inspection_failed", "message": "x"}}, Kind.ROW, Reason.FILTER),
        (403, {"error": {"code": 403, "message": "flagged by moderation"}}, Kind.ROW, Reason.FILTER),
        (403, {"error": {"message": "country not supported"}}, Kind.ALL, Reason.REFUSED),
        (429, {"error": {"code": "insufficient_quota", "message": "x"}}, Kind.ALL, Reason.REFUSED),
        (402, {"error": {"message": "Insufficient Balance"}}, Kind.ALL, Reason.REFUSED),
        (429, {"error": "slow down"}, Kind.BUSY, Reason.BUSY),
        (429, {"error": {"message": "Request too large: limit 30000, requested 40000"}}, Kind.ROW, Reason.REFUSED),
        (503, "<html>", Kind.BUSY, Reason.BUSY),
        (529, {}, Kind.BUSY, Reason.BUSY),
        (408, {}, Kind.FAULT, Reason.SERVER),
        (502, "<html>", Kind.FAULT, Reason.SERVER),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "bad"}]}, Kind.ROW, Reason.REFUSED),
        (413, {"object": "error", "message": "too long", "code": 413}, Kind.ROW, Reason.REFUSED),
        (200, {"choices": []}, Kind.FAULT, Reason.NOT_CHAT),
        (200, {"error": {"code": 429, "message": "upstream"}}, Kind.BUSY, Reason.BUSY),
        (200, [], Kind.FAULT, Reason.NOT_CHAT),
    ],
)
def test_troubles(status: int, body: Any, kind: Kind, reason: Reason) -> None:
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    trouble = read(status, {}, content)
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_named(headers) == seconds


def test_how_long_to_wait_until_a_date() -> None:
    wait = wait_named({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert wait is not None
    assert 28 < wait <= 30


def test_parameters_that_a_model_does_not_take_are_left_out() -> None:
    dialect = Dialect(Teacher(endpoint="http://localhost/v1", model="m", temperature=0.5, seed=1))
    (request,) = asking("q")
    body = dialect.body(request)
    assert (body["temperature"], body["seed"]) == (0.5, 1)
    refusal = Trouble(Kind.ROW, Reason.REFUSED, "Unsupported value: 'temperature' does not support 0.5 with this model")
    assert dialect.learn(refusal, body) == "The server takes no temperature: it is left out"
    assert "temperature" not in dialect.body(request)
    assert dialect.learn(Trouble(Kind.ROW, Reason.REFUSED, "context too long"), body) is None


def test_a_limit_given_by_hand_is_sent_alone() -> None:
    teacher = Teacher(endpoint="http://localhost/v1", model="m", extra={"max_completion_tokens": 9})
    body = Dialect(teacher).body(asking("q")[0])
    assert body["max_completion_tokens"] == teacher.limit == 9
    assert "max_tokens" not in body
