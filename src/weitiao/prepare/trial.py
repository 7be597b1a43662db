"""A trial: what each step would do to a sample of the records, with nothing written."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson
import polars as pl

from weitiao import record
from weitiao.gather import Gather, Survey
from weitiao.step import Batch, RowStep, Step

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """The first records and others drawn at random from the rest; where there are few, all."""

    records: pl.DataFrame
    first: int
    total: int

    def about(self, ids: Sequence[str]) -> int:
        """Return how many of all records it is if it is these of the sample; the first ones count for themselves."""
        drawn = len(self.records) - self.first
        early = len(set(ids) & set(self.records["id"].head(self.first)))
        return early + (round((len(ids) - early) / drawn * (self.total - self.first)) if drawn else 0)


@dataclass(frozen=True)
class Example:
    """A text that a step would change to `after`, or a record that it would drop for a `reason`."""

    id: str
    before: str
    after: str | None = None
    reason: str | None = None
    detail: Any = None
    twin: str | None = None  # what the other record says that it is held against


@dataclass(frozen=True)
class Tried:
    """What a step did to the sample, and `about` how many records of all it would change and drop."""

    step: str
    came: int
    changed: int
    dropped: int
    about_changed: int
    about_dropped: int
    sees_all: bool  # it compares records: among all there are more than a sample shows
    examples: list[Example]


def draw(parts: Sequence[Path], total: int, size: int, seed: int) -> Sample:
    """Draw a sample of `size` records from the parts of a stage."""
    first = total if total <= size else (size + 1) // 2
    rows = [*range(first), *sorted(random.Random(seed).sample(range(first, total), min(size, total) - first))]
    found, start = [pl.DataFrame(schema=record.SCHEMA)], 0
    for part in parts:
        frame = pl.read_parquet(part)
        found.append(frame[[row - start for row in rows if start <= row < start + len(frame)]])
        start += len(frame)
    return Sample(pl.concat(found), first, total)


def attempt(steps: Sequence[Step], sample: Sample, examples: int, seed: int) -> list[Tried]:
    """Take a sample through the steps; of each, show the first `examples` changes and drops and as many at random."""
    batch, tried = Batch.of(sample.records), []
    texts: dict[str, str] = dict(batch.texts().iter_rows())
    for step in steps:
        assert isinstance(step, (RowStep, Gather, Survey))
        before = replace(batch, events=())
        after = step.apply(before)
        both = before.turns.join(after.turns, on=["id", "turn"], maintain_order="left")
        both = both.filter(pl.col("content") != pl.col("content_right"))
        changes = [Example(*row) for row in both.select("id", "content", "content_right").iter_rows()]
        gone = after.ledger().filter(pl.col("action") == "dropped").select("id", "reason", "detail")
        drops = [_drop(key, reason, detail, texts) for key, reason, detail in gone.iter_rows()]
        changed, dropped = both["id"].unique().to_list(), gone["id"].to_list()
        shown = [*_some(changes, examples, seed), *_some(drops, examples, seed)]
        counts = (len(before.records), len(changed), len(dropped), sample.about(changed), sample.about(dropped))
        tried.append(Tried(step.step_name(), *counts, isinstance(step, (Gather, Survey)), shown))
        batch = after
        texts |= dict(batch.texts().iter_rows())
    return tried


def _drop(key: str, reason: str, detail: str | None, texts: dict[str, str]) -> Example:
    told = orjson.loads(detail) if detail else None
    twin = texts.get(told["of"]) if isinstance(told, dict) and "of" in told else None
    return Example(key, texts[key], reason=reason, detail=told, twin=twin)


def _some(items: Sequence[T], count: int, seed: int) -> list[T]:
    """Return the first so many, and as many drawn from the rest."""
    rest = range(count, len(items))
    return [*items[:count], *(items[n] for n in sorted(random.Random(seed).sample(rest, min(count, len(rest)))))]
