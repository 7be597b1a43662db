"""Characters by class: those that show nothing go, those that carry meaning stay."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.normalise_unicode import NormaliseUnicode


def normal(text: str, **chosen: Any) -> str:
    return str(NormaliseUnicode(**chosen).rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a\x00\x1b\x9f\ufffcb", "ab"),
        ("a\u200b\u200d\ufeff\u00adb", "ab"),
        ("a\ufe0f\U000e0100\U000e0101b", "ab"),
        ("a\u202eb\u2069", "ab"),
        ("hi\U000e0041\U000e0042\U000e007f", "hi"),
        ("字\ue123\uf8ff\U000f1234", "字"),
        ("cafe\u0301 \u0041\u030a", "café Å"),
        ("⼀⼆⻢⻋", "一二马车"),
        ("o\u0337\u0321\u0353\u0346\u0306\u0301", "o\u0337\u0321\u0353"),
        ("```\n⼀\ue000\n```\n⼀", "```\n⼀\n```\n一"),
    ],
)
def test_each_class(text: str, after: str) -> None:
    assert normal(text) == after


def test_classes_are_settings() -> None:
    assert normal("a\u200b\ue000", drop=("private",)) == "a\u200b"
    assert normal("ﬁ⼀\ue000", drop=(), fold=()) == "ﬁ⼀\ue000"
    assert normal("e\u0301", form="keep") == "e\u0301"
    assert normal("e\u0301", form="keep", marks=0) == "e"
    assert normal("𝒙 ﬁ", fold=("math",)) == "x ﬁ"


UNTOUCHED = [
    "x²+y²=z²，H₂O，①②③，½，25℃，™，㈱，𝒙=𝟏，￥5，ＡＢ　Ｃ",
    "👩‍👩‍👧‍👦 👩🏽‍⚕️ ❤️‍🔥 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ ㊗️ ☺︎ ✈️",
    "می‌خواهم क्‍ष क्‌ष ภาษา\u200bไทย שלום\u200f!",
    "神\ufa19 葛\U000e0100 ế ệ שָׁלוֹם العَرَبِيَّة",
    "ヽ(ﾟ∀ﾟ)ﾉ 不好�，\t制表\r\n",
    "",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_carries_meaning_stays(text: str) -> None:
    assert normal(text) == text


SIGNS = "a中e一\u0301\u0306\u0321\u200b\u200d\ufe0f\U000e0100\ue000\U000e0041🏴\U000e007f⼀⻢ﬁｶﾞ𝒙😀\u202eא`\n"
SETTINGS: list[dict[str, Any]] = [
    {},
    {"form": "nfkc"},
    {"form": "keep", "marks": 1},
    {"fold": ("math", "kana"), "drop": ("tags",)},
]


@given(st.text(SIGNS, max_size=12) | st.text(max_size=12), st.sampled_from(SETTINGS))
def test_a_second_time_changes_nothing_and_the_selection_misses_nothing(text: str, chosen: dict[str, Any]) -> None:
    once = normal(text, **chosen)
    assert normal(once, **chosen) == once
    assert once == NormaliseUnicode(**chosen).rewrite_one(text)
