"""The train stage: from exported records to an adapter or a whole model, with each record's losses in the ledger."""

import math
import os
import shutil
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import torch
from accelerate import Accelerator

from weitiao import ledger
from weitiao.errors import UserError
from weitiao.model import save, tiny, tokens
from weitiao.model.hub import own_code, resolve
from weitiao.model.load import DTYPES, base_of, load_config, load_model, load_tokenizer, pick_dtype
from weitiao.model.loss import PackedLoss, deviation
from weitiao.model.quantise import Quantised
from weitiao.model.template import Template, jinja_of
from weitiao.model.tokens import Token
from weitiao.record import Record, to_records
from weitiao.stage import Job, Outcome, Reporter, Silent
from weitiao.store import write_whole
from weitiao.talk import t
from weitiao.train import (
    Chosen,
    Train,
    adapter,
    defaults,
    fit,
    mix,
    order,
    overfit,
    plan,
    processes,
    rows,
    sharing,
    stall,
)
from weitiao.train.checkpoint import Progress
from weitiao.train.defaults import AUTO
from weitiao.train.loop import Loop, Task, curve, measure
from weitiao.train.machine import look, return_freed_blocks

NOT_REACHED = "training ended before"


def run(job: Job) -> Outcome:
    """Train in one process or in several; a try that was interrupted goes on from its newest checkpoint."""
    settings = job.settings(Train)
    for key in sharing.ignored(settings, job.recipe.folder):
        job.reporter.say(t("{key} in {name}: not taken, the recipe says it", key=key, name=settings.deepspeed))
    if processes.launched():
        processes.send(job)
        return train(job)
    sharing.check_installed(settings, settings.nproc)
    if settings.nproc > 1 or (settings.deepspeed and not sharing.is_idle(settings, 1)):
        return processes.launch(train, job, settings.nproc)
    if settings.deepspeed:
        job.reporter.say(t("One process trains: {name} has nothing to split", name=settings.deepspeed))
    return train(job)


def follow() -> bool:
    """Wait for the first process to train and do a share of it; return false if this is the first process."""
    return processes.follow(train)


def dismiss() -> None:
    """Let processes go that still wait for the first to train."""
    processes.dismiss()


