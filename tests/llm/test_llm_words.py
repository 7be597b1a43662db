"""What the teacher layer says without `t`: the reasons of the ledger, the settings; and two askings at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llm_ask import asking
from llm_server import Server

import weitiao
from weitiao.llm import Embedder, Price, Teacher
from weitiao.llm.cache import Cache
from weitiao.llm.call import Reason, Reply
from weitiao.llm.client import ask_all


def test_reasons_and_settings_have_their_chinese() -> None:
    zh = json.loads((Path(weitiao.__file__).parent / "locale" / "zh" / "llm.json").read_text(encoding="utf-8"))
    fields = [field for kind in (Teacher, Embedder, Price) for field in kind.model_fields.values()]
    assert {*Reason, *(field.description for field in fields)} <= set(zh)


def test_two_steps_may_ask_at_once_with_one_cache(server: Server, cache: Cache) -> None:
    teacher = Teacher(endpoint=server.address, model="m")

    def ask(step: str) -> int:
        requests = asking(*[f"{step} {number}" for number in range(100)])
        return sum(isinstance(outcome, Reply) for _, outcome in ask_all(requests, teacher, cache, step))

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(ask, ["label", "judge"])) == [100, 100]
    assert (cache.spent("label").calls, cache.spent("judge").calls) == (100, 100)
