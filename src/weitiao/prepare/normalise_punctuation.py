"""Punctuation by language: full-width marks in Chinese, half-width ones in English, quotes in pairs."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

import polars as pl
from pydantic import Field

from weitiao.prepare.code import in_prose
from weitiao.step import RewriteSelected

_HAN = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[A-Za-z]+")
_ENGLISH = re.compile(
    r"(?<![A-Za-z])(?:the|is|are|was|of|and|said|says|means|what|how|you|my)(?![A-Za-z])", re.IGNORECASE
)
_OTHER = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9f\u1100-\u11ff\uac00-\ud7a3]")  # Japanese, Korean
# Signs that programs have and prose has not.
_CODE = re.compile(
    r"[{}\\=]|\$(?!\d)|</|/>|->|::|\(\)|(?<![\u3400-\u9fff]);\s*$|^\s*(?:#(?!#+ )|//|\|)|[A-Za-z0-9_]\(['\"]|\[['\"]|^\s*['\"][^'\"]*['\"]:(?:\s|$)"
    r"|^\s*[A-Za-z_]\w*\s?:\s?(['\"])[^'\"]*\1,?\s*$|^\s*['\"][^'\"]*['\"],\s*$|^\s{2,}['\"][^'\"]*['\"]\s*$|(?<!\S)--?[A-Za-z][\w-]*[ =]['\"]|['\"] +(?:>>?|\|) +[\w./]"
)
_FULL = {",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；"}
_H = "[\u3400-\u9fff]"
# The mark stands behind Chinese, or behind what closes a bracket or a quote in Chinese.
_BEHIND = r"(?:(?<=[\u3400-\u9fff”’》」』）】])|(?<=[\u3400-\u9fff]\*\*))"
_NEXT_HAN = r"(?=[ ]?[\u3400-\u9fff“‘《「『（【])"
_STOP = rf"{_BEHIND}(?<!^[一二三四五六七八九十])(?<!^十[一二三四五六七八九])\.(?=$|[ ][\u3400-\u9fff“‘《「（]|[^\w\s./\\:-])"
_MARKS = re.compile(
    rf"(?:{_STOP}|{_BEHIND}(?:[,;](?!\d{{3}}(?!\d))|:(?![)(DP/-])|[?!]+(?![\[=]))|(?<=[A-Za-z0-9%℃°+²³)\]\U000f0000-\U000fffff])(?:,{_NEXT_HAN}|\?+(?=$|{_NEXT_HAN[3:-1]})))"
    r"(?P<gap>[ ]?)",
    re.MULTILINE,
)
_BRACKETS = re.compile(r"(?P<before>.?)(?P<open>[(（])(?P<inner>[^()（）\n]*)(?P<close>[)）])(?![!^*/+=\[_])")
# (3, 4) and (x, y) are a point, and 12,000 is one number.
_POINT = re.compile(r"-?(?:\d+(?:\.\d+)?|[a-z])(?:, ?-?(?:\d+(?:\.\d+)?|[a-z]))+")
_DOTS = re.compile(rf"(?<={_H})(?:\.{{3,6}}|…)(?![.…])")
_SPACED = re.compile(rf"(?<={_H})[ ](?=,(?:[ ]|{_H})|[?!]+[ ]*$)")
_DASH = re.compile(rf"(?<={_H})--(?={_H})")
_QUOTED = re.compile(r'"([^"\n]*)"')
_SINGLE = re.compile(rf"(?<![A-Za-z0-9'])'([^'\n]*{_H}[^'\n]*)'(?![A-Za-z0-9'])")
_SELECTED = (
    r"\p{Han}(?:(?:\*\*)?[,.?!:;(]| [,?!]|--|…(?:[^…]|$))|[”’》」』）】][,.?!:;(]|[A-Za-z0-9%℃°+²³`$)\]/](?:, ?[\p{Han}“‘《「『（【]|\?)|\([^()\n]*\p{Han}"
    r"|\([^()（）\n]*）|（[^()（）\n]*\)|\"[^\"\n]*\p{Han}|'[^'\n]*\p{Han}|”[^“”\n]*”|“[^“”\n]*“|^[^“\n]*”|[A-Za-z0-9\"'”’)%][，。！？：；（）]|（[A-Za-z]"
)
_HALF = str.maketrans({full: half for half, full in _FULL.items()})


class NormalisePunctuation(RewriteSelected):
    """Write full-width marks in Chinese, half-width ones in lines without any, and straight quotes around Chinese as “ ”.

    Numbers, times, versions, file names, numbering (1. 一.), code, formulas, links and lines in Japanese or Korean stay.
    """

    chinese: bool = Field(True, description="Half-width marks behind Chinese become full-width")
    english: bool = Field(True, description="Full-width marks in a line without Chinese become half-width")
    quotes: bool = Field(True, description="Straight quotes around Chinese become “ ”, and wrong ones are turned")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where marks of both kinds, or of the other language, may stand."""
        return text.str.contains(_SELECTED)

    def rewrite_one(self, text: str) -> str:
        """Return the text with the marks of its language."""
        foreign = not _HAN.search(text)
        return in_prose(lambda prose: "\n".join(self._line(line, foreign) for line in prose.split("\n")), text)

    def _line(self, line: str, foreign: bool) -> str:
        if _OTHER.search(line) or _CODE.search(line):
            return line
        han = len(_HAN.findall(line))
        if not han:
            # Beside Chinese a word or two are not yet English: `“OK！”` alone in a line.
            english = self.english and (foreign or len(_LATIN.findall(line)) > 2)
            return _in_english(line) if english else line
        words = len(_LATIN.findall(line))
        if han < words or (han < 2 * words and _ENGLISH.search(line)):  # English that names a Chinese word
            return line
        if self.quotes:
            line = _in_quotes(line)
        if self.chinese:
            before = None
            while before != line:  # a bracket inside another, a mark behind a bracket
                before, line = line, _BRACKETS.sub(_bracket, line)
                line = _DASH.sub("——", _DOTS.sub("……", _SPACED.sub("", line)))
                line = _MARKS.sub(_full, line)
        return line


