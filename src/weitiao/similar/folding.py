"""What is compared of many texts at once, as characters rather than as texts; compiled on first use."""

from dataclasses import dataclass

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.similar.keys import DEPENDS, DIGIT, DOT, LETTER, NUMERIC, Flags, Ints, folds

Bytes = NDArray[np.uint8]
Units = NDArray[np.uint32]


@dataclass(frozen=True)
class Folded:
    """The characters of `matching_key` of texts in one row, up to `ends`.

    Of texts that are `odd` the characters depend on each other: they are left out here. Those that are `numeric` may
    be mainly numbers (`figures`), the others are not.
    """

    units: Units
    ends: Ints
    odd: Flags
    numeric: Flags


def fold(texts: pl.Series) -> Folded:
    """Return what is compared of texts (none null)."""
    whole = texts.str.join("").cast(pl.Binary)[0]  # so no text becomes one of Python's
    data, ends = np.frombuffer(whole, dtype=np.uint8), np.cumsum(texts.str.len_bytes().to_numpy(), dtype=np.int64)
    return Folded(*_fold(data, ends, *folds()))


@numba.njit(cache=True, nogil=True)
def _fold(data: Bytes, ends: Ints, table: NDArray[np.uint16], kinds: Bytes) -> tuple[Units, Ints, Flags, Flags]:
    """Look each character of UTF-8 up; indexes are unsigned, as numba asks of others each time if they are negative."""
    units, unit_ends = np.empty(len(data), dtype=np.uint32), np.empty_like(ends)
    odd, numeric = np.zeros(len(ends), dtype=np.bool_), np.zeros(len(ends), dtype=np.bool_)
    at = count = np.uintp(0)
    for text in range(len(ends)):
        first, start, end = at, count, np.uintp(ends[text])
        digits, letters, is_odd, after_digit, after_dot = 0, 0, False, False, False
        while at < end:
            letter, size = _letter(data, at)
            at += size
            folded, kind = table[letter], kinds[letter]
            units[count] = folded
            count += np.uintp(folded > DEPENDS)
            is_digit = kind & DIGIT != 0
            is_odd |= (folded == DEPENDS) | (after_dot & is_digit)
            after_dot = (folded == DOT) & after_digit
            after_digit = is_digit
            digits += kind & NUMERIC != 0
            letters += kind & LETTER != 0
        is_odd |= count == start and at > first  # nothing but punctuation
        count = start if is_odd else count
        odd[text], unit_ends[text] = is_odd, count
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
