"""The queue: which records people look at, why, in which order, and the bad answers planted among them."""

import hashlib
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from weitiao.doubt import APART, AUDIT, DISAGREE, NEAR, SENT, UNJUDGED, UNSURE, answered, bad_answers
from weitiao.record import Record, fact, record_id, to_records
from weitiao.review import Review
from weitiao.store import digest

ALL = "all records"
DOUBTS = (SENT, DISAGREE, UNSURE, NEAR, APART, UNJUDGED)  # what people can help with most comes first
CHAT = "chat"  # the fact of a record that somebody has sent from the chat: who, when, which model
_LOTS = ("audit", "double", "control", "place")


def key_of(record: Record) -> str:
    """Return under which key a record stands in the queue: with another text it is another item."""
    return digest([record.id, record.messages])


def plan(parts: Sequence[Path], settings: Review, seed: int) -> pl.DataFrame:
    """Return what is queued, in order: `part, row, why, planted, audited, doubled, rank`, and the lots it was drawn by.

    A lot depends on the seed and the record alone, so that one more record changes nothing for the others.
    """
    frames = [_seen(index, path, seed) for index, path in enumerate(parts)]
    seen = pl.concat(frames) if frames else _empty()
    doubted = pl.col("why").is_not_null() & (pl.col("why") != AUDIT)
    drawn = (pl.col("why") == AUDIT).fill_null(False) | (~doubted.fill_null(False) & (pl.col("audit") < settings.audit))
    whole = settings.queue == "all"
    seen = seen.with_columns(doubted=doubted.fill_null(False), audited=pl.lit(True) if whole else drawn)
    queued = seen.filter(pl.col("doubted") | pl.col("audited"))
    count = math.ceil(settings.controls * len(queued))
    # A record that is not queued itself is altered rather than one whose good answer the same person may have seen.
    able = seen.filter("answered").with_columns(twice=pl.col("doubted") | pl.col("audited"))
    planted = able.sort("twice", "control", "id").head(count).drop("twice")
    both = pl.concat([queued.with_columns(planted=pl.lit(False)), planted.with_columns(planted=pl.lit(True))])
    both = both.with_columns(doubled=(pl.col("double") < settings.double) & ~pl.col("planted"))
    return both.with_columns(rank=_rank(both, whole)).sort("rank")


def rows(parts: Sequence[Path], planned: pl.DataFrame, whole: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows of the queue's table for what was planned, part by part."""
    lot = ALL if whole else AUDIT
    known: set[str] = set()
    for (part,), wanted in planned.sort("part", "row").group_by(["part"], maintain_order=True):
        frame = pl.read_parquet(parts[int(str(part))])
        planted = wanted.filter("planted")
        records = to_records(frame[wanted["row"].unique().sort().to_list()])
        own = dict(zip(wanted["row"].unique().sort().to_list(), records, strict=True))
        others = [one for one in to_records(frame) if answered(one)] if len(planted) else []
        places = {one.id: place for place, one in enumerate(others)}
        for plan in wanted.iter_rows(named=True):
            record = own[plan["row"]]
            if plan["planted"]:
                forms = list(bad_answers(others, places[record.id]))
                kind, text = forms[int(plan["place"] * len(forms))]
                yield _row(_altered(record, kind, text), plan, [lot], record.id, kind)
            elif record.id not in known:  # it is there twice where a file is read twice
                known.add(record.id)
                reasons = [plan["why"]] * plan["doubted"] + [lot] * plan["audited"]
                yield _row(record, plan, reasons, record.id, "")


def sent_row(record: Record, settings: Review, seed: int) -> dict[str, Any]:
    """Return the row of a record that was just sent from the chat, as it will be drawn when the line has read it."""
    doubled = dict(zip(_LOTS, _lots(seed, record.id), strict=True))["double"] < settings.double
    return _row(record, {"rank": 0, "audited": False, "doubled": doubled}, [SENT], record.id, "")


def _row(record: Record, plan: dict[str, Any], reasons: list[str], source: str, planted: str) -> dict[str, Any]:
    return {
        "key": key_of(record),
        "record": record.id,
        "source": source,
        "rank": plan["rank"],
        "reasons": orjson.dumps(reasons).decode(),
        "planted": planted,
        "audited": plan["audited"] and not planted,
        "doubled": plan["doubled"],
        "body": orjson.dumps(record.row_dict()).decode(),
    }


def _altered(record: Record, kind: str, text: str) -> Record:
    """Return a record with a bad answer; it keeps the marks of the good one, as if a judge had been taken in by it."""
    facts = {name: value for name, value in record.facts.items() if name not in ("review", CHAT)}
    messages = (*record.messages[:-1], ("assistant", text))
    own = record_id(f"review/{kind}", 0, record.id.encode())
    return replace(record, id=own, messages=messages, parents=(record.id,), facts=facts)


def _seen(part: int, path: Path, seed: int) -> pl.DataFrame:
    """Return of each record of a part why it was sent here, whether it has an answer, and its lots."""
    last = pl.col("messages").list.last()
    said = (last.struct.field("role") == "assistant") & (last.struct.field("content").str.strip_chars() != "")
    sent = pl.when(fact(CHAT, "when").is_not_null()).then(pl.lit(SENT))
    columns = {"why": sent.otherwise(fact("review", "why")), "answered": said.fill_null(False)}
    frame = pl.scan_parquet(path).select("id", **columns).collect()
    lots = pl.DataFrame(
        [_lots(seed, key) for key in frame["id"]], schema=dict.fromkeys(_LOTS, pl.Float64), orient="row"
    )
    place = {"part": pl.lit(part, pl.Int64), "row": pl.int_range(pl.len(), dtype=pl.Int64)}
    return pl.concat([frame, lots], how="horizontal").with_columns(**place)


def _lots(seed: int, key: str) -> list[float]:
    """Return four numbers from 0 to 1 drawn for a record."""
    drawn = hashlib.blake2b(f"review\n{seed}\n{key}".encode(), digest_size=16).digest()
    return [number / 2**32 for number in struct.unpack("<4I", drawn)]


def _rank(queued: pl.DataFrame, whole: bool) -> pl.Series:
    """Return the places in the queue from 0: doubt by its kind and then by lot, audit and planted evenly among it."""
    order = {why: number for number, why in enumerate(DOUBTS)}
    kind = pl.col("why").replace_strict(order, default=len(DOUBTS), return_dtype=pl.Int64)
    mixed = pl.col("planted") if whole else ~pl.col("doubted") | pl.col("planted")
    kind = pl.when(pl.col("doubted")).then(kind).otherwise(len(DOUBTS) + 1)
    keyed = queued.select("id", "planted", "place", mixed=mixed, kind=pl.when(mixed).then(0).otherwise(kind))
    own = pl.struct("kind", "place", "id").rank("ordinal").over("mixed")
    among = pl.when("mixed").then(pl.col("place")).otherwise((own - 0.5) / pl.len().over("mixed"))
    return keyed.select(
        (pl.struct(among.alias("among"), "id", "planted").rank("ordinal") - 1).cast(pl.Int64)
    ).to_series()


def _empty() -> pl.DataFrame:
    numbers = dict.fromkeys(_LOTS, pl.Float64) | {"part": pl.Int64, "row": pl.Int64}
    return pl.DataFrame(schema={"id": pl.String, "why": pl.String, "answered": pl.Boolean, **numbers})
