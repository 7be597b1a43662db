"""MinHash signatures: 125 bytes a text, of which two alike texts have most in common; compiled on first use.

Signatures of one byte a permutation (b-bit MinHash, Li and König 2010) in 25 bands of 5 (Leskovec et al., Mining of
Massive Datasets, chapter 3): of pairs at Jaccard 0.75 a band is equal in 99.9 %, at 0.8 in more than 99.99 %.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from weitiao.similar.keys import FILLED, SHARED_WHEN_FILLED, WIDE, Flags, Hashes, Ints

Bytes = NDArray[np.uint8]
Units = NDArray[np.uint32]

BANDS, DEEP = 25, 5
SIZE = BANDS * DEEP
PIECE = 5  # characters
_FIRST, _LAST, _FOUND = 8, 92, 8  # of the texts of one band looked up, and found for each, at most
_FILLED_WIDE, _FILLED_NARROW = FILLED[True], FILLED[False]
_draw = np.random.default_rng(20_190_613)  # any constant
_TIMES = _draw.integers(0, 1 << 31, SIZE, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
_XOR = _draw.integers(0, 1 << 32, SIZE, dtype=np.uint32)


@numba.njit(cache=True, nogil=True)
def _piece(units: Units, at: int, salt: np.uint64) -> np.uint64:
    """Return the hash of the piece that starts at `at`."""
    value = salt
    for step in range(PIECE):
        value = value * np.uint64(0x9E3779B97F4A7C15) + np.uint64(units[at + step])
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _signed(units: Units, ends: Ints, salt: Hashes, times: Units, xor: Units, out: Bytes) -> None:
    for text in range(len(ends)):
        start = ends[text - 1] if text else 0
        count = ends[text] - start - PIECE + 1
        if count < 1:
            continue
        pieces = np.empty(count, dtype=np.uint32)
        for at in range(count):
            pieces[at] = np.uint32(_piece(units, start + at, salt[text]))
        for place in range(SIZE):
            least, a, b = np.uint32(0xFFFFFFFF), times[place], xor[place]
            for at in range(count):
                least = min(least, np.uint32((pieces[at] ^ b) * a))
            out[text, place] = np.uint8((least * np.uint32(0x9E3779B1)) >> np.uint32(24))


def signatures(units: Units, ends: Ints, salt: Hashes) -> Bytes:
    """Return the signature of each text: its characters end at `ends` of `units`; other `salt`, other pieces."""
    out = np.zeros((len(ends), SIZE), dtype=np.uint8)
    _signed(units, ends, salt, _TIMES, _XOR, out)
    return out


@numba.njit(cache=True, nogil=True)
def hashes(units: Units, ends: Ints, salt: Hashes) -> Hashes:
    """Return a hash of each text: three characters, of 21 bits each, at a time."""
    out = np.empty_like(salt)
    for text in range(len(ends)):
        start, end = (ends[text - 1] if text else 0), ends[text]
        value = salt[text] ^ np.uint64(end - start)
        for at in range(start, end, 3):
            three = np.uint64(0)
            for place in range(at, min(at + 3, end)):
                three = three << np.uint64(21) | np.uint64(units[place])
            value = (value ^ three) * np.uint64(0x9E3779B97F4A7C15)
            value ^= value >> np.uint64(32)
        out[text] = value
    return out


@numba.njit(cache=True, nogil=True)
def _equal(one: Bytes, other: Bytes, end: int) -> int:
    """Return how many bytes are equal; 0 if one of the bands before `end` is, in which the pair was met before."""
    count = 0
    for band in range(BANDS):
        same = 0
        for place in range(band * DEEP, band * DEEP + DEEP):
            same += one[place] == other[place]
        if same == DEEP and band < end:
            return 0
        count += same
    return count


@numba.njit(cache=True, nogil=True)
def _within(keys: Hashes, bits: int, band: int, signed: Bytes, needed: int) -> list[tuple[int, int]]:
    """Return the pairs of texts (left, right) of one band, given its keys in order with the text in the low bits."""
    found = [(0, 0) for _ in range(0)]
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    start = 0
    for at in range(len(keys)):
        if keys[at] >> np.uint64(bits) != keys[start] >> np.uint64(bits):
            start = at
        right, count = np.int64(keys[at] & mask), 0
        other = start
        while other < at and count < _FOUND:
            if other == start + _FIRST:  # the first ones stay most often, the last ones are nearest in the file
                other = max(other, at - _LAST)
            left = np.int64(keys[other] & mask)
            if _equal(signed[left], signed[right], band) >= needed:
                found.append((int(left), int(right)))
                count += 1
            other += 1
    return found


def candidates(signed: Bytes, chosen: Flags, least: float) -> tuple[Ints, Ints]:
    """Return left and right, `left` < `right`, of the chosen texts that may be alike from `least` on.

    A pair counts whose signatures say that it is at most four standard deviations below `least`.
    """
    rows = np.flatnonzero(chosen)
    found = [
        close(band_keys(signed, band, rows), rows, signed, band, needed(least))  # one at a time, for the memory
        for band in range(BANDS)
    ]
    left, right = np.concatenate(found).T
    order = np.lexsort((left, right))
    return left[order], right[order]


def needed(least: float) -> int:
    """Return how many bytes of two signatures are equal at least, if the texts are alike from `least` on."""
    return int((least - 4 * (least * (1 - least) / SIZE) ** 0.5) * SIZE)


@numba.njit(cache=True, nogil=True)
def band_keys(signed: Bytes, band: int, rows: Ints) -> Hashes:
    """Return a hash of one band of some signatures."""
    keys = np.zeros(len(rows), dtype=np.uint64)
    for at in range(len(rows)):
        for place in range(band * DEEP, band * DEEP + DEEP):
            keys[at] = keys[at] << np.uint64(8) | np.uint64(signed[rows[at], place])
    return keys * np.uint64(0x9E3779B97F4A7C15)


def close(keys: Hashes, rows: Ints, signed: Bytes, band: int, least: int) -> Ints:
    """Return pairs of rows of `signed`, (n, 2), whose `keys` of the band are equal, and `least` bytes of all."""
    bits = np.uint64(max(1, len(signed).bit_length()))
    packed = keys >> bits << bits | rows.astype(np.uint64)
    packed.sort()
    return np.array(_within(packed, int(bits), band, signed, least), dtype=np.int64).reshape(-1, 2)


@numba.njit(cache=True, nogil=True)
def _same_ends(units: Units, a: int, b: int, c: int, d: int) -> tuple[int, int]:
    """Return how many characters two texts have in common at the start, and how many of the rest at the end."""
    head, tail, most = 0, 0, min(b - a, d - c)
    while head < most and units[a + head] == units[c + head]:
        head += 1
    while tail < most - head and units[b - 1 - tail] == units[d - 1 - tail]:
        tail += 1
    return head, tail


@numba.njit(cache=True, nogil=True)
def _common(units: Units, starts: Ints, ends: Ints, left: Ints, right: Ints) -> Ints:
    out = np.zeros(len(left), dtype=np.int64)
    for pair in range(len(left)):
        a, b, c, d = starts[left[pair]], ends[left[pair]], starts[right[pair]], ends[right[pair]]
        head, tail = _same_ends(units, a, b, c, d)
        # Pieces wholly within the common head or tail are common; those of one text between them fill a table, in which
        # each piece of the other takes one away.
        same_head, same_tail = max(0, head - PIECE + 1), max(0, tail - PIECE + 1)
        bits = 1
        while 1 << bits < 2 * (b - a):
            bits += 1
        table, times, mask = np.zeros(1 << bits, dtype=np.uint64), np.zeros(1 << bits, dtype=np.int32), (1 << bits) - 1
        count = same_head + same_tail
        for at in range(a + same_head, b - PIECE + 1 - same_tail):
            piece = _piece(units, at, np.uint64(0)) | np.uint64(1)
            slot = np.int64(piece >> np.uint64(8)) & mask
            while table[slot] != 0 and table[slot] != piece:
                slot = (slot + 1) & mask
            table[slot] = piece
            times[slot] += 1
        for at in range(c + same_head, d - PIECE + 1 - same_tail):
            piece = _piece(units, at, np.uint64(0)) | np.uint64(1)
            slot = np.int64(piece >> np.uint64(8)) & mask
            while table[slot] != 0 and table[slot] != piece:
                slot = (slot + 1) & mask
            if times[slot] > 0:
                times[slot] -= 1
                count += 1
        out[pair] = count
    return out


def shares(units: Units, ends: Ints, left: Ints, right: Ints) -> NDArray[np.float64]:
    """Return the exact share of common pieces of each pair of texts, of which each has one at least."""
    starts = np.append(0, ends[:-1])
    common = _common(units, starts, ends, left, right)
    sizes = ends - starts - PIECE + 1
    share: NDArray[np.float64] = common / (sizes[left] + sizes[right] - common)
    return share


@numba.njit(cache=True, nogil=True)
def _filled(units: Units, starts: Ints, ends: Ints, left: Ints, right: Ints) -> Flags:
    out = np.zeros(len(left), dtype=np.bool_)
    for pair in range(len(left)):
        a, b, c, d = starts[left[pair]], ends[left[pair]], starts[right[pair]], ends[right[pair]]
        head, tail = _same_ends(units, a, b, c, d)
        a, b, c, d = a + head, b - tail, c + head, d - tail
        if a == b or min(b - a, d - c) < (_FILLED_WIDE if units[a] >= WIDE else _FILLED_NARROW):
            continue
        bits = 1
        while 1 << bits < 2 * (b - a + d - c):
            bits += 1
        # Pairs of characters by their number; which of the texts have each.
        table, seen, mask = np.zeros(1 << bits, dtype=np.uint64), np.zeros(1 << bits, dtype=np.uint8), (1 << bits) - 1
        for text, (first, last) in enumerate(((a, b), (c, d))):
            for at in range(first, last - 1):
                two = np.uint64(units[at]) << np.uint64(32) | np.uint64(units[at + 1]) | np.uint64(1) << np.uint64(63)
                slot = int((two * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) & mask
                while table[slot] != 0 and table[slot] != two:
                    slot = (slot + 1) & mask
                table[slot] = two
                seen[slot] |= np.uint8(1 << text)
        both, either = 0, 0
        for slot in range(1 << bits):
            both += seen[slot] == 3
            either += seen[slot] > 0
        out[pair] = both < SHARED_WHEN_FILLED * either
    return out


def filled(units: Units, ends: Ints, left: Ints, right: Ints) -> Flags:
    """Return for each pair of texts what `is_filled` says."""
    return _filled(units, np.append(0, ends[:-1]), ends, left, right)
