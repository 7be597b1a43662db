"""What CONTRIBUTING.md says about adding a step is true: the step shown there is added to a copy, tested and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

CODE = re.findall(r"```(\w*)\n(.*?)```", TEXT, re.DOTALL)
NAMES = re.findall(r"`((?:src|tests)/[\w/]*drop_shouting\.py)`", TEXT)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package and do what the page says."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    step, line, test, recipe = (text for _, text in CODE[1:5])
    for name, text in zip(NAMES, (step, test), strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    listed = root / "src" / "weitiao" / "prepare" / "__init__.py"
    source = listed.read_text(encoding="utf-8")
    assert source.count("    DropShort,\n") == 1
    source = source.replace("    DropShort,\n", f"    DropShort,\n{line}")
    before = "from weitiao.prepare.drop_short import DropShort\n"
    assert before in source
    source = source.replace(before, f"{before}from weitiao.prepare.drop_shouting import DropShouting\n")
    listed.write_text(source, encoding="utf-8")
    (root / "posts.jsonl").write_text('{"text": "好  呀！！"}\n{"text": "好啊好啊！！！"}\n', encoding="utf-8")
    (root / "recipe.yaml").write_text(f"source: {{inputs: [posts.jsonl]}}\n{recipe}", encoding="utf-8")
    return root


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def test_the_page_has_the_pieces() -> None:
    assert [language for language, _ in CODE] == ["", "python", "python", "python", "yaml"]
    assert NAMES == ["src/weitiao/prepare/drop_shouting.py", "tests/prepare/test_drop_shouting.py"]


def test_the_step_of_the_page_passes_its_test(checkout: Path) -> None:
    done = python(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", NAMES[1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_step_of_the_page_runs_from_a_recipe(checkout: Path) -> None:
    done = python(checkout, "-m", "weitiao", "run", "recipe.yaml", "--json", "--lang", "en")
    assert done.returncode == 0, done.stderr
    stage = json.loads(done.stdout)["stages"]["prepare"]
    assert stage["refused"] == {"shouting": 1}
    assert [row["step"] for row in stage["facts"]["funnel"]] == ["tidy_whitespace", "drop_shouting"]
    assert "Prepared 1 of 2 records" in done.stderr
    assert "(shouting 1)" in done.stderr


def test_a_wrong_setting_of_the_step_of_the_page_is_told(checkout: Path) -> None:
    (checkout / "wrong.yaml").write_text("prepare: {steps: [drop_shouting: {max_mark: 2}]}\n", encoding="utf-8")
    done = python(checkout, "-m", "weitiao", "run", "wrong.yaml", "--lang", "en")
    assert done.returncode == 2
    assert "wrong.yaml:1: prepare.steps[0].drop_shouting.max_mark: no such key" in done.stderr
    assert "`max_marks`" in done.stderr
