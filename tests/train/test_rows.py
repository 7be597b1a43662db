from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from weitiao.errors import UserError
from weitiao.model.load import load_tokenizer
from weitiao.model.template import Encoded, Template
from weitiao.record import Record
from weitiao.train import Chosen
from weitiao.train.rows import cut, parts, read


@pytest.fixture
def template(tiny_llama: Path) -> Template:
    return Template(load_tokenizer(str(tiny_llama)))


def record(row: int, question: str, answer: str) -> Record:
    return Record(f"r{row}", (("user", question), ("assistant", answer)), "a.jsonl", row)


LONG = [record(1, "a", "b"), record(2, "a", "x " * 40), record(3, "q " * 60, "b")]


def test_overlong_names_each_row(template: Template) -> None:
    with pytest.raises(UserError) as error:
        read({"train": LONG, "validation": []}, template, Chosen(max_length=40))
    assert "2 records" in error.value.message
    assert "a.jsonl:2 (r2, " in error.value.message
    assert "a.jsonl:3 (r3, " in error.value.message
    assert "a.jsonl:1 " not in error.value.message


def test_cut_keeps_the_stop_token_and_drops_what_has_no_answer_left(template: Template) -> None:
    rows = read({"train": LONG, "validation": []}, template, Chosen(max_length=40, overlong="cut"))
    assert [row.id for row in rows.train] == ["r1", "r2"]
    shorter = rows.train[1]
    assert len(shorter.encoded.ids) == 40
    assert (shorter.encoded.ids[-1], shorter.encoded.mask[-1]) == (template.stop_ids[0], True)
    assert (shorter.encoded.stops, shorter.encoded.turns) == (1, 1)
    assert shorter.cut == len(template.encode(LONG[1].messages).ids) - 40
    assert list(rows.dropped) == ["r3"]


def test_drop(template: Template) -> None:
    rows = read({"train": LONG, "validation": []}, template, Chosen(max_length=40, overlong="drop"))
    assert [row.id for row in rows.train] == ["r1"]
    assert {key: reason for key, (reason, _) in rows.dropped.items()} == {"r2": "too long", "r3": "too long"}


@pytest.mark.parametrize(("length", "ids"), [
    (9, [0, 1, 2, 3, 4, 5, 6, 7, 99]),  # within the second answer: it ends there
    (8, [0, 1, 2, 3]),  # before its first token: the first answer is the last
    (7, [0, 1, 2, 3]),
    (4, [0, 1, 2, 99]),
    (3, []),  # no answer at all
])  # fmt: skip
def test_cut_where(length: int, ids: list[int]) -> None:
    marks = {2, 3, 7, 8, 9}
    item = Encoded(list(range(11)), [place in marks for place in range(11)], 2, 2)
    shorter = cut(item, length, 99)
    assert shorter.ids == ids
    assert shorter.turns == shorter.stops == len(ids) // 4


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.data())
def test_what_is_cut_ends_in_a_stop_token_or_is_nothing(mask: list[bool], data: st.DataObject) -> None:
    length = data.draw(st.integers(1, len(mask) - 1))
    shorter = cut(Encoded(list(range(len(mask))), mask, 1, 1), length, 99)
    assert len(shorter.ids) == len(shorter.mask) <= length
    assert not shorter.ids or shorter.mask[-1]
    if shorter.ids:
        inside = shorter.ids[-1] == 99
        assert inside == (mask[length - 1] and mask[length - 2])
        kept = len(shorter.ids) - inside
        assert shorter.ids[:kept] == list(range(kept))
        assert shorter.mask[:kept] == mask[:kept]
        assert inside or not any(mask[kept : length - 1])


def test_a_row_without_loss_is_named(template: Template) -> None:
    silent = Record("r9", (("user", "a"),), "a.jsonl", 9)
    with pytest.raises(UserError, match=r"a\.jsonl:9 \(r9"):
        read({"train": [LONG[0], silent], "validation": []}, template, Chosen())
    for attempt in (
        lambda: parts([], [], Path()),
        lambda: read({"train": LONG[2:], "validation": []}, template, Chosen(max_length=9, overlong="drop")),
    ):
        with pytest.raises(UserError, match="no record to train on"):
            attempt()


def test_parts(tmp_path: Path) -> None:
    records = [
        Record("a", (), "x.jsonl", 1),
        Record("b", (), "y.jsonl", 1),
        Record("c", (), "x.jsonl", 2, facts={"split": {"part": "test"}}),
        Record("d", (), "x.jsonl", 3, facts={"split": {"part": "validation"}}),
    ]
    found = parts(records, [str(tmp_path / "y.jsonl")], tmp_path)
    assert {part: [one.id for one in some] for part, some in found.items()} == {
        "train": ["a"],
        "validation": ["b", "d"],
    }


class Odd(PreTrainedTokenizerFast):
    """A tokenizer whose own rendering puts a token in front, as some classes do."""

    def apply_chat_template(self, *args: Any, **settings: Any) -> Any:
        found = super().apply_chat_template(*args, **settings)
        found["input_ids"] = [[ids[1], *ids[1:]] if "x" in self.decode(ids) else ids for ids in found["input_ids"]]
        return found


def test_what_trains_must_be_what_chats(tiny_llama: Path) -> None:
    template = Template(Odd.from_pretrained(tiny_llama))
    read({"train": LONG[:1], "validation": []}, template, Chosen())
    with pytest.raises(UserError) as error:
        read({"train": LONG, "validation": []}, template, Chosen())
    assert error.value.message.startswith("a.jsonl:2: from token 0 on, training would see '<|im_start|>user")
    assert ", chatting 'uuser" in error.value.message


def test_an_answer_without_a_stop_token_is_refused(tiny_llama: Path) -> None:
    tokenizer: Any = load_tokenizer(str(tiny_llama))
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:\n{% endif %}"
    )
    with pytest.raises(UserError, match=r"1 records have answers that end in no stop token: a\.jsonl:1 \(r1, "):
        read({"train": LONG[:1], "validation": []}, Template(tokenizer), Chosen())
