"""What runs on is cut short, fillers go, and nothing that means something is touched."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.trim_fillers import TrimFillers


def trimmed(text: str) -> str:
    return str(TrimFillers().rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("！！！！！", "！"),
        ("哈哈哈哈尔滨", "哈哈哈尔滨"),
        ("嗯，那个，我想问", "我想问"),
        ("她说：“呃，不知道”", "她说：“不知道”"),
        ("Wait.... what????", "Wait... what?"),
        ("Hahahahah", "Hahah"),
        ("Um, why is it so? uh... I see", "Why is it so? I see"),
        ("好........吧，，，，走", "好……吧，走"),
        ("```\n哈哈哈哈\n```\n哈哈哈哈", "```\n哈哈哈哈\n```\n哈哈"),
    ],
)
def test_runs_and_fillers(text: str, after: str) -> None:
    assert trimmed(text) == after


UNTOUCHED = [
    *(
        "嗯",
        "呃",
        "嗯。",
        "嗯，是的",
        "名额，满了",
        "那个，是我的",
        "就是那个……",
        "233333",
        "共 233333 元",
        "编号233333。",
    ),
    *("一、第一章........12", "........", "!!! note", "![图](a.png)", "~~~", "~~删去~~", "x = a ?? b", "a != b", "5!!"),
    *(
        "um, dois, três",
        "er, sie, es",
        "umbrella, uh-oh",
        "The um in Latin",
        "哈哈镜，啊哈",
        "等等……",
        "and so on...",
        "你好！真的？",
    ),
    "  /\\_/\\\n |!!!!|\n  > ^ <",
    "https://example.com/hahahaha?q=!!!!&a=1 和 `！！！！`",
    "",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_means_something_stays(text: str) -> None:
    assert trimmed(text) == text


PIECES = [*"哈啊嗯呃额！？!?。.…，～~233a \n`", "那个", "……", "ha", "um", ", ", "the ", "笑死", "I"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=12))
def test_a_second_time_changes_nothing_and_the_selection_misses_nothing(text: str) -> None:
    once = trimmed(text)
    assert trimmed(once) == once
    assert once == TrimFillers().rewrite_one(text)


def test_more_code_than_letters_to_stand_for_it_stays_whole() -> None:
    assert trimmed("`a` " * 70_000 + "哈哈哈") == "`a` " * 70_000 + "哈哈哈"
