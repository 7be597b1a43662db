import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from weitiao.cli.doctor import app
from weitiao.errors import UserError
from weitiao.train import machine


def doctor(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["doctor", *arguments])
    if result.exception:
        raise result.exception
    return result.stdout


def test_it_tells_what_is_there_and_what_fits(tiny_llama: Path) -> None:
    found = json.loads(doctor("--model", str(tiny_llama), "--json"))
    assert found["machine"]["cores"] >= 1
    assert 0 < found["machine"]["free"] <= found["machine"]["memory"]
    assert found["extras"]["train"]["torch"] == found["machine"]["torch"]
    rows = found["fits"][str(tiny_llama)]
    assert [row["method"] for row in rows] == ["full", "lora", "lora", "lora", "lora"]
    assert all(row["memory_gb"] < 3 for row in rows)
    text = doctor()
    assert "  1.8B " in text
    assert "lora 4 bits gradient_checkpointing" in text


def test_extras_are_read_from_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "polars>=2",
        'torch>=2.11; extra == "train"',
        'nothing-of-the-kind; extra == "qlora"',
        'torch; extra == "all"',
    ]
    monkeypatch.setattr(machine, "requires", lambda _: lines)
    assert machine.extras() == {"train": {"torch": machine.look().torch}, "qlora": {"nothing-of-the-kind": None}}


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> Any:
        return None if name == "torch" else find_spec(name)

    monkeypatch.setattr(machine, "find_spec", find)
    text = doctor()
    assert "torch is not installed: data stages work" in text
    assert "1.8B" not in text
    with pytest.raises(UserError, match="--model needs torch"):
        doctor("--model", "x")
