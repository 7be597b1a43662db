"""What the documents tell people to type runs, and the two languages say the same."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from makers import PIECES, internlm2_tokenizer, internlm2_weights

from weitiao.pipeline import SETTINGS
from weitiao.recipe import load

ROOT = Path(__file__).parents[1]
BOTH = (ROOT / "README.md", ROOT / "README.zh-CN.md")
PAGES = [*BOTH, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
HUB_NAME = "internlm/internlm2-chat-1_8b"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page, "bash") for line in block.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the documents suppose it: the example, the tutorial's file, and InternLM2 in its original layout."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("runs"))
    rows = (ROOT / "examples/ruozhiba/questions_zh.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "ruozhiba_raw.jsonl").write_text("".join(rows[:40]), encoding="utf-8")
    internlm2_tokenizer(tmp_path / "internlm2", prefix=False)
    internlm2_weights(tmp_path / "internlm2", bias=False, words=PIECES, positions=2048)
    return tmp_path


@pytest.mark.slow
def test_the_commands_run(folder: Path) -> None:
    # What asks a teacher runs in tests/augment, label and cli, with one; what needs a queue in tests/review.
    elsewhere = ("augment.", "label.", "review.", "drop_near_duplicates.")
    pages = [page for page in PAGES if not page.name.startswith(elsewhere)]
    lines = list(dict.fromkeys(line for page in pages for line in commands(page)))
    assert len(lines) >= 7
    assert commands(BOTH[0]) == commands(BOTH[1])
    for line in lines:
        words = shlex.split(line.replace(HUB_NAME, str(folder / "internlm2")))
        assert words[0] == "weitiao", line
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "LC_ALL": "en_US.UTF-8"},
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (folder / "report" / "report.html").exists()


def test_the_recipes_are_right(tmp_path: Path) -> None:
    recipes = [block for page in BOTH for block in blocks(page, "yaml")]
    assert len(recipes) >= 2
    recipes += [path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("recipe*.yaml")]
    assert len(recipes) >= 3
    for text in recipes:
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        assert load(tmp_path / "recipe.yaml", SETTINGS).sections


def test_links_lead_somewhere() -> None:
    found = 0
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))  # what stands in code is no link
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            found += 1
            assert (page.parent / target).exists(), f"{page.name}: {target}"
    assert found >= 8


def test_both_languages_have_the_same_parts() -> None:
    parts = [re.findall(r"^(#+ |```\w*$|\| `)", page.read_text(encoding="utf-8"), re.MULTILINE) for page in BOTH]
    assert parts[0] == parts[1]
