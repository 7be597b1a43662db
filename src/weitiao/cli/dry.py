"""`--dry-run`: what each step of prepare would do to a sample, and what a teacher would be asked; nothing is asked."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao import pipeline
from weitiao.cli.teacher import tell_plan, told_plan
from weitiao.cli.terminal import Terminal, emit
from weitiao.errors import UserError
from weitiao.prepare.run import steps_of
from weitiao.prepare.trial import Example, Sample, Tried, attempt, draw
from weitiao.recipe import Recipe
from weitiao.talk import t
from weitiao.trace import difference

_ALL = t("Show on a sample what prepare would do, and what a teacher would be asked at which cost; ask nothing")
DryRun = Annotated[bool, typer.Option("--dry-run", help=_ALL)]
_SAMPLE = t("Show on a sample what the steps would do; write nothing")
DryPrepare = Annotated[bool, typer.Option("--dry-run", help=_SAMPLE)]
_ASK = t("Show what would be asked at which cost; ask nothing")
DryAsk = Annotated[bool, typer.Option("--dry-run", help=_ASK)]
SampleSize = Annotated[int, typer.Option("--sample", min=1, help=t("How many records a dry run looks at"))]
Examples = Annotated[int, typer.Option(min=0, help=t("How many examples of each, the first ones and as many drawn"))]

SAMPLE, EXAMPLES = 2000, 3  # unless said otherwise
_SHOWN = 200  # characters of a text


def try_prepare(recipe: Recipe, size: int, examples: int, as_json: bool) -> None:
    """Print what the steps of prepare would do to a sample of what the source gives."""
    sample, tried = _tried(recipe, size, examples)
    if as_json:
        emit(_told(sample, tried))
        return
    for line in _lines(sample, tried):
        print(line)


def try_all(recipe: Recipe, runs: Path | None, last: str | None, as_json: bool) -> None:
    """Print what prepare would do to a sample, and then what the stages up to `last` would ask a teacher."""
    names = [stage.name for stage in pipeline.chosen(recipe, None, last)]
    asks = bool(set(names) & set(pipeline.TEACHING))
    if not asks and "prepare" not in names:
        told = t("There is nothing to try: no stage here prepares records or asks a teacher")
        raise UserError(told, t("Stages that do: {names}", names=", ".join(("prepare", *pipeline.TEACHING))))
    whole: dict[str, Any] = {}
    if "prepare" in names:
        sample, tried = _tried(recipe, SAMPLE, EXAMPLES)
        whole["prepare"] = _told(sample, tried)
        for line in () if as_json else _lines(sample, tried):
            print(line)
    if asks:
        plans = pipeline.preview(recipe, runs, last=last, reporter=Terminal())
        whole["plan"] = told_plan(plans)
        if not as_json:
            print() if "prepare" in names else None
            tell_plan(plans, False)
    if as_json:
        emit(whole)


def _tried(recipe: Recipe, size: int, examples: int) -> tuple[Sample, list[Tried]]:
    """Read the source into a place that is gone afterwards, and try the steps on a sample of it."""
    seed = recipe.project.seed
    with tempfile.TemporaryDirectory(prefix="weitiao-") as folder:
        job = pipeline.upcoming(recipe, Path(folder), "prepare", reporter=Terminal())
        records = job.inputs["records"]
        sample = draw(records.parts(), records.manifest["kept"], size, seed)
        return sample, attempt(steps_of(job), sample, examples, seed)


def _told(sample: Sample, tried: list[Tried]) -> dict[str, Any]:
    whole = {"total": sample.total, "sample": len(sample.records), "first": sample.first}
    return {**whole, "steps": [asdict(one) for one in tried]}


def _lines(sample: Sample, tried: list[Tried]) -> Iterator[str]:
    drawn = len(sample.records) - sample.first
    if drawn:
        yield t(
            "A sample: the first {first} of {total} records and {drawn} drawn at random; counts for all are estimates",
            first=f"{sample.first:,}",
            total=f"{sample.total:,}",
            drawn=f"{drawn:,}",
        )
    else:
        yield t("All {total} records were tried", total=f"{sample.total:,}")
    for one in tried:
        yield ""
        yield f"{one.step}: " + _would(one, drawn)
        if one.sees_all and drawn:
            yield "  " + t("it compares records, here those of the sample alone: among all it would be more")
        for example in one.examples:
            yield from _example(example)


def _would(one: Tried, drawn: int) -> str:
    changed = _count(one.changed, one.about_changed, drawn)
    dropped = _count(one.dropped, one.about_dropped, drawn)
    came = f"{one.came:,}"
    if one.changed and one.dropped:
        return t("of {came} it would change {changed} and drop {dropped}", came=came, changed=changed, dropped=dropped)
    if one.changed:
        return t("of {came} it would change {changed}", came=came, changed=changed)
    if one.dropped:
        return t("of {came} it would drop {dropped}", came=came, dropped=dropped)
    return t("it would leave all {came} as they are", came=came)


def _count(count: int, about: int, drawn: int) -> str:
    return f"{count:,}" + (t(" (about {count} of all)", count=f"{about:,}") if drawn and count else "")


def _example(example: Example) -> Iterator[str]:
    if example.after is not None:
        yield f"  {example.id}  {difference(example.before, example.after)}"
        return
    told = example.detail if isinstance(example.detail, dict) else {}
    rule = "{setting} {score:g} {goes} {threshold:g}".format(**told) if told.get("threshold") is not None else ""
    yield f"  {example.id}  - {_short(example.before)}  ({t(example.reason or '')}{rule and ': '}{rule})"
    if example.twin is not None:
        yield f"  {' ' * len(example.id)}  = {_short(example.twin)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
