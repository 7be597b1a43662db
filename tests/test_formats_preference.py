"""Preference rows: each way of writing them is read, and what is written is read again."""

import json
from pathlib import Path
from typing import Any

import pytest

from weitiao.formats import BadRow, read, recognise, write

U, GOOD = ("user", "鱼会不会淹死？"), ("assistant", "会。")
TALK = [{"role": "user", "content": U[1]}]
SIDES = [[*TALK, {"role": "assistant", "content": text}] for text in ("会。", "不会。")]
ROWS: list[dict[str, Any]] = [
    {"prompt": U[1], "chosen": "会。", "rejected": "不会。"},
    {"instruction": U[1], "input": "", "chosen": "会。", "rejected": "不会。"},
    {"prompt": TALK, "chosen": SIDES[0][1:], "rejected": SIDES[1][1:]},
    {"chosen": SIDES[0], "rejected": SIDES[1]},
    {"chosen": json.dumps(SIDES[0]), "rejected": json.dumps(SIDES[1])},
    {"prompt": U[1], "messages": SIDES[0], "chosen": SIDES[0], "rejected": SIDES[1]},
    {"chosen_messages": SIDES[0], "rejected_messages": SIDES[1]},
    {
        "conversations": [{"from": "human", "value": U[1]}],
        "chosen": {"from": "gpt", "value": "会。"},
        "rejected": {"from": "gpt", "value": "不会。"},
    },
]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_the_good_answer_ends_the_conversation_and_the_bad_one_stands_beside_it(row: dict[str, Any]) -> None:
    assert recognise(row) == "preference"
    found = read(row, "preference")
    assert (found.messages, found.fields) == ([U, GOOD], {"rejected": "不会。"})


@pytest.mark.parametrize("row", [{"messages": SIDES[1], "label": False}, {"conversations": SIDES[1], "kto_tag": False}])
def test_an_answer_that_is_labelled_bad_is_none_to_learn(row: dict[str, Any]) -> None:
    found = read(row, recognise(row) or "")
    assert found.messages == [U]
    assert found.fields["rejected"] == "不会。"
    good = read({**row, next(name for name in row if name in ("label", "kto_tag")): True}, "preference")
    assert good.messages == [U, ("assistant", "不会。")]
    assert "rejected" not in good.fields


def test_a_label_of_another_kind_says_nothing_about_the_answer() -> None:
    assert recognise({"messages": TALK, "label": True, "toxic": 1}) == "openai"
    assert recognise({"messages": TALK, "label": "good"}) == "openai"


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": SIDES[0], "rejected": [{"role": "user", "content": "另一个问题"}]},
        {"chosen": SIDES[0], "rejected": [*SIDES[1], *SIDES[1]]},
        {"prompt": U[1], "chosen": "会。", "rejected": 3},
        {"chosen": "会。", "rejected": "不会。"},
    ],
)
def test_what_is_no_pair_is_a_bad_row(row: dict[str, Any]) -> None:
    with pytest.raises(BadRow):
        read(row, "preference")


@pytest.mark.parametrize(
    ("form", "row"),
    [
        ("preference", {"prompt": TALK, "chosen": SIDES[0][1:], "rejected": SIDES[1][1:]}),
        ("llamafactory-preference", ROWS[-1]),
    ],
)
def test_pairs_are_written_as_trainers_read_them(form: str, row: dict[str, Any]) -> None:
    written = write(form, [U, GOOD], {"rejected": "不会。", "other": 1})
    assert (written.row, written.lost, written.refused) == (row, ["other"], "")
    again = read(written.row, recognise(written.row) or "")
    assert (again.messages, again.fields) == ([U, GOOD], {"rejected": "不会。"})
    assert write(form, [U, GOOD], {}).refused == "a conversation without a rejected answer"
    for same in ("会。 ", " 会\n。", "会｡"):  # spaces, and a half-width stop
        assert write(form, [U, GOOD], {"rejected": same}).refused == "a rejected answer that is the chosen one"


FILES = Path(__file__).parents[1] / ".." / "shared" / "data" / "formats" / "preference"
COUNTS = {
    "dpo_messages_16.jsonl": (16, 16),
    "dpo_typed_content_10.jsonl": (10, 10),
    "dpo_zh.json": (297, 297),
    "dpo_zh_string_answers.jsonl": (120, 120),
    "hh_rlhf_one.json": (1, 1),
    "kto_en.json": (149, 148),
    "toolcall_dpo_zh.jsonl": (11, 11),
}


@pytest.mark.skipif(not FILES.is_dir(), reason="the shared data is not beside this checkout")
@pytest.mark.parametrize("name", COUNTS)
def test_every_row_of_real_files_is_read(name: str) -> None:
    text = (FILES / name).read_text(encoding="utf-8")
    rows = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    found = [read(row, recognise(row) or "") for row in rows]
    ended = sum(one.messages[-1][0] == "assistant" for one in found)
    assert (ended, sum("rejected" in one.fields for one in found)) == COUNTS[name]
