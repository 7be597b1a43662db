"""Near-duplicates among more texts than fit in memory: signatures tell which pairs to compare, and these are compared.

In memory is the index alone: 134 bytes a text. Texts up to about a hundred characters, whose pieces are too few for
signatures, are joined as smaller data are (about 50 bytes a character). What is left to chance is which pairs of longer
texts are looked at: of those at their threshold more than 99.9 in a hundred.
"""

import heapq
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.engine import local
from weitiao.gather import Gathered
from weitiao.similar.folding import Folded, fold
from weitiao.similar.join import LONGEST_EDITED, SHORT, Likeness, Pair, Pairs, Shares, chosen_twins, near_pairs, salts
from weitiao.similar.keys import Flags, Forms, Ints, compared, first_of_each
from weitiao.similar.opposed import is_opposed
from weitiao.similar.signatures import SIZE, candidates, filled, hashes, shares, signatures

_SIGNED = np.dtype([("hash", "<u8"), ("kind", "u1"), ("signature", "u1", (SIZE,))])
JOINED, SIGNS = 1, 2  # kinds: a text for the join, one for the signatures; between the two it is both
_AT_A_TIME = 5_000  # pairs of long texts: some 30 MB of characters


def twins_on_disk(gathered: Gathered, likeness: Likeness) -> tuple[Ints, pl.DataFrame]:
    """Return for each row's `text` the first one of the same, and of these what `kept_twins` returns."""
    parts = range(len(gathered.parts))
    for _ in local.run(partial(sign, gathered=gathered, likeness=likeness), parts):
        pass
    signed = _loaded([_place(gathered, index) for index in parts])
    first = first_of_each(signed["hash"], signed["kind"] > 0)
    new = first == np.arange(len(first))
    joined, signs = (new & (signed["kind"] & kind > 0) for kind in (JOINED, SIGNS))
    left, right = candidates(signed["signature"], signs, likeness.long - likeness.margin)
    del signed
    gone = np.zeros(len(new), dtype=np.bool_)
    looked_at = joined.copy()
    looked_at[left] = looked_at[right] = True
    with _Texts(gathered, looked_at) as texts:
        rows = np.flatnonzero(joined)
        short = compared(texts.read(rows), same_figures=likeness.same_figures)
        pairs = heapq.merge(short_pairs(short, rows, likeness, gone), _long_pairs(texts, left, right, likeness, gone))
        return first, chosen_twins(pairs, partial(key_of, keys=short["key"], rows=rows), gone)


def key_of(row: int, keys: pl.Series, rows: Ints) -> str:
    """Return a text's key, given those of some `rows`; of the others it is known that they are no form filled in."""
    place = int(np.searchsorted(rows, row))
    return str(keys[place]) if place < len(rows) and rows[place] == row else ""


def _limits(likeness: Likeness) -> tuple[int, int]:
    """Return up to how many characters texts are joined, and beyond how many they have signatures.

    A text that is joined only can be alike to none that has only a signature: that one has too many pieces.
    """
    joined_only = max(LONGEST_EDITED, int(SHORT / max(likeness.short - likeness.margin, 0.01)))
    return int((joined_only + 1) / max(likeness.long - likeness.margin, 0.01)), joined_only


def _place(gathered: Gathered, index: int) -> Path:
    return gathered.aside / f"{index:05d}.npy"


def signed_at(gathered: Gathered, index: int) -> NDArray[np.void]:
    """Return `hash, kind, signature` of one part's texts, as `sign` has written them."""
    signed: NDArray[np.void] = np.load(_place(gathered, index))
    return signed


def sign(index: int, gathered: Gathered, likeness: Likeness) -> int:
    """Write the hash, the kind and the signature of one part's texts, unless they are there; return how many."""
    path = _place(gathered, index)
    if path.exists():
        return len(np.load(path, mmap_mode="r"))
    folded = fold(gathered.part(index, "text")["text"], same_figures=likeness.same_figures)
    lengths, salt = np.diff(folded.ends, prepend=0), salts(folded.figures)
    joined, joined_only = _limits(likeness)
    out = np.zeros(len(lengths), dtype=_SIGNED)
    out["hash"] = hashes(folded.units, folded.ends, salt)
    out["kind"] = (lengths > 0) * ((lengths <= joined) * JOINED + (lengths > joined_only) * SIGNS)
    out["signature"] = signatures(folded.units, folded.ends, salt)
    aside = path.with_suffix(".part")
    with aside.open("wb") as file:
        np.save(file, out)
    aside.replace(path)
    return len(out)


