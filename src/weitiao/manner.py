"""How a text is written, as its words show: does it repeat itself, does it refuse."""

import re

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


def repetition(text: str) -> float:
    """Return the share of runs of four words (Chinese: four characters) that stood in the text before."""
    units = _UNIT.findall(text.casefold())
    runs = list(zip(*(units[start:] for start in range(_GRAM)), strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def refuses(text: str) -> bool:
    """Tell whether an answer declines to answer, by how it begins, in Chinese or English."""
    opening = text.strip().replace("\u2019", "'")[:_OPENING]
    return any(pattern.search(opening) for pattern in _REFUSALS)
