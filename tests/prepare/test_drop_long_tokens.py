"""Records are dropped by the tokens that training would see."""

from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from weitiao import record
from weitiao.model.hub import resolve
from weitiao.model.template import Template
from weitiao.model.tokenizer import load_tokenizer
from weitiao.prepare.drop_long import DropLong
from weitiao.record import Record
from weitiao.step import Around, Batch

TALKS: list[tuple[tuple[str, str], ...]] = [
    (("user", "水为什么不能兑水"), ("assistant", "可以兑，兑完还是水。" * 4)),
    (("user", "你好"), ("assistant", "你好")),
    (("passage", "天下没有不散的筵席，那么相聚的意义是什么？" * 3),),
    (("passage", "短"),),
    (("assistant", "没人问的话" * 8), ("assistant", "又说一遍")),
]


def dropped(step: DropLong, talks: list[tuple[tuple[str, str], ...]] = TALKS) -> dict[str, int]:
    frame = record.to_frame([Record(f"r{n}", talk, "f", n) for n, talk in enumerate(talks)])
    events = step.within(Around(Path())).apply(Batch.of(frame)).ledger()
    gone = events.filter(action="dropped").select("id", "detail")
    return {name: orjson.loads(detail)["score"] for name, detail in gone.rows()}


def test_the_tokens_are_those_of_training() -> None:
    template = Template(load_tokenizer(resolve("nano", Path(), weights=False)))
    sizes = {f"r{n}": len(template.encode(talk).ids) for n, talk in enumerate(TALKS[:2])}
    passages = [template.tokenizer(talk[0][1], add_special_tokens=False)["input_ids"] for talk in TALKS[2:4]]
    sizes |= {f"r{n}": len(ids) for n, ids in enumerate(passages, 2)}
    found = dropped(DropLong(tokens=1, model="nano"))
    assert {name: found[name] for name in sizes if sizes[name] > 1} == {n: s for n, s in sizes.items() if s > 1}
    for limit in (5, sizes["r1"] - 1, sizes["r1"], sizes["r0"] - 1, sizes["r0"], 500):
        kept = {name for name, size in sizes.items() if size <= limit}
        assert kept == sizes.keys() - dropped(DropLong(tokens=limit, model="nano")).keys()


def test_characters_and_tokens_each_drop_once() -> None:
    frame = record.to_frame([Record("r", TALKS[0], "f", 1)])
    step = DropLong(max_answer_chars=3, tokens=3, model="nano").within(Around(Path()))
    (detail,) = step.apply(Batch.of(frame)).ledger()["detail"]
    told = orjson.loads(detail)
    assert (told["setting"], told["score"], told["threshold"]) == ("max_answer_chars", 40, 3)


def test_what_has_nearly_too_many_is_noted() -> None:
    frame = record.to_frame([Record("r", TALKS[0], "f", 1)])
    (size,) = dropped(DropLong(tokens=1, model="nano"), TALKS[:1]).values()
    step = DropLong(tokens=size + 1, model="nano").within(Around(Path()))
    (event,) = step.apply(Batch.of(frame)).ledger().to_dicts()
    told = orjson.loads(event["detail"])
    assert (event["action"], told["score"], told["noted_to"]) == ("spared", size, 0.9 * (size + 1))


def test_a_number_of_tokens_needs_its_model() -> None:
    with pytest.raises(ValidationError, match="go together"):
        DropLong(tokens=5)
