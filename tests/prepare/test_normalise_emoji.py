"""Emoji and faces follow the policy, and signs that are none stay."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.normalise_emoji import NormaliseEmoji

ALL = {"emoji": "drop", "kaomoji": "drop", "forum": "drop"}


def done(text: str, **chosen: Any) -> str:
    return str(NormaliseEmoji(**chosen).rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("😀", ""),
        ("a 😀 b", "a b"),
        ("a 😀。b 😀\nc", "a。b\nc"),
        ("🤔\ufe0f好", "好"),
        ("好难T_T 唉 >_<", "好难 唉"),
        ("¯\\_(ツ)_/¯ ok", "ok"),
        ("（´・ω・｀）好", "好"),
        ("I :) know", "I know"),
        ("好 😀 ，来╮(╯▽╰)╭", "好，来"),
        ("好的:-) ಠ_ಠ ʕ•ᴥ•ʔ", "好的"),
        ("`😀` 😀 https://a.b/😀", "`😀` https://a.b/😀"),
    ],
)
def test_all_are_dropped(text: str, after: str) -> None:
    assert done(text, **ALL) == after


def test_code_that_falls_apart_and_endless_joins() -> None:
    assert done(done("`😀`😀`", **ALL), **ALL) == done("`😀`😀`", **ALL)
    assert done("👨\u200d" * 100_000) == "👨\u200d" * 100_000


def test_names_follow_the_text_or_the_setting() -> None:
    assert done("hi 😀", emoji="text") == "hi [grinning face]"
    assert done("hi 😀", emoji="text", language="zh") == "hi [嘿嘿]"
    assert done("😀😀😀😀😀", most=2) == "😀😀"


UNTOUCHED = [
    *(
        "©2024 ™ ® ✔ ✗ ↔ → ① ★☆ ♥ ℃ ∞",
        "f(x)=x^2, (a^b), a = (b_c) ^ d",
        "见[图1]和[1]，[手机号1]",
        "x <= y, a >> b",
        "（注：略）",
        "[微笑](https://a.b)",
    ),
    *("List<T_T1>", "（一）（二）", "(x, y) (°)", "std::vector", "what? [link](a)", ""),
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_emoji_stays(text: str) -> None:
    for chosen in ({}, {"emoji": "text"}, ALL):
        assert done(text, **chosen) == text


PIECES = [
    "😀",
    "👍🏽",
    "1️⃣",
    "❤",
    "\ufe0f",
    "\u200d",
    "[微笑]",
    "(^_^)",
    "T_T",
    "好",
    "a",
    " ",
    "。",
    "\n",
    "⭐",
    "`",
    "(",
    ")",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join) | st.text(max_size=12),
    st.sampled_from([{}, {"emoji": "text"}, ALL, {"emoji": "drop", "most": 1}]),
)
def test_a_second_time_changes_nothing_and_the_selection_misses_nothing(text: str, chosen: dict[str, Any]) -> None:
    once = done(text, **chosen)
    assert done(once, **chosen) == once
    assert once == NormaliseEmoji(**chosen).rewrite_one(text)
