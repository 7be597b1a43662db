"""The review stage: the queue is drawn, and what people have decided of it is done to the records."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from weitiao import ledger
from weitiao.doubt import AUDIT
from weitiao.recipe import Recipe
from weitiao.record import Record, to_frame, to_records, without_rejected
from weitiao.review import Review, place
from weitiao.review.decision import Said
from weitiao.review.draw import ALL, key_of, plan, rows
from weitiao.review.tables import stands
from weitiao.stage import Job, Outcome
from weitiao.store import digest

REJECTED, UNDECIDED, EDITED = "rejected in review", "not decided in review", "edited in review"
WAITING = "waits for people"
UNPAIRED = "rejected answer of another question"
WORDS = {"accept": "accepted", "edit": "edited", "reject": "rejected", "skip": "skipped"}
STEP = "review"

Decided = dict[str, tuple[Said, list[Said]]]


def decided(recipe: Recipe, home: Path) -> object:
    """Return what changes when people have decided something more."""
    if not stands(place.address(recipe, home)):
        return [0, None, None]
    with closing(place.desk(recipe, home)) as desk:
        return desk.mark()


def run(job: Job) -> Outcome:
    """Draw the queue, and write the records as people left them; planted answers are in the database alone."""
    settings, parts = job.settings(Review), job.inputs["records"].parts()
    drawn = {name: value for name, value in settings if name not in ("undecided", "lease", "database")}
    state = digest([drawn, job.seed, job.inputs["records"].manifest["output"]])
    with closing(place.desk(job.recipe, job.folder.parent)) as desk:
        lot = ALL if settings.queue == "all" else AUDIT
        planned = plan(parts, settings, job.seed)
        desk.draw(state, rows(parts, planned, settings.queue == "all"))
        work = _Work(desk.decided(), {one.id: one.name for one in desk.people()}, settings.undecided)
        status = desk.status()
    queued = planned.filter(~pl.col("planted")).select("part", "row", pl.col("why").fill_null(lot))
    for index, path in enumerate(parts):
        own = dict(queued.filter(pl.col("part") == index).select("row", "why").iter_rows())
        frame, events = work.part(pl.read_parquet(path), own)
        job.draft.write(index, frame, ledger.events(pl.DataFrame(events, schema=ledger.SCHEMA)))
    total = sum(_height(path) for path in parts)
    waiting = work.open if settings.undecided == "wait" else 0
    said = {name: f"{count:,}" for name, count in (work.counts() | {"waiting": waiting}).items()}
    facts = {
        **{name: status[name] for name in ("queued", "planted", "reasons", "audit", "accepted", "verdicts")},
        "waiting": waiting,
        "brief": waiting > 0,
        "said": {"queued": f"{len(queued):,}", **said},
    }
    return Outcome(total, total - work.gone.total(), dict(work.gone.most_common()), facts)


class _Work:
    """What the decisions do to records."""

    def __init__(self, decided: Decided, names: dict[int, str], undecided: str) -> None:
        self.decided, self.names, self.undecided = decided, names, undecided
        self.open = 0
        self.gone: Counter[str] = Counter()
        self.held: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """Return how many were decided, and how, in the words of the `done` line."""
        words = {WORDS[verdict]: self.held[verdict] for verdict in ("accept", "edit", "reject")}
        return {"decided": self.held.total(), **words}

    def part(self, frame: pl.DataFrame, queued: dict[int, str]) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
        """Return the records of a part that go on, and the events; those not queued are not looked at."""
        places = sorted(queued)
        events: list[dict[str, Any]] = []
        changed: dict[int, Record] = {}
        gone: set[int] = set()
        for row, record in zip(places, to_records(frame[places]), strict=True):
            noted = list(self._settled(record, queued[row]))
            events += [event for event, _ in noted]
            left = noted[-1][1] if noted else record
            if left is None:
                gone.add(row)
            elif left is not record:
                changed[row] = left
        rest = frame.with_row_index("row").cast({"row": pl.Int64})
        kept = rest.filter(~pl.col("row").is_in([*gone, *changed]))
        new = to_frame(list(changed.values())).insert_column(0, pl.Series("row", list(changed), dtype=pl.Int64))
        return pl.concat([kept, new]).sort("row").drop("row"), events

    def _settled(self, record: Record, why: str) -> Iterator[tuple[dict[str, Any], Record | None]]:
        """Yield the events of a queued record, each with the record after it; None where it went."""
        found = self.decided.get(key_of(record))
        if found is None:
            self.open += 1
            if self.undecided == "drop":
                self.gone[UNDECIDED] += 1
                yield _event(record, "dropped", UNDECIDED), None
            elif self.undecided == "wait":
                yield _event(record, "waiting", WAITING), record
            return
        final, said = found
        self.held[final.verdict] += 1
        told = [self._told(one) for one in said]
        who = [one["who"] for one in told if one["verdict"] == final.verdict]
        fact = {"why": why, "verdict": final.verdict, "by": who}
        fact |= {name: final.said[name] for name in ("scores", "tags", "comment") if name in final.said}
        after = replace(record, facts={**record.facts, "review": fact})
        for one in told:
            yield _event(record, "reviewed", WORDS[one["verdict"]], one), after
        if final.verdict == "reject":
            self.gone[REJECTED] += 1
            yield _event(record, "dropped", REJECTED, {"by": who}), None
        elif final.verdict == "edit":
            messages = tuple((turn["role"], turn["content"]) for turn in final.said["messages"])
            after = replace(after, messages=messages)
            for turn, before in _edits(record, messages):
                yield {**_event(record, "changed", EDITED, {"by": who}), "turn": turn, "before": before}, after
            # Who mends an answer likes it more than before; who changes the question has asked for another pair.
            facts, worse = without_rejected(after.facts)
            if worse is not None and messages[:-1] != record.messages[:-1]:
                after = replace(after, facts=facts)
                yield _event(record, "skipped", UNPAIRED, {"by": who, "rejected": worse}), after

    def _told(self, one: Said) -> dict[str, Any]:
        when = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
        kept = {name: value for name, value in one.said.items() if name != "messages"}
        who = {"who": self.names[one.person], "when": when, "verdict": one.verdict}
        return {**who, **({"ruling": True} if one.ruling else {}), **kept}


def _edits(record: Record, messages: tuple[tuple[str, str], ...]) -> Iterator[tuple[int, str]]:
    """Yield which turns an edit changed, added or took away, each with its text before."""
    for turn in range(max(len(record.messages), len(messages))):
        before, after = (texts[turn : turn + 1] for texts in (record.messages, messages))
        if before != after:
            yield turn, before[0][1] if before else ""


def _event(record: Record, action: ledger.Action, reason: str, detail: dict[str, Any] | None = None) -> dict[str, Any]:
    told = None if detail is None else orjson.dumps(detail).decode()
    return {"id": record.id, "step": STEP, "action": action, "reason": reason, "detail": told}


def _height(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())
