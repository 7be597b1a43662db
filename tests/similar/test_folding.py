"""The compiled look-up compares what `matching_key` compares."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.similar import folding, keys
from weitiao.similar.folding import Folded, fold
from weitiao.similar.keys import compared

_CHARS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("0123456789.．.,+-=*/×①½⅒三十 \n　aÀΣςßﬁ가각가́的，。！\U00020000\U0001f600"),
)


@given(st.lists(st.text(_CHARS, max_size=30), max_size=8))
def test_it_is_what_is_compared(texts: list[str]) -> None:
    folded, expected = fold(series := pl.Series(texts, dtype=pl.String)), compared(series)
    assert folded.keys(np.arange(len(texts))).to_list() == expected["key"].to_list()
    assert folded.figures.tolist() == expected["figures"].to_list()
    again = Folded.of(expected)
    assert (again.units.tolist(), again.ends.tolist()) == (folded.units.tolist(), folded.ends.tolist())


def test_figures_are_left_out_where_they_do_not_count() -> None:
    sums = pl.Series(["91-33=", "91+33="])
    assert len(set(fold(sums).figures.tolist())) == 2
    assert fold(sums, same_figures=False).figures.tolist() == [0, 0]


def test_of_plain_texts_none_is_looked_at_more_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    closely: list[str] = []

    def noted(texts: pl.Series) -> pl.Series:
        closely.extend(texts)
        return keys.matching_keys(texts)

    monkeypatch.setattr(folding, "matching_keys", noted)
    fold(pl.Series(["Ａ，b C。", "1.5 和 15", "", "……", "Gödel", "か\u3099", "\U0001f600", "3.", "a.b"]))
    assert closely == ["1.5 和 15", "……", "か\u3099", "\U0001f600"]
