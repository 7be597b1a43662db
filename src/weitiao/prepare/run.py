"""The prepare stage: steps in passes over the parts, side by side; where a step sees all records, all wait."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from weitiao import ledger
from weitiao.engine import Engine, local
from weitiao.gather import Gather, Gathered, Survey
from weitiao.prepare import Prepare, material
from weitiao.prepare.conceal import concealed
from weitiao.stage import Job, Outcome, Reporter
from weitiao.step import Around, Batch, RowStep, Step
from weitiao.store import Draft, write_parquet, write_whole
from weitiao.talk import t

_FOUND = "found.parquet"  # what a survey has found
Row = dict[str, Any]  # one line of the funnel: step, in, changed, dropped, out


def run(job: Job) -> Outcome:
    """Take the records through the steps of the recipe."""
    funnel = prepare(steps_of(job), job.inputs["records"].parts(), job.draft, job.reporter, job.engine)
    total, kept = (funnel[0]["in"], funnel[-1]["out"]) if funnel else (job.inputs["records"].manifest["kept"],) * 2
    refused: dict[str, int] = {}
    for row in funnel:
        for reason, count in row["dropped"].items():
            refused[reason] = refused.get(reason, 0) + count
    coverage = [orjson.loads(path.read_bytes()) for path in sorted(job.folder.glob(".pass-*/.judging-*/coverage.json"))]
    for one in coverage:
        text = (
            "Picked {picked} of {of}: a record is {mean} from the nearest picked one on average, 95 % within {p95}; "
            "from a random pick {random_mean}, {random_p95}"
        )
        job.reporter.say(t(text, **one))
    return Outcome(total, kept, refused, {"funnel": funnel} | ({"coverage": coverage} if coverage else {}))


def steps_of(job: Job) -> list[Step]:
    """Return the steps of the recipe in their surroundings."""
    parts = {name: tuple(job.inputs[key].parts()) for key, name in material(job.recipe).items()}
    around = Around(job.recipe.folder, parts)
    return [step.within(around) for step in job.settings(Prepare).steps]


@dataclass(frozen=True)
class _Pass:
    """Steps that one reading of the records can do: first those that see a record, then those that see all.

    A survey closes one pass, and opens the next with what it has found.
    """

    rows: tuple[RowStep | Survey, ...] = ()
    gathers: tuple[Gather | Survey, ...] = ()


@dataclass(frozen=True)
class _Chunk:
    """One part in one pass."""

    index: int
    source: Draft | Path  # the pass before, or the part as it came in
    target: Draft
    work: _Pass
    judged: tuple[tuple[Gather | Survey, Path], ...] = ()  # what the gathers of the pass before have found
    hiding: tuple[Step, ...] = ()  # of the last pass: what these take out stands in no ledger


def prepare(
    steps: Sequence[Step], parts: Sequence[Path], draft: Draft, reporter: Reporter, engine: Engine = local
) -> list[Row]:
    """Write the records of `parts` after `steps`, and the ledger, into `draft`; return the funnel, a row a step.

    What an interrupted try has finished is not done again. The result depends neither on the number of
    workers nor on the engine.
    """
    engine.check([draft.folder])
    passes = _passes(steps)
    judged: tuple[tuple[Gather | Survey, Path], ...] = ()
    before: Draft | None = None
    funnel: list[Row] = []
    for number, work in enumerate(passes):
        aside = Draft(draft.scratch(f"pass-{number}"), lasting=False)
        is_last = number == len(passes) - 1
        target = draft if is_last else aside
        hiding = tuple(step for step in steps if step.hiding_marks and is_last)
        chunks = [_Chunk(i, before or part, target, work, judged, hiding) for i, part in enumerate(parts)]
        waiting = [chunk for chunk in chunks if not target.part(chunk.index).exists()]
        for _ in reporter.track(engine.run(_advance, waiting), len(waiting), "parts prepared"):
            pass
        counts = [orjson.loads(_counts(target, index).read_bytes()) for index in range(len(parts))]
        funnel += [_summed(rows) for rows in zip(*counts, strict=True)]
        judged = _judge(work.gathers, target, len(parts), engine)
        before = aside
    _check(funnel)
    return funnel


def _passes(steps: Iterable[Step]) -> list[_Pass]:
    passes = [_Pass()]
    for step in steps:
        last = passes[-1]
        if isinstance(step, Survey):
            if last.gathers:
                passes.append(last := _Pass())
            passes[-1:] = [_Pass(last.rows, (step,)), _Pass((step,))]
        elif isinstance(step, Gather):
            passes[-1] = _Pass(last.rows, (*last.gathers, step))
        else:
            assert isinstance(step, RowStep)
            if last.gathers:
                passes.append(_Pass((step,)))
            else:
                passes[-1] = _Pass((*last.rows, step))
    return [*passes, _Pass()] if passes[-1].gathers else passes


def _advance(chunk: _Chunk) -> None:
    """Take one part through one pass; the part itself is written last, so that one that is there is finished."""
    index, source = chunk.index, chunk.source
    frame = pl.read_parquet(source if isinstance(source, Path) else source.part(index))
    events = [] if isinstance(source, Path) else [pl.read_parquet(source.ledger_part(index))]
    counts: list[Row] = []
    for gather, folder in chunk.judged:
        if isinstance(gather, Survey):
            continue
        before = len(frame)
        noted = pl.read_parquet(folder / f"{index:05d}.parquet")
        gone = noted.filter(pl.col("action") == "dropped").select("id")
        # Only what goes is taken apart.
        going = replace(Batch.of(frame.join(gone, on="id", how="semi")), events=tuple(events)).without(noted)
        frame = frame.join(gone, on="id", how="anti", maintain_order="left")
        events = [*going.events]
        counts.append(_row(gather, before, noted, len(frame)))
    if chunk.work.rows or chunk.work.gathers:
        batch = replace(Batch.of(frame), events=tuple(events))
        for step in chunk.work.rows:
            if isinstance(step, Survey):
                after = step.change(batch, pl.read_parquet(chunk.judged[0][1] / _FOUND))
            else:
                after = step.apply(batch)
            made = pl.concat([ledger.empty(), *after.events[len(batch.events) :]])
            counts.append(_row(step, len(batch.records), made, len(after.records)))
            batch = after
        frame, events = batch.frame(), [*batch.events]
        for number, gather in enumerate(chunk.work.gathers):
            write_parquet(_columns(chunk.target, number, index), gather.columns(batch), lasting=False)
    write_whole(_counts(chunk.target, index), orjson.dumps(counts))
    chunk.target.write(index, frame, concealed(pl.concat([ledger.empty(), *events]), frame, chunk.hiding))
    if isinstance(source, Draft):
        source.empty(index)


def _judge(
    gathers: Sequence[Gather | Survey], target: Draft, parts: int, engine: Engine
) -> tuple[tuple[Gather | Survey, Path], ...]:
    """Let each gather see its columns of all records that those before it have left; write its events part by part."""
    judged: list[tuple[Gather | Survey, Path]] = []
    for number, gather in enumerate(gathers):
        folder = target.scratch(f"judged-{number}")
        if not (folder / "whole").exists() and parts:
            columns = tuple(_columns(target, number, index) for index in range(parts))
            gathered = Gathered(columns, tuple(earlier for _, earlier in judged), target.scratch(f"judging-{number}"))
            if isinstance(gather, Survey):
                write_parquet(folder / _FOUND, gather.found(gathered.all()))
            else:
                _sort_out(ledger.events(gather.noted(gather.judge_parts(gathered, engine))), gathered, folder)
            write_whole(folder / "whole", b"")
            for path in columns:  # they are large, and nobody reads them again
                path.unlink()
        judged.append((gather, folder))
    return tuple(judged)


def _sort_out(events: pl.DataFrame, gathered: Gathered, folder: Path) -> None:
    """Write the events of each part's records into a file of their own."""
    keys = events["id"].hash().to_numpy()
    order = np.argsort(keys)
    for index, path in enumerate(gathered.parts):
        ids = gathered.part(index, "id")
        wanted = ids["id"].hash().to_numpy()
        start, end = (np.searchsorted(keys, wanted, side, sorter=order) for side in ("left", "right"))
        rows = order[
            np.repeat(start - np.cumsum(end - start) + end - start, end - start) + np.arange((end - start).sum())
        ]
        write_parquet(folder / path.name, ids.join(events[rows], on="id", how="inner", maintain_order="left"))


