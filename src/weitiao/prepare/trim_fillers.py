"""Laughter, cries and punctuation that run on, and words that only fill a pause."""

import re

import polars as pl
from pydantic import Field

from weitiao.prepare.code import in_prose
from weitiao.step import RewriteSelected

_CRIES = "哈呵嘿嘻嗨啊呀哇呜嗷嗯哦噢额呃唉哎嘤诶欸噗"
_CRY = re.compile(rf"([{_CRIES}])\1{{2,}}(?!尔滨)")
_LAUGH = re.compile(r"(?<![A-Za-z])(ha|he)(?:\1){2,}(?=h?(?![A-Za-z]))", re.IGNORECASE)
# 233333 laughs where a laugh stands before it; else it is a number.
_233 = re.compile(r"(?<=[哈呵嘿嘻啊呀噗笑死～~])([，。！!…~～ ]{0,2})23{3,}(?=$|[\s，。！？!?…~～哈])", re.MULTILINE)
_MARKS = tuple(
    (re.compile(pattern), mark)
    for pattern, mark in (
        (r"！{2,}", "！"),
        (r"？{2,}", "？"),
        (r"(?:？！){2,}", "？！"),
        (r"(?:！？){2,}", "！？"),
        (r"(?<=[^\s!])!{3,}(?!\[)", "!"),
        (r"(?<=[^\s?])\?{3,}", "?"),
        (r"(?<=[^\s!?])(?:\?!){2,}", "?!"),
        (r"，{2,}", "，"),
        (r"～{2,}", "～"),
        (r"(?<=[^\s~])~{3,}", "~"),
        (r"(?<=[^\s。])。{3,}|…{3,}", "……"),
        (r"(?<=[一-鿿])\.{4,}(?!\.|\s*\d)", "……"),
        (r"(?<=[A-Za-z])\.{4,}(?!\.|\s*\d)", "..."),
    )
)
_PAUSE = r"(?:[，、…~～]+|\.{3,})"
# 嗯 alone says yes, and 那个 points at something; they fill where the pause is long, or another filler follows.
_FILLERS = re.compile(
    rf"(?:(?<=^)|(?<=[，,。！？!?；;：“\n]))(?:呃+|额+|(?:嗯+|那个)(?=…|\.{{3}}|[，、]?(?:呃|额|嗯|那个)[，、….]))"
    rf"{_PAUSE}(?:(?:呃+|额+|嗯+|那个){_PAUSE})*"
    r"|(?<=，)嗯+，"
)
_ENGLISH = re.compile(
    r"(?<![A-Za-z])(?:the|is|it|to|and|of|that|you|I|I'm|we|was|what|how|why|can|this|with|my|yes|okay?|know|think)"
    r"(?![A-Za-z])"
)
_UM = r"(?:u+m+|u+h+|erm+)"


def _capital(um: re.Match[str]) -> str:
    return um["next"].upper() if um[0][0].isupper() else um["next"]


_UMS = (
    (re.compile(rf"(?:^|(?<=[.!?] ))(?i:{_UM})(?:, |\.\.\.+ ?|… ?)(?P<next>[a-z]?)", re.MULTILINE), _capital),
    (re.compile(rf"(?i:, {_UM}), (?=[a-zI])"), " "),
    (re.compile(rf"(?<=[a-z]) (?:{_UM})(?:\.\.\.+|…)(?= [a-z])"), ""),
)
_ART = re.compile(r"[|/\\_#*=+<>^(){}-]")


class TrimFillers(RewriteSelected):
    """Shorten laughter, cries and punctuation that run on (哈哈哈哈, ！！！, 。。。。); drop 呃, 嗯…… and um.

    Numbers, code, rules of Markdown, drawings in characters, ellipses and the 嗯 that says yes stay.
    """

    most: int = Field(2, ge=1, description="How often a laugh or a cry stands in a row at most")
    words: bool = Field(True, description="Drop words that only fill a pause: 呃, 嗯……, um")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where something runs on or fills."""
        runs = "|".join(f"{letter}{{3}}" for letter in f"{_CRIES}…。")
        marks = r"！！|？！？|？？|！？！|，，|～～|!!!|\?\?\?|\?!\?|~~~|\.{4}"
        return text.str.contains(rf"(?i){runs}|{marks}|hahaha|hehehe|2333|[呃额嗯]|那个[…，.、]|\bu+[mh]+\b|\berm+\b")

    def rewrite_one(self, text: str) -> str:
        """Return the text with runs cut short and without fillers."""
        return in_prose(self._trimmed, text)

    def _trimmed(self, text: str) -> str:
        new = "\n".join(line if _is_drawing(line) else self._line(line) for line in text.split("\n"))
        if self.words:
            left = _FILLERS.sub("", new)
            if _ENGLISH.search(left):
                for pattern, instead in _UMS:
                    left = pattern.sub(instead, left)
            new = left if any(map(str.isalnum, left)) else new
        return new

    def _line(self, line: str) -> str:
        line = _CRY.sub(lambda run: run[1] * min(self.most, len(run[0])), line)
        line = _LAUGH.sub(lambda run: run[0][: 2 * self.most], line)
        line = _233.sub(r"\g<1>233", line)
        for pattern, mark in _MARKS:
            line = pattern.sub(mark, line)
        return line


def _is_drawing(line: str) -> bool:
    """Say whether a line is drawn rather than written: signs of drawing are three in ten, or all there is is dots."""
    shown = re.sub(r"\s", "", line)
    return len(_ART.findall(shown)) * 10 > 3 * len(shown) or not shown.strip(".…·")
