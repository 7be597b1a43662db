"""Checks, general questions, further models and the train side in a finished comparison; and a real kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao import pipeline
from weitiao.cli import main
from weitiao.cli.terminal import plain_recipe
from weitiao.compare import ask, history
from weitiao.compare.run import _home
from weitiao.errors import UserError
from weitiao.model.generate import answers
from weitiao.model.load import load_tokenizer
from weitiao.model.template import Template
from weitiao.pipeline import Done
from weitiao.recipe import Recipe
from weitiao.record import Record
from weitiao.stage import Job
from weitiao.store import Draft, Stored

Recipes = Callable[..., Recipe]
Writer = Callable[[Path, list[tuple[str, str]]], Path]


def weitiao(monkeypatch: pytest.MonkeyPatch, *command: object) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["weitiao", "--lang", "en", "compare", *map(str, command)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def named(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def test_right_and_wrong_are_those_of_the_records_checks(report: dict[str, Any]) -> None:
    rows = [row for row in report["records"] if "judged" in row["before"]]
    assert [row["question"][0]["content"] for row in rows] == ["Why?", "a", "浓硫酸里有水吗？"]
    assert report["checked"]["questions"] == 3
    for name in ("before", "after"):
        right = sum(row[name]["judged"] == "right" for row in rows)
        assert report["checked"]["words"]["right"][name] == right >= 1  # `.*` takes any answer
        assert named(report["measures"])["right"][name] == pytest.approx(right / 3)
    assert named(report["measures"])["right"]["test"] == "McNemar, exact"
    assert report["verdicts"]["right"]["wins"] + report["verdicts"]["right"]["losses"] <= 2


def test_all_measures_with_a_good_side_are_corrected_together(report: dict[str, Any]) -> None:
    tested = [item["name"] for item in report["measures"] if item["adjusted"] is not None]
    assert report["tested"] == len(tested)
    assert tested == ["likelihood", "right", "overlap", "rouge", "stopped", "repetition", "drifted"]
    for item in report["measures"]:
        assert (item["adjusted"] is not None) == (item["name"] in tested) == (item["better"] != "neither")
        assert item["adjusted"] is None or item["adjusted"] >= item["p"]


def test_general_questions_are_answered_by_both(report: dict[str, Any]) -> None:
    general = report["general"]
    assert len(general["records"]) == 6
    assert general["checked"]["questions"] == 6
    assert named(general["measures"])["likelihood"]["difference"] != 0
    assert all(row["before"]["loss_tokens"] > 0 for row in general["records"])


def test_nothing_is_known_of_a_train_side_that_is_not_there(report: dict[str, Any]) -> None:
    assert report["seen"] is None


@pytest.fixture(scope="module")
def three(
    data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    models = {"same": str(tiny_llama), "step-40": str(other_llama)}
    done = pipeline.run(recipe(data, tiny_llama, other_llama, models=models), tmp_path_factory.mktemp("three"))[-1]
    facts: dict[str, Any] = orjson.loads((done.stored.folder / "report.json").read_bytes())
    facts["html"] = (done.stored.folder / "report.html").read_text()
    facts["md"] = (done.stored.folder / "report.md").read_text()
    return facts


def test_further_models_are_each_compared_with_before(three: dict[str, Any], report: dict[str, Any]) -> None:
    assert list(three["others"]) == ["same", "step-40"]
    assert all(item["difference"] == 0 and item["shown"] == "none" for item in three["others"]["same"])
    after, again = named(three["measures"]), named(three["others"]["step-40"])
    for name, item in after.items():
        assert again[name]["difference"] == pytest.approx(item["difference"])
        if item["adjusted"] is not None:  # three models are three times the tests
            assert item["adjusted"] >= named(report["measures"])[name]["adjusted"]
    assert three["tested"] == 3 * report["tested"]
    assert list(three["records"][0])[4:8] == ["before", "after", "same", "step-40"]
    assert "step-40" in three["html"]
    assert "step-40" in three["md"]


@pytest.mark.parametrize("name", ["after", "reference", "a b", ""])
def test_a_further_model_needs_a_name_of_its_own(data: Path, tiny_llama: Path, recipe: Recipes, name: str) -> None:
    with pytest.raises(UserError, match="is no name for a further model"):
        recipe(data, tiny_llama, tiny_llama, models={name: "x"})


def test_the_command_takes_further_models(
    data: Path,
    tiny_llama: Path,
    other_llama: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["--before", tiny_llama, "--after", other_llama, "--data", data, "-o", tmp_path, "--general", "false"]
    command += ["--max-new-tokens", "4", "--samples", "100", "--also", f"same={tiny_llama}"]
    assert weitiao(monkeypatch, *command) == 0, capfd.readouterr().err
    facts = orjson.loads((tmp_path / "report.json").read_bytes())
    assert list(facts["others"]) == ["same"]
    assert facts["general"] is None
    assert weitiao(monkeypatch, *command, "--also", "nameless") == 2
    assert "--also nameless: write it as NAME=MODEL" in capfd.readouterr().err


def test_a_checkpoint_is_one_of_this_run(tmp_path: Path) -> None:
    (tmp_path / "train" / "checkpoint-40").mkdir(parents=True)
    assert _home("checkpoint-40", tmp_path, tmp_path / "train") == tmp_path / "train"
    assert _home("checkpoint-40", tmp_path, None) == _home("models/other", tmp_path, tmp_path / "train") == tmp_path
    with pytest.raises(UserError, match="This run has no `checkpoint-41`") as caught:
        _home("checkpoint-41", tmp_path, tmp_path / "train")
    assert caught.value.hint.startswith("It has: checkpoint-40.")


def test_the_train_side_is_looked_through(tiny_llama: Path, other_llama: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    texts = [
        (f"第{n * 37}个苹果和第{n}个梨哪个甜{'呢啊吗吧'[n % 4] * n}？", f"第{n}个甜，因为{n * 11}天熟。")
        for n in range(20)
    ]
    path.write_bytes(b"".join(orjson.dumps({"question": q, "answer": a}) + b"\n" for q, a in texts))
    compare = {
        "before": str(tiny_llama),
        "after": str(other_llama),
        "max_new_tokens": 8,
        "general": False,
        "samples": 100,
    }
    stages = {"split": {"ratios": {"train": 0.5, "test": 0.5}}, "export": {}, "compare": compare}
    done = pipeline.run(plain_recipe({"source": {"inputs": [str(path)]}, **stages}, "x"), tmp_path / "runs")[-1]
    facts = orjson.loads((done.stored.folder / "report.json").read_bytes())
    seen = facts["seen"]
    assert seen["train"] + seen["questions"] == 20
    assert (seen["by_family"], seen["exact"], seen["near"]) == (0, 0, 0)
    assert set(seen["copied"]["sides"]) == {"before", "after", "reference"}
    assert named(facts["measures"])["copied"]["before"] == seen["copied"]["sides"]["before"]["mean"]
    assert facts["checked"] is None
    assert "right" not in facts["verdicts"]
    assert {tuple(event) for row in facts["records"] for event in row["life"]["events"]} == {
        ("split", "split", "assigned", "test")
    }
    parts = next(station["more"] for station in facts["line"] if station["stage"] == "export")
    assert parts == {"train": seen["train"], "test": seen["questions"]}


def test_what_trained_is_what_asks(data: Path, tiny_llama: Path, recipe: Recipes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"settings": {"turns": "all"}}')
    job = Job(recipe(data, tiny_llama, tiny_llama), "compare", Draft(tmp_path), {"train": Stored(tmp_path)})
    template = Template(load_tokenizer(str(tiny_llama)))
    records = [
        Record("a", (("user", "Why?"), ("assistant", "Because."), ("user", "So?"), ("assistant", "So."))[:n], "f", 1)
        for n in (2, 3, 4)
    ]
    found = history.proof(job, records, template)
    assert found == {
        "records": 2,
        "alike": 2,
        "stops": 2,
        "sample": [
            ("<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n", False),
            ("Because.<|im_end|>", True),
            ("\n", False),
        ],
    }
    assert history.proof(Job(job.recipe, "compare", job.draft, {}), records, template) is None


SLOW = """
import sys, time
import torch
from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.compare import ask, history
from weitiao.compare.run import _home
torch.set_num_threads(1)
real = ask.answers
def slowly(*given, **more):
    for item in real(*given, **more):
        yield item
        time.sleep(0.2)  # after the one before was written down
