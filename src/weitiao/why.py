"""why: what was let go for one reason, borderline cases first, and how many more or fewer it would be elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from weitiao.errors import UserError
from weitiao.ledger import beyond
from weitiao.talk import t
from weitiao.trace import dropped_messages, stages

_GONE = ("dropped", "refused", "skipped")
_LIMIT = ("stage", "step", "setting", "goes", "threshold")


@dataclass(frozen=True)
class Limit:
    """One threshold of one step, or None where a reason has none: how many went for it, and how many just stayed.

    Those `at_any` threshold were scored as the others of the step, and go whatever it is.
    Tried `at` another, `back` of them would pass it and `gone` more would go, or at least so many: the ledger notes
    those that stayed only so far.
    """

    stage: str
    step: str
    setting: str | None
    goes: str | None
    threshold: float | None
    dropped: int
    spared: int
    at: float | None = None
    back: int = 0
    gone: int = 0
    at_least: bool = False
    at_any: bool = False


@dataclass(frozen=True)
class Case:
    """One record that went, or just stayed, for a reason; `twin` is the record that it is held against."""

    stage: str
    step: str
    action: str
    id: str
    setting: str | None
    score: float | None
    goes: str | None
    threshold: float | None
    text: str
    twin: str | None
    twin_text: str


@dataclass(frozen=True)
class Why:
    """All limits that a reason has in a run, and the cases nearest to them."""

    reason: str
    limits: list[Limit]
    cases: list[Case]


def why(run: Path, wanted: str, at: Mapping[str, float], most: int) -> Why:
    """Return what the ledger of a run knows of a reason, its words or the name of its step.

    `at` gives other thresholds by setting, "" for all; then the `most` cases are those that it would turn.
    """
    events, reason = _events(run, wanted)
    limits = [_limit(key, rows, at) for key, rows in events.group_by(_LIMIT, maintain_order=True)]
    if unknown := set(at) - {"", *(limit.setting for limit in limits)}:
        known = ", ".join(dict.fromkeys(limit.setting for limit in limits if limit.setting))
        raise UserError(t("`{reason}` has no threshold `{name}`", reason=reason, name=unknown.pop()), known)
    if at and not any(limit.at is not None for limit in limits):
        raise UserError(t("`{reason}` goes by no threshold: there is nothing to try", reason=reason))
    cases = _nearest(events, at, most)
    return Why(reason, limits, list(_cases(run, cases.to_dicts())))


def _events(run: Path, wanted: str) -> tuple[pl.DataFrame, str]:
    """Return what was let go or spared for a reason, and the reason in the ledger's words."""
    detail, found = pl.col("detail"), []
    for stage, stored in stages(run).items():
        if paths := sorted(stored.folder.glob("ledger-*.parquet")):
            kept = pl.scan_parquet(paths).filter(pl.col("action").is_in([*_GONE, "spared"]))
            found.append(kept.with_columns(stage=pl.lit(stage)))
    every = pl.concat(found) if found else pl.LazyFrame(schema={"step": pl.String, "reason": pl.String})
    counts = every.group_by("step", "reason").len().sort("len", descending=True).collect(engine="streaming")
    names = [
        (step, reason)
        for step, reason, _ in counts.iter_rows()
        if _plain(wanted) in map(_plain, (reason, t(reason), step))
    ]
    if not names:
        known = ", ".join(dict.fromkeys(counts["reason"]))
        raise UserError(
            t("Nothing in {run} went for `{reason}`", run=run, reason=wanted),
            known and t("It knows {names}", names=known),
        )
    reasons = {reason for _, reason in names}
    rows = every.filter(pl.col("reason").is_in(list(reasons))).select(
        "stage",
        "step",
        "action",
        "id",
        *(detail.str.json_path_match(f"$.{name}").alias(name) for name in ("setting", "goes", "of")),
        *(
            detail.str.json_path_match(f"$.{name}").cast(pl.Float64, strict=False).alias(name)
            for name in ("score", "threshold", "noted_to")
        ),
    )
    return rows.collect(engine="streaming"), ", ".join(sorted(reasons))


