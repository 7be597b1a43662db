"""By vectors the earlier record stays, figures keep apart, and who has no vector is named and stays."""

from pathlib import Path

import orjson
import polars as pl
import pytest
from pydantic import ValidationError

from weitiao import record
from weitiao.errors import UserError
from weitiao.prepare.drop_near_duplicates import DropNearDuplicates
from weitiao.record import Record, record_id
from weitiao.step import Around, Batch

TEXTS = ["咖啡算豆浆吗", "天为什么蓝", "豆浆里有没有咖啡", "有3个苹果", "有4个苹果", "没有向量"]
VECTORS = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.97, 0.2431, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]


def batch(texts: list[str]) -> Batch:
    rows = [Record(record_id("f", row, b""), (("user", text),), "f", row) for row, text in enumerate(texts, 1)]
    return Batch.of(record.to_frame(rows))


def step(folder: Path, before: Batch, similarity: float, *, same_figures: bool = True) -> DropNearDuplicates:
    ids = before.records["id"].to_list()[: len(VECTORS)]
    pl.DataFrame({"id": ids[::-1], "embedding": VECTORS[::-1]}).write_parquet(folder / "vectors.parquet")
    made = DropNearDuplicates(
        by="embedding", embeddings="vectors.parquet", similarity=similarity, same_figures=same_figures
    )
    assert made.outside() == ("vectors.parquet",)
    return made.within(Around(folder))


@pytest.mark.parametrize(("similarity", "same", "gone"), [(0.95, True, [2]), (0.98, True, []), (0.95, False, [2, 4])])
def test_the_later_one_goes(tmp_path: Path, similarity: float, same: bool, gone: list[int]) -> None:
    before = batch(TEXTS)
    made = step(tmp_path, before, similarity, same_figures=same)
    after = made.apply(before)
    assert after.turns["content"].to_list() == [text for place, text in enumerate(TEXTS) if place not in gone]
    rest = Batch(after.records, after.turns)
    assert made.apply(rest).records["id"].to_list() == after.records["id"].to_list()


def test_the_ledger_has_score_and_twin_what_was_spared_and_who_has_no_vector(tmp_path: Path) -> None:
    before = batch(TEXTS)
    ids = before.records["id"].to_list()
    for similarity, action in ((0.95, "dropped"), (0.98, "spared")):
        events = step(tmp_path, before, similarity).apply(before).ledger()
        told = {key: (act, reason, detail) for key, act, reason, detail in _rows(events)}
        assert told[ids[5]] == ("skipped", "no vector", None)
        act, reason, detail = told[ids[2]]
        assert (act, reason) == (action, "near-duplicate")
        assert orjson.loads(detail or "") == {
            "setting": "similarity",
            "score": 0.970001,
            "goes": ">=",
            "threshold": similarity,
            "noted_to": round(similarity - 0.05, 6),
            "of": ids[0],
        }


def _rows(events: pl.DataFrame) -> list[tuple[str, str, str, str | None]]:
    return [tuple(row) for row in events.select("id", "action", "reason", "detail").rows()]


def test_a_file_of_other_records_and_settings_that_lack_are_told(tmp_path: Path) -> None:
    before = batch(TEXTS)
    made = step(tmp_path, before, 0.95)
    assert made.apply(batch([])).records.is_empty()
    with pytest.raises(UserError, match="no vector for any of 1 record"):
        made.apply(Batch.of(record.to_frame([Record("other", (("user", "a"),), "f", 1)])))
    for wrong in ({"by": "embedding", "similarity": 0.9}, {"embeddings": "f", "similarity": 0.9}):
        with pytest.raises(ValidationError, match="belong together"):
            DropNearDuplicates.model_validate(wrong)
    with pytest.raises(ValidationError, match="has no default"):
        DropNearDuplicates(by="embedding", embeddings="f")
    pl.DataFrame({"id": ["a", "b"], "embedding": [[1.0], [1.0, 2.0]]}).write_parquet(tmp_path / "vectors.parquet")
    with pytest.raises(UserError, match="not all have as many numbers"):
        made.apply(before)
