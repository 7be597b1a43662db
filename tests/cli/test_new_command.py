"""`weitiao new`: each scene is a project that runs to the comparison, with a teacher on a real socket."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import augment_teacher
import orjson
import pytest
from llm_server import Fault, Server, serving

import labelling
from weitiao.cli.new import PROMPTS, SHIPPED, shipped
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load
from weitiao.script import HAN
from weitiao.talk import LANGUAGES

SCENES = sorted(path.name for path in SHIPPED.iterdir())
STAGES = [name for name in SETTINGS if name != "review"]  # a scene runs without people


def teach(prompt: str) -> Fault:
    """Answer what augment asks, and what label does."""
    asked = any(f"`{name}`" in prompt for name in ("questions", "texts", "same_question", "sensible"))
    return augment_teacher.script()(prompt) if asked else labelling.script()(prompt)


def weitiao(*words: str, folder: Path, status: int = 0) -> Any:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "LC_ALL": "en_US.UTF-8"}
    command = [sys.executable, "-m", "weitiao", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == status, done.stderr
    return orjson.loads(done.stdout) if "--json" in words else done.stdout + done.stderr


def test_there_are_three_and_each_is_a_right_recipe() -> None:
    assert SCENES == ["assistant", "roleplay", "ruozhiba"]
    for scene in SCENES:
        for language in LANGUAGES:
            files = shipped(scene, language)
            assert list(files) == ["answered.jsonl", "questions.jsonl", "recipe.yaml"]
            recipe = load(files["recipe.yaml"], SETTINGS)
            assert list(recipe.sections) == STAGES
            rows = [len(files[name].read_bytes().splitlines()) for name in ("answered.jsonl", "questions.jsonl")]
            assert rows == [len(path.read_bytes().splitlines()) for path in list(shipped(scene, "zh").values())[:2]]


def test_what_is_english_speaks_english() -> None:
    for scene in SCENES:
        for name, path in shipped(scene, "en").items():
            text = path.read_text(encoding="utf-8")
            if scene != "ruozhiba":
                assert not re.search(f"[{HAN}]", text), path
            elif name == "recipe.yaml":
                assert "# The posts are in Chinese" in text
                assert re.findall(f"[{HAN}？]+", text) == ["鱼会不会淹死？"]


@pytest.mark.slow
@pytest.mark.parametrize(("scene", "language"), [("assistant", "en"), ("roleplay", "zh"), ("ruozhiba", "en")])
def test_a_scene_runs_to_the_end(scene: str, language: str, tmp_path: Path) -> None:
    made = weitiao("new", "project", "--scene", scene, "--json", "--lang", language, folder=tmp_path)
    prompts = [f"prompts/{language}/{name}.j2" for language in ("en", "zh") for name in PROMPTS]
    assert made["files"] == sorted(["answered.jsonl", "questions.jsonl", "recipe.yaml", *prompts])
    recipe = tmp_path / "project" / "recipe.yaml"
    with serving(Server(script=teach)) as server:
        text = recipe.read_text(encoding="utf-8").replace("http://localhost:8000/v1", server.address)
        recipe.write_text(text, encoding="utf-8")
        plan = weitiao("run", "project/recipe.yaml", "--dry-run", folder=tmp_path)
        assert "augment/rephrase: " in plan
        assert not server.asked
        short = ["--set", "train.epochs=1", "--set", "compare.general=false", "--set", "compare.max_new_tokens=16"]
        stages = weitiao("run", "project/recipe.yaml", *short, "--json", folder=tmp_path)["stages"]
        asked = sum(server.asked.values())
        weitiao("run", "project/recipe.yaml", *short, folder=tmp_path)
        assert sum(server.asked.values()) == asked
    assert list(stages) == STAGES
    label = stages["label"]["facts"]
    assert int(label["said"]["written"]) >= 6
    assert label["controls"]["planted"] >= 14
    assert not any(step["failed"] for step in (*label["steps"], *stages["augment"]["facts"]["steps"]))
    assert stages["compare"]["kept"] > 0


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "recipe.yaml").write_text("seed: 1")
    assert "mine is there already" in weitiao("new", "mine", folder=tmp_path, status=2)
    (tmp_path / "empty").mkdir()
    assert "Made empty: answered.jsonl" in weitiao("new", "empty", folder=tmp_path)
