"""The pages on label: their commands run with a teacher, and print what they show, in both languages."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import augment_teacher
import orjson
import pytest
from llm_server import Fault, Server

import labelling
from settings_table import page
from weitiao.label import STEPS
from weitiao.label.decide import Decide
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load

ROOT = Path(__file__).parents[2]
PAGES = {"en": ROOT / "docs" / "label.md", "zh": ROOT / "docs" / "label.zh-CN.md"}


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def weitiao(line: str, folder: Path, server: Server, language: str) -> tuple[str, str]:
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


def both(prompt: str) -> Fault:
    """Answer what augment asks, and what label does."""
    return augment_teacher.script()(prompt) if "`questions`" in prompt else labelling.script()(prompt)


@pytest.mark.slow
@pytest.mark.parametrize("language", PAGES)
def test_the_commands_print_what_the_pages_show(language: str, tmp_path: Path, server: Server) -> None:
    shutil.copytree(ROOT / "examples" / "ruozhiba", tmp_path / "examples" / "ruozhiba")
    server.script = both
    lines = {name: "".join(blocks(page, "bash")).splitlines() for name, page in PAGES.items()}
    assert lines["en"] == lines["zh"]
    assert len(lines["en"]) == 5
    said = {line: weitiao(line, tmp_path, server, language) for line in lines["en"]}
    plan, made = blocks(PAGES[language], "text")
    dry, real = (line for line in lines["en"] if "labelled.jsonl" in line)
    assert said[dry][0].startswith(plan)
    assert made in re.sub(r" in \d+\.\d s|，用时 \d+\.\d 秒", "", said[real][1])
    asked = sum(server.asked.values())
    weitiao(real, tmp_path, server, language)
    assert sum(server.asked.values()) == asked
    rows = [orjson.loads(line) for line in (tmp_path / "labelled.jsonl").read_bytes().splitlines()]
    assert sum("answer" in row["facts"] for row in rows) <= 20
    assert all(row["facts"]["judge"]["by"] == ["qwen3-32b"] for row in rows)
    assert (tmp_path / "labelled-ledger.jsonl").read_bytes().count(b'"answer written"') == 20


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_recipes_are_right_and_the_tables_whole(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(page, "yaml"):
        (tmp_path / "recipe.yaml").write_text(block, encoding="utf-8")
        assert load(tmp_path / "recipe.yaml", SETTINGS).sections["label"]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [step.step_name() for step in STEPS]
    defaults = Decide().model_dump()["decide"]
    shown = dict(re.findall(r"`(\w+)` ?[（(]([\w.]+)[）)]", text))
    assert {name: str(defaults[name]).removesuffix(".0") for name in shown} == shown
    assert set(shown) == set(defaults)


@pytest.mark.parametrize("language", PAGES)
def test_the_table_tells_each_setting_as_the_code_does(language: str) -> None:
    text = PAGES[language].read_text(encoding="utf-8")
    assert re.findall(r"^\| `[\w*.]+\.\w+` \|.*", text, re.MULTILINE) == page("label", language)


def test_both_languages_have_the_same_parts() -> None:
    parts = [
        re.findall(r"^(#+ |```\w*$|\| `)", page.read_text(encoding="utf-8"), re.MULTILINE) for page in PAGES.values()
    ]
    assert parts[0] == parts[1]
