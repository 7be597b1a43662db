"""What the words of an answer show by themselves: overlap with a reference, loops, language."""

from functools import cache

import numpy as np
from sacrebleu.metrics.chrf import CHRF


def overlap(text: str, reference: str) -> float:
    """Return chrF2, the overlap in character n-grams, from 0 to 100 (https://aclanthology.org/W15-3049)."""
    return float(_chrf().sentence_score(text, [reference]).score)


def rouge(text: str, reference: str) -> float:
    """Return ROUGE-L by character, 0 to 100: the F1 of the longest common subsequence, space left out.

    https://aclanthology.org/W04-1013, section 3.
    """
    one, other = "".join(text.split()), "".join(reference.split())
    if not one or not other:
        return 100.0 * (one == other)
    return 200.0 * _common_subsequence(one, other) / (len(one) + len(other))


def loop(text: str) -> int:
    """Return the length in characters of the longest stretch that says one thing at least three times in a row."""
    letters = np.array([ord(character) for character in text])
    longest = 0
    for period in range(1, len(letters) // 3 + 1):
        breaks = np.flatnonzero(letters[period:] != letters[:-period])
        runs = np.diff(np.concatenate([[-1], breaks, [len(letters) - period]])) - 1
        if (run := int(runs.max())) >= 2 * period:
            longest = max(longest, run + period)
    return longest


def _common_subsequence(one: str, other: str) -> int:
    """Return the length of the longest common subsequence, 64 cells at a time and more (Hyyrö, 2004)."""
    places: dict[str, int] = {}
    for index, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << index
    full = (1 << len(one)) - 1
    row = full
    for character in other:
        match = row & places.get(character, 0)
        row = (row + match | row - match) & full
    return len(one) - row.bit_count()


@cache
def _chrf() -> CHRF:
    return CHRF()
