"""Traditional Chinese written in simplified characters."""

import re
from collections.abc import Callable
from functools import cache

import polars as pl
from opencc import OpenCC

from weitiao.prepare.code import outside_code
from weitiao.step import RewriteSelected

_OTHER_LANGUAGE = re.compile(
    "[\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]"
)
_HAN = (
    *range(0x4E00, 0x9FA6),
    *range(0x2E80, 0x2FE0),
    *range(0x3400, 0x4DC0),
    *range(0x9FA6, 0xA000),
    *range(0xF900, 0xFB00),
    *range(0x20000, 0x33480),
)
# These change by phrase only: 深沈, 反覆. 么 alone is written otherwise, but the 是么 of a simplified text is right.
_BY_PHRASE, _KEPT = "沈坏哩藉瞭覆甦", "么"
_LINK_OR_CODE = re.compile(r"(`[^`\n]*`|https?://\S+)")
# A text about the two ways of writing loses what it says.
_ABOUT = re.compile(r"繁[体體]|[简簡][体體]字|[正異异]體|异体字|[简簡]繁|繁[简簡]")


@cache
def _converters() -> tuple[Callable[[str], str], ...]:
    return OpenCC("tw2s").convert, OpenCC("hk2s").convert


@cache
def _letters() -> tuple[frozenset[str], re.Pattern[str]]:
    """Return the characters without any of which a text stays as it is, and what finds one of Japanese alone.

    東京都知事選挙 has no kana, but 挙 stands in no Chinese standard.
    """
    letters = [chr(code) for code in _HAN]
    taiwan, hong_kong = _converters()
    both = list(zip(letters, hong_kong(taiwan("\n".join(letters))).split("\n"), strict=True))
    changing = {letter for letter, simple in both if letter != simple} - {_KEPT}
    japanese = (
        letter
        for letter, simple in both
        if "\u4e00" <= letter < "\u9fa6"
        and letter == simple
        and _has("shift_jis", letter)
        and not (_has("gb2312", letter) or _has("big5hkscs", letter))
    )
    return frozenset(changing.union(_BY_PHRASE)), re.compile(f"[{''.join(japanese)}]")


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class ToSimplified(RewriteSelected):
    """Write traditional characters in simplified form by phrase (乾隆 stays, 乾淨 becomes 干净); words are not swapped.

    Lines in Japanese or Korean, lines about traditional characters themselves, code and links stay.
    """

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is a character that may change."""
        return text.str.contains(f"[{''.join(sorted(_letters()[0]))}]")

    def rewrite_one(self, text: str) -> str:
        """Return the text in simplified characters."""
        return outside_code(_lines, text)


def _lines(text: str) -> str:
    if _KEPT not in text and not _stays(text):  # what holds for the text holds for its lines
        return _prose(text)
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    return line if _letters()[0].isdisjoint(line) or _stays(line) else _prose(line)


def _stays(text: str) -> bool:
    return bool(_ABOUT.search(text) or _OTHER_LANGUAGE.search(text) or _letters()[1].search(text))


def _prose(text: str) -> str:
    # Links and code within a line are names, not words.
    pieces = _LINK_OR_CODE.split(text)
    return "".join(piece if place % 2 else _simplified(piece) for place, piece in enumerate(pieces))


def _simplified(text: str) -> str:
    changing, before = _letters()[0], None
    while before != text:
        before = text
        for convert in _converters():  # what Hong Kong writes its own way the first leaves: 裏 説 啟
            if changing.isdisjoint(text):
                return text
            text = str(convert(text))
    return text
