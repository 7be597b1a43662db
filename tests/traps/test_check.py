"""The checker on answers written by hand, in both languages and all families."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from weitiao import checks
from weitiao.traps import Question, Trap, check
from weitiao.traps.check import _size, plain
from weitiao.traps.make import tricks
from weitiao.traps.world import world

VERDICTS = ("right", "fell", "refused", "other")


@cache
def asked() -> dict[tuple[str, str, str], Question]:
    """Return the first wording of each trick, by family, language and thing."""
    found: dict[tuple[str, str, str], Question] = {}
    for item in tricks(world(), 42):
        found.setdefault((item.family, item.lang, item.things[0]), item)
    return found


def answers(name: str) -> Iterator[tuple[Question, str, str]]:
    """Yield question, verdict and answer."""
    for entry in tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))["asked"]:
        question = asked()[entry["family"], entry["lang"], entry["thing"]]
        for verdict in VERDICTS:
            for text in entry.get(verdict, []):
                yield question, verdict, text


def test_hand_written_answers_get_their_verdict() -> None:
    found = list(answers("answers.toml"))
    assert {(question.family, question.lang) for question, _, _ in found} == {
        (family, lang) for family in world().families for lang in ("zh", "en")
    }
    assert Counter(verdict for _, verdict, _ in found) == {"right": 127, "fell": 111, "other": 68, "refused": 27}
    wrong = [(question.question, text, check(text, question)) for question, verdict, text in found
             if check(text, question) != verdict]  # fmt: skip
    assert wrong == []


def test_free_answers_are_never_taken_for_right_where_they_are_not() -> None:
    table = Counter((verdict, check(text, question)) for question, verdict, text in answers("answers_free.toml"))
    assert table["right", "right"] == 54
    assert sum(count for (verdict, given), count in table.items() if given == "right" and verdict != "right") == 0
    # What somebody believes can be said in endless ways: a fall that no pattern knows is other, never right.
    assert table["fell", "fell"] >= 37
    assert table["refused", "refused"] == 2


def test_the_words_of_a_right_answer_about_something_else_are_not_right() -> None:
    found = list(answers("answers_garbled.toml"))
    assert [text for question, _, text in found if check(text, question) == "right"] == []
    assert len(found) == 43


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("石油不是食用油，是一种燃料。", "right"),
        ("石油也是油，为什么没人用它炒菜？石油不是食用油，是一种燃料。", "right"),  # the question first
        ("石油也是油,为什么没人用它炒菜", "other"),  # the question alone
        ("石油不是食用油，石油不是食用油。", "other"),  # in a loop
        ("你不能说不是食用油", "other"),  # a negation of the negation
        ("石油并不是燃料", "other"),
        ("石油不是一种植物，而是燃料。", "right"),
        ("石油不是食用油，但是因为这种油太少了。", "other"),  # fact and belief together
        ("我不知道，可能太贵了吧。", "fell"),
        ("我不知道，但石油不是食用油。", "right"),
        ("油油油油油油", "other"),
        ("  ", "other"),
    ],
)
def test_negation_echo_and_mixtures(answer: str, verdict: str) -> None:
    assert check(answer, asked()["name", "zh", "石油"]) == verdict


def test_an_answer_is_compared_in_one_form() -> None:
    assert plain(" Ａ　Seahorse ISN’T\n１００％ ") == "a seahorse isn't 100%"


def test_a_row_carries_the_check_and_judges_alike() -> None:
    for question, verdict, text in answers("answers.toml"):
        row = question.row()
        (carried,) = checks.carried({"source": {"check": row["check"]}})
        assert isinstance(carried, Trap)
        assert carried.judge(text) == verdict
    assert {"seen", "bait", "wrong"}.isdisjoint(row)
    assert row["check"]["trap"]["question"] == row["question"]
    assert asked()["share", "en", "可乐"].group == "share:可乐"


def test_a_pattern_that_is_none_is_named() -> None:
    with pytest.raises(checks.BadCheck, match=r"check\.trap\.seen: \(: missing \) at position 1"):
        checks.carried({"check": {"trap": {"lang": "zh", "seen": ["("]}}})
    with pytest.raises(checks.BadCheck, match=r"check\.trap\.seen"):
        checks.carried({"check": {"trap": {"lang": "zh", "seen": []}}})


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:" * 40 + "a" + ")+" * 40,
        "(?:" * 40 + "a" + "){2}" * 40,
        "(?:(?:(?:a{1000}){1000}){1000})",
        "(" * 900 + "a" + ")" * 900,
        "a" * 2001,
        "(a",
    ],
)
def test_a_pattern_that_cannot_be_compiled_in_time_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(checks.BadCheck) as caught:
        checks.carried({"source": {"check": {"trap": {"lang": "en", "seen": ["b", pattern]}}}})
    assert caught.value.field == "check.trap.seen"


def test_a_pattern_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(check.__globals__, "SECONDS", 0.05)
    slow = r"(?:(?:(?:a{1,10}){1,10}){1,10}){1,10}b"
    (trap,) = checks.carried({"check": {"trap": {"lang": "en", "seen": [slow]}}})
    with pytest.raises(checks.BadCheck) as caught:
        trap.judge("a" * 60)
    said = caught.value.at("q.jsonl:7")
    assert str(said).startswith("q.jsonl:7:check.trap: its patterns take more than 0.05 s")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_our_own_patterns_are_far_from_these_bounds(lang: str) -> None:
    patterns = [
        pattern
        for question in asked().values()
        if question.lang == lang
        for pattern in (*question.seen, *question.bait, *question.wrong)
    ]
    assert max(map(len, patterns)) < 1000
    assert max(map(_size, patterns)) <= 1000
