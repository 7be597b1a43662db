"""What is copied from the train side and what of the test stands there, against a slow search and planted copies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.compare.seen import SHORTEST, Copy, contamination, copies, mark, met
from weitiao.record import Record, to_frame


def slowly(text: str, sources: list[str]) -> int:
    """Return the length of the longest common span by trying all."""
    best = 0
    for source in sources:
        for start in range(len(text)):
            while start + best < len(text) and text[start : start + best + 1] in source:
                best += 1
    return best if best >= SHORTEST else 0


@given(
    st.lists(st.text("ab水", max_size=60), min_size=1, max_size=4),
    st.lists(st.text("ab水", max_size=120), max_size=5),
)
def test_the_longest_span_is_found(texts: list[str], sources: list[str]) -> None:
    found = copies(texts, [(str(number), source) for number, source in enumerate(sources)])
    for text, copy in zip(texts, found, strict=True):
        assert copy.length == slowly(text, sources)
        if copy.length:
            assert text[copy.start : copy.start + copy.length] in sources[int(copy.source)]


def test_the_source_is_named_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [("r1", "石油也是油，但它不是食用油，炒菜会中毒。"), ("r2", "兑了水的水还是水，量多了而已。"), ("r3", "")]
    texts = ["我想：它不是食用油，炒菜会很香。", "兑了水的水还是水，量多了而已。", "与此无关", ""]
    wanted = [Copy(10, 3, "r1"), Copy(15, 0, "r2"), Copy(), Copy()]
    assert copies(texts, sources) == wanted
    monkeypatch.setattr("weitiao.compare.seen._BLOCK", 5)
    assert copies(texts, sources) == wanted


def test_what_stands_everywhere_is_still_copied_whole() -> None:
    phrase = "作为一个人工智能助手，我很乐意回答这个问题"
    sources = [(str(number), f"{number}：{phrase}，第{number}号。") for number in range(300)]
    assert copies([f"好，{phrase}！"], sources)[0].length == len(phrase)


def record(name: str, question: str, answer: str = "答", family: str | None = None) -> Record:
    return Record(name, (("user", question), ("assistant", answer)), "f", 1, family=family)


TRAIN = [
    record("t1", "为什么水不能兑水，兑了会怎么样？", family="fa"),
    record("t2", "石油也是油，为什么没有人用它来炒菜？"),
    record("t3", "鱼会不会在水里淹死？"),
]
ASKED = [
    record("q1", "石油也是油，为什么没人用它来炒菜？"),  # nearly
    record("q2", "鱼会不会在水里淹死"),  # the same but for punctuation
    record("q3", "蓝牙耳机坏了应该去看牙科还是耳科？", family="fa"),
    record("q4", "秦始皇为什么不坐高铁去泰山？"),
]
INSIDE = record("t4", "请你认真回答下面这个问题：秦始皇为什么不坐高铁去泰山？不要超过一百个字，也不要写成诗")


def test_planted_leaks_are_counted_by_kind() -> None:
    found = contamination(to_frame(TRAIN), to_frame(ASKED))
    assert {key: found[key] for key in ("questions", "train", "by_family", "exact", "near")} == {
        "questions": 4,
        "train": 3,
        "by_family": 1,
        "exact": 1,
        "near": 1,
    }
    assert [(pair["id"], pair["train"]) for pair in found["pairs"]] == [("q2", "t3"), ("q1", "t2")]
    found = contamination(to_frame([*TRAIN, INSIDE]), to_frame(ASKED))
    assert (found["exact"], found["near"], found["contained"], found["pairs"][1]["train"]) == (1, 1, 1, "t4")
    clean = contamination(to_frame(TRAIN), to_frame(ASKED[3:]))
    assert (clean["by_family"], clean["exact"], clean["near"], clean["pairs"]) == (0, 0, 0, [])


def test_a_question_of_a_family_named_after_a_training_record_is_of_its_family() -> None:
    found = contamination(to_frame(TRAIN), to_frame([record("q", "完全不同的一个问题", family="t2")]))
    assert found["by_family"] == 1


def side(text: str) -> dict[str, Any]:
    return {"text": text, "measures": {}}


def test_each_answer_is_told_what_it_copied() -> None:
    told = "因为石油有毒，吃了会死，所以没人用它炒菜"
    train = [record("t9", "x", told)]
    rows = [
        {"reference": "它有毒", "before": side("不知道呀不知道"), "after": side(f"哦！{told[:12]}。")},
        {"reference": told, "before": side(""), "after": side("没有照抄")},
    ]
    found = mark(rows, train)
    assert rows[0]["copies"]["after"] == {"length": 12, "text": told[:12], "record": "t9"}  # type: ignore[index]
    assert rows[0]["after"]["measures"] == {"copied": 12.0}  # type: ignore[index]
    assert found["sides"] == {
        "before": {"mean": 0, "longest": 0, "half": 0},
        "after": {"mean": 6, "longest": 12, "half": 1},
        "reference": {"mean": len(told) / 2, "longest": len(told), "half": 1},
    }
    assert found["spans"] == [{"row": 1, "length": 12, "text": told[:12], "record": "t9"}]


def test_without_a_train_side_nothing_is_said() -> None:
    assert met(None, to_frame(ASKED), []) is None
    assert met(to_frame([]), to_frame(ASKED), []) is None
