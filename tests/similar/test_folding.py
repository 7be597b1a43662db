"""The compiled look-up compares what `matching_key` compares."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from weitiao.similar.folding import fold
from weitiao.similar.keys import compared

_CHARS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("0123456789.．.,+-=*/×①½⅒三十 \n　aÀΣςßﬁ가각가́的，。！\U00020000\U0001f600"),
)


@given(st.lists(st.text(_CHARS, max_size=30), max_size=8))
def test_units_are_those_of_the_keys_and_what_may_be_a_sum_is_told(texts: list[str]) -> None:
    folded = fold(series := pl.Series(texts, dtype=pl.String))
    expected = compared(series)
    for place, (start, end) in enumerate(zip([0, *folded.ends.tolist()], folded.ends.tolist(), strict=False)):
        key, figures = expected.row(place)
        if not folded.odd[place]:
            assert "".join(map(chr, folded.units[start:end].tolist())) == key
        assert figures == 0 or folded.numeric[place]


def test_plain_texts_are_not_odd() -> None:
    texts = ["Ａ，b C。", "1.5 和 15", "", "……", "Gödel", "か\u3099", "\U0001f600", "3.", "a.b"]
    folded = fold(pl.Series(texts))
    assert np.flatnonzero(folded.odd).tolist() == [1, 3, 5, 6]
    assert [int(end) for end in folded.ends] == [3, 3, 3, 3, 8, 8, 8, 9, 11]


def test_numbers_far_behind_words_make_no_sum() -> None:
    folded = fold(pl.Series(["91-33=", "他们" * 20 + "9", "他" * 18 + "9"]))
    assert folded.numeric.tolist() == [True, False, True]
