"""The index of a segment of records: every pair of neighbouring characters, and which records hold it.

Two characters are found by looking, one by looking up all pairs that it begins; what is longer must hold all its
pairs, which leaves candidates. Chinese words of two characters are most of what is searched; a trigram index, as
SQLite has one, cannot find them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LARGEST = 65_536  # records of a segment: their numbers fit 16 bits
CHARACTERS = 4_000_000  # of a segment, if it has more than one record; making its index takes some 40 bytes each
_FILES = ("pairs", "starts", "records")


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
    codes = np.frombuffer("".join(f"{text}\0" for text in texts).encode("utf-32-le"), dtype=np.uint32)
    sizes = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    held = codes[:-1].astype(np.uint64)  # from high to low: 24 bits a character, 16 the record
    held <<= np.uint64(24)
    held |= codes[1:]
    held <<= np.uint64(16)
    held |= np.repeat(np.arange(len(texts), dtype=np.uint16), sizes)[:-1]
    inside = np.ones(len(held), dtype=bool)
    inside[np.cumsum(sizes)[:-1] - 1] = False  # a pair whose first is the end of a text
    held = held[inside]
    held.sort()
    held = held[np.concatenate(([True], held[1:] != held[:-1]))[: len(held)]]
    pairs = held >> np.uint64(16)
    starts = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1]))[: len(pairs)])
    arrays = (pairs[starts], np.append(starts, len(pairs)).astype(np.uint32), held.astype(np.uint16))
    for name, array in zip(_FILES, arrays, strict=True):
        aside = folder / f".{name}.part"
        with aside.open("wb") as file:
            np.save(file, array)
        aside.replace(_place(folder, segment, name))


@dataclass(frozen=True)
class Grams:
    """The index of one segment, mapped from disk."""

    pairs: NDArray[np.uint64]
    starts: NDArray[np.uint32]
    records: NDArray[np.uint16]

    @classmethod
    def open(cls, folder: Path, segment: int) -> "Grams | None":
        """Open the index, if it was made yet."""
        if not _place(folder, segment, _FILES[-1]).exists():
            return None
        return cls(*(np.load(_place(folder, segment, name), mmap_mode="r") for name in _FILES))

    def candidates(self, term: str, size: int) -> NDArray[np.intp]:
        """Return the records, of `size`, that may hold the term: all that do, and for up to two characters no other."""
        codes = [ord(c) for c in term]
        if len(codes) == 1:
            pieces = [self._between(codes[0] << 24, codes[0] + 1 << 24)]
            held = np.zeros(size, dtype=bool)
            held[pieces[0]] = True
            return np.flatnonzero(held)
        keys = {first << 24 | second for first, second in zip(codes, codes[1:], strict=False)}
        pieces = sorted((self._between(key, key + 1) for key in keys), key=len)
        if len(pieces) == 1 or not len(pieces[0]):
            return pieces[0].astype(np.intp)
        held = np.zeros(size, dtype=bool)
        left = pieces[0].astype(np.intp)
        for piece in pieces[1:]:
            held[piece] = True
            left = left[held[left]]
            held[piece] = False
        return left

    def _between(self, low: int, high: int) -> NDArray[np.uint16]:
        a, b = np.searchsorted(self.pairs, np.array([low, high], dtype=np.uint64))
        return self.records[int(self.starts[a]) : int(self.starts[b])]


def _place(folder: Path, segment: int, name: str) -> Path:
    return folder / f"{name}-{segment:05d}.npy"
