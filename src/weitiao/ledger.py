"""The ledger: what happened to each record, a row an event, so that no record ends without a reason."""

from typing import Literal

import polars as pl

Action = Literal["dropped", "changed", "assigned", "refused", "cut", "skipped", "trained", "answered", "made", "failed"]

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "step": pl.String(),
    "action": pl.String(),
    "reason": pl.String(),  # English, short, the same for all rows of a kind: `too short`
    "turn": pl.Int32(),  # which message was changed, from 0; null where the whole record is meant
    "before": pl.String(),  # the text before the change, or of the row that never became a record
    "detail": pl.String(),  # a JSON value with the particulars: the twin's id, a score, `file:line:field`
}


def events(frame: pl.DataFrame) -> pl.DataFrame:
    """Give `frame`, which holds some of the ledger's columns, all of them in order; the others are null."""
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in SCHEMA.items() if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def empty() -> pl.DataFrame:
    """Return a ledger without events."""
    return pl.DataFrame(schema=SCHEMA)
