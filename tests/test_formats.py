"""Formats: each shape is recognised and read, and what goes out comes back in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.formats import FORMATS, BadRow, read, read_plain, recognise, write

CASES: list[tuple[str, dict[str, Any], list[tuple[str, str]], dict[str, Any]]] = [
    ("alpaca", {"instruction": "问", "output": "答"}, [("user", "问"), ("assistant", "答")], {}),
    (
        "alpaca",
        {"instruction": "译", "input": "sky", "output": "天", "system": "译者", "history": [["a", "b"]], "id": 7},
        [("system", "译者"), ("user", "a"), ("assistant", "b"), ("user", "译\nsky"), ("assistant", "天")],
        {"input": "sky", "id": 7},
    ),
    (
        "cqia",
        {"instruction": "问", "input": "", "output": "答", "domain": ["通用"], "human_verified": True},
        [("user", "问"), ("assistant", "答")],
        {"domain": ["通用"], "human_verified": True},
    ),
    ("alpaca", {"instruction": "问", "output": None}, [("user", "问")], {}),
    (
        "openai",
        {"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": "u", "loss_weight": 0.0}]},
        [("system", "s"), ("user", "u")],
        {"messages": {"0": {"role": "developer"}, "1": {"loss_weight": 0.0}}},
    ),
    (
        "openai",
        {"messages": [{"role": "user", "content": [{"type": "text", "value": "a"}, {"type": "text", "text": "b"}]}]},
        [("user", "ab")],
        {},
    ),
    (
        "openai",
        {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": None, "tool_calls": [1]}]},
        [("user", "u"), ("assistant", "")],
        {"messages": {"1": {"tool_calls": [1]}}},
    ),
    ("openai", {"messages": '[{"role": "user", "content": "in a cell"}]'}, [("user", "in a cell")], {}),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": "{}"}], "tools": "[]"},
        [("user", "u"), ("assistant", "{}")],
        {"tools": "[]", "conversations": {"1": {"from": "function_call"}}},
    ),
    (
        "xtuner",
        {"conversation": [{"system": "s", "input": "a", "output": "b"}, {"input": "c", "output": "d"}]},
        [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
        {},
    ),
    (
        "pairs",
        {"system": "s", "conversation": [{"human": "a", "assistant": "b"}], "category": "x"},
        [("system", "s"), ("user", "a"), ("assistant", "b")],
        {"category": "x"},
    ),
    (
        "qa",
        {"instruction": "q", "context": "c", "response": "r", "category": "k"},
        [("user", "q\nc"), ("assistant", "r")],
        {"context": "c", "category": "k"},
    ),
    ("qa", {"问题": "q", "回答": "r", "来源": "x"}, [("user", "q"), ("assistant", "r")], {"来源": "x"}),
    (
        "qa",
        {"Query": "q", "Response": "r", "system": "s", "history": []},
        [("system", "s"), ("user", "q"), ("assistant", "r")],
        {},
    ),
    ("qa", {"prompt": "q"}, [("user", "q")], {}),
    ("posts", {"no": 1, "text": "帖子"}, [("passage", "帖子")], {"no": 1}),
    ("posts", {"标题": "t", "内容": "帖子"}, [("passage", "帖子")], {"标题": "t"}),
    ("posts", {"response": "只有它"}, [("passage", "只有它")], {}),
]


@pytest.mark.parametrize(("shape", "row", "messages", "fields"), CASES)
def test_shapes_are_recognised_and_read(
    shape: str, row: dict[str, Any], messages: list[tuple[str, str]], fields: dict[str, Any]
) -> None:
    assert recognise(row) == shape
    found = read(row, shape)
    assert found.messages == messages
    assert found.fields == fields


def test_shapes_that_only_their_name_tells() -> None:
    both = {"instruction": "q", "output": "a", "instruction_zh": "问", "input_zh": "于此", "output_zh": "答"}
    assert read(both, "alpaca_zh").messages == [("user", "问\n于此"), ("assistant", "答")]
    marked = {"text": "### Human: a # b\n\nc### Assistant: ok\n### Human: more", "lang": "en"}
    found = read(marked, "guanaco")
    assert found.messages == [("user", "a # b\n\nc"), ("assistant", "ok"), ("user", "more")]
    assert found.fields == {"lang": "en"}
    with pytest.raises(BadRow, match="it says nothing"):
        read({"text": "no marks"}, "guanaco")


@pytest.mark.parametrize(
    ("row", "reason", "field", "said"),
    [
        ({"instruction": "q", "output": 5}, "wrong type", "output", "it is a number, not a text"),
        (
            {"messages": [{"role": "user", "content": {}}]},
            "wrong type",
            "messages[0].content",
            "it is an object, not a text",
        ),
        (
            {"messages": [{"role": "narrator", "content": ""}]},
            "unknown role",
            "messages[0].role",
            "no such role: narrator",
        ),
        ({"messages": [{"role": "user"}]}, "field missing", "messages[0]", "the field `content` is missing"),
        ({"messages": ["hi"]}, "wrong type", "messages[0]", "it is a text, not an object"),
        (
            {"query": "q", "response": "r", "history": [["a"]]},
            "wrong type",
            "history[0]",
            "it is a list, not a pair of texts",
        ),
        ({"text": None}, "empty", "", "it says nothing"),
        ({"messages": []}, "empty", "", "it says nothing"),
        ({"instruction": " ", "output": "\n"}, "empty", "", "it says nothing"),
    ],
)
def test_what_is_wrong_is_named_by_field(row: dict[str, Any], reason: str, field: str, said: str) -> None:
    with pytest.raises(BadRow) as caught:
        read(row, recognise(row) or "openai")
    problem = caught.value.problem
    assert (problem.reason, problem.field, problem.said()) == (reason, field, said)


@pytest.mark.parametrize("row", [{}, {"a": 1}, {"input_ids": [1]}, {"messages": 5}, {"chosen": [], "rejected": []}])
def test_what_is_no_shape_is_not_guessed(row: dict[str, Any]) -> None:
    assert recognise(row) is None


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: not text.isspace()
)
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=4)


@given(pairs, st.none() | words, words)
def test_conversations_come_back_from_every_format_that_holds_them(
    turns: list[tuple[str, str]], system: str | None, context: str
) -> None:
    messages = [("system", system)] if system else []
    for question, answer in turns:
        messages += [("user", question), ("assistant", answer)]
    for name in ("openai", "sharegpt", "xtuner", "alpaca", "cqia"):
        written = write(name, messages, {})
        if name == "cqia" and (system or len(turns) > 1):
            assert written.refused
            continue
        back = read(written.row, recognise(written.row) or "")
        assert (back.messages, back.fields, written.lost) == (messages, {}, [])


@given(words, words, words, words)
def test_a_cqia_row_comes_back_whole(question: str, context: str, answer: str, domain: str) -> None:
    row = {"instruction": question, "input": context, "output": answer, "domain": [domain], "human_verified": False}
    back = read(row, "cqia")
    written = write("cqia", back.messages, back.fields)
    assert (written.row, written.lost) == (row, [])
    lossy = write("alpaca", back.messages, back.fields)
    assert lossy.row == {"instruction": question, "input": context, "output": answer}
    assert lossy.lost == ["domain", "human_verified"]


def test_tool_turns_go_where_there_is_a_place_for_them() -> None:
    row = {
        "conversations": [
            {"from": "human", "value": "u"},
            {"from": "function_call", "value": "{}"},
            {"from": "observation", "value": "o"},
            {"from": "gpt", "value": "a"},
        ],
        "tools": "[]",
    }
    found = read(row, "sharegpt")
    assert write("sharegpt", found.messages, found.fields).row == row
    assert write("openai", found.messages, found.fields).lost == ["tools", "conversations"]
    for name in ("alpaca", "cqia", "xtuner"):
        assert write(name, found.messages, found.fields).refused == "turns other than question and answer"


def test_a_rewritten_question_is_not_taken_apart() -> None:
    written = write("alpaca", [("user", "new\ntext"), ("assistant", "a")], {"input": "old"})
    assert written.row == {"instruction": "new\ntext", "input": "", "output": "a"}
    assert written.lost == ["input"]


def test_a_part_that_is_no_text_stays_beside_its_turn() -> None:
    parts = [{"type": "reasoning", "value": "hm"}, {"type": "text", "value": "yes"}]
    row = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": parts}]}
    found = read(row, "openai")
    assert found.messages[1] == ("assistant", "yes")
    assert found.fields == {"messages": {"1": {"content": parts}}}
    assert write("openai", found.messages, found.fields).lost == ["messages"]


def test_every_format_is_tested() -> None:
    pairs = {"preference", "llamafactory-preference"}  # test_formats_preference.py
    assert set(FORMATS) - pairs == {"openai", "sharegpt", "xtuner", "alpaca", "cqia", "llamafactory", "hf"}


@pytest.mark.parametrize(
    ("row", "question", "answer", "kept"),
    [
        ({"title": "题", "content": "文", "reply": "答"}, "题\n文", "答", {"content": "文"}),
        ({"标题": "题", "内容": "文", "回复": "答", "楼主": "张三"}, "题\n文", "答", {"内容": "文", "楼主": "张三"}),
        ({"subject": "题", "replies": ["一", "二"]}, "题", "一", {"replies": ["一", "二"]}),
        (
            {"title": "题", "answers": [{"body": "一", "by": "我"}]},
            "题",
            "一",
            {"answers": [{"body": "一", "by": "我"}]},
        ),
        ({"标题": "题", "正文": "文", "回复": "12"}, "题\n文", None, {"正文": "文", "回复": "12"}),
        ({"标题": "题", "正文": "文", "回复": 12}, "题\n文", None, {"正文": "文", "回复": 12}),
        ({"title": "题", "body": "", "reply": None, "replies": []}, "题", None, {"replies": []}),
    ],
)
def test_a_row_of_a_forum_is_a_question_with_its_first_reply(
    row: dict[str, object], question: str, answer: str | None, kept: dict[str, object]
) -> None:
    assert recognise(row) == "forum"
    found = read(row, "forum")
    assert found.messages == [("user", question), *([("assistant", answer)] if answer else [])]
    assert found.fields == kept


def test_a_field_without_a_name_is_kept() -> None:
    assert read({"question": "q", "answer": "a", "": "x"}, "qa").fields == {"": "x"}


def test_an_article_is_no_row_of_a_forum() -> None:
    assert recognise({"title": "题", "content": "文", "comments": "评"}) == "posts"
    assert recognise({"title": "题", "question": "问", "answer": "答"}) == "qa"
    with pytest.raises(BadRow, match="a text"):
        read({"title": "题", "reply": {"x": 1.5}, "content": "文"} | {"reply": 1.5}, "forum")


_NAMES = (
    *(
        "instruction",
        "input",
        "output",
        "question",
        "answer",
        "prompt",
        "response",
        "context",
        "Query",
        "history",
        "text",
    ),
    *("label", "chosen", "rejected", "data", "annotations", "fields", "messages", "domain", "问题", "回答"),
)


@given(
    st.dictionaries(
        st.sampled_from(_NAMES),
        st.sampled_from(("", " ", "问\n", "answer", "[]", '[{"role": "user", "content": "a"}]', None, True, 1, [], {})),
        max_size=4,
    )
)
def test_a_plain_row_is_read_as_any_other(row: dict[str, Any]) -> None:
    if plain := read_plain(row):
        shape, (asked, said), fields = plain
        assert recognise(row) == shape
        assert read(row, shape) == ([("user", asked), ("assistant", said)], fields)


def test_the_usual_row_is_plain() -> None:
    row = {"instruction": "问", "input": "", "output": "答"}
    assert read_plain(row) == ("alpaca", ("问", "答"), {})
    assert read_plain({**row, "input": "文"}) == ("alpaca", ("问\n文", "答"), {"input": "文"})
    assert read_plain({**row, "input": None}) is None
