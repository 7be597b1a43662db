"""What is compared of a text, and what tells two texts apart that are nearly alike."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from operator import add

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.numerals import NUMERAL, number, spelled

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

WIDE = 0x2E80  # from this code point on characters are East Asian, and wide
FILLED = {True: 5, False: 12}  # characters, Chinese or not; what differs less is an edit
SHARED_WHEN_FILLED = 0.3  # of the pairs of characters, less than so many

# A number with the signs beside it: 91-33= and 91+33= are different sums.
_FIGURES = r"[-+*/×÷=<>^%]?\d+(?:\.\d+)?[-+*/×÷=<>^%]?"
_COUNTING = r"[\p{N}\p{So}]"
_SIGNS = r"[\p{P}\p{Z}\p{C}]"
_LAST = 0xFFFF  # of the characters that are looked up; UTF-16 writes one beyond in two surrogates
_IN_TWO = r"[\x{10000}-\x{10FFFF}]"
_NOTHING, DOT, DEPENDS = 0, 1, 2  # in place of what is compared of a character; before any character of a text
DIGIT, NUMERIC, LETTER = 1, 2, 4  # kinds of characters: digits may come of it; it tells of a number; of a word
COMPARED: dict[str, pl.DataType] = {"key": pl.String(), "figures": pl.UInt64()}
_DIGITS = r"\d+(?:˙\d+)?"
_NUMBER = rf"{_DIGITS}|第[零一二三四五六七八九十百千两]+"
_ANY_NUMBER = f"{_DIGITS}|{NUMERAL}+"


def matching_key(text: pl.Expr) -> pl.Expr:
    """Return what is compared of a text; a text of nothing but punctuation is compared as it stands."""
    return text.map_batches(matching_keys, return_dtype=pl.String)


def matching_keys(texts: pl.Series) -> pl.Series:
    """Return the same of a series.

    Each character is looked up; only texts whose characters depend on each other take longer.
    """
    said, lengths = texts.fill_null("").to_list(), texts.str.len_chars().fill_null(0).to_numpy()
    # Some at a time: what is needed on the way then stays in the processor's cache.
    parts = [slice(start, start + 200) for start in range(0, len(said), 200)]
    looked_up = [_looked_up(said[part], lengths[part]) for part in parts]
    keys = pl.Series(texts.name, [key for keys, _ in looked_up for key in keys], dtype=pl.String)
    slow = pl.Series([one for _, some in looked_up for one in some], dtype=pl.Boolean)
    places = (slow | (keys == "") | texts.is_null()).arg_true()
    return keys.scatter(places, texts.gather(places).to_frame().select(_folded(pl.first())).to_series())


def _looked_up(texts: Sequence[str], lengths: Ints) -> tuple[list[str], list[bool]]:
    """Return what is compared of each text, all in one row, and for which that is not true."""
    table, kinds = folds()
    units = np.frombuffer("".join(texts).encode("utf-16-le"), dtype=np.uint16)
    if len(units) > lengths.sum():
        lengths = np.array([len(text.encode("utf-16-le")) // 2 for text in texts])
    row_ends = np.cumsum(lengths, dtype=np.int64)
    folded = np.take(table, units)
    dots = np.flatnonzero(folded == DOT)
    beside = (units[np.maximum(dots - 1, 0)], units[np.minimum(dots + 1, len(units) - 1)])
    numbers = kinds[beside[0]] & kinds[beside[1]] & DIGIT > 0
    slow = np.zeros(len(texts), dtype=np.bool_)
    slow[np.searchsorted(row_ends, np.append(dots[numbers], np.flatnonzero(folded == DEPENDS)), side="right")] = True
    stays = folded > DEPENDS
    letters = folded[stays].tobytes().decode("utf-16-le")
    ends = np.append(0, np.cumsum(stays, dtype=np.int32))[row_ends].tolist()
    return [letters[start:end] for start, end in pairwise([0, *ends])], slow.tolist()


@cache
def folds() -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Return for each character what is compared of it, and its kinds."""
    # Surrogates are no characters; marks and Korean letters are composed, Σ is made small by what follows.
    letters = pl.Series(["" if 0xD800 <= code < 0xE000 else chr(code) for code in range(_LAST)])
    shown, folded = (
        letters.to_frame().select(form).to_series() for form in (pl.first().str.normalize("NFKC"), _folded(pl.first()))
    )
    alone = ~(letters + shown).str.contains(r"^$|[\p{M}\x{1100}-\x{11FF}Σ]")
    folds = np.full(_LAST + 1, DEPENDS, dtype=np.uint16)
    one = (alone & (folded.str.len_chars() == 1) & ~folded.str.contains(_IN_TWO)).arg_true()
    folds[one.to_numpy()] = [ord(letter) for letter in folded.gather(one)]
    folds[(alone & shown.str.to_lowercase().str.contains(rf"^{_SIGNS}*$")).arg_true().to_numpy()] = _NOTHING
    folds[(shown == ".").arg_true().to_numpy()] = DOT
    kinds = np.zeros(_LAST + 1, dtype=np.uint8)
    kinds[-1] = DIGIT | NUMERIC  # all that is beyond, taken for what asks for the closer look
    for kind, of, pattern in ((DIGIT, shown, r"\d"), (NUMERIC, letters, _COUNTING), (LETTER, letters, r"\p{L}")):
        kinds[:-1] |= kind * of.str.contains(pattern).to_numpy().astype(np.uint8)
    return folds, kinds


def _folded(text: pl.Expr) -> pl.Expr:
    folded = text.str.normalize("NFKC").str.to_lowercase()
    folded = folded.str.replace_all(r"(\d)\.(\d)", "${1}˙${2}")  # 1.5 is not 15
    key = folded.str.replace_all(f"{_SIGNS}+", "")
    return pl.when(key == "").then(folded.str.replace_all(r"\s+", "")).otherwise(key)


