"""Which rows say again what an earlier one says, among rows on many machines: equal hashes meet in a shuffle."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import polars as pl

from weitiao.engine import Engine, Shuffle
from weitiao.gather import Gathered
from weitiao.similar.keys import Flags, Hashes, Ints

_PLACES = 1000  # where rows meet, at most
_FIRSTS = {"row": pl.Int64, "first": pl.Int64}
Part = tuple[int, int, int]  # number, number of its first row, places


def first_rows(gathered: Gathered, column: str, engine: Engine, shuffle: Shuffle) -> Ints:
    """Return for each row the first one with the same hash in `column`; a row without is unlike all others."""
    lengths = engine.run(partial(_length, gathered=gathered), range(len(gathered.parts)))
    return firsts(partial(_hashed, gathered=gathered, column=column), starts_of(lengths), shuffle)


def starts_of(lengths: Iterable[tuple[int, int]]) -> Ints:
    """Return the number of each part's first row, and of the row after the last, given (part, rows) in any order."""
    return np.cumsum([0, *(length for _, length in sorted(lengths))], dtype=np.int64)


def places_of(starts: Ints) -> int:
    """Return at how many places rows meet."""
    return min(len(starts) - 1, _PLACES)


def firsts(emit: Callable[[Part], pl.DataFrame], starts: Ints, shuffle: Shuffle) -> Ints:
    """Return for each row the first one with the same hash, given what emits `placed` hashes of a part."""
    parts = [(index, start, places_of(starts)) for index, start in enumerate(starts[:-1].tolist())]
    found = shuffle(emit, parts, [("place", _first_ones)], _FIRSTS)
    first = np.arange(starts[-1])
    first[found["row"].to_numpy()] = found["first"].to_numpy()
    return first


def placed(hashes: Hashes, told: Flags, start: int, places: int) -> pl.DataFrame:
    """Return the hashes of the rows that are `told`, with their numbers and where they meet."""
    rows = np.flatnonzero(told)
    there = (hashes[rows] % np.uint64(places)).astype(np.int32)
    return pl.DataFrame({"place": there, "hash": hashes[rows], "row": rows + start})


def _length(index: int, gathered: Gathered) -> int:
    return len(gathered.part(index, "id"))


def _hashed(part: Part, gathered: Gathered, column: str) -> pl.DataFrame:
    index, start, places = part
    hashes = gathered.part(index, column)[column]
    return placed(hashes.fill_null(0).to_numpy(), hashes.is_not_null().to_numpy(), start, places)


def _first_ones(met: pl.DataFrame) -> pl.DataFrame:
    told = met.select("row", first=pl.col("row").min().over("hash"))
    return told.filter(pl.col("row") != pl.col("first"))
