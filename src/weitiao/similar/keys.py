"""What is compared of a text, and what tells two texts apart that are nearly alike."""

from bisect import bisect_left

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

WIDE = 0x2E80  # from this code point on characters are East Asian, and wide
_FILLED = {True: 5, False: 12}  # characters, Chinese or not; what differs less is an edit

# A number with the signs beside it: 91-33= and 91+33= are different sums.
_FIGURES = r"[-+*/×÷=<>^%]?\d+(?:\.\d+)?[-+*/×÷=<>^%]?"
_NUMBER = r"\d+(?:˙\d+)?|第[零一二三四五六七八九十百千两]+"


def matching_key(text: pl.Expr) -> pl.Expr:
    """Return what is compared of a text; a text of nothing but punctuation is compared as it stands."""
    folded = text.str.normalize("NFKC").str.to_lowercase()
    folded = folded.str.replace_all(r"(\d)\.(\d)", "${1}˙${2}")  # 1.5 is not 15
    key = folded.str.replace_all(r"[\p{P}\p{Z}\p{C}]+", "")
    return pl.when(key == "").then(folded.str.replace_all(r"\s+", "")).otherwise(key)


def figures(text: pl.Expr) -> pl.Expr:
    """Return a hash of a sum's numbers, in order and with their signs; 0 for a text that is not mainly numbers.

    Sums that differ in it are never looked at together: of a thousand sums each is nearly like all others.
    """
    folded = text.str.normalize("NFKC").str.replace_all(r"\s+", "")
    numbers = folded.str.extract_all(_FIGURES).list.join("|")
    is_sum = 2 * folded.str.count_matches(r"\d") >= folded.str.count_matches(r"[\p{L}\p{N}]").clip(1)
    return pl.when(is_sum).then(numbers.hash()).otherwise(pl.lit(0, dtype=pl.UInt64))


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


def forms(keys: pl.Series) -> tuple[Hashes, Flags]:
    """Return of each key a hash of what it is without the values of its numbers, and whether it has any."""
    form = keys.str.replace_all(_NUMBER, "#")
    return form.hash().to_numpy(), (form != keys).to_numpy()


def is_filled(one: str, other: str) -> bool:
    """Say whether two keys differ in one place only, and there wholly.

    Then they are a form filled in twice, or two questions about one passage, rather than two versions of one text.
    """
    head = _common_head(one, other)
    one, other = one[head:], other[head:]
    tail = _common_head(one[::-1], other[::-1])
    one, other = one[: len(one) - tail], other[: len(other) - tail]
    if min(len(one), len(other)) < _FILLED[one[:1] >= chr(WIDE)]:
        return False
    a, b = ({text[i : i + 2] for i in range(len(text) - 1)} for text in (one, other))
    return len(a & b) < 0.3 * len(a | b)


def _common_head(one: str, other: str) -> int:
    """Return how many characters two texts have in common at the start."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])
