"""Patterns of simplified letters that find traditional ones too, and leave each text in its script."""

import re
from collections.abc import Callable

_TRADITIONAL = (
    "萬專兩個為爲麼畝億價餘蘭茲幾劃華單盧釐臺號噸國塊頭學爾歲幣帥歸戶攝數時條歐氣溫點離級紀納線組統職"
    "節萊規貝負輛遷選裡裏鐘鍾錢銖鎊陽韓頁頃飯馬齊週隻冊張顆間"
)
_SIMPLE = (
    "万专两个为为么亩亿价余兰兹几划华单卢厘台号吨国块头学尔岁币帅归户摄数时条欧气温点离级纪纳线组统职"
    "节莱规贝负辆迁选里里钟钟钱铢镑阳韩页顷饭马齐周只册张颗间"
)
_PLAIN = str.maketrans(_TRADITIONAL, _SIMPLE)
_FOUND = re.compile(f"[{_TRADITIONAL}]")
_KANA = re.compile("[ぁ-んァ-ヶ]")  # 八時半 is Japanese too

Write = Callable[[re.Match[str]], str | None]
Rewritten = Callable[[re.Pattern[str], Write, str], str]


def simple(text: str) -> str:
    """Return the text, letter by letter, as patterns of simplified letters read it; Japanese stays."""
    return text.translate(_PLAIN) if _is_traditional(text) else text


def writer(text: str) -> Rewritten:
    """Return what writes each match of a pattern in this text anew, in the letters that stood there; None leaves it."""
    return _in_traditional if _is_traditional(text) else _in_simplified


def _is_traditional(text: str) -> bool:
    return bool(_FOUND.search(text)) and not _KANA.search(text)


def _in_simplified(pattern: re.Pattern[str], write: Write, text: str) -> str:
    return pattern.sub(lambda match: match[0] if (new := write(match)) is None else new, text)


def _in_traditional(pattern: re.Pattern[str], write: Write, text: str) -> str:
    pieces, end = list[str](), 0
    for match in pattern.finditer(text.translate(_PLAIN)):
        new, old = write(match), text[match.start() : match.end()]
        if new is None or new == match[0]:
            continue
        own = {ord(plain): letter for plain, letter in zip(match[0], old, strict=True) if plain != letter}
        pieces += [text[end : match.start()], new.translate(own)]
        end = match.end()
    return "".join([*pieces, text[end:]])
