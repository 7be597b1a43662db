"""The pages on augment: their commands run with a teacher, and print what they show, in both languages."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from llm_server import Server
from translators import BACK, THERE, make_marian

from settings_table import page
from weitiao.augment import STEPS
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load

ROOT = Path(__file__).parents[2]
PAGES = {"en": ROOT / "docs" / "augment.md", "zh": ROOT / "docs" / "augment.zh-CN.md"}


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def weitiao(line: str, folder: Path, server: Server, language: str = "en") -> tuple[str, str]:
    words = shlex.split(line.replace("http://localhost:8000/v1", server.address))
    assert words[0] == "weitiao"
    done = subprocess.run(
        [sys.executable, "-m", *words, "--lang", language],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "ruozhiba", tmp_path / "examples" / "ruozhiba")
    for name, pairs in (("opus-mt-zh-en", THERE), ("opus-mt-en-zh", BACK)):
        make_marian(tmp_path / "models" / name, pairs)
    return tmp_path


@pytest.mark.slow
def test_the_commands_print_what_the_pages_show(folder: Path, server: Server) -> None:
    lines = {name: "".join(blocks(page, "bash")).splitlines() for name, page in PAGES.items()}
    assert lines["en"] == lines["zh"]
    assert len(lines["en"]) == 9
    said = {line: weitiao(line, folder, server) for line in lines["en"]}
    plan, made = blocks(PAGES["en"], "text")
    dry, real = (line for line in lines["en"] if "more.jsonl" in line)
    assert said[dry][0].startswith(plan)
    assert made in said[real][1]
    (folder / ".more.jsonl.run").rename(folder / "away")
    plan, made = blocks(PAGES["zh"], "text")
    assert weitiao(dry, folder, server, "zh")[0].startswith(plan)
    asked = sum(server.asked.values())
    (folder / "away").rename(folder / ".more.jsonl.run")
    assert made in weitiao(real, folder, server, "zh")[1]
    assert sum(server.asked.values()) == asked
    rows = [orjson.loads(line) for line in (folder / "more.jsonl").read_bytes().splitlines()]
    assert len(rows) == 282 + 30
    assert (folder / "my-batch" / "augment-rephrase" / "batch-00000.jsonl").exists()
    assert (folder / "more-ledger.jsonl").read_bytes().count(b'"made"') == 30


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_recipes_are_right_and_each_step_has_its_row(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "yaml"):
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        assert load(tmp_path / "recipe.yaml", SETTINGS).sections["augment"]
    shown = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == [step.step_name() for step in STEPS]


@pytest.mark.parametrize("language", PAGES)
def test_the_table_tells_each_setting_as_the_code_does(language: str) -> None:
    text = PAGES[language].read_text(encoding="utf-8")
    assert re.findall(r"^\| `[\w*.]+\.\w+` \|.*", text, re.MULTILINE) == page("augment", language)


def test_both_languages_have_the_same_parts() -> None:
    parts = [
        re.findall(r"^(#+ |```\w*$|\| `)", page.read_text(encoding="utf-8"), re.MULTILINE) for page in PAGES.values()
    ]
    assert parts[0] == parts[1]
