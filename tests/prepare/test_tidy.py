"""Width and whitespace: what is folded, and what must not change."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.fold_width import FoldWidth
from weitiao.prepare.tidy_whitespace import TidyWhitespace


def fold(text: str) -> str:
    return str(FoldWidth().rewritten(pl.Series([text]))[0])


def tidy(text: str) -> str:
    return str(TidyWhitespace().rewritten(pl.Series([text]))[0])


HARMLESS = [
    "x²+y²=z²，H₂O，①②③，½，25℃，™，㈱，𝒙=𝟏，￥5",
    "，。！？：；（）～……——“”‘’「」《》",
    "神\ufa19 福\ufa1b",  # compatibility ideographs of names
    "👩‍👩‍👧‍👦 👩🏽‍⚕️ ❤️‍🔥 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ ㊗️ ☺︎ ✈️",
    "می‌خواهم",  # Persian, with ZWNJ
    "क्‍ष क्‌ष",  # Hindi, with ZWJ and ZWNJ
    "ภาษา\u200bไทย",
    "שלום\u200f!",
    "def f():\n    if x:\n        return None\n\n    return 1",
    "```\na  =  1\n\n\n\nb\t= 2   \n```",
    "- 一\n  - 二\n\n| a | b |",
    "",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_neither_step_touches_it(text: str) -> None:
    assert fold(text) == text
    assert tidy(text) == text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ＡＢＣａｂｃ０１９", "ABCabc019"),
        ("你好　世界", "你好 世界"),
        ("Ｇｏ１．２，（ＯＫ）？", "Go1．2，(OK)？".replace("(", "（").replace(")", "）")),
        ("cafe\u0301", "café"),
        ("가", "가"),
        ("Ａ神\ufa19e\u0301", "A神\ufa19é"),
        ("Ａ\n```\nＢ　\n```\nＣ", "A\n```\nＢ　\n```\nC"),
    ],
)
def test_width_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("\ufeff你\u200b好\u200c世\u200d界\u2060\u00ad", "你好世界"),
        ("a\x00b\x07c\x7f\x9f", "abc"),
        ("a\u202eb\u2066c\u200e", "abc"),
        ("A\u200dB 😀\u200d 😀\u200dx 中\ufe0f", "AB 😀 😀x 中"),
        ("A\ufe0f\u200d😀", "A😀"),
        ("a\r\nb\rc\u2028d\x0be\x85f", "a\nb\nc\nd\ne\nf"),
        ("a\xa0b\u2009c  d   e", "a b c d e"),
        ("a  \nb\t\n\n\n\n\nc \n", "a\nb\n\nc"),
        ("  单行  ", "单行"),
        ("  第一段\n  第二段", "第一段\n第二段"),
        ("\n\n  code\n  code", "  code\n  code"),
        ("a  b\n```\nx  =  1\n\n\n\ny\n```\nc  d", "a b\n```\nx  =  1\n\n\n\ny\n```\nc d"),
        ("x = 1    # y\n    z = 2", "x = 1 # y\n    z = 2"),
        ("```\n\u200bcode  x", "```\ncode  x"),
        (" \n \u3000", ""),
    ],
)
def test_whitespace_is_tidied(text: str, tidied: str) -> None:
    assert tidy(text) == tidied


SINGLE = "　 \n\t\r`中aＡ\u200b\u200c\u200d\ufe0f\ufeff😀❤كक\u202e\x00\xa0\u2028“1\u20e3\ufa19"
PIECES = st.sampled_from([*SINGLE, "  ", "\n\n\n", "```\n", "~~~", "e\u0301"])
UGLY = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=12)


@given(UGLY)
def test_a_second_time_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert tidy(tidy(text)) == tidy(text)


@given(UGLY)
def test_the_selection_misses_nothing(text: str) -> None:
    assert fold(text) == FoldWidth().rewrite_one(text)
    assert tidy(text) == TidyWhitespace().rewrite_one(text)


@given(UGLY)
def test_no_visible_character_is_lost(text: str) -> None:
    visible = [c for c in text if unicodedata.category(c)[0] in "LNPS"]
    assert [c for c in tidy(text) if unicodedata.category(c)[0] in "LNPS"] == visible
    assert unicodedata.normalize("NFKC", fold(text)) == unicodedata.normalize("NFKC", text)


def test_long_runs_of_spaces_are_no_trouble() -> None:
    assert tidy("a" + " " * 200_000 + "b") == "a b"
    assert tidy("a\n" + " " * 200_000 + "b\n" + "\t" * 200_000 + "\n\n字") == "a\n" + " " * 200_000 + "b\n\n字"
