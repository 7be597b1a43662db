"""Records that say what one before them says, but for an edit."""

from typing import ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from weitiao.engine import Engine
from weitiao.gather import Gather, Gathered
from weitiao.similar import Likeness, distinct, figures, kept_twins, matching_key
from weitiao.step import Batch

_ROLES = {
    "talk": ("user", "assistant", "passage"),
    "question": ("user", "passage"),
}  # a system prompt may be everywhere
_IN_MEMORY = 3_000_000  # characters that are compared in memory, all with all: a quarter of a gigabyte


class DropNearDuplicates(Gather):
    """Drop records that are nearly like an earlier one that stays, question and answer taken together by default.

    Texts in which the numbers differ are different texts, and so are two that share a long passage but differ in what
    is asked about it.
    """

    reason: ClassVar[str] = "near-duplicate"
    similarity: float = Field(0.8, gt=0, le=1, description="Share of common pieces from which on two texts are alike")
    short_similarity: float = Field(
        0.6, gt=0, le=1, description="The same for Chinese, Japanese and Korean texts below 50 characters"
    )
    by: Literal["talk", "question"] = Field(
        "talk", description="What is compared: question and answer, or the question"
    )
    same_figures: bool = Field(True, description="Keep texts apart whose numbers differ")
    margin: float = Field(0.05, ge=0, lt=1, description="How much less alike those are that the ledger notes as spared")

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id`, the text as it is compared, a hash of its numbers, and its characters."""
        text = pl.col("text")
        numbers = figures(text) if self.same_figures else pl.lit(0, dtype=pl.UInt64)
        columns = batch.texts(_ROLES[self.by]).select("id", key=matching_key(text), figures=numbers)
        return columns.with_columns(length=pl.col("key").str.len_chars())

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the records that have an earlier twin, and those that nearly have one, with its id."""
        texts, number = distinct(columns)
        return self._told(columns.select("id", row=number), kept_twins(texts, self._likeness()))

    def judge_parts(self, gathered: Gathered, engine: Engine) -> pl.DataFrame:
        """Return the same, without holding the texts if there are many."""
        if gathered.all("length")["length"].sum() <= _IN_MEMORY:
            return self.judge(gathered.all())
        # These compile, for a second; few data need it.
        if engine.shuffled:
            from weitiao.similar.spread import twins_apart

            first, twins = twins_apart(gathered, self._likeness(), engine, engine.shuffled)
        else:
            from weitiao.similar.large import twins_on_disk

            first, twins = twins_on_disk(gathered, self._likeness())
        again = first != np.arange(len(first))
        told = again.copy()
        for rows in (first[again], twins["row"].to_numpy(), twins["twin"].to_numpy()):
            told[rows] = True
        ids = pl.concat(gathered.some(told, "id"))
        return self._told(ids.with_columns(row=first[told]), twins)

    def _likeness(self) -> Likeness:
        return Likeness(self.short_similarity, self.similarity, self.same_figures, self.margin)

    def _told(self, numbered: pl.DataFrame, twins: pl.DataFrame) -> pl.DataFrame:
        """Return scores and ids, given the number of each record's text and the texts that have a twin."""
        first = numbered.unique("row", keep="first", maintain_order=True).select(of="id", twin="row")
        judged = numbered.join(twins, on="row", how="left", maintain_order="left")
        # What is said again word for word goes, also where it is nearly like a third.
        again = pl.col("row").is_duplicated() & ~pl.col("row").is_first_distinct()
        own = pl.col("twin").is_null() | (again & (pl.col("similarity") < pl.col("threshold") - 1e-9))
        judged = judged.with_columns(
            twin=pl.when(own).then("row").otherwise("twin"),
            similarity=pl.when(own).then(1.0).otherwise("similarity"),
            threshold=pl.when(~own).then("threshold"),
        )
        of = judged.join(first, on="twin", how="left", maintain_order="left").filter(pl.col("of") != pl.col("id"))
        threshold = pl.col("threshold")
        short = pl.when(threshold == self.short_similarity).then(pl.lit("short_similarity"))
        return of.select(
            "id",
            pl.when(threshold.is_not_null()).then(short.otherwise(pl.lit("similarity"))).alias("setting"),
            pl.col("similarity").round(6).alias("score"),
            threshold,
            (threshold - self.margin).round(6).alias("noted_to"),
            "of",
        )