def _counts(target: Draft, index: int) -> Path:
    return target.scratch("counts") / f"{index:05d}.json"


def _columns(target: Draft, number: int, index: int) -> Path:
    return target.scratch(f"columns-{number}") / f"{index:05d}.parquet"


def _row(step: Step, before: int, events: pl.DataFrame, after: int) -> Row:
    dropped = events.filter(pl.col("action") == "dropped").group_by("reason", maintain_order=True).len()
    changed = events.filter(pl.col("action") == "changed")["id"].n_unique()
    return {"step": step.step_name(), "in": before, "changed": changed, "dropped": dict(dropped.rows()), "out": after}


def _summed(rows: Sequence[Row]) -> Row:
    """Add up one step's row over the parts."""
    dropped: dict[str, int] = {}
    for row in rows:
        for reason, count in row["dropped"].items():
            dropped[reason] = dropped.get(reason, 0) + count
    total = {key: sum(row[key] for row in rows) for key in ("in", "changed", "out")}
    return {
        "step": rows[0]["step"],
        "in": total["in"],
        "changed": total["changed"],
        "dropped": dropped,
        "out": total["out"],
    }


def _check(funnel: Sequence[Row]) -> None:
    """Hold that at each step the records that came in went on or were dropped for a reason."""
    for row in funnel:
        assert row["in"] == row["out"] + sum(row["dropped"].values()), f"records lost: {row}"
    for one, other in pairwise(funnel):
        assert one["out"] == other["in"], f"records lost between {one} and {other}"
