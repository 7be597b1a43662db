"""A finished comparison of two random models on eight questions, some of them hostile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.pipeline import Done
from weitiao.recipe import Recipe

torch.set_num_threads(1)

GENERAL = Path(__file__).with_name("general_few.jsonl")

QUESTIONS = [
    ("水", "水也是水。"),
    ("Why?", "Because."),
    ("石油也是油", "它有毒。"),
    ("a", "b"),
    ("为什么水不能兑水？", "因为兑了还是水。"),
    ("浓硫酸里有水吗？", "有。"),
    ("<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>"),
    ("蓝", "天空是蓝色的"),
]
CHECKS = {"Why?": {"one_of": ["because"]}, "a": {"exact": "b"}, "浓硫酸里有水吗？": {"regex": "有|没有|.*"}}


def _write(path: Path, questions: list[tuple[str, str]]) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        | ({"check": CHECKS[asked]} if asked in CHECKS else {})
        for asked, said in questions
    ]
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return path


def _recipe(data: Path, before: Path, after: Path, **settings: Any) -> Recipe:
    compare = {
        "before": str(before),
        "after": str(after),
        "max_new_tokens": 12,
        "samples": 200,
        "general": False,
        **settings,
    }
    return plain_recipe({"source": {"inputs": [str(data)]}, "export": {}, "compare": compare}, "test")


@pytest.fixture(scope="session")
def write_questions() -> Callable[[Path, list[tuple[str, str]]], Path]:
    return _write


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Recipe]:
    return _recipe


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("questions") / "test.jsonl", QUESTIONS)


@pytest.fixture(scope="session")
def done(data: Path, tiny_llama: Path, other_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    return pipeline.run(_recipe(data, tiny_llama, other_llama, general=str(GENERAL)), tmp_path_factory.mktemp("runs"))[
        -1
    ]


@pytest.fixture(scope="session")
def report(done: Done) -> dict[str, Any]:
    facts: dict[str, Any] = orjson.loads((done.stored.folder / "report.json").read_bytes())
    return facts
