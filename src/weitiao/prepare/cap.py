"""At most so many records of one source or one tag, so that none drowns the others."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.gather import Gather
from weitiao.ledger import Goes
from weitiao.record import fact
from weitiao.step import Batch


class Cap(Gather):
    """Keep at most `most` records of each source, or of each value of a fact; drop the others.

    Which ones stay depends on their ids alone, which are hashes, not on the order of the records.
    """

    reason: ClassVar[str] = "over the cap"
    goes: ClassVar[Goes] = ">"
    per: str = Field(
        "origin", description="What is capped: `origin`, the file or address, or a fact: `source.task_type`"
    )
    most: int = Field(1000, ge=1, description="Records of one kind that stay at most")

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id` and what the record counts under, null where it has no such fact."""
        origin = pl.col("origin").struct.field("uri")
        return batch.records.select("id", kind=origin if self.per == "origin" else fact(*self.per.split(".")))

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the place of each record among those of its kind, by id; what has no such fact stays."""
        return columns.drop_nulls("kind").select(
            "id",
            "kind",
            setting=pl.lit("most"),
            score=pl.col("id").rank("ordinal").over("kind").cast(pl.Int64),
            threshold=pl.lit(self.most, dtype=pl.Int64),
            records=pl.len().over("kind"),
        )
