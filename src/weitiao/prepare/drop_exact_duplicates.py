"""Records that say, word for word, what one before them says."""

from typing import ClassVar

import polars as pl

from weitiao.step import Batch, Gather


class DropExactDuplicates(Gather):
    """Drop records whose roles and texts are those of an earlier one; only the amount of whitespace may differ."""

    reason: ClassVar[str] = "exact duplicate"

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id` and a hash of the conversation, null where there is no text."""
        text = pl.col("content").str.replace_all(r"\s+", " ").str.strip_chars()
        # Length first, so that no text can pass for two.
        turn = pl.format("{} {}\n{}\n", "role", text.str.len_bytes(), text)
        turns = batch.turns.filter(text != "").group_by("id", maintain_order=True).agg(turn.str.join("").alias("said"))
        said = batch.records.select("id").join(turns, on="id", how="left", maintain_order="left")
        return said.select("id", pl.when(pl.col("said").is_not_null()).then(pl.col("said").hash()).alias("hash"))

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return all but the first record of each hash, with the id of that one."""
        told = columns.filter(pl.col("hash").is_not_null())
        again = told.select("id", of=pl.col("id").first().over("hash")).filter(pl.col("id") != pl.col("of"))
        return again.select("id", detail=pl.struct("of").struct.json_encode())
