"""The compare stage on two random models: what it asks, measures, keeps through a crash, and leaves out."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao import pipeline
from weitiao.compare import ask
from weitiao.errors import UserError
from weitiao.model.generate import Answer, Sampling, answer, answers
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.score import answer_only, losses
from weitiao.model.template import Template
from weitiao.pipeline import Done
from weitiao.recipe import Recipe
from weitiao.stage import Silent

GENERAL = Path(__file__).with_name("general_few.jsonl")
Recipes = Callable[..., Recipe]
Writer = Callable[[Path, list[tuple[str, str]]], Path]


def test_every_question_is_answered_by_both_and_measured(done: Done, report: dict[str, Any], tiny_llama: Path) -> None:
    rows = report["records"]
    assert len(rows) == done.manifest["kept"] == done.manifest["total"] == 8
    assert done.manifest["refused"] == {}
    model, template = load_model(str(tiny_llama)), Template(load_tokenizer(str(tiny_llama)))
    chats = [[(m["role"], m["content"]) for m in row["question"]] for row in rows]
    said = answer(model, template, chats, Sampling(max_new_tokens=12), batch_tokens=1)
    assert [row["before"]["text"] for row in rows] == [one.text for one in said]
    scored = losses(
        model, [answer_only(template, [*c, ("assistant", r["reference"])]) for c, r in zip(chats, rows, strict=True)], 1
    )
    for row, (loss, count) in zip(rows, scored, strict=True):
        assert row["before"]["loss_tokens"] == count
        assert row["before"]["measures"]["likelihood"] == pytest.approx(-loss / count, abs=1e-5)
        after, before = row["after"]["measures"], row["before"]["measures"]
        assert row["change"]["likelihood"] == after["likelihood"] - before["likelihood"]


def test_the_figures_follow_from_the_pairs(report: dict[str, Any]) -> None:
    rows = report["records"]
    likelihood = report["measures"][0]
    changes = [row["change"]["likelihood"] for row in rows]
    assert likelihood["difference"] == pytest.approx(sum(changes) / len(changes))
    assert likelihood["low"] <= likelihood["difference"] <= likelihood["high"]
    for name, band in (("likelihood", 0.01), ("overlap", 1.0)):
        counts = report["verdicts"][name]
        assert counts["wins"] == sum(row["change"][name] > band for row in rows)
        assert counts["losses"] == sum(row["change"][name] < -band for row in rows)
        assert counts["wins"] + counts["losses"] + counts["ties"] == len(rows)


def test_each_answer_stands_in_the_ledger(done: Done, report: dict[str, Any]) -> None:
    ledger = done.stored.ledger()
    assert ledger["action"].unique().to_list() == ["answered"]
    assert ledger["id"].to_list() == [row["id"] for row in report["records"]]
    assert [orjson.loads(text)["after"]["text"] for text in ledger["detail"]] == [
        row["after"]["text"] for row in report["records"]
    ]


def test_no_folder_of_this_machine_is_in_the_tuned_runs_report(report: dict[str, Any], tiny_llama: Path) -> None:
    assert report["models"]["before"] == {"model": str(tiny_llama), "template": "the tokenizer's own"}


def test_what_was_asked_before_a_crash_is_not_asked_again(
    data: Path,
    tiny_llama: Path,
    other_llama: Path,
    recipe: Recipes,
    report: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def crash_after(count: int) -> Callable[..., Iterator[tuple[int, Answer]]]:
        def some(model: Any, template: Any, prompts: Any, *rest: Any, **more: Any) -> Iterator[tuple[int, Answer]]:
            asked.append(len(prompts))
            for number, item in enumerate(answers(model, template, prompts, *rest, **more)):
                if number == count:
                    raise MemoryError
                yield item

        return some

    wanted = recipe(data, tiny_llama, other_llama, general=str(GENERAL))
    monkeypatch.setattr(ask, "answers", crash_after(3))
    with pytest.raises(MemoryError):
        pipeline.run(wanted, tmp_path)
    log = tmp_path / "test" / ".compare.part" / ".answers" / "before.jsonl"
    assert len(log.read_bytes().splitlines()) == 3
    log.write_bytes(log.read_bytes()[:-5])  # the last line torn, as a killed process leaves it
    monkeypatch.setattr(ask, "answers", crash_after(1000))
    folder = pipeline.run(wanted, tmp_path)[-1].stored.folder
    assert asked == [8, 6, 6, 8, 6]  # before: what was left, and the general ones; after: all
    assert orjson.loads((folder / "report.json").read_bytes()) == report
    assert not (folder / ".answers").exists()


def test_what_is_too_long_or_beyond_the_limit_is_counted(
    tiny_llama: Path, other_llama: Path, recipe: Recipes, write_questions: Writer, tmp_path: Path
) -> None:
    path = write_questions(
        tmp_path / "q.jsonl", [("a", "b"), ("长" * 300, "b"), ("c", "长" * 300), ("d", "e"), ("f", "g")]
    )
    done = pipeline.run(recipe(path, tiny_llama, other_llama, limit=4), tmp_path / "runs")[-1]
    assert (done.manifest["total"], done.manifest["kept"]) == (5, 2)
    assert done.manifest["refused"] == {"too long for the model": 2, "beyond the limit": 1}
    assert done.stored.ledger()["action"].to_list() == ["answered", "skipped", "skipped", "answered", "skipped"]


def test_nothing_to_ask_is_the_users_mistake(
    data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, write_questions: Writer, tmp_path: Path
) -> None:
    path = write_questions(tmp_path / "q.jsonl", [("长" * 300, "b")])
    with pytest.raises(UserError, match="None of the 1 question fits"):
        pipeline.run(recipe(path, tiny_llama, other_llama), tmp_path / "runs")
    with pytest.raises(UserError, match="No model at"):
        pipeline.run(recipe(data, tmp_path / "nowhere", other_llama), tmp_path / "runs")


def test_what_its_author_hardly_meant_is_said(
    tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path
) -> None:
    rows = [
        {"question": "a", "answer": "Zebra", "check": {"exact": "B"}},
        {"question": "b", "answer": "B", "check": "B"},
        {"question": "b", "answer": "B", "check": {"exact": "B"}},
    ]
    path = tmp_path / "q.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    lines: list[str] = []

    class Listener(Silent):
        def say(self, text: str) -> None:
            lines.append(text)

    models = {"also": str(other_llama)}
    pipeline.run(recipe(path, tiny_llama, other_llama, models=models), tmp_path / "runs", reporter=Listener())
    lines = [re.sub(r"at \S*/", "at ", line) for line in lines]
    assert [line for line in lines if "heck" in line or "same words" in line] == [
        "Asked once more in the same words: 1 question",
        "Failing their own check: 1 reference answer, the first at q.jsonl:1",
        "With a `check` that is no object, and is not read: 1 question, the first at q.jsonl:2",
        "By their own checks: 0 of 2 right before, 0 after, also 0",
    ]


def test_a_file_of_questions_is_looked_at_before_anything_runs(
    data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"No file at .*tset.jsonl"):
        pipeline.run(recipe(data, tiny_llama, other_llama, questions=str(data.parent / "tset.jsonl")), tmp_path)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question": "a", "answer": "b", "check": {"exakt": "b"}}\n')
    with pytest.raises(UserError, match=r"bad.jsonl:1:check.exakt: no such check") as caught:
        pipeline.run(recipe(data, tiny_llama, other_llama, questions=str(bad)), tmp_path)
    assert "skip" not in caught.value.hint
    assert not (tmp_path / "test" / "source").exists()


def test_models_with_other_tokenizers_are_measured_by_character(
    stories: Path, tiny_llama: Path, recipe: Recipes, write_questions: Writer, tmp_path: Path
) -> None:
    path = write_questions(tmp_path / "q.jsonl", [("a", "once upon"), ("b", "a time")])
    folder = pipeline.run(recipe(path, tiny_llama, stories), tmp_path / "runs")[-1].stored.folder
    report = orjson.loads((folder / "report.json").read_bytes())
    assert report["unit"] == "character"
    row = report["records"][0]
    assert row["after"]["measures"]["likelihood"] == -row["after"]["loss"] / len("once upon")
