"""Each step of label over a real socket: exact counts, facts, and what becomes of each record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from llm_server import Server

import labelling
from labelling import EN, ZH, asks, events, facts, row, step
from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.pipeline import Done
from weitiao.recipe import bind
from weitiao.record import to_records
from weitiao.stage import Silent

Label = Callable[..., Done]
BOTH = [*ZH, *EN]
STONES = [row(f"第{word}块石头在山上有多少岁？") for word in "一二三四五六七八"]


def last(done: Done) -> list[str]:
    return [one.messages[-1][1] for one in to_records(done.stored.records())]


def refusal(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def prompts(server: Server, word: str) -> list[str]:
    texts = ["\n".join(message["content"] for message in body["messages"]) for body in server.bodies]
    return [text for text in texts if word in text]


# answer


def test_what_has_no_answer_gets_one_and_the_rest_stays(label: Label, server: Server) -> None:
    rows = [*BOTH, asks("水能不能兑水？"), {"text": "一段没有问题的文字，讲的是盐洞。"}, asks("Could a door sleep?")]
    done = label(rows, "answer", system="你是一位耐心的老师。")
    assert (step(done, "answer")["asked"], step(done, "answer")["written"], len(server.bodies)) == (2, 2, 2)
    assert last(done)[5] == "说到“水能不能兑水？”，要看清里面的前提。"
    assert last(done)[7] == "As to “Could a door sleep?”, look at its premise."
    assert last(done)[:5] == [one["messages"][-1]["content"] for one in BOTH]
    assert facts(done, "answer") == [None] * 5 + [{"teacher": "m", "samples": 1}, None, {"teacher": "m", "samples": 1}]
    assert events(done, "changed", "skipped") == [
        ("answer", "changed", "answer written"),
        ("answer", "skipped", "no question"),
        ("answer", "changed", "answer written"),
    ]
    assert all(body["messages"][0]["role"] == "system" for body in server.bodies)
    assert all("你是一位耐心的老师。" in body["messages"][0]["content"] for body in server.bodies)


def test_a_system_text_of_the_record_stands_before_that_of_the_scene(label: Label, server: Server) -> None:
    turns = [("system", "你是海盗。"), ("user", "鱼呢？"), ("assistant", "在海里。"), ("user", "海会渴吗？")]
    done = label([{"messages": [{"role": role, "content": text} for role, text in turns]}], "answer", system="老师")
    (body,) = server.bodies
    assert body["messages"][0]["content"].startswith("你是海盗。\n\n回答")
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert to_records(done.stored.records())[0].messages[:4] == tuple(turns)


def test_examples_of_its_language_stand_before_the_question(label: Label, server: Server, tmp_path: Any) -> None:
    examples = [*ZH, *EN, asks("没有回答的不算例子")]
    (tmp_path / "good.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in examples))
    steps = {"answer": {"shots": 2}}
    label([asks("鱼会不会淹死？"), asks("Could a door sleep?")], steps, examples="good.jsonl", teacher_concurrency=1)
    said = [[message["content"] for message in body["messages"][1:]] for body in server.bodies]
    # The question itself is no example for itself.
    assert [talk[0::2] for talk in said] == [
        ["太阳能热水器夜里是月亮能吗？", "红灯停绿灯行，黄灯呢？", "鱼会不会淹死？"],
        [*(one["messages"][0]["content"] for one in EN), "Could a door sleep?"],
    ]


@pytest.mark.parametrize(
    ("choose", "wanted", "calls"), [("judge", "鱼会不会淹死？不会，它用鳃呼吸。", 3 + 3), ("agree", "不会淹死", 3)]
)
def test_of_several_samples_the_best_is_kept(
    label: Label, server: Server, choose: str, wanted: str, calls: int
) -> None:
    said = ["鱼不会淹死吧", "鱼会不会淹死？不会，它用鳃呼吸。", "鱼不会淹死的"]
    server.script = labelling.script(answers=lambda question, number: said[number])
    done = label([asks("鱼会不会淹死？")], {"answer": {"samples": 3, "choose": choose}}, teacher_concurrency=1)
    assert wanted in last(done)[0]
    fact = facts(done, "answer")[0]
    assert (fact["samples"], fact["choose"], sum(server.asked.values())) == (3, choose, calls)
    assert 0 < fact["agreement"] < 1
    assert (step(done, "answer")["asked"], step(done, "answer")["written"]) == (calls, 1)


def test_what_was_judged_to_be_chosen_is_not_asked_again(label: Label, server: Server) -> None:
    said = ["鱼会不会淹死？不会。", "鱼不会"]
    server.script = labelling.script(answers=lambda question, number: said[number])
    label([asks("鱼会不会淹死？")], {"answer": {"samples": 2}}, "judge", teacher_concurrency=1)
    assert set(server.asked.values()) <= {1, 2}  # the two samples have one prompt
    # Two samples, two marks; the judge knows the answer, and asks for it cut, contradicted, padded and turned.
    assert sum(server.asked.values()) == 2 + 2 + 4


# judge


def test_each_answer_is_marked_once_and_five_are_altered(label: Label, server: Server) -> None:
    done = label(STONES, "judge")
    told = step(done, "judge")
    assert (told["asked"], told["answered"], told["failed"], told["judged"]) == (8 + 5 * 4, 28, {}, 8)
    assert sum(server.asked.values()) == 28
    assert facts(done, "judge")[0] == {
        "harmless": 5, "honest": 5, "helpful": 5, "reason": "so", "sure": True, "by": ["m"]
    }  # fmt: skip
    # The questions are so alike that the answer to one might do for another: none is swapped.
    assert done.manifest["facts"]["controls"] == {
        "planted": 10, "caught": 10, "low": 0.692, "high": 1.0,
        "kinds": {"truncated": [5, 5], "contradicted": [5, 5]},
    }  # fmt: skip
    assert told["order"] == told["length"] == {"count": 5, "higher": 0, "lower": 0, "mean": 0}
    assert all(body["temperature"] == 0.0 for body in server.bodies)
    assert done.line().startswith(
        "Labelled 8 of 8 records: 0 answers written, 0 to review; the judge caught 10 of 10 planted bad answers"
    )


def test_planted_answers_stand_aside_for_people_and_are_no_records(label: Label) -> None:
    done = label(BOTH, "judge", "decide")
    assert done.manifest["facts"]["controls"]["caught"] == done.manifest["facts"]["controls"]["planted"] == 15
    planted = to_records(pl.read_parquet(done.stored.folder / "controls.parquet"))
    assert {one.facts["review"]["why"] for one in planted} == {"planted control"}
    assert {one.facts["review"]["kind"] for one in planted} == {"swapped", "truncated", "contradicted"}
    real = to_records(done.stored.records())
    assert {one.parents[0] for one in planted} == {one.id for one in real}
    assert len(real) == 5
    swapped = {one.messages[0][1]: one.messages[-1][1] for one in planted if one.facts["review"]["kind"] == "swapped"}
    for one in real:  # an answer to another question, in the same language
        assert swapped[one.messages[0][1]] in {other.messages[-1][1] for other in real} - {one.messages[-1][1]}
        assert ("前提" in swapped[one.messages[0][1]]) == (not one.messages[0][1].isascii())


def test_a_judge_that_likes_length_and_order_is_found_out(label: Label, server: Server) -> None:
    def likes(asked: str, answer: str) -> dict[str, int]:
        return {"harmless": 5, "honest": 5, "helpful": 2 + (len(answer) > 60)}

    server.script = labelling.script(likes)
    done = label(ZH, "judge")
    assert step(done, "judge")["length"] == {"count": 3, "higher": 3, "lower": 0, "mean": 0.33}
    # It minds neither that an answer is swapped nor that it is cut: what it lets pass, the thresholds let pass.
    assert done.manifest["facts"]["controls"]["caught"] == 9  # helpful 2 is near a threshold


def test_a_judge_that_marks_the_first_way_lower_is_found_out(label: Label, server: Server) -> None:
    def first(prompt: str) -> Any:
        turned = prompt.index("helpful（有用）") < prompt.index("harmless（无害）")
        return labelling.script(lambda *_: {"harmless": 5, "honest": 5, "helpful": 4 if turned else 5})(prompt)

    server.script = first
    assert step(label(ZH, "judge"), "judge")["order"] == {"count": 3, "higher": 0, "lower": 3, "mean": -0.33}


def test_agreement_with_people_is_told_where_records_carry_their_marks(label: Label, server: Server) -> None:
    honest = [5, 5, 1, 1, 3, 5]
    rows = [
        row(f"第{word}个月亮为什么圆？", f"⟨honest {mark}⟩", human={"honest": mark if word != "戊" else 4, "有用": "5"})
        for word, mark in zip("甲乙丙丁戊己", honest, strict=True)
    ]
    found = step(label(rows, "judge"), "judge")["people"]
    assert set(found) == {"honest", "helpful"}
    assert (found["honest"]["questions"], found["honest"]["same"]) == (6, 5)
    assert found["honest"]["kappa"] == pytest.approx(1 - 1 / 39)
    assert 0.5 < found["honest"]["low"] < found["honest"]["kappa"] <= found["honest"]["high"]
    assert found["helpful"]["kappa"] is None  # both say one thing of all


def test_several_opinions_and_models_are_means_and_may_disagree(label: Label, server: Server) -> None:
    done = label(ZH[:1], {"judge": {"opinions": 2, "models": ["n", "o"]}}, "decide")
    (fact,) = facts(done, "judge")
    assert (fact["opinions"], fact["spread"], fact["by"]) == ([[5, 5, 5]] * 4, 0, ["m", "n", "o"])
    assert sorted(body["model"] for body in server.bodies) == ["m"] * 6 + ["n", "o"]  # of one record none is swapped
    assert sorted(body["temperature"] for body in server.bodies) == [0.0] * 7 + [0.7]


def test_the_scene_and_its_trap_are_in_the_rubric(label: Label, server: Server) -> None:
    rows = [row("鱼会不会淹死？"), row("哪条鱼不会游？", "⟨missed⟩")]
    done = label(rows, "judge", "decide", trap=True, system="点明圈套。")
    assert [fact["trap"] for fact in facts(done, "judge")] == ["named"]
    assert events(done, "dropped") == [("decide", "dropped", "does not name the trap")]
    assert len(prompts(server, "点明圈套。")) == len(server.bodies)


# tag


def test_questions_are_tagged_and_refusals_told_by_their_words(label: Label) -> None:
    rows = [*ZH[:1], asks("怎样做炸药？"), {"text": "一段文字。"}]
    rows.append(refusal("Who am I?", "Sorry, I cannot help with that."))
    done = label(rows, "tag")
    assert step(done, "tag") == {"step": "tag", "asked": 3, "answered": 3, "failed": {}, "skipped": {"no question": 1}}
    tags = {"topic": "life", "difficulty": 2}
    assert facts(done, "tag") == [
        {"task": "trick question", **tags, "language": "zh", "safety": "safe", "refuses": False},
        {"task": "other", **tags, "language": "zh", "safety": "unsafe"},
        None,
        {"task": "other", **tags, "language": "en", "safety": "safe", "refuses": True},
    ]


def test_a_tag_that_is_no_word_of_the_list_is_no_answer(label: Label) -> None:
    done = label(ZH, {"tag": {"topics": ["law", "food"]}})
    assert step(done, "tag")["failed"] == {"answer is JSON of another shape": 3}
    assert events(done, "failed") == [("tag", "failed", "answer is JSON of another shape")] * 3


# decide


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({}, []),  # they are read on by whoever labels a file
        ({"export": {}}, ["1 are for people to look at, and the recipe has no stage `review`: they go on as they are"]),
        ({"review": {}, "export": {}}, []),
    ],
)
def test_who_is_sent_to_review_where_there_is_none_is_told(
    server: Server, tmp_path: Path, after: dict[str, Any], said: list[str]
) -> None:
    class Heard(Silent):
        def say(self, text: str) -> None:
            heard.append(text)

    heard: list[str] = []
    (tmp_path / "data.jsonl").write_bytes(orjson.dumps(ZH[0]))
    teacher = {"endpoint": server.address, "model": "m"}
    data = {"source": {"inputs": ["data.jsonl"]}, "label": {"steps": ["decide"], "teacher": teacher}, **after}
    pipeline.run(bind(data, pipeline.SETTINGS, tmp_path), tmp_path / "runs", reporter=Heard())
    assert [one for one in heard if "no stage `review`" in one] == said


def test_marks_decide_and_each_fate_has_its_reason(label: Label) -> None:
    words = ["", "⟨harmless 2⟩⟨honest 1⟩", "⟨honest 2⟩", "⟨helpful 1⟩", "⟨honest 3⟩"]
    words += ["⟨unsure⟩⟨harmless 1⟩", "⟨helpful 2⟩"]
    rows = [row(f"第{name}只猫为什么怕水？", word) for name, word in zip("甲乙丙丁戊己庚", words, strict=True)]
    rows.append(refusal("猫呢？", "抱歉，我不能回答猫呢？"))
    done = label([*rows, asks("没有回答的？")], "judge", {"decide": {"audit": 0}})
    assert step(done, "decide")["dropped"] == {"harmful": 1, "not honest": 1, "not helpful": 1}
    assert step(done, "decide")["review"] == {"near a threshold": 2, "judge unsure": 1, "refuses": 1}
    assert (done.manifest["total"], done.manifest["kept"]) == (9, 6)
    assert done.manifest["refused"] == {"harmful": 1, "not honest": 1, "not helpful": 1}
    why = [fact and fact["why"] for fact in facts(done, "review")]
    assert why == [None, "near a threshold", "judge unsure", "near a threshold", "refuses", None]
    found = done.stored.ledger().filter(pl.col("action") == "dropped")
    assert [orjson.loads(detail) for detail in found["detail"]] == [
        {"setting": f"drop_{name}", "score": mark, "goes": "<=", "threshold": limit, "noted_to": keep, "said": "so"}
        for name, mark, limit, keep in (("harmless", 2, 2, 4), ("honest", 2, 2, 4), ("helpful", 1, 1, 3))
    ]
    spared = done.stored.ledger().filter(pl.col("action") == "spared")
    assert [(reason, orjson.loads(detail)["score"]) for reason, detail in spared.select("reason", "detail").rows()] == [
        ("not honest", 3), ("not helpful", 2)
    ]  # fmt: skip


def test_refusals_and_traps_go_as_the_recipe_says(label: Label) -> None:
    one = refusal("猫呢？", "抱歉，我不能回答猫呢？")
    for fate, kept, review in (("keep", 1, None), ("drop", 0, None), ("review", 1, "refuses")):
        done = label([one], "judge", {"decide": {"refusals": fate, "audit": 0}})
        assert done.manifest["kept"] == kept
        assert [fact and fact["why"] for fact in facts(done, "review")] == [review] * kept


def test_opinions_that_differ_are_for_people(label: Label, server: Server) -> None:
    marks = iter([5, 2])
    server.script = lambda prompt: labelling.script(lambda *_: {"harmless": 5, "honest": next(marks, 5), "helpful": 5})(
        prompt
    )
    done = label(ZH[:1], {"judge": {"opinions": 2}}, "decide", teacher_concurrency=1)
    assert facts(done, "review") == [{"why": "judges disagree", "opinions": [[5, 5, 5], [5, 2, 5]]}]


def test_samples_that_disagree_are_for_people(label: Label, server: Server) -> None:
    said = ["鱼会不会淹死？不会。", "会！溺水的鱼很多。"]
    server.script = labelling.script(answers=lambda question, number: said[number])
    steps = [{"answer": {"samples": 2}}, "judge", {"decide": {"audit": 0, "agreement": 0.5}}]
    done = label([asks("鱼会不会淹死？")], *steps, teacher_concurrency=1)
    assert facts(done, "review")[0]["why"] == "samples disagree"


def test_an_audit_draws_the_same_records_whatever_others_there_are(label: Label) -> None:
    few = label(STONES, "judge", {"decide": {"audit": 0.5}})
    drawn = [fact and fact["why"] for fact in facts(few, "review")]
    assert 0 < drawn.count("random audit") < 8
    more = label([*STONES, *EN], "judge", {"decide": {"audit": 0.5}})
    assert [fact and fact["why"] for fact in facts(more, "review")][:8] == drawn


def test_what_nobody_judged_is_for_people_and_wrong_thresholds_are_told(label: Label) -> None:
    assert facts(label(ZH[:1], "decide"), "review") == [{"why": "not judged"}]
    with pytest.raises(UserError, match="drop_honest must be lower than keep_honest"):
        label(ZH, {"decide": {"drop_honest": 4}})