ask.answers = slowly
import orjson
pipeline.run(plain_recipe(orjson.loads(sys.argv[1]), "test"), __import__("pathlib").Path(sys.argv[2]))
"""


def test_after_a_kill_nothing_is_asked_again(
    data: Path, tiny_llama: Path, other_llama: Path, done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    general = str(Path(__file__).with_name("general_few.jsonl"))
    compare = {"before": str(tiny_llama), "after": str(other_llama), "max_new_tokens": 12, "samples": 200}
    stages = {"source": {"inputs": [str(data)]}, "export": {}, "compare": {**compare, "general": general}}
    command = [sys.executable, "-c", SLOW, orjson.dumps(stages).decode(), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    log = tmp_path / "test" / ".compare.part" / ".answers" / "before.jsonl"
    try:
        while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") >= 3):
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    known = log.read_bytes().count(b"\n")
    assert 3 <= known < 8
    asked: list[int] = []

    def counted(model: Any, template: Any, prompts: Any, *rest: Any, **more: Any) -> Any:
        asked.append(len(prompts))
        yield from answers(model, template, prompts, *rest, **more)

    monkeypatch.setattr(ask, "answers", counted)
    folder = pipeline.run(plain_recipe(stages, "test"), tmp_path)[-1].stored.folder
    assert asked == [8 - known, 6, 8, 6]
    assert (folder / "report.json").read_bytes() == (done.stored.folder / "report.json").read_bytes()
