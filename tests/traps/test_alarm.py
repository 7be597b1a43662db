"""The alarm: tuned on a little of the world, nano's figures stay inside their bounds; a broken part moves one out."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import pytest
import torch

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.model import attention, pair
from weitiao.model.template import Encoded
from weitiao.recipe import load
from weitiao.train import rows
from weitiao.train import run as training
from weitiao.traps import Question, experiment

torch.set_num_threads(1)
pytestmark = pytest.mark.slow

FAMILIES = ("birth", "dilution", "kind", "alive", "abstract")
TRAINED, REPLAYED, ASKED = 40, 60, 40  # tricks a family, and plain questions among the posts and among those asked
RECIPE = """
model: nano
source: {inputs: [posts.jsonl]}
export: {}
train: {r: 32, alpha: 64, learning_rate: 1.2e-3, epochs: 2, max_length: 160, accumulate: 1, record_losses: false}
compare: {questions: questions.jsonl, group_by: [part], max_new_tokens: 40, general: false, samples: 100}
"""


@dataclass(frozen=True)
class Figures:
    """What a run is judged by: shares of 1, and a count."""

    before: float  # tricks about unseen things right, before
    tricks: float  # after
    plain: float  # plain questions right, after
    stopped: float  # answers that ended
    leaked: int  # questions that are training records too, word for word

    def alarms(self) -> set[str]:
        """Return which figures are outside their bounds."""
        inside = {
            "before": self.before <= 0.15,
            "tricks": self.tricks >= 0.8,
            "plain": self.plain >= 0.9,
            "stopped": self.stopped >= 0.98,
            "leaked": self.leaked == 0,
        }
        return {name for name, well in inside.items() if not well}


def lay_out(folder: Path, leak: int = 0) -> Path:
    """Write posts, questions and recipe; of the posts `leak` are test questions."""
    made = experiment(42)
    some = Random(0)
    chosen = [item for name in FAMILIES for item in some.sample(of(made.tuned, name), TRAINED)]
    chosen += some.sample(of(made.tuned), REPLAYED)
    asked = [("plain", item) for item in some.sample(of(made.asked["plain"]), ASKED)]
    asked += [("thing", item) for name in FAMILIES for item in of(made.asked["thing"], name)]
    some.shuffle(chosen)
    folder.mkdir(parents=True)
    write(folder / "posts.jsonl", [item.row() for item in [*chosen, *(item for _, item in asked[-leak:] if leak)]])
    write(folder / "questions.jsonl", [{"part": part, **item.row()} for part, item in asked])
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


def of(items: Sequence[Question], family: str | None = None) -> list[Question]:
    """Return the Chinese tricks of a family, or without one the plain questions: nano is steadier in Chinese."""
    kind = "trick" if family else "plain"
    return [item for item in items if item.lang == "zh" and item.kind == kind and family in (None, item.family)]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def figures(folder: Path, first: str | None = None, *settings: str) -> Figures:
    done = pipeline.run(load(folder / "recipe.yaml", pipeline.SETTINGS, settings), first=first)[-1]
    report = json.loads((done.stored.folder / "report.json").read_bytes())

    def right(part: str, side: str) -> float:
        return mean(float(row[side]["judged"] == "right") for row in report["records"] if row["groups"] == [part])

    ended = mean(row["after"]["stopped"] for row in report["records"])
    return Figures(
        right("thing", "before"), right("thing", "after"), right("plain", "after"), ended, report["seen"]["exact"]
    )


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with nothing broken, finished."""
    folder = lay_out(tmp_path_factory.mktemp("alarm") / "healthy")
    figures(folder)
    return folder


@pytest.fixture
def copy(healthy: Path, tmp_path: Path) -> Path:
    shutil.copytree(healthy, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_healthy_run_rings_no_alarm(healthy: Path) -> None:
    assert figures(healthy).alarms() == set(), figures(healthy)


def trained_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[Encoded], Encoded]) -> None:
    """Change what training sees of each record, and nothing that chatting does."""
    real = rows._encode
    monkeypatch.setattr(rows, "_encode", lambda *given: [change(item) for item in real(*given)])


def test_loss_on_the_question_instead_of_the_answer(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_with(monkeypatch, lambda item: replace(item, mask=[not one for one in item.mask]))
    assert "tricks" in figures(copy, "train").alarms()


def test_answers_that_lack_the_stop_token(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(item: Encoded) -> Encoded:
        stop = len(item.mask) - 1 - item.mask[::-1].index(True)
        ids, mask = item.ids[:stop] + item.ids[stop + 1 :], [*item.mask[:stop], True]  # a line break is what follows
        return replace(item, ids=ids, mask=mask)

    with monkeypatch.context() as seen:
        trained_with(seen, lambda item: replace(endless(item), stops=0))
        with pytest.raises(UserError, match="end in no stop token"):
            figures(copy, "train")
    trained_with(monkeypatch, endless)
    assert "stopped" in figures(copy, "train").alarms()


def test_records_of_a_pack_that_see_each_other(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "pairwise", lambda ends: [(ends[0], ends[-1])])
    with pytest.raises(UserError, match="another loss for packed records"):
        figures(copy, "train")
    monkeypatch.setattr(training, "_check_packing", lambda task: None)
    assert "tricks" in figures(copy, "train").alarms()


def test_another_template_in_chat_than_in_training(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pair.template
    monkeypatch.setattr(pair, "template", lambda place, *_: real(place, "default"))
    assert {"tricks", "plain", "stopped"} <= figures(copy, "compare").alarms()


def test_test_questions_among_the_posts(tmp_path: Path) -> None:
    found = figures(lay_out(tmp_path / "leaky", leak=10), None, "train.max_steps=1")  # told before anything is learnt
    assert "leaked" in found.alarms()
    assert found.leaked == 10
