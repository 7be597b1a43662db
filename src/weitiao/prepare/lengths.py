"""How long the passage, the question and the answer of a record are."""

import polars as pl

from weitiao.step import Batch


def lengths(batch: Batch, limits: dict[str, tuple[str, int]]) -> pl.DataFrame:
    """Return the characters of each part of a record as its scores; `limits`: by role, the setting and its value.

    A part is all texts of its role, without the space around them. A part that is not there has no length: a question
    without an answer yet is no record with an empty answer.
    """
    known = pl.DataFrame(
        [(role, *limit) for role, limit in limits.items()], schema=["role", "setting", "threshold"], orient="row"
    )
    chars = pl.col("content").str.strip_chars().str.len_chars().cast(pl.Int64)
    turns = batch.turns.select("id", "role", score=chars).join(known, on="role", maintain_order="left")
    return turns.group_by("id", "setting", "threshold", maintain_order=True).agg(pl.col("score").sum())
