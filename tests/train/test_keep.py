"""The checkpoint that is kept, and when training ends early."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weitiao.errors import UserError
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.score import losses
from weitiao.model.template import Template
from weitiao.record import to_records
from weitiao.stage import Job
from weitiao.train import Chosen, Train, rows
from weitiao.train.run import run

MakeJob = Callable[..., Job]
# So high a learning rate that the held-out record gets worse while the six others are learned.
STEEP = {"epochs": 12, "max_length": 64, "evaluate_every": 2, "learning_rate": 0.03, "record_losses": False}


def held_out(job: Job, base: Path, result: str) -> float:
    """Return the held-out loss of what the training wrote."""
    template = Template(load_tokenizer(str(base)))
    found = rows.parts(to_records(job.inputs["export"].records()), [], job.recipe.folder)
    data = rows.read(found, template, Chosen.of(job.settings(Train)))
    where = str(job.folder / result)
    model = load_model(where, device="cpu") if result == "model" else load_model(str(base), adapter=where, device="cpu")
    ((loss, count),) = losses(model, data.validation, 64)
    return loss / count


@pytest.mark.parametrize(
    ("settings", "result"), [({}, "adapter"), ({"method": "full", "learning_rate": 0.01}, "model")]
)
def test_the_best_is_what_is_kept(make_job: MakeJob, tiny_llama: Path, settings: dict[str, Any], result: str) -> None:
    job = make_job(keep="best", save_total_limit=1, **{**STEEP, **settings})
    facts = run(job).facts
    best, last = facts["best"], facts["held_out_loss"][1]
    assert 0 < facts["kept_step"] == best["step"] < facts["ended_at"] == facts["steps"]
    assert best["held_out_loss"] < last
    assert held_out(job, tiny_llama, result) == pytest.approx(best["held_out_loss"], abs=1e-4)
    there = {path.name for path in job.folder.glob("checkpoint-*")}
    assert there == {f"checkpoint-{best['step']}", f"checkpoint-{facts['steps']}"}
    if result == "adapter":
        assert facts["overfitting"]["last"] == last


def test_patience(make_job: MakeJob, tiny_llama: Path) -> None:
    job = make_job(patience=2, probes=["1+1?"], probe_every=100, **STEEP)
    facts = run(job).facts
    best = facts["best"]["step"]
    assert facts["ended_at"] == facts["kept_step"] == best + 4 < facts["steps"]
    assert held_out(job, tiny_llama, "adapter") == pytest.approx(facts["held_out_loss"][1], abs=1e-4)
    assert (job.folder / f"checkpoint-{best + 4}").is_dir()
    assert len((job.folder / "probes.jsonl").read_text().splitlines()) == 2  # before, and where it ended


def test_both_need_held_out_records(make_job: MakeJob) -> None:
    for settings in ({"keep": "best"}, {"patience": 1}):
        with pytest.raises(UserError, match="no record is held out"):
            run(make_job(rows=[("a?", "b"), ("c?", "d")], **settings))


def test_only_what_led_to_the_result_counts_as_trained(make_job: MakeJob) -> None:
    job = make_job(keep="best", packing=False, **{**STEEP, "evaluate_every": 1, "max_steps": 4})
    outcome = run(job)
    assert outcome.facts["kept_step"] <= 4  # each step takes one of the six records
    assert outcome.kept == outcome.facts["kept_step"]
    assert outcome.refused == {"training ended before": 6 - outcome.kept}
