"""What is known before training starts: how much there is to train on, and what it will take."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from weitiao.model.load import base_of
from weitiao.model.loss import PackedLoss, pack
from weitiao.stage import Reporter
from weitiao.talk import t
from weitiao.train import fit
from weitiao.train.defaults import FEW
from weitiao.train.loop import Task

# Tokens of the packs that are timed: enough to keep the processor busy, few enough for a large model on a laptop.
_TRIALS = (96, 960)


@dataclass(frozen=True)
class Plan:
    """The figures of a training, for plan.json, the manifest and the screen."""

    rows: int
    held_out: int
    tokens: int
    supervised: int
    cut: int
    dropped: int
    stops_trained: int  # rows all of whose answers end in a stop token that carries loss
    longest: int
    steps: int
    packs: int
    fill: float
    trained: int
    parameters: int
    memory_gb: float
    seconds: float
    device: str
    dtype: str
    template: str
    stop_ids: list[int]
    targets: list[str]
    method: str
    bits: int | None
    gradient_checkpointing: bool
    processes: int


def make(task: Task) -> Plan:
    """Work the figures out."""
    rows, model = task.rows.train, task.model
    lengths = [len(row.encoded.ids) for row in rows]
    packs = [records for step in task.steps for records in step.packs]
    laid = sum(lengths[index] for records in packs for index in records)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    base = base_of(model)
    adapted = task.settings.method != "full"
    return Plan(
        rows=len(rows),
        held_out=len(task.rows.validation),
        tokens=sum(lengths),
        supervised=sum(row.supervised for row in rows),
        cut=sum(row.cut > 0 for row in rows),
        dropped=len(task.rows.dropped),
        stops_trained=sum(row.encoded.stops == row.encoded.turns for row in rows),
        longest=max(lengths),
        steps=len(task.steps),
        packs=len(packs),
        fill=round(laid / (len(packs) * task.settings.max_length), 4),
        trained=trained,
        parameters=base.num_parameters() - (trained if adapted else 0),
        memory_gb=round(_memory(task) / 1e9, 2),
        seconds=round(_seconds(task), 1),
        device=str(model.device),
        dtype=str(base.dtype).removeprefix("torch."),
        template=task.template.name,
        stop_ids=list(task.template.stop_ids),
        targets=sorted(model.peft_config["default"].target_modules) if adapted else [],
        method=task.settings.method,
        bits=task.settings.bits,
        gradient_checkpointing=task.settings.gradient_checkpointing,
        processes=task.shared.num_processes,
    )


def say(plan: Plan, task: Task, reporter: Reporter) -> None:
    """Say the figures, and what is odd about them."""
    figures = asdict(plan) | {
        "share": plan.supervised / plan.tokens,
        "part": plan.trained / plan.parameters,
        "template": t(plan.template),
        "why": t(_why(plan, task)),
    }
    if plan.cut or plan.dropped:
        reporter.say(
            t("{cut:,} records cut to {most:,} tokens, {dropped:,} dropped", most=task.settings.max_length, **figures)
        )
    for line in (
        t(
            "{rows:,} records, {tokens:,} tokens, {share:.0%} of them carry loss; the longest has {longest:,}",
            **figures,
        ),
        t("{stops_trained:,} of {rows:,} records train every stop token; template: {template}", **figures),
        t("{steps:,} steps, {packs:,} packs, {fill:.0%} full; {held_out:,} records held out", **figures),
        t("{trained:,} parameters trained: {part:.2%} of the {parameters:,} of the model", **figures),
        t("{device}, {dtype} weights ({why}), about {memory_gb:.1f} GB and {seconds:,.0f} s, estimated", **figures),
    ):
        reporter.say(line)
    if plan.processes > 1:
        reporter.say(t("{processes} processes share each step", **figures))
    if plan.steps < FEW:
        reporter.say(
            t("Warning: {steps} steps change little; smaller packs (max_length) or more epochs give more", **figures)
        )
    if melted := sum(row.encoded.melted > 0 for row in task.rows.train):
        reporter.say(t("Warning: {count} answers begin with blanks that melt into the prompt; trim them", count=melted))
    if any(".experts." in name and not value.requires_grad for name, value in task.model.named_parameters()):
        reporter.say(t("The experts stay as they are; what is trained: {targets}", targets=", ".join(plan.targets)))
    if not plan.held_out:
        reporter.say(t("No record is held out (part `validation`): no held-out loss is measured"))
    positions = base_of(task.model).config.get_text_config().max_position_embeddings
    if positions and plan.longest > positions:
        reporter.say(
            t(
                "Warning: the longest record has {longest} tokens, the model has read {positions} at most",
                longest=plan.longest,
                positions=positions,
            )
        )


def _why(plan: Plan, task: Task) -> str:
    """Say why the frozen weights have the number format they have."""
    if task.settings.dtype != "auto":
        return "as set"
    return (
        "the machine computes in it" if plan.dtype == "bfloat16" else "the model is small, or there is no fast bfloat16"
    )


def _seconds(task: Task) -> float:
    """Estimate how long it will take, from two small packs there and back, twice; their gradients are thrown away.

    The quicker time counts: the first has things to set up, and other work on the machine only ever slows. A pack costs
    something whatever its length, most of all with weights in 4 bits: they are made whole for each.
    """
    lengths = [len(row.encoded.ids) for row in task.rows.train]
    some, more = (_first(lengths, size) for size in _TRIALS)
    short, long = (min(_pass(task, count), _pass(task, count)) for count in (some, more))
    few, many = sum(lengths[:some]), sum(lengths[:more])
    each = max(0.0, long - short) / (many - few) if many > few else long / many
    once = max(0.0, long - each * many)
    packs = [sum(lengths[index] for index in records) for step in task.steps for records in step.packs]
    looks = 2 * sum(lengths) if task.settings.record_losses else 0
    held = sum(len(one.ids) for one in task.rows.validation) * (1 + sum(step.ends_epoch for step in task.steps))
    read = looks + held
    passes = len(packs) + read / task.settings.max_length / 3
    # There alone is about a third of there and back.
    processes: int = task.shared.num_processes
    return (once * passes + each * (sum(packs) + read / 3)) / processes


def _first(lengths: Sequence[int], tokens: int) -> int:
    """Return how many of the first records have so many tokens together."""
    return next((n for n, size in enumerate(accumulate(lengths), 1) if size >= tokens), len(lengths))


def _pass(task: Task, count: int) -> float:
    """Return the seconds that a pack of the first records takes there and back."""
    loss = PackedLoss(task.model).train()
    item = pack([row.encoded for row in task.rows.train[:count]], range(count)).to(task.model.device)
    start = time.monotonic()
    loss(item).mean().backward()
    taken = time.monotonic() - start
    task.model.zero_grad(set_to_none=True)
    return taken


def _memory(task: Task) -> float:
    """Return the peak in bytes, by arithmetic."""
    model: Any = base_of(task.model)
    lengths = [len(row.encoded.ids) for row in task.rows.train]
    pack = max(sum(lengths[index] for index in records) for step in task.steps for records in step.packs)
    on_gpu = model.device.type == "cuda"
    shape = fit.shape(model.config)
    return fit.memory(shape, task.settings, pack, fit.Numbers(model.dtype.itemsize, task.autocast, on_gpu)).total
