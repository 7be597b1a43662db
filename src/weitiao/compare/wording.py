"""What the words of an answer show by themselves: overlap with a reference, repetition, refusal, language."""

import re
from functools import cache

import numpy as np
from sacrebleu.metrics.chrf import CHRF

_UNIT = re.compile(r"[a-z0-9']+|[^\W_]", re.IGNORECASE)  # a word of Latin letters, else one character
_GRAM = 4  # units; of shorter runs, some repeat in any text
_OPENING = 160  # characters; a refusal says so at once

# What a model does not do for the asker, in Chinese and English.
_DO = (
    "(?:为[您你]|给[您你]|向[您你]|帮|回答|解答|提供|协助|满足|完成|讨论|参与|生成|执行|透露|告诉|回应|支持|继续|处理"
    "|这样做|这么做)"
)
_GIVE = (
    "(?:help|assist|answer|provide|comply|do (?:that|this)|discuss|fulfil|support|share|give|create|write|generate"
    "|engage|continue|respond|participate)"
)
_CANNOT = r"(?:can'?t|cannot|can not|won'?t|will not|unable|not able|not going to|must decline|have to decline)"
_REFUSALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:抱歉|对不起|不好意思|很遗憾)[^。！？\n]{{0,20}}(?:不能|无法|没法|没办法|不可以|不便|不会){_DO}",
        rf"^(?:这个问题)?我?(?:不能|无法|没法|没办法|不方便|不便|不会|拒绝){_DO}",
        r"作为(?:一个|一名|一款)?(?:人工智能|ai|语言模型|大模型)[^。！？\n]{0,24}(?:不能|无法|不会|没有办法|不具备)",
        r"(?:我们)?换个话题",
        rf"(?:sorry|apologi[sz]e|unfortunately|regret)\b[^.!?\n]{{0,40}}\b{_CANNOT}\b",
        rf"\bi(?:'m| am)? (?:{_CANNOT}|refuse)(?: to)? {_GIVE}",
        rf"as an ai\b[^.!?\n]{{0,60}}\b{_CANNOT}\b",
        r"\b(?:against|violates?) my (?:guidelines|policy|policies|principles)",
    )
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


def repetition(text: str) -> float:
    """Return the share of runs of four words (Chinese: four characters) that stood in the text before."""
    units = _UNIT.findall(text.casefold())
    runs = list(zip(*(units[start:] for start in range(_GRAM)), strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


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


def refuses(text: str) -> bool:
    """Tell whether an answer declines to answer, by how it begins, in Chinese or English."""
    opening = text.strip().replace("\u2019", "'")[:_OPENING]
    return any(pattern.search(opening) for pattern in _REFUSALS)


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
