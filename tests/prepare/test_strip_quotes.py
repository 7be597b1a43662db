"""Signatures and quotes of earlier posts go, quotations of the text's own stay."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.strip_quotes import StripQuotes


def stripped(text: str) -> str:
    return str(StripQuotes().rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("谢谢楼主！ 发自我的 iPhone 15", "谢谢楼主！"),
        ("好的\n来自 华为手机 客户端", "好的"),
        ("好的\n\n獲取\nGet Outlook for iOS", "好的\n\n獲取"),
        ("Hi,\nit works.\n-- \nJohn Doe\nACME Inc.", "Hi,\nit works."),
        ("※ 引述《abc (小明)》之銘言：\n: 月亮\n推", "推"),
        ("2024年1月1日 上午10:00，小明 <a@b.c> 写道：\n> 为什么\n>\n> 呢\n\n因为远", "因为远"),
        ("ok\n\nOn Mon, Jan 1, 2024 at 10:00 AM Li\n<li@example.com> wrote:\n> Why?", "ok"),
        ("见附件\n\n发件人: 小明 <a@b.c>\n发送时间: 2024年1月1日\n收件人: 李四\n主题: 月亮\n\n正文", "见附件"),
        ("Agreed.\n\n> On 5 Mar 2024, at 10:22, Tom <t@a.b> wrote:\n> \n> Why?", "Agreed."),
        ("小明 发表于 2010-1-1 10:00\n月亮\n\n因为它远。", "因为它远。"),
        ("回复 3楼 小明：因为它远", "因为它远"),
        ("引用#3 小明\n同意", "同意"),
        ("[quote=a]1[quote]2[/quote]3[/quote]\n好[/quote][quote]", "好[/quote][quote]"),
        ("回复@a:回复@b:好", "好"),
        ("回复 12 楼的小明：好", "好"),
        ("好的\n发送自 Windows 10 版邮件应用", "好的"),
        ("好的\n從我的 iPhone 傳送", "好的"),
        ("本帖最后由 小明 于 2010-1-1 10:00 编辑\n\n还行", "还行"),
    ],
)
def test_they_go(text: str, left: str) -> None:
    assert stripped(text) == left


UNTOUCHED = [
    *(
        "发自我的iPhone是什么意思？",
        "发自内心的感谢",
        "消息来自客户端",
        "他写道：\n春天来了",
        "> 名言\n\n这句话说得对",
        "Title\n--\ntext",
    ),
    *(
        "这篇文章发表于 2010-1-1\n内容很好\n\n推荐",
        "引用一句话：好",
        "回复关键词：666",
        "---\n\n***",
        "SELECT 1;\n\n--\nSELECT 2;",
    ),
    *(
        "From: a\nTo: b\nSubject: x\n\nhi",
        "发自我的iPhone",
        "She wrote:\n> never mind\n\nWhy?",
        "a >> b\n> c",
        "```\n回复@a:b\n```",
    ),
    "",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_the_posts_own_stays(text: str) -> None:
    assert stripped(text) == text


def test_a_hundred_thousand_spaces_take_no_time() -> None:
    text = "回复" + " " * 100_000 + "好"
    assert stripped(text) == text


PIECES = [
    "发自我的iPhone",
    "\n",
    "\n\n",
    "-- ",
    "--",
    "---",
    "> 引",
    "【 在 a 的大作中提到: 】",
    ": 引",
    "好。",
    "//@a:",
    "回复@a:",
    " ",
    "[quote]",
]
PIECES += ["[/quote]", "a@b.c 写道：", "小明 发表于 2010-1-1 10:00", "※ 来源:·", "Sent from my iPhone", "`", "```\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=12))
def test_a_second_time_changes_nothing_and_the_selection_misses_nothing(text: str) -> None:
    once = stripped(text)
    assert stripped(once) == once
    assert once == StripQuotes().rewrite_one(text)
