"""The train stage: from exported records to an adapter, with each record's losses in the ledger."""

import math
import shutil
from collections import Counter
from dataclasses import asdict
from typing import Any

import orjson
import polars as pl
import torch

from weitiao import ledger
from weitiao.errors import UserError
from weitiao.model import tiny
from weitiao.model.load import base_of, load_model, load_tokenizer, resolve
from weitiao.model.loss import deviation
from weitiao.model.score import losses
from weitiao.model.template import Template
from weitiao.record import Record, to_records
from weitiao.stage import Job, Outcome
from weitiao.store import write_whole
from weitiao.talk import t
from weitiao.train import Train, adapter, order, plan, rows
from weitiao.train.loop import Loop, Task, curve

NOT_REACHED = "training ended before"


def run(job: Job) -> Outcome:
    """Train the adapter; a try that was interrupted goes on from its newest checkpoint."""
    settings = job.settings(Train)
    records = to_records(job.inputs["export"].records())
    found = rows.parts(records, settings.validation, job.recipe.folder)
    base, made = _base(job, found["train"])
    template = Template(load_tokenizer(base), job.recipe.project.template)
    data = rows.read(found, template, settings)
    model = _model(base, settings, job)
    lengths = [len(row.encoded.ids) for row in data.train]
    task = Task(model, template, data, order.steps(lengths, settings, job.seed), settings, job.folder)
    figures = plan.make(task)
    write_whole(job.folder / "plan.json", orjson.dumps(asdict(figures) | made, option=orjson.OPT_INDENT_2))
    plan.say(figures, task, job.reporter)
    _check_packing(task)
    before = _before(job, task)
    Loop(task, job.reporter).run()
    adapter.save(model, job.folder / "adapter")
    (job.folder / "adapter" / "chat_template.jinja").write_text(template.jinja, encoding="utf-8")  # to chat with it
    if settings.record_losses:
        job.reporter.say(t("Measuring the loss of each record after training"))
    after = _losses(task) if settings.record_losses else []
    job.draft.write(0, None, _ledger(task, before, after))
    for place in job.folder.glob("checkpoint-*/state.pt"):
        place.unlink()  # what only training needs
    return _outcome(task, asdict(figures) | made)


def _base(job: Job, records: list[Record]) -> tuple[str, dict[str, Any]]:
    """Return the folder of the base model, made on the spot if it is `tiny`, and what is to be noted about it."""
    name = job.recipe.project.model
    if name != "tiny":
        return resolve(name, job.recipe.folder), {"base": name}
    folder, facts = job.folder / "base", job.folder / "tiny.json"
    if not folder.exists():
        job.reporter.say(t("Making the model `tiny` from the training texts: it shows the way, it knows nothing"))
        aside = job.draft.scratch("base")
        shutil.rmtree(aside)
        texts = ["\n".join(content for _, content in record.messages) for record in records]
        write_whole(facts, orjson.dumps(tiny.build(texts, aside, job.seed)))
        aside.rename(folder)
    return str(folder), {"base": "base", "tiny": orjson.loads(facts.read_bytes())}


def _model(base: str, settings: Train, job: Job) -> Any:
    model = load_model(base, dtype=settings.dtype)
    if settings.gradient_checkpointing:
        checkpoint_activations(model)
    name = "base" if job.recipe.project.model == "tiny" else job.recipe.project.model
    return adapter.lay(model, settings, name, job.seed)


def checkpoint_activations(model: Any) -> None:
    """Turn gradient checkpointing on under the name that this version of transformers (5.17 to 5.23) has for it."""
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable()
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _check_packing(task: Task) -> None:
    """Hold that this model's records do not see each other in a pack, and that its loss is the one we compute."""
    shortest = sorted(range(len(task.rows.train)), key=lambda index: len(task.rows.train[index].encoded.ids))
    some = shortest[: 2 if task.settings.packing else 1]
    difference = deviation(task.model, [task.rows.train[index].encoded for index in some])
    if difference > (1e-3 if base_of(task.model).dtype == torch.float32 else 0.25):
        raise UserError(
            t("This model computes another loss for packed records: off by {difference:.2g}", difference=difference),
            t("Its architecture is not supported yet"),
        )


def _before(job: Job, task: Task) -> list[float]:
    """Return the mean loss of each training record before the first step, measured once even if tries are many."""
    if not task.settings.record_losses:
        return []
    path = job.draft.scratch("losses") / "before.json"
    if not path.exists():
        job.reporter.say(t("Measuring the loss of each record before training"))
        write_whole(path, orjson.dumps(_losses(task)))
    found: list[float] = orjson.loads(path.read_bytes())
    return found


def _losses(task: Task) -> list[float]:
    found = losses(task.model, [row.encoded for row in task.rows.train], task.settings.max_length)
    if bad := [row for row, (loss, _) in zip(task.rows.train, found, strict=True) if not math.isfinite(loss)]:
        raise UserError(t("The loss of these records is not a number: {places}", places=rows.places(bad)))
    return [round(loss / count, 6) for loss, count in found]


def _reached(task: Task) -> set[int]:
    """Return the records that some step trained on; with `max_steps` or less than an epoch that is not all."""
    return {index for step in task.steps for records in step.packs for index in records}


def _ledger(task: Task, before: list[float], after: list[float]) -> pl.DataFrame:
    """Return an event for each training record: trained, cut before it was trained, never reached, or dropped."""
    found: list[dict[str, str | None]] = []
    reached = _reached(task)
    for index, row in enumerate(task.rows.train):
        detail: dict[str, Any] = {"tokens": len(row.encoded.ids), "supervised": row.supervised}
        if after:
            detail |= {"loss_before": before[index], "loss": after[index]}
        if row.cut:
            found.append(_event(row.id, "cut", "too long", {"tokens_lost": row.cut}))
        action: ledger.Action = "trained" if index in reached else "skipped"
        found.append(_event(row.id, action, None if index in reached else NOT_REACHED, detail))
    dropped = task.rows.dropped.items()
    found += [_event(key, "dropped", reason, {"tokens": size}) for key, (reason, size) in dropped]
    columns = ("id", "step", "action", "reason", "detail")
    return ledger.events(pl.DataFrame(found, schema=dict.fromkeys(columns, pl.String)))


def _event(key: str, action: ledger.Action, reason: str | None, detail: dict[str, Any]) -> dict[str, str | None]:
    return {"id": key, "step": "train", "action": action, "reason": reason, "detail": orjson.dumps(detail).decode()}


def _outcome(task: Task, facts: dict[str, Any]) -> Outcome:
    metrics = task.folder / "metrics.jsonl"
    train, held = list(curve(metrics, "train")), list(curve(metrics, "validation"))
    facts["loss"] = [train[0][1], train[-1][1]]
    if held:
        facts["held_out_loss"] = [held[0][1], held[-1][1]]
    refused = dict(Counter(reason for reason, _ in task.rows.dropped.values()))
    kept = len(_reached(task))
    if left := len(task.rows.train) - kept:
        refused[NOT_REACHED] = left
    return Outcome(kept + sum(refused.values()), kept, refused, facts)
