"""Records that say what one before them says, but for an edit."""

from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from weitiao.similar import Likeness, distinct, figures, kept_twins, matching_key
from weitiao.step import Batch, Gather

_ROLES = {
    "talk": ("user", "assistant", "passage"),
    "question": ("user", "passage"),
}  # a system prompt may be everywhere


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

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id`, the text as it is compared, and a hash of its numbers."""
        text = pl.col("text")
        numbers = figures(text) if self.same_figures else pl.lit(0, dtype=pl.UInt64)
        return batch.texts(_ROLES[self.by]).select("id", key=matching_key(text), figures=numbers)

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the records that have an earlier twin, with its id and the similarity."""
        texts, number = distinct(columns)
        twins = kept_twins(texts, Likeness(self.short_similarity, self.similarity, self.same_figures))
        numbered = columns.select("id", row=number)
        first = numbered.unique("row", keep="first", maintain_order=True)
        judged = numbered.join(twins, on="row", how="left", maintain_order="left").with_columns(
            twin=pl.col("twin").fill_null(pl.col("row")), similarity=pl.col("similarity").fill_null(1.0)
        )
        of = judged.join(first.select(of="id", twin="row"), on="twin", how="left", maintain_order="left")
        detail = pl.struct("of", pl.col("similarity").round(2)).struct.json_encode().alias("detail")
        return of.filter(pl.col("of") != pl.col("id")).select("id", detail)
