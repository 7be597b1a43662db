"""Which of some items, such as the questions of a benchmark, stand in a text: as all of it, inside it, or nearly.

A stretch of a text is nearly an item by the rule for near-duplicates (`near_pairs`). An item and a stretch that are
alike have enough pieces in common, so at least one, and mostly two, of the item's rarest; only there they are compared.
Time grows with the characters of the texts, not with their number times that of the items.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.similar.join import SHORT, Likeness
from weitiao.similar.keys import WIDE, Forms, Hashes, Ints, is_filled
from weitiao.similar.opposed import is_opposed

Kind = Literal["exact", "contained", "near"]

INSIDE = 12  # characters, four letters as one; what is shorter stands in longer texts by chance
_EDITED = (5, 64)  # characters; as in the join, one edit keeps texts of these lengths alike
_BLOCK = 2_000_000  # characters at a time: some 100 MB
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Holding:
    """An item that stands in a text, both by number; `threshold` is None where they are alike at any.

    With a margin it may fall short of the threshold by so much.
    """

    text: int
    item: int
    kind: Kind
    similarity: float
    threshold: float | None = None


@dataclass(frozen=True)
class _Item:
    key: str
    size: int  # characters of a piece
    pieces: dict[str, int]  # each with its first place
    threshold: float
    least: float  # the threshold, less the margin
    inside: bool  # long enough to be looked for inside a longer text

    @property
    def needed(self) -> int:
        """How many of its pieces a stretch has that is alike."""
        share = math.ceil(self.least * len(self.pieces) - 1e-9)
        edited = _EDITED[0] <= len(self.key) <= _EDITED[1]
        return min(share, len(self.pieces) - self.size) if edited else share


class Items:
    """Items to look for, by their matching keys; below `shortest` characters only as the whole text.

    Four letters count as one character.
    """

    def __init__(self, keys: Sequence[str], likeness: Likeness, shortest: int) -> None:
        self.likeness = likeness
        self.items = [_item(key, likeness, shortest) for key in keys]
        self.whole: dict[str, int] = {}
        for number, key in enumerate(keys):
            if key:
                self.whole.setdefault(key, number)
        self.tables = [self._table(size) for size in (2, 5)]

    def held(self, keys: Sequence[str]) -> list[Holding]:
        """Return which items stand in texts, by text and then by item; of a pair the stretch that is most alike."""
        best: dict[tuple[int, int], Holding] = {}
        for text, key in enumerate(keys):
            if (item := self.whole.get(key)) is not None:
                best[text, item] = Holding(text, item, "exact", 1.0)
        for text, number, start in self._candidates(keys):
            known = best.get((text, number))
            if known is None or known.similarity < 1:
                found = self._compared(text, keys[text], number, start)
                if found and (known is None or found.similarity > known.similarity):
                    best[text, number] = found
        return [best[pair] for pair in sorted(best)]

    def _table(self, size: int) -> tuple[Hashes, Ints, Ints, Ints]:
        """Return hash, item and place of the pieces to look up, ordered by hash, and how many an item must have."""
        chosen = [(number, item) for number, item in enumerate(self.items) if item.size == size and item.needed > 0]
        common = Counter(piece for _, item in chosen for piece in item.pieces)
        rows: list[tuple[str, int, int]] = []
        twice = np.ones(len(self.items), dtype=np.int64)
        for number, item in chosen:
            twice[number] = min(2, item.needed)
            rarest = sorted(item.pieces, key=lambda piece: (common[piece], piece))
            count = len(rarest) - item.needed + int(twice[number])
            rows += [(piece, number, item.pieces[piece]) for piece in rarest[:count]]
        hashes = _hashes(_units("".join(piece for piece, _, _ in rows)), size)[::size]
        order = np.argsort(hashes, kind="stable")
        numbers, places = (np.array([row[at] for row in rows], dtype=np.int64)[order] for at in (1, 2))
        return hashes[order], numbers, places, twice

    def _candidates(self, keys: Sequence[str]) -> Iterator[tuple[int, int, int]]:
        """Yield text, item and where in the text the item would start, where enough of its rare pieces are found."""
        for first, last in _blocks(keys):
            units = _units("\0".join(keys[first:last]))
            lengths = np.array([len(key) + 1 for key in keys[first:last]], dtype=np.int64)
            text, starts = np.repeat(np.arange(len(lengths)), lengths), np.cumsum(lengths) - lengths
            for size, (table, numbers, places, twice) in zip((2, 5), self.tables, strict=True):
                hashes = _hashes(units, size)
                low = np.searchsorted(table, hashes, side="left")
                times = np.searchsorted(table, hashes, side="right") - low
                at = np.repeat(np.arange(len(hashes)), times)
                entry = np.repeat(low, times) + np.arange(len(at)) - np.repeat(np.cumsum(times) - times, times)
                pair = text[at] * len(twice) + numbers[entry]
                # A piece that stands in a text twice is still one piece of the item.
                seen = np.unique(np.stack([pair, places[entry]]), axis=1)[0] if len(pair) else pair
                pairs, counts = np.unique(seen, return_counts=True)
                enough = np.isin(pair, pairs[counts >= twice[pairs % len(twice)]])
                start = at[enough] - starts[text[at[enough]]] - places[entry[enough]]
                rows = np.unique(np.stack([pair[enough], start]), axis=1)
                for where, begin in rows.T.tolist():
                    yield first + where // len(twice), where % len(twice), begin

    def _compared(self, text: int, key: str, number: int, start: int) -> Holding | None:
        """Compare an item with the text as a whole and with the stretch where it would start."""
        item = self.items[number]
        if item.inside and item.key in key:
            return Holding(text, number, "contained", 1.0)
        stretches = {key} if len(key) <= len(item.key) / item.least else set()
        if item.inside:
            length = len(item.key)
            slack = math.ceil((1 - item.threshold) * length) + 1
            stretches |= {key[max(0, start) : start + length], _trimmed(key, item, start - slack, length + 2 * slack)}
        share, stretch = max(((self._share(item, one), one) for one in stretches), default=(0.0, ""))
        threshold = None if _one_edit(item.key, stretch) else item.threshold
        if (threshold and share < item.least - 1e-9) or is_filled(item.key, stretch):
            return None
        # The stretch that is most alike may end before the word in which the two differ.
        if any(self._differs(item.key, one) for one in stretches):
            return None
        return Holding(text, number, "near", share, threshold)

    def _share(self, item: _Item, stretch: str) -> float:
        """Return how alike an item and a stretch are by their pieces, or as one edit makes them."""
        pieces = {stretch[at : at + item.size] for at in range(len(stretch) - item.size + 1)}
        common = len(pieces & item.pieces.keys())
        share = common / max(len(pieces) + len(item.pieces) - common, 1)
        return max(share, 1 - 1 / len(stretch)) if _one_edit(item.key, stretch) else share

    def _differs(self, key: str, stretch: str) -> bool:
        """Say whether an item and a stretch differ in nothing but their numbers, or in one word that says otherwise."""
        if self.likeness.same_figures and stretch != key:
            one, other = np.arange(2)[:, None]
            if Forms.of(pl.Series([key, stretch])).differ(one, other)[0]:
                return True
        return is_opposed(key, stretch)


def _item(key: str, likeness: Likeness, shortest: int) -> _Item:
    wide = sum(ord(letter) >= WIDE for letter in key)
    short = 2 * wide >= len(key) and len(key) < SHORT
    size = 2 if short else 5
    pieces: dict[str, int] = {}
    for at in range(len(key) - size + 1):
        pieces.setdefault(key[at : at + size], at)
    threshold = likeness.short if short else likeness.long
    least = max(threshold - likeness.margin, 0.01)
    return _Item(key, size, pieces, threshold, least, wide + (len(key) - wide) / 4 >= shortest)


def _trimmed(key: str, item: _Item, start: int, length: int) -> str:
    """Return what lies between the first and the last piece of the item in a stretch of a text."""
    first = max(0, start)
    places = [at for at in range(first, max(first, start + length)) if key[at : at + item.size] in item.pieces]
    return key[places[0] : places[-1] + item.size] if places else ""


def _one_edit(one: str, other: str) -> bool:
    """Say whether one character inserted, deleted, replaced or moved turns one text into the other."""
    if abs(len(one) - len(other)) > 1 or not all(_EDITED[0] <= len(text) <= _EDITED[1] for text in (one, other)):
        return False
    head = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[head:], other[head:]
    tail = next((at for at, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=False)) if a != b), None)
    tail = min(len(one), len(other)) if tail is None else tail
    one, other = one[: len(one) - tail], other[: len(other) - tail]
    return max(len(one), len(other)) <= 1 or one[1:] + one[:1] == other or other[1:] + other[:1] == one


def _units(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _hashes(units: NDArray[np.uint32], size: int) -> Hashes:
    """Return the hash of the `size` characters from each place on."""
    count = max(0, len(units) - size + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for step in range(size):
        hashes = (hashes ^ units[step : step + count]) * _MULTIPLIER
    return hashes


def _blocks(keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the numbers from which and to which texts are looked at together."""
    first = letters = 0
    for number, key in enumerate(keys):
        letters += len(key)
        if letters >= _BLOCK:
            yield first, number + 1
            first, letters = number + 1, 0
    if first < len(keys):
        yield first, len(keys)