def figures(text: pl.Expr) -> pl.Expr:
    """Return a hash of a sum's numbers, in order and with their signs; 0 for a text that is not mainly numbers.

    Sums that differ in it are never looked at together: of a thousand sums each is nearly like all others.
    """
    return text.map_batches(_figures, return_dtype=pl.UInt64)


def _figures(texts: pl.Series) -> pl.Series:
    digits = texts.str.count_matches(_COUNTING)  # of one of these at most three digits are made: ⅒
    places = (digits > 0).arg_true()
    letters = texts.gather(places).str.count_matches(r"\p{L}")  # of which at most three become one: Korean ones
    return sums(texts, places.filter(18 * digits.gather(places) >= letters))


def sums(texts: pl.Series, places: pl.Series) -> pl.Series:
    """Return `figures` of texts, given the places of those that may be mainly numbers."""
    found = pl.zeros(len(texts), dtype=pl.UInt64, eager=True)
    return found.scatter(places, texts.gather(places).to_frame().select(_sum(pl.first())).to_series())


def _sum(text: pl.Expr) -> pl.Expr:
    folded = text.str.normalize("NFKC").str.replace_all(r"\s+", "")
    numbers = folded.str.extract_all(_FIGURES).list.join("|")
    is_sum = 2 * folded.str.count_matches(r"\d") >= folded.str.count_matches(r"[\p{L}\p{N}]").clip(1)
    return pl.when(is_sum).then(numbers.hash()).otherwise(pl.lit(0, dtype=pl.UInt64))


def compared(texts: pl.Series, *, same_figures: bool = True) -> pl.DataFrame:
    """Return `key, figures` of texts: what is compared of them, and what keeps them apart from others."""
    own, text = texts.to_frame("text"), pl.col("text")
    return own.select(key=matching_key(text), figures=figures(text) if same_figures else pl.lit(0, dtype=pl.UInt64))


def laid_out(keys: pl.Series) -> tuple[NDArray[np.uint32], Ints]:
    """Return the characters of all keys in one row, and how many each has."""
    units = np.frombuffer(keys.str.join("")[0].encode("utf-32-le"), dtype=np.uint32)
    return units, keys.str.len_chars().to_numpy().astype(np.int64)


def numbers(text: pl.Expr) -> pl.Expr:
    """Return a hash of all numbers of a text, in order; the same for all texts without any."""
    return matching_key(text).str.extract_all(_NUMBER).list.join("|").hash()


def distinct(keys: pl.DataFrame) -> tuple[pl.DataFrame, Ints]:
    """Return the different rows of `key, figures` in order of appearance, and for each row the number of its like.

    Empty keys are unlike each other.
    """
    rows = keys.select("key", "figures", alone=pl.when(pl.col("key") == "").then(pl.int_range(pl.len())))
    first = rows.unique(maintain_order=True).with_row_index("number")
    joined = rows.join(first, on=rows.columns, how="left", nulls_equal=True, maintain_order="left")
    return first.drop("number", "alone"), joined["number"].to_numpy().astype(np.int64)


def first_of_each(hashes: Hashes, told: Flags) -> Ints:
    """Return for each row the first one with its hash; a row that is not `told` is unlike all others."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = np.append(True, ordered[1:] != ordered[:-1])[: len(order)]
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[starts][np.cumsum(starts) - 1]
    return np.where(told, first, np.arange(len(order)))


@dataclass(frozen=True)
class Forms:
    """What texts (their keys) are without the values of their numbers: hashes of that, and which have a number."""

    keys: pl.Series
    hashes: Hashes
    numbered: Flags
    spelled: Flags  # has a number in Chinese

    @classmethod
    def of(cls, keys: pl.Series) -> "Forms":
        """Take the numbers out of texts."""
        form = keys.str.replace_all(_ANY_NUMBER, "#")
        flags = ((form != keys).to_numpy(), keys.str.contains(NUMERAL).to_numpy())
        return cls(keys, form.hash().to_numpy(), *flags)

    def differ(self, left: Ints, right: Ints) -> Flags:
        """Say which pairs of different texts differ in nothing but the values of their numbers: 3 is 三."""
        same: Flags = (self.hashes[left] == self.hashes[right]) & self.numbered[left]
        for place in np.flatnonzero(same & (self.spelled[left] | self.spelled[right])).tolist():
            same[place] = _values(self.keys[int(left[place])]) != _values(self.keys[int(right[place])])
        return same


def _values(key: str) -> list[str]:
    """Return the numbers of a text in digits, where they can be written so."""
    found = re.findall(_ANY_NUMBER, key)
    return [(spelled(one) or one) if (value := number(one)) is None else f"{value:f}" for one in found]


def is_filled(one: str, other: str) -> bool:
    """Say whether two keys differ in one place only, and there wholly.

    Then they are a form filled in twice, or two questions about one passage, rather than two versions of one text.
    """
    if min(len(one), len(other)) < min(FILLED.values()):
        return False
    head = common_head(one, other)
    one, other = one[head:], other[head:]
    tail = common_head(one[::-1], other[::-1])
    one, other = one[: len(one) - tail], other[: len(other) - tail]
    if min(len(one), len(other)) < FILLED[one[:1] >= chr(WIDE)]:
        return False
    a, b = (set(map(add, text, text[1:])) for text in (one, other))
    return len(a & b) < SHARED_WHEN_FILLED * len(a | b)


def common_head(one: str, other: str) -> int:
    """Return how many characters two texts have in common at the start."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])
