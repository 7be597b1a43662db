"""So many records stay, those that speak for all; what goes names the nearest that stays."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prepare.test_prepare_run import job, source
from weitiao import record
from weitiao.errors import UserError
from weitiao.prepare.pick_diverse import PickDiverse
from weitiao.prepare.run import run
from weitiao.record import Record, record_id
from weitiao.similar.vectors import buckets, tokens, vectors
from weitiao.step import Around, Batch

Way = Literal["cover", "spread"]
WAYS: tuple[Way, ...] = get_args(Way)
# Four matters, four times each said in other words.
SAID = (
    "怎么给植物浇水，多久给植物浇水一次",
    "排序数组用什么算法，数组排序的算法有哪些",
    "How to bake bread at home, bread baking for beginners",
    "手机电池不耐用，手机电池怎么保养",
)
TEXTS = [f"{said}{end}" for said in SAID for end in ("", "？", "呢", "呀")]


def batch(texts: list[str]) -> Batch:
    rows = [Record(record_id("f", row, b""), (("user", text),), "f", row) for row, text in enumerate(texts, 1)]
    return Batch.of(record.to_frame(rows))


def left(step: PickDiverse, before: Batch) -> list[str]:
    return sorted(step.apply(before).turns["content"].to_list())


@pytest.mark.parametrize("way", WAYS)
def test_one_of_each_matter_stays(way: Way) -> None:
    kept = left(PickDiverse(keep=4, way=way), batch(TEXTS))
    assert sorted(TEXTS.index(text) // 4 for text in kept) == [0, 1, 2, 3]


@settings(max_examples=30)
@given(
    st.lists(st.text("水电脑机a b1。", max_size=12), max_size=12),
    st.integers(1, 12),
    st.sampled_from(["cover", "spread"]),
)
def test_so_many_stay_whatever_the_order(texts: list[str], keep: int, way: Way) -> None:
    step, before = PickDiverse(keep=keep, way=way), batch(texts)
    kept = step.apply(before).records["id"].to_list()
    assert len(kept) == min(keep, len(texts))
    turned = Batch(before.records.reverse(), before.turns.reverse())
    assert set(step.apply(turned).records["id"]) == set(kept)
    again = step.apply(step.apply(before)).records["id"].to_list()
    assert again == kept


def test_a_share_stays() -> None:
    assert len(left(PickDiverse(keep=0.25), batch(TEXTS))) == 4


def test_the_ledger_names_the_nearest_one_and_how_far_it_is() -> None:
    before = batch(TEXTS)
    after = PickDiverse(keep=4).apply(before)
    said = dict(before.turns.select("id", "content").iter_rows())
    events = after.ledger()
    assert events["reason"].unique().to_list() == ["not picked"]
    for key, detail in events.select("id", "detail").iter_rows():
        told = orjson.loads(detail)
        assert TEXTS.index(said[told["of"]]) // 4 == TEXTS.index(said[key]) // 4
        assert 0 <= told["score"] < 0.7
        assert told["of"] in after.records["id"]


def test_the_manifest_has_the_coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    work = job(tmp_path / "run", source(tmp_path / "source", TEXTS), {"steps": [{"pick_diverse": {"keep": 4}}]})
    outcome = run(work)
    (coverage,) = outcome.facts["coverage"]
    assert outcome.kept == 4
    assert (coverage["picked"], coverage["of"]) == (4, 16)
    assert coverage["mean"] <= coverage["random_mean"]
    assert coverage["p95"] <= coverage["random_p95"]


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_vectors_from_a_file_are_compared_instead(tmp_path: Path, suffix: str) -> None:
    before = batch(["甲", "乙", "丙"])
    ids, rows = before.records["id"].to_list(), [[1.0, 0.0], [0.0, 2.0], [0.9, 0.1]]
    path = tmp_path / f"vectors.{suffix}"
    if suffix == "npz":
        np.savez(path, ids=np.array(ids), vectors=np.array(rows))
    else:
        pl.DataFrame({"id": ids, "embedding": rows}).write_parquet(path)
    step = PickDiverse(keep=2, embeddings=path.name).within(Around(tmp_path))
    assert step.outside() == (path.name,)
    assert left(step, before) in (["乙", "甲"], ["丙", "乙"])
    with pytest.raises(UserError, match="no vector for 1 record:"):
        step.apply(batch(["甲", "乙", "丙", "丁"]))
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="Cannot read"):
        step.apply(before)


def test_pieces_are_words_and_pairs() -> None:
    texts = pl.DataFrame({"id": ["a", "b", "c"], "text": ["用Python3排序，快", "。", "don't ひと"]})
    found = tokens(texts).group_by("id", maintain_order=True).agg("piece").rows()
    assert found == [("a", ["python3", "排序"]), ("c", ["don", "t", "ひと"])]
    assert buckets(texts)["pieces"].list.len().to_list() == [2, 0, 3]


def test_vectors_are_as_alike_as_texts() -> None:
    known = vectors(buckets(pl.DataFrame({"id": [str(n) for n in range(16)], "text": TEXTS}))["pieces"])
    alike = known @ known.T
    same = np.arange(16)[:, None] // 4 == np.arange(16) // 4
    assert alike[same].min() > 0.8
    assert np.abs(alike[~same]).max() < 0.1
