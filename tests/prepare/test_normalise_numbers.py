"""Numbers get one written form where a phrase makes them sure, and nothing else is touched."""

# ruff: noqa: E501

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao import record
from weitiao.numerals import number
from weitiao.prepare.normalise_numbers import NormaliseNumbers
from weitiao.record import Record
from weitiao.step import Batch


def written(text: str, **chosen: Any) -> str:
    return str(NormaliseNumbers(**chosen).rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("二零零八年八月八日和两千零五年八月五号", "2008年8月8日和2005年8月5号"),
        ("二〇二四年五月", "2024年5月"),
        ("八月八日，八五年二月二十七日", "8月8日，85年2月27日"),
        ("民国113年，2024-05-01，2024/5/1，2024.05.01发布", "2024年，2024年5月1日，2024年5月1日，2024年5月1日发布"),
        ("下午八点零五分，八点半，八点三十，十三点十分三十六秒", "下午8:05，8:30，8:30，13:10:36"),
        ("早上一点零二，上午一点零二分三十六秒", "早上1:02，上午1:02:36"),
        ("百分之六点三，百分之百，千分之五，负百分之十三", "6.3%，100%，5‰，-13%"),
        ("百分之三十到四十一", "30%到41%"),
        ("十七分之七，负十二分之七", "7/17，-7/12"),
        ("十三点五元，三千三百八十元五角八分，十二块五毛，一百块钱", "13.5元，3380.58元，12.5元，100块钱"),
        ("价格¥1,234.50，共RMB 1,200", "价格1234.50元，共1200元"),
        ("五百美元，一点二五欧元", "500美元，1.25欧元"),
        ("二十五千克，八百米，零下十摄氏度，十公里，一百二十平方米", "25千克，800米，零下10摄氏度，10公里，120平方米"),
        ("约三百一十五万字，一万零三百人，四百六十五篇，六点四二万人", "约315万字，10300人，465篇，6.42万人"),
        ("十一到一百千米，每小时三十到三百一十一公里", "11到100千米，每小时30到311公里"),
        ("三点一四一五九，零点六倍", "3.14159，0.6倍"),
        (
            "公元前二二一年，公元一六三年，两千零二十四年，二十世纪八十年代",
            "公元前221年，公元163年，2024年，20世纪80年代",
        ),
        ("下午两点一刻，三点三刻", "下午2:15，3:45"),
        ("一又三分之二杯，又三分之一的人", "1又2/3杯，又1/3的人"),
        ("一百一十平米，二百二十伏特，每周三十公里", "110平米，220伏特，每周30公里"),
        ("三亿两千万人，一百零八人，一千五百字", "3.2亿人，108人，1500字"),
        ("約三億兩千萬人，晚上七點半，三萬八千塊錢", "約3.2億人，晚上7:30，38000塊錢"),
        ("民国八十七年六月十二日，中華民國一百一十二年，1998年七月", "1998年6月12日，2023年，1998年7月"),
        ("下午3点05分，15时30分，9点半，0时0分0秒", "下午3:05，15:30，9:30，0:00:00"),
        ("零下十五度，攝氏三十二度，九十八点六华氏度", "零下15度，攝氏32度，98.6华氏度"),
        ("二百三十万册，一小时十五分钟，二十四个小时", "230万册，1小时15分钟，24个小时"),
        ("２００８年１２月２号", "2008年12月2号"),
    ],
)
def test_sure_numbers_get_one_form(text: str, form: str) -> None:
    assert written(text) == form


def test_the_form_is_a_setting() -> None:
    text = "二零零八年八月八日八点半买了二十五千克，花了十三点五元，占百分之二"
    assert written("二零零八年八月八日", dates="iso") == "2008-08-08"
    assert written("二十五千克", units="symbol") == "25kg"
    kept = dict.fromkeys(("dates", "times", "money", "units", "numbers"), "keep")
    assert written(text, **kept) == text
    assert written("五千元，百分之七", money="keep") == "五千元，7%"
    assert written("三百八十元，五百吨", money="keep") == "三百八十元，500吨"
    assert written("三百八十元，五百二十亩", units="keep") == "380元，五百二十亩"


def test_what_can_be_read_two_ways_is_left_and_noted() -> None:
    made = [Record("a", (("user", "05/06/2024十五六岁，三点五分"), ("assistant", "二零零八年")), "u", 1)]
    after = NormaliseNumbers().apply(Batch.of(record.to_frame(made)))
    assert after.turns["content"].to_list() == ["05/06/2024十五六岁，三点五分", "2008年"]
    assert after.ledger().select("turn", "action", "reason", "detail").rows() == [
        (1, "changed", "rewritten", None),
        (0, "skipped", "number read two ways", '["05/06/2024","十五六","三点五分"]'),
    ]


