"""Steps on columns: a batch comes apart and together again, and each change and drop has its row in the ledger."""

from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from weitiao import ledger, record
from weitiao.errors import UserError
from weitiao.gather import Gather
from weitiao.recipe import Settings, load
from weitiao.record import Record
from weitiao.step import Batch, Drop, Rewrite, RewriteSelected, one_of


def passages(*texts: str) -> Batch:
    records = [Record(f"id{row}", (("passage", text),), "file", row) for row, text in enumerate(texts, 1)]
    return Batch.of(record.to_frame(records))


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
MESSAGES = st.lists(st.tuples(st.sampled_from(record.ROLES), TEXT), max_size=4).map(tuple)
OTHERS = st.tuples(
    MESSAGES, st.lists(TEXT, max_size=2).map(tuple), st.none() | TEXT, st.dictionaries(TEXT, st.integers(-9, 9))
)


@given(st.lists(OTHERS, max_size=5))
def test_a_batch_comes_together_as_it_was(rows: list[Any]) -> None:
    records = [
        Record(f"id{n}", messages, "uri", n, parents=parents, family=family, facts=facts)
        for n, (messages, parents, family, facts) in enumerate(rows)
    ]
    frame = record.to_frame(records)
    again = Batch.of(frame).frame()
    assert again.equals(frame)
    assert again.schema == frame.schema
    assert record.to_records(again) == records


def test_texts_are_those_of_the_roles_and_every_record_has_one() -> None:
    talk = (("system", "s"), ("user", "q1"), ("assistant", "a"), ("user", "q2"))
    batch = Batch.of(record.to_frame([Record("a", talk, "u", 1), Record("b", (), "u", 2)]))
    assert batch.texts(("user",)).rows() == [("a", "q1\nq2"), ("b", "")]
    assert batch.texts().rows() == [("a", "s\nq1\na\nq2"), ("b", "")]


def test_an_id_that_stands_twice_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="twice"):
        Batch.of(record.to_frame([Record("a", (), "u", 1), Record("a", (), "u", 2)]))


class Shout(Rewrite):
    """Make it loud."""

    roles: ClassVar[tuple[str, ...]] = ("user",)

    def rewrite(self, text: pl.Expr) -> pl.Expr:
        return text.str.to_uppercase()


class SwapAb(RewriteSelected):
    """Swap a and b."""

    def selects(self, text: pl.Expr) -> pl.Expr:
        return text.str.contains("a")

    def rewrite_one(self, text: str) -> str:
        assert "a" in text, "Python sees the selected texts alone"
        return text.translate({97: 98, 98: 97})


class DropShorter(Drop):
    """Drop short ones."""

    reason: ClassVar[str] = "too short"
    min_chars: int = Field(4, ge=0, description="How many characters")

    def where(self, text: pl.Expr) -> pl.Expr:
        return text.str.len_chars() < self.min_chars


class DropRepeated(Gather):
    """Drop what was there."""

    reason: ClassVar[str] = "repeated"

    def columns(self, batch: Batch) -> pl.DataFrame:
        return batch.texts()

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        return columns.filter(~pl.col("text").is_first_distinct()).select("id", detail=pl.lit("null"))


def test_a_rewrite_touches_its_roles_and_notes_each_turn_it_changed() -> None:
    talk = (("user", "hi"), ("assistant", "hi"), ("user", "HI"), ("user", "yo"))
    batch = Batch.of(record.to_frame([Record("a", talk, "u", 1), Record("b", (("assistant", "x"),), "u", 2)]))
    after = Shout().apply(batch)
    assert after.turns["content"].to_list() == ["HI", "hi", "HI", "YO", "x"]
    assert batch.turns["content"].to_list() == ["hi", "hi", "HI", "yo", "x"], "the old batch stays"
    assert after.ledger().rows() == [
        ("a", "shout", "changed", "rewritten", 0, "hi", None),
        ("a", "shout", "changed", "rewritten", 3, "yo", None),
    ]
    assert after.ledger().schema == pl.Schema(ledger.SCHEMA)