def _loaded(paths: list[Path]) -> NDArray[np.void]:
    """Return the signed texts of all parts, of which no second copy is held on the way."""
    counts = [np.load(path, mmap_mode="r").shape[0] for path in paths]
    signed, start = np.empty(sum(counts), dtype=_SIGNED), 0
    for path, count in zip(paths, counts, strict=True):
        signed[start : start + count] = np.load(path)
        start += count
    return signed


class _Texts:
    """The texts that are looked at, in a file of their own: read by row in any order, not held in memory."""

    def __init__(self, gathered: Gathered, looked_at: Flags) -> None:
        self._rows = np.flatnonzero(looked_at)
        path, lengths = gathered.aside / "looked-at", [np.zeros(0, dtype=np.int64)]
        with path.open("wb") as file:
            for part in gathered.some(looked_at, "text"):
                file.write(part["text"].str.join("").cast(pl.Binary)[0])
                lengths.append(part["text"].str.len_bytes().to_numpy().astype(np.int64))
        self._ends = np.cumsum(np.concatenate(lengths))
        self._file = path.open("rb")

    def __enter__(self) -> "_Texts":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, rows: Ints) -> pl.Series:
        """Return some texts."""
        places = np.searchsorted(self._rows, rows)
        starts, ends = np.append(0, self._ends)[places].tolist(), self._ends[places].tolist()
        read = [os.pread(self._file.fileno(), end - start, start) for start, end in zip(starts, ends, strict=True)]
        return pl.Series(read, dtype=pl.Binary).cast(pl.String)


def short_pairs(texts: pl.DataFrame, rows: Ints, likeness: Likeness, gone: Flags) -> Iterator[Pair]:
    """Yield the pairs among the texts `key, figures` that are these `rows`, but for those `gone` by then."""
    own = gone[rows]
    for found in near_pairs(texts, likeness, own):
        yield from Pairs(rows[found.left], rows[found.right], found.similarity, found.threshold).rows()
        own[:] = gone[rows]


def _long_pairs(texts: _Texts, left: Ints, right: Ints, likeness: Likeness, gone: Flags) -> Iterator[Pair]:
    for start in range(0, len(left), _AT_A_TIME):
        one, other = left[start : start + _AT_A_TIME], right[start : start + _AT_A_TIME]
        one, other = one[~gone[one]], other[~gone[one]]
        rows = np.unique(np.concatenate([one, other]))
        folded = fold(texts.read(rows), same_figures=likeness.same_figures)
        similarity, near = alike(folded, np.searchsorted(rows, one), np.searchsorted(rows, other), likeness)
        found = Pairs(one, other, similarity, np.full(len(one), likeness.long))
        yield from found.where(near).rows()


def alike(folded: Folded, one: Ints, other: Ints, likeness: Likeness) -> tuple[Shares, Flags]:
    """Return how alike the texts of each pair are, given their rows, and if they are near-duplicates.

    Those that fall short by the margin are among them, forms filled in twice are not.
    """
    units, ends, figures = folded.units, folded.ends, folded.figures
    similarity = shares(units, ends, one, other)
    near = (similarity >= max(likeness.long - likeness.margin, 0.01) - 1e-9) & (figures[one] == figures[other])
    near[near] = ~filled(units, ends, one[near], other[near])
    rows = np.unique(np.concatenate([one[near], other[near]]))
    keys = folded.keys(rows)
    left, right = np.searchsorted(rows, one[near]), np.searchsorted(rows, other[near])
    two = [is_opposed(keys[a], keys[b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    told = np.array(two, dtype=np.bool_)
    if likeness.same_figures:
        told |= Forms.of(keys).differ(left, right)
    near[near] = ~told
    return similarity, near
