"""The index of a segment of records: every pair of neighbouring characters, and which records hold it.

Two characters are found by looking them up, one by looking up all pairs that it begins; what is longer must hold all
its pairs, and those threes that are common, which leaves candidates. Chinese words of two characters are most of what
is searched; a trigram index, as SQLite has one, cannot find them (docs/decisions/0015).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LARGEST = 65_536  # records of a segment: their numbers fit 16 bits
CHARACTERS = 4_000_000  # of a segment, if it has more than one record; making its index takes some 40 bytes each
_COMMON, _COMMON_SHARE = 32, 64  # three characters are indexed where so many records have them, and one of so many
_ENOUGH = 400  # pairs of a text by which those like it are found
_CODE, _RECORD = np.uint64(21), np.uint64(16)  # bits
_FILES = ("keys", "starts", "records")

Numbers = NDArray[np.uint64]


def segments(sizes: NDArray[np.uint32]) -> list[int]:
    """Return where each segment of records with so many characters starts, and the end of the last."""
    ends, bounds = np.cumsum(sizes.astype(np.int64)), [0]
    while bounds[-1] < len(sizes):
        start = bounds[-1]
        before = int(ends[start - 1]) if start else 0
        full = int(np.searchsorted(ends, before + CHARACTERS, side="right"))
        bounds.append(min(max(full, start + 1), start + LARGEST, len(sizes)))
    return bounds


def write(folder: Path, segment: int, texts: Sequence[str]) -> None:
    """Write the index of these texts; the last of its files makes it one."""
    codes = np.frombuffer("".join(f"{text}\0" for text in texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    sizes = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    records = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)
    inside = np.ones(len(codes), dtype=bool)
    inside[np.cumsum(sizes) - 1] = False  # the end of each text
    pairs = _postings((codes[:-1] << _CODE | codes[1:])[inside[:-1]], records[:-1][inside[:-1]])
    threes = _common_threes(codes, records, inside)
    starts = np.concatenate([pairs.starts[:-1], threes.starts + pairs.starts[-1]])
    whole = np.concatenate([pairs.keys, threes.keys]), starts, np.concatenate([pairs.records, threes.records])
    for name, array in zip(_FILES, whole, strict=True):
        aside = folder / f".{name}.part"
        with aside.open("wb") as file:
            np.save(file, array)
        aside.replace(_place(folder, segment, name))


def _postings(keys: Numbers, records: Numbers, least: int = 1) -> "Grams":
    """Lay out which records have each key, of those that `least` have; a key is of 48 bits."""
    held = keys << _RECORD | records
    held.sort()
    held = held[np.concatenate(([True], held[1:] != held[:-1]))[: len(held)]]
    keys = held >> _RECORD
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
    sizes = np.diff(np.append(starts, len(keys)))
    often = sizes >= least
    held, keys, sizes = held[np.repeat(often, sizes)], keys[starts][often], sizes[often]
    ends = np.cumsum(np.concatenate(([0], sizes)))
    return Grams(keys, ends.astype(np.uint32), held.astype(np.uint16))


def _common_threes(codes: Numbers, records: Numbers, inside: NDArray[np.bool_]) -> "Grams":
    """Lay out who has those three characters in a row that many have: with them, few candidates are none."""
    alphabet = np.unique(codes)
    if len(alphabet) > 1 << 16:
        codes, records, inside = codes[:0], records[:0], inside[:0]
    narrow = np.searchsorted(alphabet, codes).astype(np.uint64)  # three of 16 bits leave room for the record
    keys = narrow[:-2] << np.uint64(32) | narrow[1:-1] << np.uint64(16) | narrow[2:]
    held = inside[:-2] & inside[1:-1] & inside[2:] & (codes[:-2] > 0)
    found = _postings(keys[held], records[:-2][held], max(_COMMON, int(records[-1:].sum()) // _COMMON_SHARE))
    a, b, c = (alphabet[(found.keys >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.intp)] for shift in (32, 16, 0))
    return Grams(a << _CODE << _CODE | b << _CODE | c, found.starts, found.records)


@dataclass(frozen=True)
class Grams:
    """The index of one segment: `keys` are pairs, then threes, sorted; a key's records stand from its start on."""

    keys: Numbers
    starts: NDArray[np.uint32]
    records: NDArray[np.uint16]

    @classmethod
    def open(cls, folder: Path, segment: int) -> "Grams | None":
        """Map the index from disk, if it was made yet."""
        if not _place(folder, segment, _FILES[-1]).exists():
            return None
        return cls(*(np.load(_place(folder, segment, name), mmap_mode="r") for name in _FILES))

    def candidates(self, term: str, size: int) -> tuple[NDArray[np.intp], bool]:
        """Return the records, of `size`, that may hold the term, in order, and whether it is sure that they do."""
        codes = [ord(c) for c in term]
        held = np.zeros(size, dtype=bool)
        if len(codes) == 1:
            held[self._between(codes[0] << 21, codes[0] + 1 << 21)] = True
            return np.flatnonzero(held), True
        pairs = {a << 21 | b for a, b in pairwise(codes)}
        threes = {a << 42 | b << 21 | c for a, b, c in zip(codes, codes[1:], codes[2:], strict=False)}
        common = [found for three in threes if len(found := self._between(three, three + 1))]
        if len(codes) == 3 and common:
            return common[0].astype(np.intp), True
        pieces = sorted([*common, *(self._between(pair, pair + 1) for pair in pairs)], key=len)
        left = pieces[0].astype(np.intp)
        for piece in pieces[1:]:
            held[piece] = True
            left = left[held[left]]
            held[piece] = False
        return left, len(codes) == 2

    def shared(self, pairs: Collection[int], size: int) -> NDArray[np.intp]:
        """Return how many of these pairs each record, of `size`, holds; of many, the rarest are counted."""
        held = sorted((self._between(pair, pair + 1) for pair in pairs), key=len)[:_ENOUGH]
        return np.bincount(np.concatenate(held), minlength=size) if held else np.zeros(size, dtype=np.intp)

    def _between(self, low: int, high: int) -> NDArray[np.uint16]:
        a, b = np.searchsorted(self.keys, np.array([low, high], dtype=np.uint64))
        return self.records[int(self.starts[a]) : int(self.starts[b])]


def _place(folder: Path, segment: int, name: str) -> Path:
    return folder / f"{name}-{segment:05d}.npy"
