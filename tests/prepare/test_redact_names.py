"""Names of people become marks where something says that they are names, and no word is taken for one."""

import re

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prepare.name_set import WITH, WITHOUT
from prepare.test_near_duplicates_trial import POSTS, posts
from weitiao import record
from weitiao.prepare.personal import find
from weitiao.prepare.redact import Redact
from weitiao.record import Record
from weitiao.step import Batch

STEP = Redact(kinds=("name",))


def named(text: str) -> list[str]:
    return [one.value for one in find(text, frozenset({"name"}))]


def trial() -> tuple[int, int, int, int]:
    """Return how many names there are and are found, and how many things are taken for one beside and without any."""
    wanted = [re.findall("⟨(.*?)⟩", line) for line in WITH]
    found = [named(re.sub("[⟨⟩]", "", line)) for line in WITH]
    right = sum(len(set(want) & set(have)) for want, have in zip(wanted, found, strict=True))
    wrong = sum(len(set(have) - set(want)) for want, have in zip(wanted, found, strict=True))
    return sum(map(len, wanted)), right, wrong, sum(bool(named(line)) for line in WITHOUT)


def test_names_are_found_and_words_are_not() -> None:
    total, right, wrong, taken = trial()
    assert total >= 60
    assert len(WITHOUT) >= 200
    assert right >= 0.9 * total
    assert (wrong, taken) == (0, 0)


@pytest.mark.skipif(not POSTS.exists(), reason="no ../shared/data/ruozhiba/posts beside the checkout")
def test_posts_have_no_more_than_the_name_they_have() -> None:
    assert [name for post in posts() for name in named(post)] == ["林正英"]


def test_names_stay_by_default_and_go_with_one_word() -> None:
    text = pl.Series(["我叫张伟，电话13812345678"])
    assert Redact().rewritten(text)[0] == "我叫张伟，电话[手机号1]"
    assert Redact(names=True).rewritten(text)[0] == "我叫[姓名1]，电话[手机号1]"
    assert STEP.rewritten(text)[0] == "我叫[姓名1]，电话13812345678"


SAID = [
    ("我叫李建国，退休工人", ["李建国"]),
    ("我姓马，叫马小军", ["马小军"]),
    ("患者黄建国，男，58岁；原告吴秀兰（女，汉族）", ["黄建国", "吴秀兰"]),
    ("本人王海燕，女，1985年生", ["王海燕"]),
    ("采访了钟南山院士", ["钟南山"]),
    ("患者多为老人，男女不限，学生马上到", []),
    ("原告方，被告方，男女各半", []),
]


@pytest.mark.parametrize(("text", "names"), SAID)
def test_who_says_so_may_be_called_as_places_are(text: str, names: list[str]) -> None:
    assert named(text) == names
    assert STEP.rewritten(pl.Series([text]))[0] == STEP.rewrite_one(text)


def test_a_name_has_one_mark_in_all_turns() -> None:
    talk = (("user", "王小明说你是客服"), ("assistant", "您好，姓名：王小明，联系人：李雷"), ("user", "李雷和王小明"))
    frame = record.to_frame([Record("a", talk, "f", 1)])
    assert STEP.apply(Batch.of(frame)).turns["content"].to_list() == [
        "[姓名1]说你是客服",
        "您好，姓名：[姓名1]，联系人：[姓名2]",
        "李雷和[姓名1]",  # two letters may be part of a word
    ]


@settings(max_examples=100)
@given(st.lists(st.sampled_from([*(re.sub("[⟨⟩]", "", line) for line in WITH), *WITHOUT, " ", "，", "\n"]), max_size=6))
@example(["收货人：欧阳振华", "张文宏教授说过", "收货人：欧阳振华"])
def test_twice_is_once(pieces: list[str]) -> None:
    once = STEP.rewrite_one("".join(pieces))
    assert STEP.rewrite_one(once) == once


@given(st.text("高兴马上方便张开王者，。老师 aM1", max_size=30).filter(lambda text: "老师" not in text))
def test_nothing_is_taken_where_nothing_says_so(text: str) -> None:
    assert STEP.rewrite_one(text) == text
