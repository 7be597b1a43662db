"""The balance of a stage: what came in or was made is what went on and what the ledger lets go, to the record."""

from collections import Counter
from pathlib import Path

import polars as pl

from weitiao import ledger
from weitiao.stage import Outcome
from weitiao.store import Stored

_GONE = ("dropped", "refused")


def check(stage: str, outcome: Outcome, came: Stored, went: Stored) -> None:
    """Hold that the counts of a stage, its funnel, its ledger and its records tell the same.

    Raises AssertionError: a record that is lost, or gone without a reason, is a bug.
    """
    gone = _gone(went.folder)
    reasons: Counter[str] = Counter()
    for (_, reason), count in gone.items():
        reasons[reason] += count
    _same(stage, "reasons", Counter(outcome.refused), reasons)
    if funnel := outcome.facts.get("funnel"):
        steps: Counter[tuple[str, str]] = Counter()
        for row in funnel:
            steps.update({(row["step"], reason): count for reason, count in row["dropped"].items()})
        _same(stage, "steps", steps, gone)
    here, left = _sum(came.folder, "part-*.parquet"), _sum(went.folder, "part-*.parquet")
    lost, made = (_sum(went.folder, "ledger-*.parquet", pl.col("action").is_in(kinds)) for kinds in (_GONE, ["made"]))
    if new := outcome.total - here[0]:  # a stage that makes records lets go of new ones alone
        _same(stage, "new records", new, made[0] + lost[0])
        _same(stage, "records", _added(here, made), left)
    else:
        _same(stage, "records", here, _added(lost, left))
    _same(stage, "kept records", outcome.kept, left[0])


def _added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _same(stage: str, what: str, counted: object, found: object) -> None:
    if counted != found:
        raise AssertionError(f"{stage}: the {what} do not add up: {counted} against {found} on disk")


def _gone(folder: Path) -> Counter[tuple[str, str]]:
    """Return how many the ledger lets go, by step and reason."""
    rows = pl.scan_parquet(paths) if (paths := sorted(folder.glob("ledger-*.parquet"))) else ledger.empty().lazy()
    gone = rows.filter(pl.col("action").is_in(_GONE)).group_by("step", "reason").len().collect(engine="streaming")
    return Counter({(step, reason): count for step, reason, count in gone.iter_rows()})


def _sum(folder: Path, files: str, which: pl.Expr | bool = True) -> tuple[int, int]:
    """Return how many rows the files have, and a sum over their ids that any other ids would miss."""
    if not (paths := sorted(folder.glob(files))):
        return 0, 0
    ids = pl.scan_parquet(paths).filter(which).select(pl.len(), (pl.col("id").hash(seed=1) & 0xFFFFFFFF).sum())
    count, total = ids.collect(engine="streaming").row(0)
    return count, total
