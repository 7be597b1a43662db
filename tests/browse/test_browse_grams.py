"""The index of texts: what it finds is what a scan finds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weitiao.browse import grams
from weitiao.browse.catalogue import lowered

LETTERS = st.text(st.sampled_from("石油水的是不我 \n\0aAbBéÉßİΣς，🙂𠀀"), max_size=12)
WORDS = st.lists(st.sampled_from(["石油", "什么", "为什么", "learning", "Rate", "的", " ", "İ"]), max_size=6).map(
    "".join
)
TEXTS = st.lists(st.one_of(LETTERS, WORDS, st.text(max_size=8)), min_size=1, max_size=20)
TERMS = st.one_of(LETTERS, WORDS, st.text(max_size=4)).filter(lambda term: term and "\0" not in term)


def lower(texts: list[str]) -> list[str]:
    return list(lowered(pl.Series(texts, dtype=pl.String)))


@given(TEXTS, TERMS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_finds_what_a_scan_finds(tmp_path: Path, texts: list[str], term: str) -> None:
    texts, (term,) = lower(texts), lower([term])
    grams.write(tmp_path, 0, texts)
    index = grams.Grams.open(tmp_path, 0)
    assert index
    rows, sure = index.candidates(term, len(texts))
    scanned = [place for place, text in enumerate(texts) if term in text]
    if sure:
        assert rows.tolist() == scanned
    else:
        assert [place for place in rows.tolist() if term in texts[place]] == scanned


def test_common_threes_are_sure_and_narrow_what_is_longer(tmp_path: Path) -> None:
    texts = ["为什么呢"] * 40 + ["为什 什么"] * 5 + ["因为 what why"]
    grams.write(tmp_path, 3, texts)
    index = grams.Grams.open(tmp_path, 3)
    assert index
    assert (index.candidates("为什么", 46)[0].tolist(), index.candidates("为什么", 46)[1]) == (list(range(40)), True)
    assert index.candidates("为什么吗", 46)[0].tolist() == []
    assert index.candidates("what", 46)[0].tolist() == [45]
    assert index.candidates("么", 46)[0].tolist() == list(range(45))
    assert index.candidates("石油", 46)[0].tolist() == []
    assert grams.Grams.open(tmp_path, 4) is None


def test_what_texts_share_is_counted(tmp_path: Path) -> None:
    grams.write(tmp_path, 0, ["鱼会不会淹死", "鱼会渴死", "", "rain"])
    index = grams.Grams.open(tmp_path, 0)
    assert index
    pairs = {ord(a) << 21 | ord(b) for a, b in ("鱼会", "会不", "淹死", "下雨")}
    assert index.shared(pairs, 4).tolist() == [3, 1, 0, 0]
    assert index.shared(set(), 4).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("sizes", "bounds"),
    [
        ([], [0]),
        ([1, 2, 3], [0, 3]),
        ([3_000_000, 2_000_000, 5_000_000, 1], [0, 1, 2, 3, 4]),
        ([1] * 70_000, [0, 65_536, 70_000]),
    ],
)
def test_segments_hold_so_many_characters_and_records(sizes: list[int], bounds: list[int]) -> None:
    assert grams.segments(np.array(sizes, dtype=np.uint32)) == bounds
