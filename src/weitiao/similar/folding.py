"""What is compared of many texts at once, as characters rather than as texts; compiled on first use."""

from dataclasses import dataclass

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.similar.keys import (
    DEPENDS,
    DIGIT,
    DOT,
    LETTER,
    NUMERIC,
    Flags,
    Hashes,
    Ints,
    folds,
    laid_out,
    matching_keys,
    sums,
)

Bytes = NDArray[np.uint8]
Units = NDArray[np.uint32]


@dataclass(frozen=True)
class Folded:
    """`key, figures` of texts, the characters of all keys in one row: each text's end at its place in `ends`."""

    units: Units
    ends: Ints
    figures: Hashes

    @classmethod
    def of(cls, texts: pl.DataFrame) -> "Folded":
        """Lay out what `compared` gave."""
        units, lengths = laid_out(texts["key"])
        return cls(units, np.cumsum(lengths), texts["figures"].to_numpy())

    def keys(self, rows: Ints) -> pl.Series:
        """Return the keys of some texts."""
        starts = np.append(0, self.ends)[rows]
        some = (self.units[start:end] for start, end in zip(starts.tolist(), self.ends[rows].tolist(), strict=True))
        return pl.Series([units.tobytes().decode("utf-32-le") for units in some], dtype=pl.String)


def fold(texts: pl.Series, *, same_figures: bool = True) -> Folded:
    """Return what `compared` does of texts, none null, in a fourth of the time."""
    whole = texts.str.join("").cast(pl.Binary)[0]  # so no text becomes one of Python's
    data, ends = np.frombuffer(whole, dtype=np.uint8), np.cumsum(texts.str.len_bytes().to_numpy(), dtype=np.int64)
    units, ends, odd, numeric = _fold(data, ends, *folds())
    if odd.any():
        others, lengths = laid_out(matching_keys(texts.filter(pl.Series(odd))))
        units, ends = _with(units, ends, odd, others, np.cumsum(lengths))
    return Folded(units, ends, sums(texts, pl.Series(np.flatnonzero(numeric & same_figures))).to_numpy())


@numba.njit(cache=True, nogil=True)
def _with(units: Units, ends: Ints, odd: Flags, others: Units, other_ends: Ints) -> tuple[Units, Ints]:
    """Put the characters of other texts, in order, where the `odd` ones have none."""
    out, out_ends = np.empty(len(units) + len(others), dtype=np.uint32), np.empty_like(ends)
    count = other = 0
    for text in range(len(ends)):
        if odd[text]:
            some = others[other_ends[other - 1] if other else 0 : other_ends[other]]
            other += 1
        else:
            some = units[ends[text - 1] if text else 0 : ends[text]]
        out[count : count + len(some)] = some
        count += len(some)
        out_ends[text] = count
    return out, out_ends


@numba.njit(cache=True, nogil=True)
def _fold(data: Bytes, ends: Ints, table: NDArray[np.uint16], kinds: Bytes) -> tuple[Units, Ints, Flags, Flags]:
    """Look each character of UTF-8 up; return units and ends, and which texts are odd and which numeric.

    Of a text that is odd the characters depend on each other; it has none here. One that is not numeric has no figures.
    The indexes are unsigned: of others numba asks each time if they are negative.
    """
    units, unit_ends = np.empty(len(data), dtype=np.uint32), np.empty_like(ends)
    odd, numeric = np.zeros(len(ends), dtype=np.bool_), np.zeros(len(ends), dtype=np.bool_)
    at = count = np.uintp(0)
    for text in range(len(ends)):
        first, start, end = at, count, np.uintp(ends[text])
        digits, letters, after_digit, after_dot = 0, 0, False, False
        while at < end:
            letter, size = _letter(data, at)
            at += size
            folded, kind = table[letter], kinds[letter]
            units[count] = folded
            count += np.uintp(folded > DEPENDS)
            is_digit = kind & DIGIT != 0
            odd[text] |= (folded == DEPENDS) | (after_dot & is_digit)
            after_dot = (folded == DOT) & after_digit
            after_digit = is_digit
            digits += kind & NUMERIC != 0
            letters += kind & LETTER != 0
        odd[text] |= (count == start) & (at > first)  # nothing but punctuation
        count = start if odd[text] else count
        unit_ends[text] = count
        # Of one numeric character at most three digits are made, and at most three letters become one: Korean ones.
        numeric[text] = digits > 0 and 18 * digits >= letters
    return units[:count], unit_ends, odd, numeric


@numba.njit(cache=True, nogil=True)
def _letter(data: Bytes, at: np.uintp) -> tuple[np.uint32, np.uintp]:
    """Return the character that starts at `at`, and of how many bytes it is; one beyond 65,535 counts as that."""
    lead = np.uint32(data[at])
    if lead < 0x80:
        return lead, np.uintp(1)
    low = np.uint32(0x3F)
    second = np.uint32(data[at + np.uintp(1)]) & low
    if lead < 0xE0:
        return (lead & np.uint32(0x1F)) << np.uint32(6) | second, np.uintp(2)
    if lead < 0xF0:
        head = (lead & np.uint32(0xF)) << np.uint32(12) | second << np.uint32(6)
        return head | np.uint32(data[at + np.uintp(2)]) & low, np.uintp(3)
    return np.uint32(0xFFFF), np.uintp(4)
