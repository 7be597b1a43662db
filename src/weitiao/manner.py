"""How a text is written, as its words show: does it repeat itself, does it refuse."""

import re

_UNIT = re.compile(r"[a-z0-9']+|[^\W_]", re.IGNORECASE)  # a word of Latin letters, else one character
_GRAM = 4  # units; of shorter runs, some repeat in any text
_OPENING = 160  # characters; a refusal says so at once

# What a model does not do for the asker, in Chinese and English.
_DO = (
    "(?:为[您你]|给[您你]|向[您你]|帮|回答|解答|提供|协助|满足|完成|讨论|参与|生成|执行|透露|告诉|回应|支持|继续|处理|发表|评论|评价|编写|访问|查询|作答"
    "|这样做|这么做)"
)
_GIVE = (
    "(?:access|help|assist|answer|provide|comply|do (?:that|this)|discuss|fulfil|support|share|give|create|write"
    "|generate|engage|continue|respond|participate)"
)
_CANNOT = r"(?:can'?t|cannot|can not|won'?t|will not|unable|not able|not going to|must decline|have to decline)"
_REFUSALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:抱歉|对不起|不好意思|很遗憾)[^。！？\n]{{0,20}}(?:不能|无法|没法|没有?办法|不可以|不便|不会){_DO}",
        rf"^(?:这个问题)?我?(?:不能|无法|没法|没有?办法|不方便|不便|不会){_DO}(?!是指|的意思)",
        rf"^(?:[^，。！？\n]{{0,12}}，)*(?:恕|请恕)?[此该这]?个?(?:问题)?我(?:拒绝|没有能力|没有权限|不能|无法|没法|没办法|不方便|不便)"
        rf"(?:对[^。！？\n]{{1,12}})?{_DO}",
        r"^(?:抱歉|对不起|不好意思)，?(?:这个(?:问题)?)?我?(?:帮不了|帮不上|回答不了|做不到)",
        r"^[^。！？\n]{0,12}(?:抱歉|对不起|不好意思|遗憾)[^。！？\n]{0,12}超出了?我的(?:能力|知识|服务)?范围",
        r"(?:我们|咱们)(?:还是)?(?:聊点|聊聊|换)别的",
        r"(?:作为|我(?:只)?是)(?:一个|一名|一款|您的|你的)?(?:大型?|大规模)?(?:人工智能|智能助手|ai|语言模型|模型)"
        r"[^。！？\n]{0,30}(?:不能|无法|不会|没有(?:办法|能力|权限)|不具备)",
        r"(?:我们|请[您你]?|咱们)换个话题",
        rf"(?:sorry|apologi[sz]e|unfortunately|regret)\b[^.!?\n]{{0,40}}\b{_CANNOT}\b",
        rf"\bi(?:'m| am)? (?:{_CANNOT}|refuse)(?: be able)?(?: to)? {_GIVE}",
        r"(?:as an? (?:ai|(?:large )?language model)|i'?a?m (?:just |only )?an? (?:ai|(?:large )?language model))\b"
        rf"[^.!?\n]{{0,60}}\b{_CANNOT}\b",
        rf"\bi do(?:n't| not) have (?:the ability|access|permission) to\b|\binappropriate for me to {_GIVE}",
        rf"^i(?:'d| would) rather not (?:{_GIVE}|talk)|^i must decline\b",
        r"\b(?:against|violates?) my (?:guidelines|policy|policies|principles)",
    )
)


# Those of the words above that are written otherwise in traditional characters.
_SIMPLE = str.maketrans(
    "對無為幫協滿討論參與執應繼續處評價編寫這樣沒辦個絕權請換題給訴詢訪問會們識圍務",
    "对无为帮协满讨论参与执应继续处评价编写这样没办个绝权请换题给诉询访问会们识围务",
)


def repetition(text: str) -> float:
    """Return the share of runs of four words (Chinese: four characters) that stood in the text before."""
    units = _UNIT.findall(text.casefold())
    runs = list(zip(*(units[start:] for start in range(_GRAM)), strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def refuses(text: str) -> bool:
    """Tell whether an answer declines to answer, by how it begins, in Chinese or English."""
    opening = text.strip().replace("\u2019", "'")[:_OPENING].translate(_SIMPLE)
    return any(pattern.search(opening) for pattern in _REFUSALS)
