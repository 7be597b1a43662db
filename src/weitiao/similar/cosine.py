"""Near-duplicates by vectors: all pairs whose cosine is enough, found exactly, a block against a block."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from weitiao.similar.join import Pair
from weitiao.similar.keys import Flags
from weitiao.similar.vectors import Floats

_OWN, _OTHERS = 512, 8192  # rows that are held against so many earlier ones at once: 16 MB of cosines


def near_vectors(
    vectors: Floats, apart: NDArray[np.uint64], threshold: float, margin: float, gone: Flags
) -> Iterator[Pair]:
    """Yield the pairs (right, left, cosine, threshold) of rows near each other, `right` ascending, to six digits.

    The vectors have length one, or nothing: such a row is near none. Rows whose `apart` differs are never near. Of rows
    in earlier blocks only the nearest one is given, among those that the caller has not marked in `gone` meanwhile.
    """
    least = max(threshold - margin, 1e-5) - 1e-6
    for start in range(0, len(vectors), _OWN):
        own = slice(start, start + _OWN)
        best, twin = _nearest(vectors, apart, own, np.flatnonzero(~gone[:start]))
        inside = _cosines(vectors[own], vectors[own], apart[own], apart[own])
        for place in range(len(inside)):
            right = start + place
            if best[place] >= least:
                yield right, int(twin[place]), round(float(best[place]), 6), threshold
            for left in np.flatnonzero(inside[place, :place] >= least).tolist():
                yield right, start + left, round(float(inside[place, left]), 6), threshold


def _nearest(
    vectors: Floats, apart: NDArray[np.uint64], own: slice, stays: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp]]:
    """Return for each row the highest cosine with an earlier one that stays, and the first row of that cosine."""
    count = len(vectors[own])
    best, twin = np.full(count, -1, dtype=np.float32), np.zeros(count, dtype=np.intp)
    for first in range(0, len(stays), _OTHERS):
        others = stays[first : first + _OTHERS]
        alike = _cosines(vectors[own], vectors[others], apart[own], apart[others])
        place = alike.argmax(axis=1)
        highest = alike[np.arange(count), place]
        better = highest > best
        best[better], twin[better] = highest[better], others[place[better]]
    return best, twin


def _cosines(rows: Floats, others: Floats, apart: NDArray[np.uint64], aside: NDArray[np.uint64]) -> Floats:
    alike = rows @ others.T
    alike[apart[:, None] != aside] = -1
    capped: Floats = np.minimum(alike, 1)
    return capped
