"""The steps that ask a teacher, in both languages, over a real socket: exact counts, and the guards on every child."""

from typing import Any

import augment_teacher
import orjson
import pytest
from augmenting import EN, POST_EN, POST_ZH, ZH, Augmented, made, row, rows_of, texts, told
from llm_server import Fault, Server

from weitiao.pipeline import Done
from weitiao.record import Record, to_records

BOTH = [*ZH, *EN]


def counts(**given: Any) -> dict[str, Any]:
    names = ("asked", "answered", "failed", "made", "checked", "unchecked", "dropped", "skipped", "kept")
    return {name: {} if name in ("failed", "dropped", "skipped") else 0 for name in names} | given


@pytest.mark.parametrize(("rows", "first"), [(ZH, "鱼会不会淹死"), (EN, "Can I cut water")])
def test_rephrase_asks_once_for_each_style_and_keeps_the_answer(
    augment: Augmented, rows: list[Any], first: str
) -> None:
    done = augment(rows, {"rephrase": {"styles": ["casual", "formal"]}})
    size = 2 * len(rows)
    assert told(done, "rephrase") == {
        "step": "rephrase",
        **counts(asked=size, answered=size, made=size, checked=size, kept=size),
    }
    children = made(done)
    parents = {record.id: record for record in _records(done)}
    assert [child.facts["augment"]["style"] for child in children[:2]] == ["casual", "formal"]
    for child in children:
        parent = parents[child.parents[0]]
        assert texts(child)[1:] == texts(parent)[1:]
        assert texts(parent)[0] in texts(child)[0]
        assert (child.uri, child.row, child.licence) == (parent.uri, parent.row, "CC0-1.0")
        assert child.facts["augment"]["teacher"] == "m"
    assert first in texts(children[0])[0]


def test_a_typo_may_be_near_its_parent_but_not_the_same(augment: Augmented) -> None:
    done = augment(BOTH, {"rephrase": {"styles": ["typos"]}})
    # The teacher left two questions as they were: nothing in them for it to mistype.
    assert told(done, "rephrase")["dropped"] == {"near-duplicate": 2}
    assert [texts(child)[0] for child in made(done)] == [
        "鱼会布会淹死？",
        "Can I cut water with teh knife?",
        "Why is teh alphabet in that order?",
    ]


def test_what_is_near_the_parent_goes_where_it_should_be_other(augment: Augmented, server: Server) -> None:
    server.script = lambda prompt: _fault({"texts": ["鱼会不会淹死呢？"]})
    done = augment(ZH[:1], {"rephrase": {"styles": ["casual"]}})
    assert rows_of(done, "dropped") == [("rephrase", "near-duplicate")]
    assert not made(done)


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("same_question", "another question"),
        ("answer_fits", "answer no longer fits"),
        ("trick_kept", "trick lost"),
    ],
)
def test_the_teacher_speaks_against_a_child(augment: Augmented, server: Server, claim: str, reason: str) -> None:
    def against(kind: str, asked: list[str]) -> dict[str, bool]:
        return {claim: False} if "淹死" in asked[0] else {}

    server.script = augment_teacher.script(against)
    done = augment(ZH, {"rephrase": {"styles": ["casual"]}})
    assert told(done, "rephrase")["dropped"] == {reason: 1}
    assert rows_of(done, "dropped") == [("rephrase", reason)]
    assert done.manifest["refused"] == {reason: 1}
    assert (done.manifest["total"], done.manifest["kept"]) == (6, 5)


def test_without_the_check_only_the_question_is_asked(augment: Augmented, server: Server) -> None:
    done = augment(ZH, {"rephrase": {"styles": ["casual"], "check": False}})
    assert (told(done, "rephrase")["checked"], told(done, "rephrase")["kept"], sum(server.asked.values())) == (0, 3, 3)
    assert [body["temperature"] for body in server.bodies] == [0.7] * 3


def test_a_check_is_asked_without_chance(augment: Augmented, server: Server) -> None:
    augment(ZH[:1], {"rephrase": {"styles": ["casual"]}})
    assert [body["temperature"] for body in server.bodies] == [0.7, 0.0]


