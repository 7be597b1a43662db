"""What the words of a model amount to."""

from typing import Literal

import pytest
from llm_ask import Verdict
from pydantic import BaseModel

from weitiao.llm.answer import parse, strict_schema, without_reasoning


@pytest.mark.parametrize(
    "text",
    [
        '{"score": 3, "why": "好"}',
        ' \n{"why": "好", "score": "3"}\n',
        '```json\n{"score": 3, "why": "好"}\n```',
        'Here you are: {"score": 3, "why": "好"}. Anything else?',
        "{'score': 3, 'why': '好',}",
        '{"score": 3, "why": "好" // a comment\n}',
    ],
)
def test_data_is_found(text: str) -> None:
    assert parse(text, Verdict) == Verdict(score=3, why="好")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"score": 3, "why": "他说"好"。"}', '他说"好"。'),
        ('{"score": 3, "why": "第一行\n第二行"}', "第一行\n第二行"),
        ('{"score": 3, "why": "a {b} c"}', "a {b} c"),
    ],
)
def test_slips_are_repaired_without_touching_the_words(text: str, why: str) -> None:
    assert parse(text, Verdict) == Verdict(score=3, why=why)


@pytest.mark.parametrize(
    "text", ["", "no", "3", "[1, 2]", '{"score": 3, "why": "half an ans', '{"score": "three", "why": ""}']
)
def test_what_is_no_data_is_no_data(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text, Verdict)


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("just an answer", "", "just an answer"),
        ("<think>\nwell\n</think>\n\nyes", "well", "yes"),
        ("<think></think>yes", "", "yes"),
        ("well, well\n</think>\n\nyes", "well, well", "yes"),
        ("<think>never ends", "", ""),
        ("Write `</think>` at the end", "", "Write `</think>` at the end"),
        ("yes\n<think>\nno\n</think>\n", "", "yes\n<think>\nno\n</think>"),
    ],
)
def test_reasoning_is_kept_apart(text: str, thought: str, answer: str) -> None:
    assert without_reasoning(text) == (thought, answer)


def test_the_strict_schema_closes_every_object() -> None:
    class Trap(BaseModel):
        name: str = "none"

    class Judged(BaseModel):
        traps: list[Trap]
        harmless: Literal[1, 2, 3] = 3

    schema = strict_schema(Judged)
    assert (schema["required"], schema["additionalProperties"]) == (["traps", "harmless"], False)
    assert schema["properties"]["harmless"] == {"enum": [1, 2, 3], "title": "Harmless", "type": "integer"}
    assert schema["$defs"]["Trap"]["required"] == ["name"]