UNTOUCHED = [
    "一心一意，三心二意，五四运动，三国演义，一点也不，九牛一毛，一千零一夜，三百六十行，十万八千里",
    "192.168.10.10，Python 3.11.12，v2.0.1，版本2023.12.25，PyCharm 2023.1.2，192.168.1.1:8080",
    "24/7，3/4，1-2，01.05.2024，05/06/2024，1714521600，$5.99，$1,200",
    "十五六岁，三四十万，七八公斤，一两小时，三五百公里，几十公里，数十公里，千万别，万一，十几万",
    "三点五，三点水，一点一点，两点一线，六点，一元二次方程，二元论，三块石头，一块去",
    "一米五三的个子，一克拉，台上一分钟，台下十年功，十年树木，百年树人，二十年后",
    "第三十分钟，第二十五米",
    "统一升级，逐一克服，统一米色，周一升旗，星期三升学讲座，高三升大学，二米饭，十一小时候，三百元宵，一百字节选",
    "百分之十几，百分之二十几，百分之九⼗，千分之一秒，百分之一毫米，四点五十人，三月八号线，两点一刻钟，九十年代，八九十年代",
    "《二十五米》，《百分之百女孩》，一百零一次求婚，一百二十个不放心，一米阳光",
    '2017-10-09 11:14:31 报错，格式"2006-01-02"',
    "report_2024-05-01.csv，/2024/05/01/a.html，https://a.com/2024-05-01，id=2024-05-01，2024-05-01T08:00",
    "on 2024-05-01 for ¥5",
    "`二零零八年八月八日`，$三分之一$",
    "```\n二零零八年八月八日\n```",
    "13812345678，110101199003077475，京A12345，E12345678",
    "2008年8月8日，8:30，62%，13.5元，25kg",
    "十元店，十二元环，十六元数，十元方程，￥1，299元",
    "民国26年（1937年），民国二十年代，3点5分，用了1时15分，三小时，十个小时候的梦",
    "八時半に起きる，三億円の家",
    "十三五规划，七七事变，九一八，双十一，五一，三八妇女节，一二三四五，二百五",
    "",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_number_or_may_be_two_stays(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("零", 0), ("十", 10), ("二十一", 21), ("一百零一", 101), ("一百一", 110), ("一千零五十", 1050), ("一千零一", 1001),
        ("一千三百", 1300), ("两千五百五十六", 2556), ("一万零一", 10_001), ("三万四", 34_000), ("十万一千一百一十一", 101_111),
        ("一亿零三百万", 103_000_000), ("两千万", 20_000_000), ("三百二十四点七五", "324.75"), ("二十点一万", 201_000),
        *((wrong, None) for wrong in ("十五六", "三四十", "千万", "百", "三百九十九三", "一百十二", "一零", "点五", "三点", "万", "")),
    ],
)  # fmt: skip
def test_numerals(numeral: str, value: Any) -> None:
    assert number(numeral) == (None if value is None else Decimal(value))


def say(value: int) -> str:
    """Say a number below a hundred million as one does in Chinese, by another way than the step reads it."""
    if value >= 10_000:
        high, low = divmod(value, 10_000)
        return f"{say(high)}万" + (("零" if low < 1000 else "") + say(low) if low else "")
    text, gap = "", False
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + sign
        gap = not digit
    return text.removeprefix("一") if text.startswith("一十") else text


@given(st.integers(1, 99_999_999))
def test_every_number_is_read_as_it_is_said(value: int) -> None:
    if not (value >= 10_000 and 10 <= value % 10_000 < 20) and "百十" not in say(value) and "万十" not in say(value):
        said = say(value)
        assert number(said) in (value, None) if "零十" in said else number(said) == value


def test_many_prices_take_no_more_time_than_their_length() -> None:
    text = "好" + "¥1" * 30_000
    assert written(text) == text


@given(
    st.text(
        alphabet="兩萬億點時負塊錢零一二两三十百千万亿点分之年月日时半元块钱角公斤米千克%2008-./¥1百 ，`\n", max_size=14
    )
)
def test_a_second_time_changes_nothing(text: str) -> None:
    once = written(text)
    assert written(once) == once
