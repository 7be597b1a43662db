"""What is wrong with a row is said in Chinese too: each problem, its mend, and each reason of the ledger."""

import ast
import json
from pathlib import Path

import pytest

from weitiao.formats import Problem
from weitiao.source import documents
from weitiao.talk import set_language

SOURCE = Path(__file__).parents[2] / "src" / "weitiao"
HOMES = [*sorted(SOURCE.glob("source/*.py")), *sorted(SOURCE.glob("formats/*.py")), SOURCE / "check.py"]


def texts_of(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value}


def problems() -> set[str]:
    """Collect reason, message and mend of each problem in the code."""
    found: set[str] = set()
    for path in HOMES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Problem", "slip"):
                found |= {text for argument in node.args[:3] for text in texts_of(argument)}
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id == "_SLIPS"
            ):
                found |= {text for row in ast.literal_eval(node.value) for text in row[1:]}
    return found


def test_every_problem_has_its_chinese() -> None:
    chinese = set()
    for name in ("source", "imports"):
        chinese |= set(json.loads((SOURCE / f"locale/zh/{name}.json").read_text(encoding="utf-8")))
    assert len(problems()) > 80
    assert problems() <= chinese
    assert {text for said in documents.PROBLEMS.values() for text in said} | set(documents.PROBLEMS) <= chinese


def test_a_problem_speaks_both_languages_and_the_ledger_english(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(
        "wrong type", "it is {is}, not {wanted}", "Make it {wanted}", "a", {"is": "a list", "wanted": "a text"}
    )
    assert (problem.said(), problem.mended()) == ("it is a list, not a text", "Make it a text")
    set_language("zh")
    try:
        assert (problem.said(), problem.mended()) == ("它是列表，不是文本", "改成文本")
        assert problem.english() == "it is a list, not a text"
    finally:
        set_language("en")
