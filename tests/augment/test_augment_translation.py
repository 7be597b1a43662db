"""Back-translation by models in folders: what comes out is theirs and kept at once, and nobody else is asked."""

import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from augmenting import EN, ZH, Augmented, made, row, rows_of, texts, told
from llm_server import Server
from translators import BACK, THERE, make_marian

from weitiao import pipeline
from weitiao.augment.back_translate import BackTranslate
from weitiao.cli.terminal import plain_recipe
from weitiao.errors import UserError

ROWS = [ZH[0], row("我问一句。太阳能热水器晚上算不算月亮能？"), EN[0]]
QUESTIONS = [
    "生活在水里的鱼类有没有溺水身亡的可能呢?",
    "请允许我请教一下。到了夜里,靠阳光加热的装置是否改用月光来工作?",
    "Is it possible that a blade divides a liquid for good?",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Models of two directions, each with the other's sentences of the records in the other language."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "zh-en": str(make_marian(folder / "opus-zh-en", {**_in("zh", THERE), **_in("zh", BACK)})),
        "en-zh": str(make_marian(folder / "opus-en-zh", {**_in("en", THERE), **_in("en", BACK)})),
    }


def _in(language: str, pairs: dict[str, str]) -> dict[str, str]:
    return {one: other for one, other in pairs.items() if one.isascii() == (language == "en")}


def step(models: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"back_translate": {"models": models, "check": False, **settings}}


def test_what_comes_back_is_what_the_models_say(augment: Augmented, models: dict[str, str], server: Server) -> None:
    done = augment([*ROWS, row("Почему небо голубое днём?")], step(models), teacher=None)
    assert [texts(child)[0] for child in made(done)] == QUESTIONS
    assert [child.facts["augment"] for child in made(done)] == [
        {"step": "back_translate", "via": "en", "teacher": "opus-zh-en + opus-en-zh"},
        {"step": "back_translate", "via": "en", "teacher": "opus-zh-en + opus-en-zh"},
        {"step": "back_translate", "via": "zh", "teacher": "opus-en-zh + opus-zh-en"},
    ]
    assert texts(made(done)[0])[1:] == texts_of(ZH[0])[1:]
    assert (told(done, "back_translate")["asked"], told(done, "back_translate")["answered"]) == (6, 6)
    assert rows_of(done, "skipped") == [("back_translate", "neither Chinese nor English")]
    assert done.manifest["facts"]["cost"]["calls"] == 6
    assert [one["model"].partition("@")[0] for one in done.manifest["facts"]["translators"]] == [
        "opus-zh-en",
        "opus-en-zh",
    ]
    assert not server.asked


def texts_of(given: dict[str, Any]) -> list[str]:
    return [message["content"] for message in given["messages"]]


def test_a_teacher_checks_what_the_models_made(augment: Augmented, models: dict[str, str], server: Server) -> None:
    done = augment(ROWS, step(models, check=True))
    assert (told(done, "back_translate")["checked"], told(done, "back_translate")["kept"]) == (3, 3)
    assert sum(server.asked.values()) == 3
    assert all("`same_question`" in body["messages"][0]["content"] for body in server.bodies)
    with pytest.raises(UserError, match="asks a teacher, and none is given") as error:
        augment(ROWS, step(models, check=True), teacher=None)
    assert error.value.hint
    assert "check: false" in error.value.hint


def test_what_is_known_is_not_asked_again_and_another_model_is(
    augment: Augmented, models: dict[str, str], tmp_path: Path
) -> None:
    for pair, folder in models.items():
        shutil.copytree(folder, tmp_path / pair)
    near = {pair: pair for pair in models}  # seen from the recipe's folder
    augment(ROWS[:2], step(near), teacher=None)
    assert not augment(ROWS[:2], step(near), teacher=None).fresh
    more = augment(ROWS, step(near), teacher=None)
    assert more.manifest["facts"]["cost"]["calls"] == 6
    (tmp_path / "en-zh" / "generation_config.json").touch()
    again = augment(ROWS, step(near), teacher=None)
    assert (again.fresh, again.manifest["facts"]["cost"]["calls"]) == (True, 9)


