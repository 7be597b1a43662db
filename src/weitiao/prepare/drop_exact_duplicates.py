"""Records that say, word for word, what one before them says."""

from typing import ClassVar

import numpy as np
import polars as pl

from weitiao.engine import Engine
from weitiao.gather import Gather, Gathered
from weitiao.similar import first_of_each
from weitiao.similar.firsts import first_rows
from weitiao.step import Batch


class DropExactDuplicates(Gather):
    """Drop records whose roles and texts are those of an earlier one; only the amount of whitespace may differ."""

    reason: ClassVar[str] = "exact duplicate"

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id` and a hash of the conversation, null where there is no text."""
        content = batch.turns["content"].str.strip_chars()
        content = content.str.replace_all(r"[^\S ]\s*| \s+", " ")  # passes by the single blanks, which are most
        text = pl.col("content")
        turn = pl.format("{} {}\n", "role", text.hash())
        turns = batch.turns.with_columns(content).filter(text != "").select("id", turn=turn)
        turns = turns.group_by("id", maintain_order=True).agg("turn").select("id", said=pl.col("turn").list.join(""))
        said = batch.records.select("id").join(turns, on="id", how="left", maintain_order="left")
        return said.select("id", pl.when(pl.col("said").is_not_null()).then(pl.col("said").hash()).alias("hash"))

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return all but the first record of each hash, with the id of that one."""
        told = columns.filter(pl.col("hash").is_not_null())
        again = told.select("id", of=pl.col("id").first().over("hash")).filter(pl.col("id") != pl.col("of"))
        return again.select("id", detail=pl.struct("of").struct.json_encode())

    def judge_parts(self, gathered: Gathered, engine: Engine) -> pl.DataFrame:
        """Return the same, with the hashes alone in memory; on a cluster without."""
        if engine.shuffled:
            first = first_rows(gathered, "hash", engine, engine.shuffled)
        else:
            hashes = gathered.all("hash")["hash"]
            first = first_of_each(hashes.fill_null(0).to_numpy(), hashes.is_not_null().to_numpy())
        twice = first != np.arange(len(first))
        twice[first[twice]] = True
        ids = pl.concat(gathered.some(twice, "id"))
        return self.judge(ids.with_columns(hash=first[twice]))
