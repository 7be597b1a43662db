"""Records in which an answer declines to answer."""

from typing import ClassVar

import polars as pl

from weitiao.manner import refuses
from weitiao.step import Batch, DropRecords

# Without one of these no answer is a refusal; the few that have one are read in Python.
_MAY = (
    r"(?i)[不没无無沒]|拒绝|拒絕|换|換|超出"
    r"|can|won.?t|will not|unable|not|n['’]t|declin|refus|guidelines|polic|principles|inappropriate"
)


class DropRefusals(DropRecords):
    """Drop records in which an answer begins by declining to answer, in Chinese or English."""

    reason: ClassVar[str] = "refusal"

    def gone(self, batch: Batch) -> pl.DataFrame:
        """Return the records with a refusal, and in which turn it stands first."""
        answers = batch.turns.filter((pl.col("role") == "assistant") & pl.col("content").str.contains(_MAY))
        refused = answers.filter(pl.Series([refuses(text) for text in answers["content"]], dtype=pl.Boolean))
        first = refused.unique("id", keep="first", maintain_order=True)
        return first.select("id", detail=pl.struct("turn").struct.json_encode())
