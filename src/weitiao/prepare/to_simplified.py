"""Traditional Chinese written in simplified characters."""

import re
from functools import cache

import polars as pl
from opencc import OpenCC

from weitiao.prepare.code import outside_code
from weitiao.step import RewriteSelected

_OTHER_LANGUAGE = re.compile(
    "[\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]"
)
_HAN = range(0x4E00, 0x9FA6)
# A text about the two ways of writing loses what it says.
_ABOUT = re.compile(r"繁[体體]|[简簡][体體]字|[正異异]體|异体字|[简簡]繁|繁[简簡]")


@cache
def _converters() -> tuple[OpenCC, OpenCC]:
    return OpenCC("tw2s"), OpenCC("hk2s")


@cache
def _japanese() -> frozenset[str]:
    """Return the characters of Japanese alone: 東京都知事選挙 has no kana, but 挙 stands in no Chinese standard."""
    letters = [
        letter
        for letter in map(chr, _HAN)
        if _has("shift_jis", letter) and not (_has("gb2312", letter) or _has("big5hkscs", letter))
    ]
    simplified = _simplified("\n".join(letters)).split("\n")
    return frozenset(letter for letter, same in zip(letters, simplified, strict=True) if letter == same)


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
        """Return true where there is a Chinese character."""
        return text.str.contains(r"\p{Han}")

    def rewrite_one(self, text: str) -> str:
        """Return the text in simplified characters."""
        return outside_code(_lines, text)


def _lines(text: str) -> str:
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    if _ABOUT.search(line) or _is_japanese_or_korean(line):
        return line
    # Links and code within a line are names, not words.
    pieces = re.split(r"(`[^`]*`|https?://\S+)", line)
    return "".join(piece if place % 2 else _simplified(piece) for place, piece in enumerate(pieces))


def _is_japanese_or_korean(line: str) -> bool:
    return bool(_OTHER_LANGUAGE.search(line)) or not _japanese().isdisjoint(line)


def _simplified(text: str) -> str:
    before = None
    taiwan, hong_kong = _converters()
    while before != text:  # what Hong Kong writes its own way the first pass leaves: 裏 説 啟
        before, text = text, str(hong_kong.convert(taiwan.convert(text)))
    return text
