"""Near-duplicates by vectors are those of comparing all with all, in the order of the records."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.similar import cosine
from weitiao.similar.cosine import near_vectors
from weitiao.similar.join import chosen_twins
from weitiao.similar.vectors import Floats, unit

Rows = list[tuple[int, int, int]]


def plain(vectors: Floats, apart: list[int], threshold: float) -> dict[int, int]:
    """Return each row that goes and the row it is most like, by the rule as it is told."""
    stays: list[int] = []
    gone: dict[int, int] = {}
    for row, own in enumerate(vectors):
        alike = {of: round(float(own @ vectors[of]), 6) for of in stays if apart[of] == apart[row]}
        best = max(alike, key=lambda of: alike[of], default=None)
        if best is not None and alike[best] >= threshold:
            gone[row] = best
        else:
            stays.append(row)
    return gone


@settings(max_examples=150)
@given(
    st.lists(st.tuples(*[st.integers(-3, 3)] * 3), max_size=40),
    st.integers(1, 2),
    st.sampled_from([0.6, 0.9, 1.0]),
    st.sampled_from([(2, 3), (512, 8192)]),
)
def test_what_goes_and_of_what(rows: Rows, kinds: int, threshold: float, blocks: tuple[int, int]) -> None:
    vectors = unit(np.array(rows, dtype=np.float32).reshape(-1, 3))
    apart = [sum(row) % kinds for row in rows]
    gone = np.zeros(len(rows), dtype=np.bool_)
    before = cosine._OWN, cosine._OTHERS
    cosine._OWN, cosine._OTHERS = blocks
    try:
        pairs = near_vectors(vectors, np.array(apart, dtype=np.uint64), threshold, 0.05, gone)
        found = chosen_twins(pairs, lambda row: "", gone)
    finally:
        cosine._OWN, cosine._OTHERS = before
    twins = {row: of for row, of, score, least in found.rows() if score >= least - 1e-9}
    assert set(twins) == set(plain(vectors, apart, threshold)) == set(np.flatnonzero(gone).tolist())
    for row, of in plain(vectors, apart, threshold).items():
        assert abs(float(vectors[row] @ vectors[twins[row]] - vectors[row] @ vectors[of])) < 2e-6
        assert not gone[twins[row]]
    for row, of, score, least in found.rows():
        assert least - 0.05 - 1e-6 <= score <= 1
        assert of < row
