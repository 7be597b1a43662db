"""A trial: what each step would do to a sample of the records, without writing anything."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from weitiao.step import Batch, Gather, RowStep, Step


@dataclass(frozen=True)
class Example:
    """One text that a step would change (`after` is the new one), or one record that it would drop (`reason`)."""

    id: str
    before: str
    after: str | None = None
    reason: str | None = None
    detail: str | None = None
    twin: str | None = None


@dataclass(frozen=True)
class Tried:
    """What a step did to the sample: records in, changed, dropped, and some of them."""

    step: str
    came: int
    changed: int
    dropped: int
    examples: list[Example]


def chosen(total: int, sample: int, seed: int) -> list[int]:
    """Return the rows of a sample: half of it the first ones, the others drawn from the rest."""
    if total <= sample:
        return list(range(total))
    first = (sample + 1) // 2
    return [*range(first), *sorted(random.Random(seed).sample(range(first, total), sample - first))]


def attempt(steps: Sequence[Step], sample: pl.DataFrame, examples: int, seed: int) -> list[Tried]:
    """Take records through steps and return what each did, with the first `examples` and as many drawn at random."""
    batch, tried = Batch.of(sample), []
    texts = dict(batch.texts().iter_rows())
    for step in steps:
        assert isinstance(step, (RowStep, Gather))
        after = step.apply(batch)
        both = batch.turns.join(after.turns, on=["id", "turn"], how="inner", maintain_order="left")
        rows = both.filter(pl.col("content") != pl.col("content_right")).select("id", "content", "content_right").rows()
        changes = [Example(key, old, new) for key, old, new in rows]
        made = pl.concat(after.events[len(batch.events) :]) if len(after.events) > len(batch.events) else None
        events = made.filter(pl.col("action") == "dropped") if made is not None else pl.DataFrame()
        drops = [_dropped(row, texts) for row in events.iter_rows(named=True)]
        shown = [*_some(changes, examples, seed), *_some(drops, examples, seed)]
        tried.append(Tried(step.step_name(), len(batch.records), len({one.id for one in changes}), len(drops), shown))
        batch = after
        texts |= dict(batch.texts().iter_rows())
    return tried