def train(job: Job) -> Outcome:
    """Do this process's share of the training; what it comes to, the first process says."""
    return_freed_blocks()
    stated = job.settings(Train)
    shared = sharing.accelerator(stated, job.recipe.folder)
    job = job if shared.is_main_process else replace(job, reporter=Silent())
    records = to_records(job.inputs["export"].records())
    found = rows.parts(records, stated.validation, job.recipe.folder)
    with shared.main_process_first():  # it makes what the others read
        base, made = _base(job, found["train"])
    mixed = _mixed(job, records, found)
    template, added = _template(job, base)
    reads = load_config(base, trust=job.recipe.project.trust_remote_code).get_text_config().max_position_embeddings
    data = rows.read(found, template, Chosen.of(stated, defaults.longest(stated, reads)))
    _check_held_out(stated, data)
    lengths = [len(row.encoded.ids) for row in data.train]
    with shared.main_process_first():
        settings = _chosen(job, base, lengths, shared, reads=reads)
    steps = order.steps(lengths, settings, job.seed)
    model = _model(base, settings, job, added)
    task = Task(model, template, data, steps, settings, job.folder, job.seed, _autocast(base, settings), shared)
    figures = plan.make(task)
    facts = (
        asdict(figures)
        | {"chosen": {name: settings.model_dump()[name] for name in AUTO}}
        | made
        | ({"mix": mixed.files} if mixed.files else {})
    )
    if shared.is_main_process:
        write_whole(job.folder / "plan.json", orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    plan.say(figures, task, job.reporter)
    _check_packing(task)
    before = _before(job, task)
    loop = Loop(task, job.reporter)
    progress = loop.run()
    if settings.record_losses:
        job.reporter.say(t("Measuring the loss of each record after training"))
    after = _losses(task, loop.loss) if settings.record_losses else []
    weights = sharing.weights(shared, model)
    if not shared.is_main_process:
        return Outcome(0, 0)
    _write(task, base, weights)
    kept = progress.best_step if settings.keep == "best" else progress.step
    reached = {index for step in task.steps[:kept] for records in step.packs for index in records}
    job.draft.write(0, None, _ledger(task, reached, before, after, {record.id for record in mixed.records}))
    for place in job.folder.glob("checkpoint-*/state.pt"):
        place.unlink()  # what only training needs
    return _outcome(task, facts | _signs(job, found["train"]), progress, reached)


def _base(job: Job, records: list[Record]) -> tuple[str, dict[str, Any]]:
    """Return the folder of the base model, made on the spot if it is `tiny`, and what is to be noted about it."""
    name = job.recipe.project.model
    if name != "tiny":
        trust = job.recipe.project.trust_remote_code
        path = resolve(name, job.recipe.folder, code=trust)
        return path, {"base": name, "remote_code": own_code(path, trust)}
    folder, facts = job.folder / "base", job.folder / "tiny.json"
    if not folder.exists():
        job.reporter.say(t("Making the model `tiny` from the training texts: it shows the way, it knows nothing"))
        aside = job.draft.scratch("base")
        shutil.rmtree(aside)
        texts = ["\n".join(content for _, content in record.messages) for record in records]
        write_whole(facts, orjson.dumps(tiny.build(texts, aside, job.seed)))
        aside.rename(folder)
    return str(folder), {"base": "base", "tiny": orjson.loads(facts.read_bytes())}


def _mixed(job: Job, records: list[Record], found: dict[str, list[Record]]) -> mix.Mixed:
    """Draw the general records and add them to those that are trained on."""
    settings = job.settings(Train)
    own = {record.id for record in found["train"]}
    held = {mix.question(record) for record in records if record.id not in own}
    mixed = mix.draw(settings.mix, len(own), job.recipe.folder, job.seed, held)
    found["train"] = [*found["train"], *mixed.records]
    for name, counts in mixed.files.items():
        job.reporter.say(t("Mixed in {drawn:,} of the {free:,} records in {name}", name=name, **counts))
        if counts["drawn"] < round(settings.mix[name] * len(own)):
            job.reporter.say(t("Warning: {name} has fewer records than its ratio asks for", name=name))
    return mixed


def _check_held_out(settings: Train, data: rows.Rows) -> None:
    if not data.validation and (settings.keep == "best" or settings.patience):
        raise UserError(
            t("keep best and patience go by the held-out loss, and no record is held out"),
            t("Give the part `validation` a share under `split.ratios`, or name files as `train.validation`"),
        )


def _template(job: Job, base: str) -> tuple[Template, list[Token]]:
    """Return the chat template, its tokenizer with the tokens that training adds, and those tokens."""
    project = job.recipe.project
    tokenizer = load_tokenizer(base, trust=project.trust_remote_code)
    added = tokens.add(tokenizer, job.settings(Train).new_tokens, jinja_of(tokenizer, project.template))
    for token in added:
        said = "{token}: row {row} is new, and trained" if token.pieces else "{token}: row {row} is trained"
        job.reporter.say(t(said, token=token.text, row=token.id))
    return Template(tokenizer, project.template, project.thinking), added


def _model(base: str, settings: Chosen, job: Job, added: list[Token]) -> Any:
    quantised = Quantised(settings.bits, settings.double_quant) if settings.bits else None
    dtype = "float32" if settings.method == "full" else settings.dtype
    model = load_model(base, dtype=dtype, quantised=quantised, trust=job.recipe.project.trust_remote_code)
    if settings.gradient_checkpointing:
        checkpoint_activations(model)
    name = "base" if job.recipe.project.model == "tiny" else job.recipe.project.model
    return adapter.lay(model, settings, name, job.seed, added)


def _chosen(job: Job, base: str, lengths: list[int], shared: Accelerator, *, reads: int | None) -> Chosen:
    """Return the settings with a choice where they say auto: made once, so that a try resumed takes the same."""
    settings, path = job.settings(Train), job.draft.scratch("chosen") / "auto.json"
    if settings.bits == "auto" and sharing.is_split(shared):
        settings = settings.model_copy(update={"bits": None})
    if not path.exists():
        trust = job.recipe.project.trust_remote_code
        shape = fit.shape(load_config(base, trust=trust), code=bool(own_code(base, trust)))
        choices = defaults.choose(settings, shape.parameters, lengths, reads=reads)
        for choice in choices:
            job.reporter.say(
                t("{name} {value:g}: {reason}", name=choice.name, value=choice.value, reason=t(choice.reason))
            )
        decided: dict[str, float | None] = {choice.name: choice.value for choice in choices}
        steps = order.steps(lengths, Chosen.of(settings, decided), job.seed)
        longest = max(sum(lengths[index] for index in records) for step in steps for records in step.packs)
        fitting = _fitting(settings.model_copy(update=decided), base, shape, longest, job.reporter)
        decided |= {"bits": fitting.bits, "gradient_checkpointing": fitting.gradient_checkpointing}
        write_whole(path, orjson.dumps(decided))
    return Chosen.of(settings, orjson.loads(path.read_bytes()))


def _fitting(settings: Train, base: str, shape: fit.Shape, tokens: int, reporter: Reporter) -> fit.Choice:
    """Choose bits and gradient checkpointing by the memory that is free, and say what they take."""
    machine = look()
    on_gpu = machine.gpu is not None
    number = (
        torch.float32 if settings.method == "full" else pick_dtype(settings.dtype, base, "cuda" if on_gpu else "cpu")
    )
    free = machine.gpu_free if on_gpu else machine.free // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    numbers = fit.Numbers(number.itemsize, _autocast(base, settings), on_gpu)
    choice = fit.choose(shape, settings, tokens, numbers, free)
    reporter.say(t("Memory: {needed:.1f} GB of {free:.1f} GB free; {reason}", needed=choice.memory.total / 1e9,
        free=free / 1e9, reason=t(choice.reason)))  # fmt: skip
    if not choice.fits:
        reporter.say(t("Warning: that may not fit; a smaller max_length takes less"))
    return choice


def _autocast(base: str, settings: Train) -> bool:
    """Tell whether trained float32 weights are multiplied in bfloat16: steps are too small for bfloat16 weights."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return settings.method == "full" and pick_dtype(settings.dtype, base, device) == torch.bfloat16


def _write(task: Task, base: str, weights: dict[str, torch.Tensor]) -> None:
    """Write what came of it: an adapter, or a whole model in the number format of its base."""
    settings, model = task.settings, task.model
    if settings.method == "full":
        if sharing.is_split(task.shared):  # no process has a whole model
            model = load_model(base, dtype="float32", device="cpu")
            model.load_state_dict(weights, strict=False)
        model.to(DTYPES[save.stored_dtype(base)])
        save.write(model, task.template, Path(base), task.folder / "model")
        return
    adapter.save(model, task.folder / "adapter", weights)
    (task.folder / "adapter" / "chat_template.jinja").write_text(task.template.jinja, encoding="utf-8")  # to chat with
    if settings.new_tokens:
        save.write_tokenizer(task.folder / "adapter", task.template)
    if settings.bits:
        Quantised(settings.bits, settings.double_quant).note(task.folder / "adapter")


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
    known = path.exists()
    task.shared.wait_for_everyone()  # all have looked before one writes
    if known:
        found: list[float] = orjson.loads(path.read_bytes())
        return found
    job.reporter.say(t("Measuring the loss of each record before training"))
    found = _losses(task, PackedLoss(task.model))
    if task.shared.is_main_process:
        write_whole(path, orjson.dumps(found))
    return found


def _losses(task: Task, loss: Any) -> list[float]:
    found = measure(task, loss, [row.encoded for row in task.rows.train])
    if bad := [row for row, (loss, _) in zip(task.rows.train, found, strict=True) if not math.isfinite(loss)]:
        raise UserError(t("The loss of these records is not a number: {places}", places=rows.places(bad)))
    return [round(loss / count, 6) for loss, count in found]


def _ledger(task: Task, reached: set[int], before: list[float], after: list[float], mixed: set[str]) -> pl.DataFrame:
    """Return events for each training record: mixed in from elsewhere; trained, perhaps cut before; or why not.

    `reached` are the records of the steps that led to the result: with `max_steps`, `keep` or `patience` not all.
    """
    known = [*(row.id for row in task.rows.train), *task.rows.dropped]
    found = [_event(key, "assigned", "mixed in", {}) for key in known if key in mixed]
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


def _signs(job: Job, records: list[Record]) -> dict[str, Any]:
    """Say where the training learned by heart, or nothing, and return it."""
    metrics, asked = job.folder / "metrics.jsonl", job.folder / "probes.jsonl"
    probes = [orjson.loads(line) for line in asked.read_bytes().splitlines()] if asked.exists() else []
    rising = overfit.rise(list(curve(metrics, "train")), list(curve(metrics, "validation")))
    repeated = overfit.parrots(probes, records)
    overfit.say(rising, repeated, job.reporter, job.settings(Train).keep)
    stalled = stall.signs(list(curve(metrics, "train")), list(curve(metrics, "train", "grad_norm")))
    stall.say(stalled, job.reporter)
    found: dict[str, Any] = {"overfitting": asdict(rising)} if rising else {}
    found |= {"stalled": stalled} if stalled else {}
    return found | ({"parroted": [asdict(one) for one in repeated]} if repeated else {})


def _outcome(task: Task, facts: dict[str, Any], progress: Progress, reached: set[int]) -> Outcome:
    metrics = task.folder / "metrics.jsonl"
    train, held = list(curve(metrics, "train")), list(curve(metrics, "validation"))
    facts["loss"] = [train[0][1], train[-1][1]]
    if held:
        facts["held_out_loss"] = [held[0][1], held[-1][1]]
        facts["best"] = {"step": progress.best_step, "held_out_loss": progress.best_loss}
    facts["kept_step"] = progress.best_step if task.settings.keep == "best" else progress.step
    facts["ended_at"] = progress.step
    refused = dict(Counter(reason for reason, _ in task.rows.dropped.values()))
    kept = len(reached)
    if left := len(task.rows.train) - kept:
        refused[NOT_REACHED] = left
    return Outcome(kept + sum(refused.values()), kept, refused, facts)
