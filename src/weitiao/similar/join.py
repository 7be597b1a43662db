"""The set-similarity join: pairs of texts that share enough of their pieces, and one-edit twins."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.similar.keys import WIDE, Flags, Forms, Hashes, Ints, is_filled, laid_out
from weitiao.similar.opposed import is_opposed

Shares = NDArray[np.float64]
Pair = tuple[int, int, float, float]  # right, left, similarity, threshold
N = TypeVar("N", bound=np.integer[Any])

SHORT = 50  # characters; below, one edit breaks more than a fifth of the five-character pieces
LONGEST_EDITED = 64  # characters; in a longer text than this the pieces tell of one edit
_SHORTEST_EDITED = 5  # in a shorter one it may change all
_NEIGHBOURS = 500  # a piece that more texts share is looked up in the last so many: it tells little, and costs most
_BLOCK = 4_000_000  # lookups at a time: about 200 MB
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)  # of 64 bits


@dataclass(frozen=True)
class Likeness:
    """From which share of common pieces on two texts are near-duplicates."""

    short: float = 0.6  # Chinese, Japanese or Korean, and the shorter one below 50 characters
    long: float = 0.8
    same_figures: bool = True  # texts that differ in nothing but their numbers are different texts
    margin: float = 0.0  # pairs that fall short of it by so much are found too


@dataclass(frozen=True)
class Pairs:
    """Pairs of near-duplicates by row number, `left` < `right`, ordered by `right`.

    `threshold` is the likeness that the pair is held against: NaN for one-edit twins, which are alike at any.
    """

    left: Ints
    right: Ints
    similarity: Shares
    threshold: Shares

    def where(self, chosen: Flags | Ints) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(self.left[chosen], self.right[chosen], self.similarity[chosen], self.threshold[chosen])

    def rows(self) -> Iterator[Pair]:
        """Yield the pairs one by one."""
        columns = (self.right, self.left, self.similarity, self.threshold)
        yield from zip(*(column.tolist() for column in columns), strict=True)


def near_pairs(texts: pl.DataFrame, likeness: Likeness, gone: Flags | None = None, first: int = 0) -> Iterator[Pairs]:
    """Yield all pairs of near-duplicates among the rows of `key, figures` (each row once), `right` ascending.

    Rows that the caller marks in `gone` between two blocks are looked up no more; pairs whose `right` is before
    `first` are not looked for.
    """
    gone = np.zeros(len(texts), dtype=np.bool_) if gone is None else gone
    joins = _joins(texts, likeness)
    forms = Forms.of(texts["key"])
    seen = gone.copy()
    while first < len(texts):
        lookups = np.cumsum(np.sum([join.index.lookups for join in joins], axis=0)[first:])
        last = first + max(1, int(np.searchsorted(lookups, _BLOCK)))
        found = _merged([join.pairs(first, last) for join in joins])
        if likeness.same_figures:
            found = found.where(~forms.differ(found.left, found.right))
        if len(found.left):
            yield found
        first = last
        if (gone != seen).any():
            seen = gone.copy()
            joins = [replace(join, index=join.index.without(seen)) for join in joins]


def kept_twins(texts: pl.DataFrame, likeness: Likeness) -> pl.DataFrame:
    """Choose, in order, the rows that are like no row chosen before; return the others.

    The columns are `row, twin, similarity, threshold`; `twin` is the chosen row that is most alike, `threshold` null
    for one-edit twins. Forms filled in twice, and what says the contrary, are not taken for duplicates. With a margin
    the rows that fall short of their threshold are among them, though they are chosen.
    """
    gone = np.zeros(len(texts), dtype=np.bool_)
    pairs = (pair for block in near_pairs(texts, likeness, gone) for pair in block.rows())
    return chosen_twins(pairs, texts["key"].to_list().__getitem__, gone)


def chosen_twins(pairs: Iterable[Pair], key: Callable[[int], str], gone: Flags) -> pl.DataFrame:
    """Choose as `kept_twins` does, given pairs by right, ascending; what is not chosen is marked in `gone`."""
    best: dict[int, tuple[float, int, float]] = {}
    near: dict[int, tuple[float, int, float]] = {}
    for right, left, similarity, threshold in pairs:
        short = similarity < threshold - 1e-9
        so_far = near if short else best
        better = right not in so_far or similarity > so_far[right][0]
        if not better or gone[left]:
            continue
        keys = (key(left), key(right))
        if not is_filled(*keys) and not is_opposed(*keys):
            so_far[right] = (similarity, left, threshold)
            gone[right] |= not short
    both = {**{row: one for row, one in near.items() if row not in best}, **best}
    rows = [(row, twin, similarity, threshold) for row, (similarity, twin, threshold) in sorted(both.items())]
    schema = {"row": pl.Int64, "twin": pl.Int64, "similarity": pl.Float64, "threshold": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("threshold").fill_nan(None))


def connected(count: int, left: Ints, right: Ints) -> Ints:
    """Return for each of `count` items the smallest item that it hangs together with over the edges left-right."""
    root = list(range(count))

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        one, other = find(a), find(b)
        root[max(one, other)] = min(one, other)
    return np.array([find(item) for item in range(count)], dtype=np.int64)


class _Index:
    """Which texts share a piece: entries ordered by piece, then by text; pieces of one text alone are left out."""

    def __init__(self, count: int, text: Ints, piece: Hashes) -> None:
        _, lengths = _runs(piece)
        shared = np.repeat(lengths > 1, lengths)
        self.count, self.text, self.piece = count, text[shared], piece[shared]
        starts, lengths = _runs(self.piece)
        # How many entries of the same piece are looked up before each entry.
        self.before = np.minimum(np.arange(len(self.piece)) - np.repeat(starts, lengths), _NEIGHBOURS)
        self.lookups = np.bincount(self.text, self.before, minlength=count).astype(np.int64)  # by text
        # How many pieces of each text are in more texts than are looked up.
        self.crowded = np.bincount(self.text[np.repeat(lengths > _NEIGHBOURS, lengths)], minlength=count)
        self.by_text = np.argsort(self.text, kind="stable")
        self.ends = np.cumsum(np.bincount(self.text, minlength=count))

    @classmethod
    def of(cls, count: int, text: Ints, piece: Hashes) -> "_Index":
        """Build the index of entries that are ordered by text."""
        order = np.argsort(piece, kind="stable")
        return cls(count, text[order], piece[order])

    def without(self, gone: Flags) -> "_Index":
        """Return the index without the texts that are gone."""
        stays = ~gone[self.text]
        return _Index(self.count, self.text[stays], self.piece[stays])

    def matches(self, first: int, last: int) -> tuple[Ints, Ints]:
        """Return pairs of entries of one piece, the second one of the texts from `first` to before `last`."""
        entries = self.by_text[self.ends[first - 1] if first else 0 : self.ends[last - 1]]
        before = self.before[entries]
        right = np.repeat(entries, before)
        steps = np.arange(len(right)) - np.repeat(np.cumsum(before) - before, before)
        return right - 1 - steps, right


@dataclass(frozen=True)
class _Edits:
    """The texts of one edit: equal when one character is left out of one or both."""

    index: _Index
    lengths: Ints

    def pairs(self, first: int, last: int) -> Pairs:
        """Return the pairs of one edit."""
        a, b = self.index.matches(first, last)
        left, right = self.index.text[a], self.index.text[b]
        left, right = left[left != right], right[left != right]
        similarity = 1 - 1 / np.maximum(self.lengths[left], self.lengths[right])
        return Pairs(left, right, similarity, np.full(len(left), np.nan))


@dataclass(frozen=True)
class _Overlap:
    """Texts as sets of pieces, those of a text from the rarest to the commonest."""

    index: _Index
    pieces: NDArray[np.uint32]
    starts: Ints  # where the pieces of each text start
    sizes: Ints
    rest: Ints  # how many pieces of each text are not indexed
    last: Hashes  # the last piece of each text that is indexed, with its rank
    crowded: Ints  # how many indexed pieces of each text are in more texts than are looked up
    least: float  # the threshold, less the margin
    threshold: float
    below: Flags | None  # of a pair one text at least has to be such a one

    @classmethod
    def of(cls, count: int, pieces: Hashes, threshold: float, margin: float, below: Flags | None = None) -> "_Overlap":
        """Order the pieces and index those of which a like text must have one: all but `least` of them, plus one."""
        least = max(threshold - margin, 0.01)
        text, ranked = _rarest_first(pieces)
        sizes = np.bincount(text, minlength=count)
        starts = np.cumsum(sizes) - sizes
        rest = np.maximum(np.ceil(least * sizes - 1e-9).astype(np.int64) - 1, 0)
        prefix = np.arange(len(text)) - starts[text] < (sizes - rest)[text]
        index = _Index.of(count, text[prefix], ranked[prefix])
        last = np.zeros(count, dtype=np.uint64)
        last[sizes > 0] = ranked[(starts + sizes - rest - 1)[sizes > 0]]
        return cls(index, ranked.astype(np.uint32), starts, sizes, rest, last, index.crowded, least, threshold, below)

    def pairs(self, first: int, last: int) -> Pairs:
        """Return the pairs whose share of common pieces is enough."""
        a, b = self.index.matches(first, last)
        left, right = self.index.text[a], self.index.text[b]
        one, other = self.sizes[left], self.sizes[right]
        near = np.minimum(one, other) >= self.least * np.maximum(one, other) - 1e-9
        if self.below is not None:
            near &= self.below[left] | self.below[right]
        left, right = left[near], right[near]
        both = np.sort(left << 32 | right)  # for tens of millions ten times as fast as `numpy.unique`
        starts, times = _runs(both)
        left, right = both[starts] >> 32, both[starts] & 0xFFFFFFFF
        # Common are the indexed pieces that matched, those not looked up, and of the text whose indexed pieces end
        # first at most all the others.
        rest = np.where(self.last[left] <= self.last[right], self.rest[left], self.rest[right])
        most = times + np.minimum(self.crowded[left], self.crowded[right]) + rest
        needed = self.least / (1 + self.least) * (self.sizes[left] + self.sizes[right])
        left, right = left[most >= needed - 1e-9], right[most >= needed - 1e-9]
        common = self._common(left, right)
        share = common / (self.sizes[left] + self.sizes[right] - common)
        enough = share >= self.least - 1e-9
        return Pairs(left, right, share, np.full(len(left), self.threshold)).where(enough)

    def _common(self, left: Ints, right: Ints) -> Ints:
        """Return how many pieces the two texts of each pair have in common."""
        weight = np.cumsum(self.sizes[left] + self.sizes[right])
        common = np.zeros(len(left), dtype=np.int64)
        start = 0
        while start < len(left):
            limit = _BLOCK + (weight[start - 1] if start else 0)
            end = max(start + 1, int(np.searchsorted(weight, limit)))
            texts = np.concatenate([left[start:end], right[start:end]])
            sizes = self.sizes[texts]
            offsets = np.cumsum(sizes) - sizes
            entries = np.arange(sizes.sum()) + np.repeat(self.starts[texts] - offsets, sizes)
            pair = np.repeat(np.tile(np.arange(end - start, dtype=np.uint64), 2), sizes)
            tagged = np.sort(pair << _HALF | self.pieces[entries])
            twice = tagged[1:][tagged[1:] == tagged[:-1]] >> _HALF
            common[start:end] = np.bincount(twice.astype(np.int64), minlength=end - start)
            start = end
        return common


@dataclass(frozen=True)
class _Letters:
    """All characters of all texts in one row, with the text that each belongs to."""

    units: NDArray[np.uint32]
    text: NDArray[np.int32]
    lengths: Ints  # by text
    salt: Hashes  # by text; keeps texts of different figures apart

    @classmethod
    def of(cls, texts: pl.DataFrame) -> "_Letters":
        units, lengths = laid_out(texts["key"])
        return cls(
            units,
            np.repeat(np.arange(len(texts), dtype=np.int32), lengths),
            lengths,
            salts(texts["figures"].to_numpy()),
        )

    def only(self, chosen: Flags) -> "_Letters":
        """Leave out the characters of the other texts; the numbers of the texts stay."""
        inside = chosen[self.text]
        return _Letters(self.units[inside], self.text[inside], np.where(chosen, self.lengths, 0), self.salt)


def _joins(texts: pl.DataFrame, likeness: Likeness) -> list[_Edits | _Overlap]:
    """Cut the texts into pieces, three ways, each for the texts that it is for."""
    letters, count = _Letters.of(texts), len(texts)
    assert count < 1 << 24, "a text's number has 24 bits"
    lengths = letters.lengths
    wide = np.bincount(letters.text[letters.units >= WIDE], minlength=count) * 2 >= lengths
    small = wide & (lengths < SHORT)
    few = wide & (lengths * likeness.short < SHORT)  # a text of which a small one may be a near-duplicate
    edited = (lengths >= _SHORTEST_EDITED) & (lengths <= LONGEST_EDITED)
    text, variant = _variants(letters.only(edited))
    return [
        _Edits(_Index.of(count, text, variant), lengths),
        _Overlap.of(count, _pieces(letters.only(few), 2), likeness.short, likeness.margin, small),
        _Overlap.of(count, _pieces(letters.only(~small), 5), likeness.long, likeness.margin),
    ]


def salts(figures: Hashes) -> Hashes:
    """Return for each text what is added to its pieces before they are hashed, so that it is like those of its sum."""
    return _mixed(figures)


def _mixed(values: Hashes) -> Hashes:
    """Scatter the bits of 64-bit numbers (the finisher of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _pieces(letters: _Letters, size: int) -> Hashes:
    """Return each run of `size` characters: its hash in the upper 32 bits, its text in the lower."""
    ends = np.cumsum(letters.lengths)
    packed = [np.zeros(0, dtype=np.uint64)]
    for first in range(0, len(letters.units), _BLOCK):  # a block at a time, for what is needed on the way
        text = letters.text[first : first + _BLOCK]
        starts = np.arange(first, first + len(text))
        whole = ends[text] - starts >= size
        starts, text = starts[whole], text[whole]
        hashes = np.zeros(len(starts), dtype=np.uint64)
        for step in range(size):
            hashes = hashes * _MULTIPLIER + letters.units[starts + step]
        hashes = _mixed(hashes + letters.salt[text])
        packed.append(hashes & ~_LOW | text.astype(np.uint64))
    return np.concatenate(packed)


def _variants(letters: _Letters) -> tuple[Ints, Hashes]:
    """Return text and 64-bit hash of each text, and of what it is without one of its characters.

    The hash is the sum of c[i] * m^i modulo 2^64; leaving out a character moves all behind it one power down.
    """
    units, text, lengths = letters.units, letters.text, letters.lengths
    ends = np.cumsum(lengths)
    place = np.arange(len(units)) - np.repeat(ends - lengths, lengths)
    powers = np.array([pow(int(_MULTIPLIER), i, 1 << 64) for i in range(LONGEST_EDITED)], dtype=np.uint64)
    terms = _mixed(units.astype(np.uint64) + np.uint64(1)) * powers[place]
    sums = np.append(np.uint64(0), np.cumsum(terms, dtype=np.uint64))
    whole, before = sums[ends] - sums[ends - lengths], sums[:-1] - sums[(ends - lengths)[text]]
    without = before + (whole[text] - before - terms) * np.uint64(pow(int(_MULTIPLIER), -1, 1 << 64))
    there = np.flatnonzero(lengths)
    texts = np.append(there, text.astype(np.int64))
    order = np.argsort(texts, kind="stable")
    return texts[order], _mixed(np.append(whole[there], without) + letters.salt[texts])[order]


def _runs(values: NDArray[N]) -> tuple[Ints, Ints]:
    """Return where each run of equal values starts, and how long it is."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    return starts, np.diff(np.append(starts, len(values)))


def _rarest_first(entries: Hashes) -> tuple[Ints, Hashes]:
    """Return the texts of packed pieces in order, and their pieces, rarest first, a rank in bits 32 to 39.

    The rank tells how many texts have the piece. The second 哈哈 of a text is another piece than the first, else 哈哈哈
    would be all of 哈哈哈哈哈哈.
    """
    entries.sort()
    again = np.flatnonzero(entries[1:] == entries[:-1]) + 1
    if len(again):
        starts, lengths = _runs(again - np.arange(len(again)))  # neighbours: one piece of one text
        nth = np.arange(len(again)) - np.repeat(starts, lengths) + 1
        other = _mixed(entries[again] >> _HALF | nth.astype(np.uint64) << _HALF)
        entries[again] = other & ~_LOW | entries[again] & _LOW
        entries.sort()
    _, counts = _runs(entries >> _HALF)
    rank = np.repeat((np.log2(counts) * 8).astype(np.uint8), counts)  # 8 bits hold up to 2^32 texts
    ordered = (entries & _LOW) << np.uint64(40) | entries >> _HALF
    ordered |= rank.astype(np.uint64) << _HALF
    ordered.sort()
    return (ordered >> np.uint64(40)).astype(np.int64), ordered & np.uint64(0xFFFFFFFFFF)


def _merged(found: list[Pairs]) -> Pairs:
    """Put the pairs of several joins together, each pair once with its greatest similarity, by right and left."""
    left, right = np.concatenate([one.left for one in found]), np.concatenate([one.right for one in found])
    similarity = np.concatenate([one.similarity for one in found])
    threshold = np.concatenate([one.threshold for one in found])
    order = np.lexsort((-similarity, left, right))
    both = Pairs(left, right, similarity, threshold).where(order)
    new = np.append(True, (both.left[1:] != both.left[:-1]) | (both.right[1:] != both.right[:-1]))[: len(order)]
    once = both.where(new)
    if len(order):  # one edit apart in any of the joins: alike at any threshold
        once.threshold[np.logical_or.reduceat(np.isnan(both.threshold), np.flatnonzero(new))] = np.nan
    return once