def test_the_plan_shows_the_texts_and_loads_no_model(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in ROWS))
    data = {"source": {"inputs": ["data.jsonl"]}, "augment": {"steps": [step(models)]}}
    plans = pipeline.preview(plain_recipe(data, "run"), tmp_path / "runs")
    assert {name: (plan.calls, plan.most_cost) for name, plan in plans.items()} == {
        "augment/back_translate-zh-en": (2, 0.0),
        "augment/back_translate-en-zh": (1, 0.0),
        "augment/back_translate-2-en-zh": (2, 0.0),
        "augment/back_translate-2-zh-en": (1, 0.0),
    }
    body = plans["augment/back_translate-zh-en"].samples[0]
    assert body.pop("model") == models["zh-en"]
    assert body == {"messages": [{"role": "text", "content": "鱼会不会淹死？"}], "beams": 4, "prefix": ""}


def test_a_translation_that_does_not_end_is_told(augment: Augmented, models: dict[str, str]) -> None:
    done = augment([row("鱼" * 80)], step(models), teacher=None)
    assert told(done, "back_translate")["failed"] == {"answer cut at the token limit": 1}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"zh-en": "a"}, "a way there needs a way back: zh-en + en-zh"),
        ({"zh_en": "a", "en-zh": "b"}, "`zh_en` is none of en-zh, zh-en"),
        ({"zh-en": {"model": "a", "beam": 3}, "en-zh": "b"}, "beam"),
    ],
)
def test_ways_that_lead_nowhere_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("+", r"\+")):
        BackTranslate.model_validate({"models": given})


def test_a_language_without_models_is_left_alone(augment: Augmented, models: dict[str, str]) -> None:
    by = {"zh-English": models["zh-en"], "English-zh": models["en-zh"]}
    done = augment(ROWS, step(by, via=["English"]), teacher=None)
    assert [child.facts["augment"]["via"] for child in made(done)] == ["English", "English"]
    assert rows_of(done, "skipped") == [("back_translate", "no model there and back")]


def test_folders_that_are_no_translation_models(
    augment: Augmented, models: dict[str, str], tiny_llama: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for name, gone in (("weightless", "model.safetensors"), ("wordless", "source.spm")):
        shutil.copytree(models["zh-en"], tmp_path / name)
        (tmp_path / name / gone).unlink()
    for folder, said in {
        "nowhere": "No model at",
        "empty": "no config.json",
        str(tiny_llama): "is no translation model",
        "weightless": "lacks its weights: there is no model.safetensors",
        "wordless": "Cannot load the tokenizer of",
    }.items():
        with pytest.raises(UserError, match=said):
            augment(ROWS, step({**models, "zh-en": folder}), teacher=None)


def test_a_wrong_folder_ends_the_command(models: dict[str, str], tiny_llama: Path, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(orjson.dumps(ROWS[0]))
    steps = f"back_translate: {{check: false, models: {{zh-en: {tiny_llama}, en-zh: {models['en-zh']}}}}}"
    line = ["augment", "data.jsonl", "-o", "out.jsonl", "--steps", steps, "--lang", "zh"]
    done = subprocess.run([sys.executable, "-m", "weitiao", *line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "不是翻译模型" in done.stderr


@pytest.mark.slow
def test_a_killed_run_translates_nothing_twice(models: dict[str, str], tmp_path: Path) -> None:
    rows = [row(f"鱼会不会淹死？\n{'★' * (number + 1)}") for number in range(40)]
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in rows))
    by = {pair: {"model": folder, "beams": 1} for pair, folder in models.items()}
    recipe = {"source": {"inputs": ["data.jsonl"]}, "augment": {"steps": [step(by)]}}
    (tmp_path / "recipe.yaml").write_bytes(orjson.dumps(recipe))
    command = [sys.executable, "-m", "weitiao", "run", "recipe.yaml", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not _answers(tmp_path):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = _answers(tmp_path)
    assert 0 < len(before) < 80
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    facts = orjson.loads(done.stdout)["stages"]["augment"]["facts"]
    assert facts["steps"][0]["answered"] == 80
    assert facts["cost"]["calls"] in (80, 81)  # one may have been booked and not kept
    assert before.items() <= _answers(tmp_path).items()


def _answers(folder: Path) -> dict[str, str]:
    """Return when each answer was kept, with a text of it."""
    path = folder / "runs" / "recipe" / "teachers.sqlite"
    if not path.exists():
        return {}
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return dict(base.execute("SELECT key, text || at FROM answers"))
    except sqlite3.OperationalError:  # its tables are being made
        return {}
    finally:
        base.close()
