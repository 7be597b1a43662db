"""What tells two texts apart that differ in one place: a negation, an opposite, another unit."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.similar import Likeness, compared, kept_twins
from weitiao.similar.opposed import is_opposed

LONG = (
    "服药期间可以饮酒，但要少量；漏服的时候，如果离下一次服药还有半天以上，可以补服。"
    "出现皮疹、心慌，应立即停药并就医，不要拖延。"
)


def twins(one: str, other: str) -> int:
    return len(kept_twins(compared(pl.Series([one, other])), Likeness(0.6, 0.8)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("这件衣服能用热水洗", "这件衣服不能用热水洗"),
        ("下列属于可再生能源的是哪一项", "下列不属于可再生能源的是哪一项"),
        ("已婚人士可以申请这个签证", "未婚人士可以申请这个签证"),
        ("I think it is safe to eat.", "I think it is not safe to eat."),
        ("下列物质中密度最大的是", "下列物质中密度最小的是"),
        ("如何快速增肥又不伤身体", "如何快速减肥又不伤身体"),
        ("水在多少摄氏度沸腾", "水在多少华氏度沸腾"),
        ("3公斤等于多少磅", "3公斤等于多少盎司"),
        ("How do I enable automatic updates?", "How do I disable automatic updates?"),
        (LONG, LONG.replace("可以饮酒", "不能饮酒")),
        (LONG, LONG.replace("少量", "多量")),
    ],
)
def test_what_says_the_contrary_or_another_amount_is_another_text(one: str, other: str) -> None:
    assert twins(one, other) == twins(other, one) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("这种蘑菇可以直接吃吗", "这种蘑菇可不可以直接吃吗"),
        ("周末去爬山会下雨吗", "周末去爬山会不会下雨吗"),
        ("你昨天晚上按时吃药了", "你昨天晚上按时吃药了没"),
        ("我今天早上在江边跑5公里一共要花多久时间", "我今天早上在江边跑5千米一共要花多久时间"),
        ("这个会一共开了3小时没结束", "这个会一共开了3个小时没结束"),
        ("冬天洗澡为什么会缺氧", "冬天洗澡为什么会缺氧呢"),
        ("银行理财和国债哪个更安全", "银行理财合国债哪个更安全"),
        (LONG, LONG.replace("出现皮疹", "如果出现皮疹")),
    ],
)
def test_what_asks_or_says_the_same_is_one_text(one: str, other: str) -> None:
    assert twins(one, other) == twins(other, one) == 1


def test_texts_that_differ_in_more_than_a_word_are_not_judged() -> None:
    assert not is_opposed("", "")
    assert not is_opposed("能吃", "能吃")
    assert not is_opposed("冬天白天短", "夏天白天长")
    assert not is_opposed("不", "")


@given(st.text("大小不能前后ab", max_size=8), st.text("大小不能前后ab", max_size=8))
def test_neither_of_two_texts_is_the_first(one: str, other: str) -> None:
    assert is_opposed(one, other) == is_opposed(other, one)
    assert not is_opposed(one, one)
