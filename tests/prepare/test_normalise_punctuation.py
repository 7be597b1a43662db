"""Each language has its marks, and what is no prose keeps its own."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.normalise_punctuation import NormalisePunctuation


def marked(text: str) -> str:
    return str(NormalisePunctuation().rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("他今年5岁(虚岁), 属马;爱吃鱼!", "他今年5岁（虚岁），属马；爱吃鱼！"),
        ("（注意)别动", "（注意）别动"),
        ("她问:'真的吗?'", "她问：‘真的吗？’"),
        ("“你好”,他说.", "“你好”，他说。"),
        ("OK,我去", "OK，我去"),
        ("北京--上海", "北京——上海"),
        ("你好!!", "你好！！"),
        ("去公园吧.😂", "去公园吧。😂"),
        ("I love China（really）！", "I love China (really)!"),
        ("见图1(a),气温25℃,学C++,都好", "见图1(a)，气温25℃，学C++，都好"),
        ("**注意**:小心;\n## 标题:一", "**注意**：小心；\n## 标题：一"),
        ("（see below）", "(see below)"),
        ("”你好“，她说", "“你好”，她说"),
        ("他说：”我不去。“", "他说：“我不去。”"),
        ("好的 , 谢谢,在吗 ?", "好的，谢谢，在吗？"),
        ("Price：$20；shipping：free", "Price: $20; shipping: free"),
        ('妈妈喊:"吃饭了!"', "妈妈喊：“吃饭了！”"),
        ("`a,b`,好;https://a.b/?c=1,好", "`a,b`，好；https://a.b/?c=1，好"),
        ("好,\n```\n你,好\n```\n好,", "好，\n```\n你,好\n```\n好，"),
    ],
)
def test_marks_of_the_language(text: str, after: str) -> None:
    assert marked(text) == after


UNTOUCHED = [
    *(
        "3,000.50 12:30 1.2.3 3:2 5!",
        "a，b的3，4",
        "第3,4章",
        "一.选择题",
        "鲍勃.迪伦",
        "十二.总则",
        "“a“b”c”",
        "好……坏——",
        "don't你懂的",
        "print('你好,世界')\nprint(\"好\")",
        '["你好","世界"]',
        '  "姓名": "张三",',
        "He said “你好”.\nWhat is 你好?",
        "# 注释:说明",
    ),
    *(
        '他说 "hello" 了',
        "图1 :)",
        "x > 0 ? 大 : 小",
        "{'名':'值'}",
        "| 甲, 乙 |",
        "# 标题, 甲",
        "print('你好,世界');",
        "안녕,세계!",
        "“OK！”\n好",
    ),
    *(
        "坐标(3,4)和(x, -y)",
        "走吧”，他说，“快点",
        'git commit -m "修复:登录"',
        'echo "你好,世界" > a.txt',
        "city: '浙江',",
        '"浙江,宁波",',
    ),
    *('He said "hi", then left. ', '  "a": "b",', "(a, b)", "组合数是(2n)!/[n!(n+1)!]", "他身高5'8\"，她5'4\"", ""),
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_right_or_no_prose_stays(text: str) -> None:
    assert marked(text) == text


PIECES = [*"你好a1 ,.?!:;()（）\"'“”，。…\n`[", "...", "--", "**", "## ", "Hello world", "3,000", "「", "」", "{", "の"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=12))
def test_a_second_time_changes_nothing_and_the_selection_misses_nothing(text: str) -> None:
    once = marked(text)
    assert marked(once) == once
    assert once == NormalisePunctuation().rewrite_one(text)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_letter_or_digit_is_lost(text: str) -> None:
    assert [letter for letter in marked(text) if letter.isalnum()] == [letter for letter in text if letter.isalnum()]
