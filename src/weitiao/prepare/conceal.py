"""What a step takes out of the records for good is taken out of the ledger too."""

from collections.abc import Sequence

import polars as pl

from weitiao.step import Batch, Change, Step

_MESSAGES = pl.Struct({"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))})


def concealed(events: pl.DataFrame, records: pl.DataFrame, steps: Sequence[Step]) -> pl.DataFrame:
    """Return the events of `records` and of those dropped on the way, without what steps with `hiding_marks` take out.

    Each text that a step changed is kept as that step would leave it. Where that has fewer marks than the text came to
    have in the end, what was taken out stands there in disguise (a number broken up by tags): then it is not kept.
    """
    for step in steps:
        if step.hiding_marks:
            assert isinstance(step, Change)
            events = _concealed(events, records, step)
    return events


def _concealed(events: pl.DataFrame, records: pl.DataFrame, step: Change) -> pl.DataFrame:
    is_dropped = (pl.col("action") == "dropped") & pl.col("before").is_not_null()
    dropped = events.filter(is_dropped).select("id", pl.col("before").str.json_decode(_MESSAGES).struct.unnest())
    said = dropped.explode("messages").select("id", pl.col("messages").struct.unnest())
    said = said.with_columns(step.rewritten(said["content"]).alias("content"))
    turn = pl.int_range(pl.len(), dtype=pl.Int32).over("id").alias("turn")
    wanted = events.filter(pl.col("turn").is_not_null())["id"].unique().implode()
    left = Batch.of(records.filter(pl.col("id").is_in(wanted))).turns.select("id", "turn", "content")
    ends = pl.concat([left, said.select("id", turn, "content")])
    whole = said.group_by("id").agg(messages=pl.struct("role", "content"))
    whole = whole.select("id", whole=pl.struct("messages").struct.json_encode())

    joined = events.join(ends, on=["id", "turn"], how="left", maintain_order="left")
    joined = joined.join(whole, on="id", how="left", maintain_order="left")
    change = (joined["action"] != "dropped") & joined["before"].is_not_null()
    before = joined["before"].zip_with(~change, step.rewritten(joined["before"].fill_null("")))
    marks, marks_left = (text.str.count_matches(step.hiding_marks).fill_null(0) for text in (before, joined["content"]))
    before = before.zip_with(~change | (marks >= marks_left), pl.Series([None], dtype=pl.String))
    return (
        joined.with_columns(before.alias("before"))
        .with_columns(before=pl.when(is_dropped).then(pl.coalesce("whole", "before")).otherwise("before"))
        .select(events.columns)
    )