def _full(match: re.Match[str]) -> str:
    return "".join(_FULL[mark] for mark in match[0].strip())


def _bracket(match: re.Match[str]) -> str:
    """Return a bracket full-width where Chinese stands in it or before it; `[text](link)` and `f(x)` stay."""
    mixed = (match["open"] == "(") != (match["close"] == ")")
    chinese = _HAN.search(match["inner"]) and not re.match(r"[\]A-Za-z0-9_]", match["before"])
    if not mixed and _POINT.fullmatch(match["inner"]):
        return match[0]
    if mixed or chinese or _HAN.match(match["before"] or " "):
        return f"{match['before']}（{match['inner']}）"
    return match[0]


def _in_quotes(line: str) -> str:
    if line.count('"') % 2 == 0 and not re.search(r"\d'\d", line):  # 5'8" is a height
        line = _QUOTED.sub(lambda match: f"“{match[1]}”" if _HAN.search(match[1]) else match[0], line)
    line = _SINGLE.sub(r"‘\1’", line)
    depth, balanced = 0, True
    for mark in re.findall("[“”]", line):
        depth += 1 if mark == "“" else -1
        balanced &= depth in (0, 1)
    if balanced and not depth:
        return line
    marks = re.findall("[“”]", line)
    # ”好“ at the start of a line or of a speech begins a pair the wrong way; what else is nested or lost, nobody can tell.
    turned = re.match("[^“”]*(?:^|[：:])”", line) and "".join(marks) == "”“" * (len(marks) // 2)
    if len(marks) % 2 or (set(marks) == {"“", "”"} and not turned):
        return line
    sides = iter("“”" * (len(marks) // 2))
    return re.sub("[“”]", lambda _: next(sides), line)


def _in_english(line: str) -> str:
    line = re.sub(r"(?<=[A-Za-z0-9])（([^（）]*)）", r" (\1)", line)
    line = re.sub(r"(?<!\S)（([A-Za-z][^（）]*)）", r"(\1)", line)
    return re.sub(r"(?<=[A-Za-z0-9\"'”’)%])[，。！？：；]+(?=([A-Za-z0-9“($]?))", _half, line)


def _half(marks: re.Match[str]) -> str:
    return marks[0].translate(_HALF) + (" " if marks[1] else "")
