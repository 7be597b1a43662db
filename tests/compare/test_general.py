"""The general questions that ship, and those of the user's own."""

import re
from collections import Counter
from pathlib import Path

import orjson
import pytest

from weitiao import checks
from weitiao.compare import Compare, general
from weitiao.errors import UserError

ROWS = [orjson.loads(line) for line in general.SHIPPED.read_bytes().splitlines()]


def test_the_questions_that_ship_are_many_in_both_languages() -> None:
    assert len(ROWS) >= 100
    assert len({row["question"] for row in ROWS}) == len(ROWS)
    kinds = Counter((row["kind"], row["language"]) for row in ROWS)
    assert {kind for kind, _ in kinds} == {"arithmetic", "facts", "instructions", "translation", "format"}
    assert min(kinds.values()) >= 6
    assert Counter(row["language"] for row in ROWS) == {"zh": 60, "en": 60}


def test_each_check_takes_the_answer_and_neither_silence_nor_an_echo() -> None:
    for question in general.questions(Compare(), Path()):
        asked = question.asked[-1][1]
        said = {text: checks.judge(question.checks, text) for text in (question.reference, "", asked, "我不知道。")}
        assert said == {question.reference: "right", "": "wrong", asked: "wrong", "我不知道。": "wrong"}, asked


def test_what_is_asked_is_a_matter_of_the_setting(tmp_path: Path) -> None:
    assert general.questions(Compare(general=False), tmp_path) == []
    (tmp_path / "own.jsonl").write_text(
        '{"instruction": "2+2?", "output": "4", "check": {"numeric": 4}}\n\n'
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'
    )
    first, second = general.questions(Compare(general="own.jsonl"), tmp_path)
    assert (first.asked, first.reference, len(first.checks)) == ((("user", "2+2?"),), "4", 1)
    assert (second.asked, second.reference, second.checks) == ((("user", "Hi"),), "Hello", ())
    assert first.id != second.id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "own.jsonl:2: not JSON"),
        ("3", "own.jsonl:2: not a question with its answer"),
        ('{"text": "a post"}', "own.jsonl:2: not a question with its answer"),
        ('{"question": "a"}', "own.jsonl:2"),
        ('{"question": "a", "answer": "b", "check": {"exakt": "b"}}', "own.jsonl:2:check.exakt: no such check"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "own.jsonl").write_text('{"question": "a", "answer": "b"}\n' + line + "\n")
    with pytest.raises(UserError, match=re.escape(said)):
        general.questions(Compare(general="own.jsonl"), tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cannot read"):
        general.questions(Compare(general="none.jsonl"), tmp_path)
