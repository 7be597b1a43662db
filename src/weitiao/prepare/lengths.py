"""How long the passage, the question and the answer of a record are."""

import polars as pl

from weitiao.step import Batch

_PARTS = {"passage": "passage", "user": "question", "assistant": "answer"}


def outside(batch: Batch, limits: dict[str, int], *, above: bool) -> pl.DataFrame:
    """Return the records of which a part is shorter, or `above` longer, than its limit: `id`, `detail`.

    A part is all texts of its role, without the space around them. A part that is not there has no length: a question
    without an answer yet is no record with an empty answer.
    """
    part = pl.col("role").replace_strict(_PARTS, default=None).alias("part")
    chars = pl.col("content").str.strip_chars().str.len_chars().cast(pl.Int64).alias("chars")
    lengths = batch.turns.select("id", part, chars).drop_nulls("part")
    lengths = lengths.group_by("id", "part", maintain_order=True).agg(pl.col("chars").sum())
    limit = pl.col("part").replace_strict(limits, return_dtype=pl.Int64)
    wrong = lengths.filter(pl.col("chars") > limit if above else pl.col("chars") < limit)
    detail = pl.struct("part", "chars").struct.json_encode().alias("detail")
    return wrong.unique("id", keep="first", maintain_order=True).select("id", detail)
