"""What somebody meets who has only the README."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

Weitiao = Callable[..., Any]

ROWS = [{"question": f"第{n}个问题问的是什么事情？", "answer": "一二三四五六七八九十" * n} for n in range(1, 13)]


@pytest.fixture(autouse=True)
def rows(tmp_path: Path) -> None:
    (tmp_path / "qa.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ROWS))


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        ("prepare", "tidy_whitespace, drop_short: {min_chars: 6}"),
        ("augment", "character_noise, merge_turns: {turns: 2}"),
        ("label", "decide: {audit: 0}"),
    ],
)
def test_steps_are_written_alike_with_or_without_brackets(weitiao: Weitiao, command: str, steps: str) -> None:
    for number, text in enumerate((steps, f"[{steps}]", f" [ {steps}, ]", steps.replace(": {", ":\n {"))):
        ended = weitiao(command, "qa.jsonl", "-o", f"{number}.jsonl", "--steps", text)
        assert ended.status == 0, ended.err
    assert len({Path(f"{number}.jsonl").read_bytes() for number in range(4)}) == 1
    ended = weitiao(command, "qa.jsonl", "-o", "o.jsonl", "--steps", "decide: {audit")
    assert (ended.status, ended.err) == (
        2,
        "error: --steps decide: {audit: this is no list of steps\n"
        "hint: Write it as `name, name: {setting: value}`, with a blank after each colon\n",
    )


def test_a_step_of_label_stands_once(weitiao: Weitiao) -> None:
    ended = weitiao("label", "qa.jsonl", "-o", "o.jsonl", "--steps", "decide, decide: {audit: 0}", "--lang", "zh")
    assert ended.status == 2
    assert ended.err.endswith("`decide` 在步骤里只能写一次\n")
