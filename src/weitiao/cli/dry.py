"""`--dry-run`: what each step of prepare would change or drop, shown on a sample; nothing is written."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from weitiao import pipeline
from weitiao.cli.terminal import Terminal, emit
from weitiao.prepare import Prepare
from weitiao.prepare.trial import Example, Sample, Tried, attempt, draw
from weitiao.recipe import Recipe
from weitiao.talk import t
from weitiao.trace import difference

DryRun = Annotated[bool, typer.Option("--dry-run", help=t("Show on a sample what each step would do; write nothing"))]
SampleSize = Annotated[int, typer.Option("--sample", min=1, help=t("How many records a dry run looks at"))]
Examples = Annotated[int, typer.Option(min=0, help=t("How many examples of each, the first ones and as many drawn"))]

SAMPLE, EXAMPLES = 2000, 3  # unless said otherwise
_SHOWN = 200  # characters of a text


def dry_run(recipe: Recipe, size: int, examples: int, as_json: bool) -> None:
    """Read the source into a place that is gone afterwards, and try the steps on a sample of it."""
    with tempfile.TemporaryDirectory(prefix="weitiao-") as folder:
        done = pipeline.run(recipe, Path(folder), last="source", reporter=Terminal())[-1]
        seed = recipe.project.seed
        sample = draw(done.stored.parts(), done.manifest["kept"], size, seed)
    tried = attempt(recipe.section("prepare", Prepare).steps, sample, examples, seed)
    if as_json:
        whole = {"total": sample.total, "sample": len(sample.records), "first": sample.first}
        emit({**whole, "steps": [asdict(one) for one in tried]})
        return
    for line in _lines(sample, tried):
        print(line)


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
        yield f"{one.step}: " + t(
            "of {came} it would change {changed} and drop {dropped}",
            came=f"{one.came:,}",
            changed=_count(one.changed, one.about_changed, drawn),
            dropped=_count(one.dropped, one.about_dropped, drawn),
        )
        if one.sees_all and drawn:
            yield "  " + t("it compares records, here those of the sample alone: among all it would be more")
        for example in one.examples:
            yield from _example(example)


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