def test_a_selected_rewrite_is_done_in_python_and_noted() -> None:
    batch = passages("ab", "b", "aab")
    after = SwapAb().apply(batch)
    assert after.turns["content"].to_list() == ["ba", "b", "bba"]
    assert batch.turns["content"].to_list() == ["ab", "b", "aab"]
    assert after.ledger()["before"].to_list() == ["ab", "aab"]
    assert SwapAb().apply(passages("b")).ledger().is_empty()


def test_a_drop_takes_record_and_turns_and_notes_the_reason() -> None:
    after = DropShorter(min_chars=2).apply(passages("ab", "b", "aab"))
    assert after.frame()["id"].to_list() == ["id1", "id3"]
    assert after.turns["id"].to_list() == ["id1", "id3"]
    assert after.ledger().rows() == [("id2", "drop_shorter", "dropped", "too short", None, None, None)]


def test_a_gather_notes_what_it_judged() -> None:
    step = DropRepeated()
    judged = step.judge(step.columns(passages("x", "y", "x")))
    assert ledger.events(step.noted(judged)).rows() == [
        ("id3", "drop_repeated", "dropped", "repeated", None, None, "null")
    ]


class Some(Settings):
    """Steps as a stage would have them."""

    steps: tuple[one_of(DropShorter, Shout), ...] = Field((Shout(),), description="Steps")  # type: ignore[valid-type]


def read(tmp_path: Path, steps: str) -> Some:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"prepare:\n  steps:\n{steps}", encoding="utf-8")
    return load(path, {"prepare": Some}).section("prepare", Some)


def test_a_step_is_written_as_its_name_or_with_settings(tmp_path: Path) -> None:
    some = read(tmp_path, "  - shout\n  - drop_shorter:\n      min_chars: 2\n  - drop_shorter\n  - shout:\n")
    assert some.steps == (Shout(), DropShorter(min_chars=2), DropShorter(min_chars=4), Shout())


def test_settings_are_written_back_with_the_steps_names(tmp_path: Path) -> None:
    some = read(tmp_path, "  - shout\n  - drop_shorter: {min_chars: 2}\n")
    assert some.model_dump(mode="json") == {"steps": [{"shout": {}}, {"drop_shorter": {"min_chars": 2}}]}
    assert Some.model_validate_json(some.model_dump_json()) == some
    assert Some.model_validate(some.model_dump()) == some


@pytest.mark.parametrize(
    ("steps", "message", "hint"),
    [
        ("  - drop_shortr\n", "recipe.yaml:3: prepare.steps[0] is `drop_shortr`: it must be one of", "`drop_shorter`"),
        (
            "  - shout\n  - drop_shorter: {min_char: 2}\n",
            "recipe.yaml:4: prepare.steps[1].drop_shorter.min_char: no such key",
            "`min_chars`",
        ),
        (
            "  - drop_shorter:\n      min_chars: many\n",
            "recipe.yaml:4: prepare.steps[0].drop_shorter.min_chars is `many`: it must be a whole number",
            "",
        ),
        (
            "  - drop_shorter: {min_chars: -1}\n",
            "prepare.steps[0].drop_shorter.min_chars is -1: it must be at least 0",
            "",
        ),
        ("  - drop_shorter: 5\n", "prepare.steps[0].drop_shorter is 5: it must be a mapping of keys to values", ""),
        (
            "  - drop_shorter:\n    min_chars: 2\n",  # settings that are not indented below the name
            'prepare.steps[0] is {"drop_shorter":null,"min_chars":2}: it must be the name of a step',
            "",
        ),
        ("  - shout: {loud: 1}\n", "prepare.steps[0].shout.loud: no such key", ""),
    ],
)
def test_a_wrong_step_is_explained(tmp_path: Path, steps: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, steps)
    assert message in caught.value.message
    assert hint in caught.value.hint
