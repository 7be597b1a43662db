"""Annotation exports: what people said becomes answers and facts by a stated rule, their refusals are kept apart."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.formats import NO_FAULT, BadRow, read, recognise

Row = dict[str, Any]


def result(name: str, kind: str, value: Row, to: str = "prompt") -> Row:
    return {"id": "x", "from_name": name, "to_name": to, "type": kind, "value": value, "origin": "manual"}


def wrote(*texts: str, by: object = 1, **more: Any) -> Row:
    return {"completed_by": by, "result": [result("response", "textarea", {"text": list(texts)})], **more}


def chose(label: str, by: object = 1, **more: Any) -> Row:
    return {"completed_by": by, "result": [result("tone", "choices", {"choices": [label]})], **more}


def task(*annotations: Row, **data: Any) -> Row:
    return {
        "id": 5,
        "data": data or {"prompt": "问"},
        "annotations": list(annotations),
        "predictions": [],
        "project": 7,
    }


def taken(row: Row, shape: str = "") -> tuple[list[tuple[str, str]], Row]:
    found = read(row, shape or recognise(row) or "")
    return found.messages, found.fields


def refused(row: Row) -> tuple[str, str]:
    with pytest.raises(BadRow) as caught:
        taken(row)
    return caught.value.problem.reason, caught.value.problem.field


def test_a_label_studio_task_is_question_answer_and_all_that_was_said() -> None:
    row = task(
        wrote("答", by={"id": 3, "email": "wang@example.com"}, id=11, lead_time=31.5, was_cancelled=False),
        prompt="问",
        topic="物理",
    )
    row["annotations"][0]["result"].append(result("quality", "rating", {"rating": 4}))
    row["predictions"] = [{"model_version": "m", "score": 0.5, "result": []}]
    assert recognise(row) == "label_studio"
    messages, fields = taken(row)
    assert messages == [("user", "问"), ("assistant", "答")]
    assert fields == {
        "topic": "物理",
        "task": {"id": 5, "project": 7},
        "annotation": {
            "annotations": [
                {
                    "annotator": "wang@example.com",
                    "values": {"response": ["答"], "quality": 4},
                    "status": "submitted",
                    "id": 11,
                    "lead_time": 31.5,
                }
            ],
            "decisions": {"quality": 4},
            "suggestions": [{"model_version": "m", "score": 0.5, "result": []}],
            "answer_by": "only",
        },
    }


@pytest.mark.parametrize(
    ("annotations", "rule", "answer"),
    [
        ([wrote("a"), wrote("b"), wrote("b")], "agreement", "b"),
        ([wrote("a"), wrote("b")], "first", "a"),
        ([wrote("a"), wrote("b", ground_truth=True), wrote("a")], "ground truth", "b"),
        ([wrote("a", was_cancelled=True), wrote("b")], "only", "b"),
        ([wrote("a", reviews=[{"accepted": True}, {"accepted": False}]), wrote("b")], "only", "b"),
        ([wrote(" "), wrote("b")], "only", "b"),
        ([wrote("a", "b")], "first", "a"),
    ],
)
def test_of_several_annotations_one_answer_is_chosen_by_the_rule(
    annotations: list[Row], rule: str, answer: str
) -> None:
    messages, fields = taken(task(*annotations))
    assert messages == [("user", "问"), ("assistant", answer)]
    assert fields["annotation"]["answer_by"] == rule
    assert len(fields["annotation"]["annotations"]) == len(annotations)


def test_most_annotators_decide_and_a_tie_decides_nothing() -> None:
    kept = taken(task(chose("好"), chose("坏"), chose("好"), text="t"))[1]["annotation"]
    assert kept["decisions"] == {"tone": "好"}
    kept = taken(task(chose("好"), chose("坏"), text="t"))[1]["annotation"]
    assert (kept["decisions"], kept["undecided"]) == ({}, ["tone"])
    kept = taken(task(chose("好"), chose("坏", ground_truth=True), text="t"))[1]["annotation"]
    assert kept["decisions"] == {"tone": "坏"}


def test_refusals_of_people_have_reasons_that_are_no_fault() -> None:
    assert refused(task(wrote("a", was_cancelled=True))) == ("skipped by annotators", "annotations")
    assert refused(task(wrote("a", last_action="rejected"))) == ("rejected by annotators", "annotations")
    assert refused(task()) == ("not annotated", "annotations")
    assert refused(task({"completed_by": 1, "result": []})) == ("not annotated", "annotations")
    assert {"skipped by annotators", "rejected by annotators", "not annotated"} < NO_FAULT


def test_what_was_shown_is_read_as_any_row() -> None:
    chat = {"dialogue": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}
    messages, fields = taken(task(wrote("b"), **chat))
    assert messages == [("user", "u"), ("assistant", "b")]
    assert fields["annotation"]["answer_before"] == "a"
    assert taken(task(chose("好"), **chat))[0] == [("user", "u"), ("assistant", "a")]
    # The only text that was shown, whatever its name; a remark is no answer.
    assert taken(task(chose("好"), 评论="很好", n=3))[0] == [("passage", "很好")]
    remark = {"completed_by": 1, "result": [result("comment", "textarea", {"text": ["看不懂"]})]}
    assert taken(task(remark, text="t"))[0] == [("passage", "t")]


def test_a_pair_gives_the_answer_that_was_picked() -> None:
    picked = {"completed_by": 1, "result": [result("better", "pairwise", {"selected": "right"}, to="a1,a2")]}
    messages, fields = taken(task(picked, prompt="问", a1="甲", a2="乙"))
    assert messages == [("user", "问"), ("assistant", "乙")]
    assert fields["annotation"]["decisions"] == {"better": "right"}
    assert (fields["a1"], fields["a2"]) == ("甲", "乙")


def test_spans_are_kept_with_their_places() -> None:
    spans = [
        result("ner", "labels", {"start": 0, "end": 2, "text": "北京", "labels": ["LOC"]}),
        result("ner", "labels", {"start": 3, "end": 5, "text": "小王", "labels": ["PER"]}),
    ]
    kept = taken(task({"completed_by": 1, "result": spans}, text="北京的小王"))[1]["annotation"]
    assert [span["labels"] for span in kept["decisions"]["ner"]] == [["LOC"], ["PER"]]


def test_a_conversation_that_an_annotator_held_is_the_record() -> None:
    turns = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好", "createdAt": 7}]
    held = {"completed_by": 1, "result": [result("chat", "chatmessage", {"chatmessage": turn}) for turn in turns]}
    messages, fields = taken(task(held, scene="客服", chat=[]))
    assert messages == [("user", "你好"), ("assistant", "您好")]
    assert (fields["scene"], fields["messages"]) == ("客服", {"1": {"createdAt": 7}})
    begun = [{"role": "system", "content": "s"}]
    assert taken(task(held, scene="客服", chat=begun))[0] == [("system", "s"), *messages]
    assert taken(task(chose("好"), chat=turns))[0] == messages


def test_a_picture_without_text_is_named() -> None:
    assert refused(task(chose("好"), image="/data/upload/29/x.png")) == ("field missing", "data.text")
    assert refused(task(chose("好"), image="https://example.com/x.png")) == ("field missing", "data.text")


def test_doccano_labels_are_tags_and_texts_are_answers_where_that_is_said() -> None:
    row = {"id": 1, "text": "天气真糟", "label": ["负面"], "Comments": ["有歧义"]}
    assert recognise(row) == "doccano"
    messages, fields = taken(row)
    assert messages == [("passage", "天气真糟")]
    assert fields["annotation"]["decisions"] == {"label": "负面"}
    assert (fields["id"], fields["Comments"]) == (1, ["有歧义"])
    pair = {"id": 2, "text": "Hello", "label": ["你好", "您好"], "Comments": []}
    messages, fields = taken(pair, "doccano_seq2seq")
    assert messages == [("user", "Hello"), ("assistant", "你好")]
    assert fields["annotation"]["annotations"][0]["values"] == {"answer": ["你好", "您好"]}
    assert taken({"id": 3, "text": "Hi", "label": []}, "doccano_seq2seq")[0] == [("user", "Hi")]
    assert taken({"id": 3, "text": "没有标", "label": []})[0] == [("passage", "没有标")]


def test_doccano_intents_and_spans_stand_beside_the_utterance() -> None:
    row = {"id": 4, "text": "订去上海的票", "cats": ["订票"], "entities": [[2, 4, "城市"]], "Comments": []}
    messages, fields = taken(row)
    assert messages == [("passage", "订去上海的票")]
    assert fields["annotation"]["decisions"] == {"cats": "订票", "entities": [[2, 4, "城市"]]}


def test_a_data_set_with_labels_of_its_own_is_not_taken_for_doccano() -> None:
    assert recognise({"text": "t", "label": [1, 0]}) == "posts"
    assert recognise({"id": 1, "text": "t", "label": 1}) == "posts"
    assert recognise({"id": 1, "text": "t", "label": ["a"], "url": "u"}) == "posts"


def argilla(**responses: list[Row]) -> Row:
    return {
        "id": "r1",
        "fields": {"instruction": "问", "source": "论坛"},
        "metadata": {"topic": "物理"},
        "suggestions": {"answer": {"value": "模型答", "score": 0.9, "agent": "m"}},
        "responses": responses,
        "vectors": {"v": [0.1]},
        "status": "completed",
        "_server_id": "s1",
    }


def test_an_argilla_record_is_question_answer_and_all_that_was_said() -> None:
    row = argilla(
        answer=[{"value": "甲", "user_id": "u1"}, {"value": "乙", "user_id": "u2"}, {"value": "乙", "user_id": "u3"}],
        quality=[{"value": 5, "user_id": "u1"}],
    )
    assert recognise(row) == "argilla"
    messages, fields = taken(row)
    assert messages == [("user", "问"), ("assistant", "乙")]
    assert fields["source"] == "论坛"
    assert fields["metadata"] == {"topic": "物理"}
    kept = fields["annotation"]
    assert kept["annotations"][0] == {
        "annotator": "u1",
        "values": {"answer": "甲", "quality": 5},
        "status": "submitted",
    }
    assert kept["answer_by"] == "agreement"
    assert kept["suggestions"] == {"answer": {"value": "模型答", "score": 0.9, "agent": "m"}}
    assert refused(argilla()) == ("not annotated", "annotations")
    discarded = argilla(answer=[{"value": "甲", "user_id": "u1", "status": "discarded"}])
    assert refused(discarded)[0] == "rejected by annotators"


def test_argilla_says_the_same_through_its_server_its_table_and_its_first_version() -> None:
    wanted = [("user", "问"), ("assistant", "甲")]
    server = argilla() | {
        "responses": [{"values": {"answer": {"value": "甲"}}, "status": "submitted", "user_id": "u1"}],
        "suggestions": [{"question_name": "answer", "value": "模型答"}],
    }
    table = {
        **{"id": "r1", "status": "completed", "_server_id": "s1", "instruction": "问", "topic": "物理"},
        **{"answer.responses": ["甲"], "answer.responses.users": ["u1"], "answer.responses.status": ["submitted"]},
        **{"answer.suggestion": "模型答", "answer.suggestion.score": None, "answer.suggestion.agent": "m"},
    }
    first = {
        **{"instruction": "问", "external_id": "r1", "metadata": "{}", "answer-suggestion": "模型答"},
        "answer": [{"user_id": "u1", "value": "甲", "status": "submitted"}],
    }
    of_lists = first | {"answer": {"user_id": ["u1"], "value": ["甲"], "status": ["submitted"]}}
    for row in (server, table, first, of_lists):
        assert recognise(row) == "argilla"
        messages, fields = taken(row)
        assert messages == wanted
        assert fields["annotation"]["annotations"] == [
            {"annotator": "u1", "values": {"answer": "甲"}, "status": "submitted"}
        ]
    table["answer.responses.status"] = ["discarded"]
    assert refused(table)[0] == "rejected by annotators"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (task(wrote("a")) | {"annotations": {"a": 1}}, "annotations"),
        (task("x"), "annotations[0]"),  # type: ignore[arg-type]
        (task({"result": "x"}), "annotations[0].result"),
        (task({"result": [3]}), "annotations[0].result[0]"),
        (task(chose("好"), prompt=3), "data.prompt"),
        (argilla() | {"responses": "x"}, "responses"),
        (argilla() | {"responses": {"answer": [3]}}, "responses.answer[0]"),
        ({"answer-suggestion": "x", "answer": [7], "prompt": "p"}, "answer[0]"),
    ],
)
def test_a_part_of_the_wrong_type_is_named(row: Row, field: str) -> None:
    assert refused(row) == ("wrong type", field)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab答", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["value", "status", "user_id", "result", "type", "from_name", "text", "answer", "values", "reviews", "a"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
COLUMNS = st.sampled_from(
    [
        "data",
        "annotations",
        "completions",
        "fields",
        "responses",
        "suggestions",
        "id",
        "text",
        "label",
        "cats",
        "answer",
        "answer-suggestion",
        "q.responses",
        "q.responses.users",
        "q.responses.status",
        "q.suggestion",
    ]
)


@given(st.dictionaries(COLUMNS, PLAIN, max_size=6), st.sampled_from(["label_studio", "doccano", "argilla"]))
def test_any_row_is_read_or_refused_in_words(row: Row, shape: str) -> None:
    before = orjson.dumps(row)
    for name in {shape, recognise(row) or shape}:
        try:
            messages, fields = taken(row, name)
        except BadRow:
            continue
        assert any(content.strip() for _, content in messages)
        assert all(isinstance(content, str) for _, content in messages)
        orjson.dumps(fields)
    assert orjson.dumps(row) == before
