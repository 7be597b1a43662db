"""The ledger: what happened to each record, a row an event, so that no record ends without a reason.

What is dropped for a score says so in its `detail`, and so does what just stayed (action `spared`), so that another
threshold can be tried on the ledger alone (`weitiao ledger why REASON --at THRESHOLD`):

    {"setting": "min_chars", "score": 3, "goes": "<", "threshold": 4, "noted_to": 6, …}

`setting` is the field of the step that holds the threshold, `goes` says on which side of it a record goes; where the
`threshold` is null the record goes at any. What stayed is noted up to the score `noted_to`, the `NEAR` nearest of a
part at most. A step gets all this by giving its scores: `DropByScore.scores`, or `Gather.judge` with a column `score`
(columns `id, setting, score, threshold`; any others, such as `of`, the id of the twin, go into the detail too).
"""

from typing import Literal

import polars as pl

Action = Literal[
    "dropped",
    "spared",
    "changed",
    "assigned",
    "reviewed",
    "waiting",
    "refused",
    "cut",
    "skipped",
    "trained",
    "answered",
    "made",
    "failed",
]
Goes = Literal["<", "<=", ">", ">="]

NEAR = 100  # records of a part that just stayed, by setting

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "step": pl.String(),
    "action": pl.String(),
    "reason": pl.String(),  # English, short, the same for all rows of a kind: `too short`
    "turn": pl.Int32(),  # which message was changed, from 0; null where the whole record is meant
    # The text before the change, or of the row that never became a record; of a record that was changed before it was
    # dropped, what was dropped, as JSON: {"messages": [{"role": …, "content": …}, …]}.
    "before": pl.String(),
    "detail": pl.String(),  # a JSON value with the particulars: the twin's id, a score, `file:line:field`
}
_SCORE = ("setting", "score", "goes", "threshold", "noted_to")


def events(frame: pl.DataFrame) -> pl.DataFrame:
    """Give `frame`, which holds some of the ledger's columns, all of them in order; the others are null."""
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in SCHEMA.items() if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def empty() -> pl.DataFrame:
    """Return a ledger without events."""
    return pl.DataFrame(schema=SCHEMA)


def beyond(goes: pl.Expr, score: pl.Expr, threshold: pl.Expr) -> pl.Expr:
    """Return true where a record of this score goes; no threshold lets all go, no score none."""
    rule = pl.when(goes == "<").then(score < threshold).when(goes == "<=").then(score <= threshold)
    rule = rule.when(goes == ">").then(score > threshold).when(goes == ">=").then(score >= threshold)
    return (score.is_not_null() & threshold.is_null()) | rule.fill_null(False)


def weighed(scores: pl.DataFrame, side: Goes) -> pl.DataFrame:
    """Tell what goes for its score from what just stays: `id, action, detail`.

    `scores` has `id, setting, score, threshold`, a row for each score of a record; in `goes` on which side of its
    threshold it goes, where that is not `side`; and in `noted_to` how far the scores of those that stay were looked
    for, else that is half the threshold beyond it. A record goes once, for the first of its scores that is beyond.
    """
    goes, score, threshold = pl.col("goes"), pl.col("score"), pl.col("threshold")
    below = goes.str.starts_with("<")
    if "goes" not in scores.columns:
        scores = scores.with_columns(goes=pl.lit(side))
    if "noted_to" not in scores.columns:
        scores = scores.with_columns(noted_to=threshold + threshold.abs() / 2 * pl.when(below).then(1).otherwise(-1))
    gone = beyond(goes, score, threshold)
    dropped = scores.filter(gone).unique("id", keep="first", maintain_order=True)
    inside = pl.when(below).then(score <= pl.col("noted_to")).otherwise(score >= pl.col("noted_to"))
    stays = scores.filter(~gone & inside).join(dropped.select("id"), on="id", how="anti", maintain_order="left")
    rank = (score - threshold).abs().rank("ordinal").over("setting")
    spared = stays.filter(rank <= NEAR)
    last = pl.when(below.first()).then(score.max()).otherwise(score.min()).alias("last")
    crowded = stays.group_by("setting").len().filter(pl.col("len") > NEAR).select("setting")
    cut = spared.join(crowded, on="setting", how="semi").group_by("setting").agg(last.cast(pl.Float64))
    both = pl.concat([dropped.with_columns(action=pl.lit("dropped")), spared.with_columns(action=pl.lit("spared"))])
    both = both.join(cut, on="setting", how="left", maintain_order="left")
    both = both.with_columns(noted_to=pl.coalesce("last", "noted_to")).drop("last")
    named = [*_SCORE, *(name for name in both.columns if name not in (*_SCORE, "id", "action"))]
    return both.select("id", "action", detail=pl.struct(named).struct.json_encode())