def test_a_conversation_of_several_turns_is_rephrased_as_one(augment: Augmented, server: Server) -> None:
    questions = ["天为什么是蓝的？", "那晚上呢？"]
    turns = [("system", "a"), ("user", questions[0]), ("assistant", "c"), ("user", questions[1]), ("assistant", "f")]
    talk = [{"role": role, "content": text} for role, text in turns]
    child = made(augment([{"messages": talk}], {"rephrase": {"styles": ["formal"]}}))[0]
    assert [role for role, _ in child.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert all(question in text for question, text in zip(questions, texts(child)[1::2], strict=True))
    assert (texts(child)[0], texts(child)[2::2]) == ("a", ["c", "f"])


def test_an_answer_with_another_number_of_texts_is_no_answer(augment: Augmented, server: Server) -> None:
    server.script = lambda prompt: _fault({"texts": ["一", "二"]})
    done = augment(ZH[:1], {"rephrase": {"styles": ["casual"]}})
    assert told(done, "rephrase")["failed"] == {"answer is JSON of another shape": 1}
    assert rows_of(done, "failed") == [("rephrase", "answer is JSON of another shape")]


def test_back_translation_asks_there_and_back(augment: Augmented) -> None:
    done = augment([*BOTH, row("Почему небо голубое днём?", "Из-за рассеяния.")], "back_translate")
    assert told(done, "back_translate") == {
        "step": "back_translate",
        **counts(asked=10, answered=10, made=5, checked=5, kept=5, skipped={"neither Chinese nor English": 1}),
    }
    assert [child.facts["augment"]["via"] for child in made(done)] == ["en"] * 3 + ["zh"] * 2
    assert rows_of(done, "skipped") == [("back_translate", "neither Chinese nor English")]


def test_self_instruct_asks_in_each_language_and_each_seed_stands_in_one_group(augment: Augmented) -> None:
    done = augment(BOTH, {"self_instruct": {"seeds": 20}})
    # Two groups, one a language; of six questions each gave, one was a seed and one in the other language.
    assert told(done, "self_instruct") == {
        "step": "self_instruct",
        **counts(asked=2, answered=2, made=12, checked=8, kept=8, dropped={"near-duplicate": 2, "another language": 2}),
    }
    groups = {child.parents for child in made(done)}
    assert sorted(len(group) for group in groups) == [2, 3]
    assert all(len(child.messages) == 1 and child.messages[0][0] == "user" for child in made(done))


def test_personas_ask_each(augment: Augmented, server: Server) -> None:
    augment(ZH, {"self_instruct": {"seeds": 20, "personas": ["值夜班的护士", "退休教师"], "check": False}})
    asked = [body["messages"][0]["content"] for body in server.bodies]
    assert [("护士" in text, "退休" in text) for text in sorted(asked, key=lambda text: "退休" in text)] == [
        (True, False),
        (False, True),
    ]


def test_evolve_takes_single_questions(augment: Augmented) -> None:
    done = augment(BOTH, {"evolve": {"ways": ["constrain"]}})
    assert told(done, "evolve") == {"step": "evolve", **counts(asked=5, answered=5, made=5, checked=5, kept=5)}
    assert texts(made(done)[0]) == ["假如换到零下四十度的冬天，鱼会不会淹死？请一步步说明理由"]


@pytest.mark.parametrize("post", [POST_ZH, POST_EN])
@pytest.mark.parametrize("turns", [1, 3])
def test_passages_give_conversations(augment: Augmented, post: Any, turns: int) -> None:
    done = augment([post, *ZH], {"ask_passages": {"turns": turns}})
    assert told(done, "ask_passages") == {
        "step": "ask_passages",
        **counts(asked=1, answered=1, made=3, checked=3, kept=3, skipped={"not a passage": 3}),
    }
    assert [[role for role, _ in child.messages] for child in made(done)] == [["user", "assistant"] * turns] * 3
    assert rows_of(done, "skipped") == [("ask_passages", "not a passage")] * 3


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("supported", "answer not in the passage"),
        ("answers", "answer does not fit the question"),
        ("standalone", "question needs the passage"),
    ],
)
def test_an_answer_must_stand_in_its_passage(augment: Augmented, server: Server, claim: str, reason: str) -> None:
    server.script = augment_teacher.script(lambda kind, asked: {claim: False})
    assert told(augment([POST_ZH], "ask_passages"), "ask_passages")["dropped"] == {reason: 3}


def test_a_step_may_work_on_what_those_before_it_made(augment: Augmented) -> None:
    steps = ["ask_passages", {"rephrase": {"styles": ["formal"], "children": True, "max_chars": 100}}]
    done = augment([POST_ZH], *steps)
    assert told(done, "rephrase")["asked"] == 4  # the passage and its three questions
    grandchild = made(done)[-1]
    assert grandchild.parents[0] in {child.id for child in made(done)[:3]}


def test_a_limit_and_long_records_are_told(augment: Augmented) -> None:
    done = augment([row("长" * 30, "好"), *ZH], {"rephrase": {"styles": ["casual"], "limit": 2, "max_chars": 20}})
    assert rows_of(done, "skipped") == [("rephrase", "too long to work on"), ("rephrase", "beyond the limit")]
    assert told(done, "rephrase")["asked"] == 2


def _records(done: Done) -> list[Record]:
    return to_records(done.stored.records())


def _fault(data: Any) -> Fault:
    return Fault(text=orjson.dumps(data).decode())