def _plain(text: str) -> str:
    return text.lower().replace("-", " ").replace("_", " ").strip()


def _other(at: Mapping[str, float], setting: str | None) -> float | None:
    return None if setting is None else at.get(setting, at.get(""))


def _limit(key: tuple[Any, ...], rows: pl.DataFrame, at: Mapping[str, float]) -> Limit:
    stage, step, setting, side, threshold = key
    spared = int((rows["action"] == "spared").sum())
    made = Limit(stage, step, setting, side, threshold, len(rows) - spared, spared)
    if threshold is None and rows.select((pl.col("score").is_not_null() & pl.col("of").is_not_null()).any()).item():
        return replace(made, at_any=True)
    other = _other(at, made.setting)
    if other is None or made.goes is None:
        return made
    turned = rows.filter(_turned(pl.lit(other)))["action"]
    noted = rows["noted_to"]
    beyond_noted = bool((noted < other).any() if made.goes.startswith("<") else (noted > other).any())
    gone = int((turned == "spared").sum())
    return replace(made, at=other, back=len(turned) - gone, gone=gone, at_least=beyond_noted)


def _turned(other: pl.Expr) -> pl.Expr:
    """Return true for what another threshold would let go that stayed, or keep that went."""
    would_go = beyond(pl.col("goes"), pl.col("score"), other)
    return pl.col("threshold").is_not_null() & (would_go == (pl.col("action") == "spared"))


def _nearest(events: pl.DataFrame, at: Mapping[str, float], most: int) -> pl.DataFrame:
    """Return the cases nearest to their threshold; those that another one would turn, where there is one."""
    if at:
        tried = []
        for (setting,), rows in events.drop_nulls("setting").group_by("setting", maintain_order=True):
            if (other := _other(at, setting)) is not None:
                tried.append(rows.filter(_turned(pl.lit(other))))
        events = pl.concat(tried)
    gap = (pl.col("score") - pl.col("threshold")).abs() / pl.col("threshold").abs().clip(1e-9)
    return events.sort(gap, "score", nulls_last=True, maintain_order=True).head(most)


def _cases(run: Path, rows: list[dict[str, Any]]) -> Iterator[Case]:
    """Give each event the texts that it is about."""
    said = {
        stage: _texts(
            run, stage, {key for row in rows if row["stage"] == stage for key in (row["id"], row["of"]) if key}
        )
        for stage in {row["stage"] for row in rows}
    }
    for row in rows:
        texts = said[row["stage"]]
        named = {name: row[name] for name in ("stage", "step", "action", "id", "setting", "score", "goes", "threshold")}
        yield Case(**named, text=texts.get(row["id"], ""), twin=row["of"], twin_text=texts.get(row["of"], ""))


def _texts(run: Path, stage: str, ids: set[str]) -> dict[str, str]:
    """Return what records said at a stage: as it let them go, else as they left it, else as they came to it."""
    found: dict[str, str] = {}
    until = list(stages(run).items())
    until = until[: [name for name, _ in until].index(stage) + 1]
    here = pl.col("id").is_in(list(ids))
    gone = pl.col("action").is_in(_GONE) & pl.col("before").is_not_null()
    for path in sorted(until[-1][1].folder.glob("ledger-*.parquet")):
        for key, before in pl.scan_parquet(path).filter(here & gone).select("id", "before").collect().iter_rows():
            messages = dropped_messages(before)
            found.setdefault(key, "\n".join(one["content"] for one in messages) if messages else before)
    for _, stored in reversed(until):
        for path in stored.parts() if ids - found.keys() else []:
            rows = pl.scan_parquet(path).filter(here).select("id", "messages").collect()
            for key, messages in rows.iter_rows():
                found.setdefault(key, "\n".join(message["content"] for message in messages))
    return found
