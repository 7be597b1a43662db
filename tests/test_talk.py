"""Everything that is said has its Chinese, with the same fields."""

import ast
import json
import string
from pathlib import Path

import pytest

from weitiao.pipeline import STAGES
from weitiao.talk import set_language, t

SOURCE = Path(__file__).parents[1] / "src" / "weitiao"


def catalogue() -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in sorted((SOURCE / "locale" / "zh").glob("*.json")):
        part = json.loads(path.read_text(encoding="utf-8"))
        twice = {text for text in part if texts.get(text, part[text]) != part[text]}
        assert not twice, f"{path.name} says otherwise: {twice}"
        texts |= part
    return texts


def said() -> dict[str, str]:
    """Collect each literal text that the code says, and where."""
    texts = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    texts[first.value] = f"{path.name}:{node.lineno}"
    for stage in STAGES:
        texts |= dict.fromkeys(filter(None, (stage.done, stage.brief)), f"stage {stage.name}")
        for name, field in stage.settings.model_fields.items():
            texts[field.description or ""] = f"{stage.name}.{name}"
    return texts


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_text_has_its_chinese_with_the_same_fields() -> None:
    texts, zh = said(), catalogue()
    assert len(texts) > 50
    missing = {text: place for text, place in texts.items() if text not in zh}
    assert not missing
    assert not {text for text in zh if fields(text) != fields(zh[text])}


def test_language_follows_the_locale_and_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    set_language(None)
    assert t("error: {message}", message="x") == "错误：x"
    set_language("en")
    assert t("error: {message}", message="x") == "error: x"
