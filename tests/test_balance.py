"""The balance of a stage: a record that is lost, or counted where it is not, is a bug."""

from pathlib import Path

import polars as pl
import pytest

from weitiao import balance, ledger
from weitiao.record import Record, to_frame
from weitiao.stage import Outcome
from weitiao.store import Draft, Stored


def stored(folder: Path, ids: str, gone: str = "") -> Stored:
    folder.mkdir()
    events = pl.DataFrame({"id": list(gone)}, schema={"id": pl.String}).with_columns(
        step=pl.lit("drop"), action=pl.lit("dropped"), reason=pl.lit("bad")
    )
    Draft(folder).write(0, to_frame([Record(key, (), "u", 1) for key in ids]), ledger.events(events))
    return Stored(folder)


def outcome(kept: int, gone: int, step: int | None = None) -> Outcome:
    row = {"step": "drop", "in": kept + gone, "changed": 0, "dropped": {"bad": step}, "out": kept}
    return Outcome(kept + gone, kept, {"bad": gone} if gone else {}, {"funnel": [row] if step else []})


def test_what_adds_up_passes(tmp_path: Path) -> None:
    came = stored(tmp_path / "in", "abcd")
    balance.check("prepare", outcome(3, 1, 1), came, stored(tmp_path / "out", "abd", "c"))
    balance.check("prepare", outcome(4, 0), came, stored(tmp_path / "all", "abcd"))


def augmented(folder: Path, ids: str, made: str, gone: str) -> Stored:
    out = stored(folder, ids, gone)
    event = pl.DataFrame({"id": list(made)}).with_columns(step=pl.lit("new"), action=pl.lit("made"))
    Draft(folder).write(1, to_frame([Record(key, (), "u", 1) for key in made]), ledger.events(event))
    return out


def test_a_stage_may_make_records(tmp_path: Path) -> None:
    came = stored(tmp_path / "in", "ab")
    counted = Outcome(5, 4, {"bad": 1})
    balance.check("augment", counted, came, augmented(tmp_path / "out", "ab", "xy", "z"))
    balance.check("augment", Outcome(3, 2, {"bad": 1}), came, stored(tmp_path / "none", "ab", "z"))
    with pytest.raises(AssertionError, match="the records do not add up"):
        balance.check("augment", counted, came, augmented(tmp_path / "touched", "ac", "xy", "z"))
    with pytest.raises(AssertionError, match="the new records do not add up"):
        balance.check("augment", Outcome(6, 5, {"bad": 1}), came, augmented(tmp_path / "few", "ab", "xy", "z"))


@pytest.mark.parametrize(
    ("kept", "gone", "counted", "said"),
    [
        ("abd", "", outcome(4, 0), "records"),  # one is lost
        ("abc", "c", outcome(3, 1), "records"),  # the wrong one is in the ledger: the counts alone would not tell
        ("abd", "c", outcome(3, 2), "reasons"),
        ("abd", "c", outcome(3, 1, 2), "steps"),
        ("abdx", "c", outcome(3, 1), "records"),  # one came from nowhere
    ],
)
def test_what_does_not_is_a_bug(tmp_path: Path, kept: str, gone: str, counted: Outcome, said: str) -> None:
    with pytest.raises(AssertionError, match=f"the {said} do not add up"):
        balance.check("prepare", counted, stored(tmp_path / "in", "abcd"), stored(tmp_path / "out", kept, gone))
