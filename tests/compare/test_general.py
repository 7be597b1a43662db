"""The general questions that ship, and those of the user's own."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from weitiao import checks, pipeline
from weitiao.compare import Compare, general
from weitiao.errors import UserError
from weitiao.recipe import Recipe

Recipes = Callable[..., Recipe]

ROWS = [orjson.loads(line) for line in general.SHIPPED.read_bytes().splitlines()]


def test_the_questions_that_ship_are_many_in_both_languages() -> None:
    assert len(ROWS) >= 100
    assert len({row["question"] for row in ROWS}) == len(ROWS)
    kinds = Counter((row["kind"], row["language"]) for row in ROWS)
    assert {kind for kind, _ in kinds} == {"arithmetic", "facts", "instructions", "translation", "format"}
    assert min(kinds.values()) >= 6
    assert Counter(row["language"] for row in ROWS) == {"zh": 60, "en": 60}


def test_each_check_takes_the_answer_and_neither_silence_nor_an_echo() -> None:
    for question in general.questions(Compare(), None):
        asked = question.asked[-1][1]
        said = {text: checks.judge(question.checks, text) for text in (question.reference, "", asked, "我不知道。")}
        assert said == {question.reference: "right", "": "wrong", asked: "wrong", "我不知道。": "wrong"}, asked


def test_none_are_asked_where_none_are_wanted() -> None:
    assert general.questions(Compare(general=False), None) == []


def test_a_file_of_ones_own_is_read_as_any_other(data: Path, tiny_llama: Path, recipe: Recipes, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text('question,answer,check\n2+2?,4,"{""numeric"": 4}"\nHi,Hello,\n')
    wanted = recipe(data, tiny_llama, tiny_llama, general=str(tmp_path / "own.csv"))
    folder = pipeline.run(wanted, tmp_path / "runs")[-1].stored.folder
    found = orjson.loads((folder / "report.json").read_bytes())["general"]
    assert [row["question"][0]["content"] for row in found["records"]] == ["2+2?", "Hi"]
    assert found["checked"]["questions"] == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "own.jsonl:2"),
        ('{"question": "a", "answer": "b", "check": {"exakt": "b"}}', "own.jsonl:2:check.exakt: no such check"),
        (None, "own.jsonl"),
    ],
)
def test_a_bad_row_is_named(
    data: Path, tiny_llama: Path, recipe: Recipes, tmp_path: Path, line: str | None, said: str
) -> None:
    if line is not None:
        (tmp_path / "own.jsonl").write_text('{"question": "a", "answer": "b"}\n' + line + "\n")
    with pytest.raises(UserError) as caught:
        pipeline.run(recipe(data, tiny_llama, tiny_llama, general=str(tmp_path / "own.jsonl")), tmp_path / "runs")
    assert said in f"{caught.value} {caught.value.hint}"
