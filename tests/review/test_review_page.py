"""The pages on review: their commands and their Python run, and their tables are whole."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weitiao.pipeline import SETTINGS
from weitiao.recipe import load
from weitiao.review import Review

ROOT = Path(__file__).parents[2]
PAGES = {"en": ROOT / "docs" / "review.md", "zh": ROOT / "docs" / "review.zh-CN.md"}


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_both_languages_have_the_same_parts() -> None:
    for kind in ("yaml", "bash", "xml", "python"):
        assert blocks(PAGES["en"], kind) == blocks(PAGES["zh"], kind) != []
    parts = [
        re.findall(r"^(#+ |```\w*$|\| `|\* )", page.read_text(encoding="utf-8"), re.MULTILINE)
        for page in PAGES.values()
    ]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_table_has_the_settings(page: Path) -> None:
    shown = re.findall(r"^\| `(\w+)` \| ([\w.]*) ?\|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(shown) == {name: str(value) for name, value in Review()}


@pytest.mark.slow
@pytest.mark.parametrize("language", PAGES)
def test_what_the_page_tells_to_type_runs(language: str, tmp_path: Path) -> None:
    page = PAGES[language]
    shutil.copytree(ROOT / "examples" / "ruozhiba", tmp_path / "examples" / "ruozhiba")
    (tmp_path / "recipe.yaml").write_text(blocks(page, "yaml")[0], encoding="utf-8")
    assert load(tmp_path / "recipe.yaml", SETTINGS).sections["review"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    environment.pop("WEITIAO_REVIEW_DB", None)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done

    lines = blocks(page, "bash")[0].splitlines()
    assert len(lines) == 5
    said = [run("-m", *shlex.split(line), "--lang", language) for line in lines]
    assert "weitiao review status recipe.yaml" in said[0].stderr
    assert re.match(r"\S{32}\n$", said[1].stdout)
    assert "alice" in said[2].stdout
    assert (tmp_path / "queue.jsonl").read_bytes().count(b'"decisions":[]') > 100
    assert (tmp_path / "tasks.json").exists()
    done = run("-c", blocks(page, "python")[0])
    assert done.stdout == "('all records',) True 0\n"
