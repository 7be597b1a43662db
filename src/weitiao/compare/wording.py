"""What the words of an answer show by themselves: overlap with a reference, loops, language."""

import re
from functools import cache

import numpy as np
from sacrebleu.metrics.chrf import CHRF

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)

_SCRIPTS = (
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"), 1.0),
    ("ja", re.compile(r"[\u3041-\u30ff]"), 1.0),
    ("ko", re.compile(r"[\uac00-\ud7af]"), 1.0),
    ("latin", re.compile(r"[a-z\u00c0-\u024f]", re.IGNORECASE), 0.25),  # four letters weigh as much as one character
    ("cyrillic", re.compile(r"[\u0400-\u04ff]"), 0.25),
    ("greek", re.compile(r"[\u0370-\u03ff]"), 0.25),
    ("arabic", re.compile(r"[\u0600-\u06ff]"), 0.25),
    ("hebrew", re.compile(r"[\u0590-\u05ff]"), 0.25),
    ("indic", re.compile(r"[\u0900-\u0dff]"), 0.25),
    ("thai", re.compile(r"[\u0e00-\u0e7f]"), 0.25),
)


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


def script(text: str) -> str:
    """Return the script that most of a text is written in (`zh`, `ja`, `latin` …), or an empty text if it has too few.

    Languages of one script, as English and French, are not told apart. Fenced code does not count.
    """
    prose = _FENCED.sub(" ", text)
    weights = {name: weight * len(pattern.findall(prose)) for name, pattern, weight in _SCRIPTS}
    if weights["ja"] > 0.1 * weights["zh"]:  # Japanese is written with Chinese characters and kana
        weights["ja"] += weights.pop("zh")
    name = max(weights, key=lambda key: weights[key])
    return name if weights[name] >= 1 else ""


def drifts(text: str, *expected: str) -> bool:
    """Tell whether a text is in another script than each of the `expected` texts that show one."""
    wanted = {script(one) for one in expected} - {""}
    own = script(text)
    return bool(own and wanted and own not in wanted)


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
