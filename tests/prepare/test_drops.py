"""Which records the steps drop, why, and which they keep."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from weitiao import ledger, record
from weitiao.gather import Gather
from weitiao.prepare import Prepare
from weitiao.prepare.drop_exact_duplicates import DropExactDuplicates
from weitiao.prepare.drop_long import DropLong
from weitiao.prepare.drop_near_duplicates import DropNearDuplicates
from weitiao.prepare.drop_short import DropShort
from weitiao.record import Record
from weitiao.step import Batch, RowStep

DATA = Path(__file__).parents[3] / "shared" / "data"


def batch(*talks: Any) -> Batch:
    """Make records r0, r1, …; a text is a passage, a pair a question and its answer."""
    made = []
    for row, talk in enumerate(talks):
        messages = (
            (("passage", talk),) if isinstance(talk, str) else tuple(zip(("user", "assistant"), talk, strict=False))
        )
        made.append(Record(f"r{row}", messages, "file", row))
    return Batch.of(record.to_frame(made))


def dropped(step: RowStep | Gather, *talks: Any) -> dict[str, Any]:
    """Return the ids that go, with their detail."""
    return noted(step, "dropped", *talks)


def noted(step: RowStep | Gather, action: str, *talks: Any) -> dict[str, Any]:
    events = step.apply(batch(*talks)).ledger().filter(pl.col("action") == action)
    return {row: json.loads(detail) for row, detail in events.select("id", "detail").iter_rows()}


def score(setting: str, score: float, goes: str, threshold: float, noted_to: float) -> dict[str, Any]:
    return {"setting": setting, "score": score, "goes": goes, "threshold": threshold, "noted_to": noted_to}


def test_short_posts_go_and_short_questions_stay() -> None:
    assert dropped(
        DropShort(), "三个字", "四个字啊", "  三个字 ", ("你是谁", "我"), ("你好", " "), ("", "好"), ("没有答案",)
    ) == {
        "r0": score("min_chars", 3, "<", 4, 6),
        "r2": score("min_chars", 3, "<", 4, 6),
        "r4": score("min_answer_chars", 0, "<", 1, 1.5),
        "r5": score("min_question_chars", 0, "<", 1, 1.5),
    }


def test_what_just_stays_is_noted() -> None:
    step = DropShort()
    assert noted(step, "spared", "四个字啊", "五个字啊啊", "七个字啊啊啊啊", ("你", "好")) == {
        "r0": score("min_chars", 4, "<", 4, 6),
        "r1": score("min_chars", 5, "<", 4, 6),
        "r3": score("min_answer_chars", 1, "<", 1, 1.5),
    }
    crowd = noted(step, "spared", *["四个字啊"] * (ledger.NEAR - 1), "五个字啊啊", "五个字啊啊", "六个字啊啊啊")
    assert len(crowd) == ledger.NEAR
    assert {detail["noted_to"] for detail in crowd.values()} == {5}


def test_nearly_near_duplicates_are_noted() -> None:
    talks = ["一二三四五六七八九十甲乙丙丁戊己庚辛壬癸子丑", "一二三四五六七八九十甲乙丙风花戊己庚辛壬癸日月"]
    step = DropNearDuplicates(short_similarity=0.7, margin=0.1)
    assert dropped(step, *talks) == {}
    assert noted(step, "spared", *talks) == {"r1": score("short_similarity", 0.653846, ">=", 0.7, 0.6) | {"of": "r0"}}
    assert noted(DropNearDuplicates(short_similarity=0.7, margin=0), "spared", *talks) == {}
    # What is said again word for word goes, also where it is nearly like a third.
    assert dropped(step, *talks, talks[1] + "。") == {"r2": ONE_EDIT | {"score": 1.0, "of": "r1"}}


def test_short_is_a_setting() -> None:
    assert dropped(
        DropShort(min_chars=2, min_answer_chars=3), "一", "一二", ("问", "一二"), ("问", "一二三")
    ).keys() == {"r0", "r2"}


def test_a_record_without_messages_is_neither_short_nor_long() -> None:
    none = Batch.of(record.to_frame([Record("a", (), "u", 1), Record("b", (("system", ""),), "u", 2)]))
    assert DropShort().apply(none).ledger().is_empty()
    assert DropLong().apply(none).ledger().is_empty()


def test_long_texts_go() -> None:
    step = DropLong(max_chars=3, max_question_chars=2, max_answer_chars=4)
    assert dropped(step, "一二三", "一二三四", ("一二", "一二三四"), ("一二三", "一"), ("一", "一二三四五")) == {
        "r1": score("max_chars", 4, ">", 3, 1.5),
        "r3": score("max_question_chars", 3, ">", 2, 1),
        "r4": score("max_answer_chars", 5, ">", 4, 2),
    }


def test_of_equal_records_the_first_stays() -> None:
    talks = [
        "一段 文字",
        "一段\n文字 ",
        ("一段 文字", "好"),
        ("一段 文字", "不好"),
        ("一段 文字", "好"),
        "",
        "",
        "一段文字",
    ]
    assert dropped(DropExactDuplicates(), *talks) == {"r1": {"of": "r0"}, "r4": {"of": "r2"}}


def test_a_text_in_two_turns_is_not_the_text_in_one() -> None:
    talks = [("a\nb", "c"), ("a", "b\nc"), ("a user 1\nb\n", "c")]
    assert dropped(DropExactDuplicates(), *talks) == {}


# Alike at any threshold.
ONE_EDIT = {"setting": None, "goes": ">=", "threshold": None, "noted_to": None}


def test_of_near_duplicates_the_first_stays() -> None:
    talks = [
        "咖啡严格来说是不是也可以叫豆浆？",
        "天下没有不散的筵席",
        "咖啡严格来说是不是可以叫豆浆",
        "咖啡严格来说是不是可以叫豆浆！",
        "天下没有不散的筵席。",
    ]
    assert dropped(DropNearDuplicates(), *talks) == {
        "r2": ONE_EDIT | {"score": 0.933333, "of": "r0"},
        "r3": ONE_EDIT | {"score": 0.933333, "of": "r0"},
        "r4": ONE_EDIT | {"score": 1.0, "of": "r1"},
    }


def test_the_answer_counts_and_the_system_prompt_does_not() -> None:
    question = "咖啡严格来说是不是也可以叫豆浆？"
    talks = [
        (question, "可以，因为咖啡豆也是豆。"),
        (question, "不行，咖啡是果实里的种子，不是豆子磨的浆。"),
        (question, "可以，因为咖啡豆也是豆！"),
    ]
    assert dropped(DropNearDuplicates(), *talks).keys() == {"r2"}
    system = "你是一只会说话的猫，你的每一句话都要以喵结尾，你喜欢鱼，讨厌水，住在一个叫做小镇的地方，今年三岁。" * 5
    made = [
        Record(f"r{n}", (("system", system), ("user", text)), "u", n)
        for n, text in enumerate(["今天吃什么", "你叫什么呀"])
    ]
    step = DropNearDuplicates()
    assert step.apply(Batch.of(record.to_frame(made))).ledger().is_empty()


def test_near_duplicates_by_the_question_alone() -> None:
    talks = [
        ("咖啡严格来说是不是也可以叫豆浆？", "可以，因为咖啡豆也是豆。"),
        ("咖啡严格来说是不是可以叫豆浆", "不行，咖啡是果实里的种子，不是豆子磨的浆。"),
        ("天下没有不散的筵席", "可以，因为咖啡豆也是豆。"),
    ]
    assert dropped(DropNearDuplicates(), *talks) == {}
    assert dropped(DropNearDuplicates(by="question"), *talks).keys() == {"r1"}


def test_questions_about_one_long_passage_are_not_duplicates() -> None:
    passage = "".join(chr(0x4E00 + n * 7 % 4000) for n in range(600))
    talks = [
        (f"{passage}\n问：{ask}", answer)
        for ask, answer in [("作者想说什么", "他想说人生"), ("标题是什么意思", "指的是春天")]
    ]
    assert dropped(DropNearDuplicates(), *talks) == {}
    assert dropped(DropNearDuplicates(), talks[0], (talks[0][0].replace("想说", "要说"), talks[0][1])).keys() == {"r1"}


def test_figures_and_likeness_are_settings() -> None:
    talks = ["小明有3个苹果，又买了5个，一共几个", "小明有3个苹果，又买了6个，一共几个"]
    assert dropped(DropNearDuplicates(), *talks) == {}
    assert dropped(DropNearDuplicates(same_figures=False), *talks).keys() == {"r1"}
    rewritten = ["为什么月亮总是跟着我走呢", "为什么月亮老是跟着我们走"]
    assert dropped(DropNearDuplicates(), *rewritten) == {}
    assert dropped(DropNearDuplicates(short_similarity=0.3), *rewritten).keys() == {"r1"}


@pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}")
def test_of_500_sums_one_is_there_twice() -> None:
    rows = json.loads((DATA / "formats" / "alpaca" / "arithmetic_500.json").read_text(encoding="utf-8"))
    texts = [row["instruction"] for row in rows]
    gone = dropped(DropNearDuplicates(), *texts)
    assert [(texts[int(row[1:])], texts[int(detail["of"][1:])]) for row, detail in gone.items()] == [("43*1=", "43*1=")]
    assert len(dropped(DropNearDuplicates(), *((row["instruction"], row["output"]) for row in rows))) == 1


def test_all_steps_run_by_default_in_order() -> None:
    assert [step.step_name() for step in Prepare().steps] == [
        "strip_html",
        "fold_width",
        "tidy_whitespace",
        "drop_short",
        "drop_long",
        "drop_exact_duplicates",
        "drop_near_duplicates",
    ]
