"""The Batch API's files, there and back."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_ask import Verdict, asking

from weitiao.errors import UserError
from weitiao.llm import Price, Teacher, batch
from weitiao.llm.batch import read_batch, write_batch
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Reason, Reply, Usage
from weitiao.llm.client import ask_all

TEACHER = Teacher(
    endpoint="https://api.example.com/v1", model="m", prices={"m": Price(input=100, output=1000)}, max_tokens=50
)


def result(line: dict[str, Any], content: str, finish: str = "stop") -> bytes:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
    body = {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return orjson.dumps({"id": "b", "custom_id": line["custom_id"], "response": response, "error": None})


def test_what_comes_back_is_known_to_the_next_run(tmp_path: Path, cache: Cache) -> None:
    requests = asking("a", "b", "c", "d", "a", schema=Verdict)
    (path,) = write_batch(requests, TEACHER, cache, "label", tmp_path)
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["custom_id"] for line in lines] == [key.digest for key in keys(TEACHER, requests[:4])]
    first = lines[0]
    assert (first["method"], first["url"], first["body"]["model"]) == ("POST", "/v1/chat/completions", "m")
    assert first["body"]["response_format"]["type"] == "json_schema"
    failed = {
        "custom_id": lines[3]["custom_id"],
        "response": {"status_code": 400, "body": {"error": {"message": "no"}}},
    }
    expired = {"custom_id": "stranger", "response": None, "error": {"code": "batch_expired", "message": "late"}}
    output, errors = tmp_path / "output.jsonl", tmp_path / "errors.jsonl"
    good = [result(line, '{"score": 3, "why": "x"}') for line in (lines[2], lines[0])]
    output.write_bytes(b"\n".join([*good, result(lines[1], "well", "stop")]))
    errors.write_bytes(orjson.dumps(failed) + b"\n" + orjson.dumps(expired))
    wanted = {"answered": 2, Reason.NOT_JSON: 1, Reason.REFUSED: 1, "stranger": 1}
    assert read_batch([output, errors], requests, TEACHER, cache, "label") == wanted
    spent = cache.spent("label")
    assert spent.usage == Usage(30, 15)
    assert spent.cost == pytest.approx(3 * (10 * 100 + 5 * 1000) / 1e6 / 2)
    assert read_batch([output, errors], requests, TEACHER, cache, "label") == wanted
    assert cache.spent("label") == spent
    assert cache.failure(keys(TEACHER, requests)[1]) == Failure(Reason.NOT_JSON, "well", "no JSON object")
    known = dict(ask_all([requests[0], requests[2]], TEACHER, cache, "label"))
    assert all(isinstance(reply, Reply) and reply.data == Verdict(score=3, why="x") for reply in known.values())
    (rest,) = write_batch(requests, TEACHER, cache, "label", tmp_path / "rest")
    assert len(rest.read_bytes().splitlines()) == 2


def test_large_batches_are_several_files_and_the_budget_holds(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_LINES", 4)
    requests = asking(*[f"q{number}" for number in range(10)])
    paths = write_batch(requests, TEACHER, cache, "label", tmp_path)
    assert [path.name for path in paths] == ["batch-00000.jsonl", "batch-00001.jsonl", "batch-00002.jsonl"]
    assert [path.read_bytes().count(b"\n") for path in paths] == [4, 4, 2]
    poor = TEACHER.model_copy(update={"budget": 0.1})  # each may cost 0.025 for its answer and a little for its prompt
    assert sum(path.read_bytes().count(b"\n") for path in write_batch(requests, poor, cache, "label", tmp_path)) == 3


def test_another_file_is_refused_by_line(tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "output.jsonl"
    path.write_text('{"custom_id": "x", "response": null}\n{"messages": []}\n')
    with pytest.raises(UserError, match=r"output\.jsonl:2"):
        read_batch([path], [], TEACHER, cache, "label")
