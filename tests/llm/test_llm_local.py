"""A model folder is a teacher like any other."""

from pathlib import Path

import pytest
from llm_ask import Verdict

from weitiao.llm import Teacher, local
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Reason, Reply, Request
from weitiao.llm.client import ask_all


def test_a_folder_answers_once(tiny_llama: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = Teacher(model=str(tiny_llama), temperature=1.5, max_tokens=40)
    requests = [Request((("user", "为什么？"),), sample=number) for number in range(24)]
    ended = dict(ask_all(requests, teacher, cache, "label"))
    replies = {index: outcome for index, outcome in ended.items() if isinstance(outcome, Reply)}
    cut = [outcome for outcome in ended.values() if isinstance(outcome, Failure)]
    assert len(ended) == 24
    assert len({reply.text for reply in replies.values()}) > 1
    assert {failure.reason for failure in cut} == {Reason.LENGTH}
    spent = cache.spent("label")
    assert (spent.calls, spent.cost) == (24, 0)
    monkeypatch.setattr(local, "load_model", None)  # what is known needs no model
    assert dict(ask_all([requests[index] for index in replies], teacher, cache, "label")) == dict(
        enumerate(replies.values())
    )


def test_data_is_asked_for_in_words_and_once_more(tiny_llama: Path, cache: Cache) -> None:
    teacher = Teacher(model=str(tiny_llama), temperature=0, max_tokens=3)
    request = Request((("user", "q"),), schema=Verdict)
    ((index, outcome),) = ask_all([request], teacher, cache, "judge")
    assert index == 0
    assert isinstance(outcome, Failure)
    assert cache.failure(keys(teacher, [request])[0]) == outcome
