"""Records that say what one before them says, but for an edit."""

from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from weitiao.engine import Engine
from weitiao.errors import UserError
from weitiao.gather import Gather, Gathered
from weitiao.similar import Likeness, compared, distinct, kept_twins, numbers
from weitiao.similar.cosine import near_vectors
from weitiao.similar.join import chosen_twins
from weitiao.similar.vectors import given_some
from weitiao.step import ROLES_OF, Batch
from weitiao.talk import t

NO_VECTOR = "no vector"
_IN_MEMORY = 3_000_000  # characters that are compared in memory, all with all: a quarter of a gigabyte


class DropNearDuplicates(Gather):
    """Drop records that are nearly like an earlier one that stays, question and answer taken together by default.

    Texts in which the numbers differ are different texts, and so are two that share a long passage but differ in what
    is asked about it.
    """

    reason: ClassVar[str] = "near-duplicate"
    similarity: float = Field(
        0.8, gt=0, le=1, description="Share of common pieces, or cosine of vectors, from which on two texts are alike"
    )
    short_similarity: float = Field(
        0.6, gt=0, le=1, description="The same for Chinese, Japanese and Korean texts below 50 characters"
    )
    by: Literal["talk", "question", "embedding"] = Field(
        "talk", description="What is compared: question and answer, the question, or vectors of `embeddings`"
    )
    embeddings: str = Field("", description="File of vectors by record id, for `by: embedding`")
    same_figures: bool = Field(True, description="Keep texts apart whose numbers differ")
    margin: float = Field(0.05, ge=0, lt=1, description="How much less alike those are that the ledger notes as spared")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.by == "embedding") != bool(self.embeddings):
            raise ValueError(t("`by: embedding` and `embeddings`, a file of vectors, belong together"))
        if self.embeddings and "similarity" not in self.model_fields_set:
            raise ValueError(t("with vectors `similarity` has no default: how alike is alike depends on their model"))
        return self

    def outside(self) -> tuple[str, ...]:
        """Return the file of vectors."""
        return (self.embeddings,) if self.embeddings else ()

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id` with the text and its characters, or with vectors a hash of the text's numbers."""
        texts = batch.texts(ROLES_OF["question" if self.by == "question" else "talk"])
        if not self.embeddings:
            return texts.with_columns(length=pl.col("text").str.len_chars())
        told = numbers(pl.col("text")) if self.same_figures else pl.lit(0, dtype=pl.UInt64)
        return texts.select("id", figures=told)

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the records that have an earlier twin, and those that nearly have one, with its id."""
        if self.embeddings:
            return self._by_vectors(columns)
        texts, number = distinct(compared(columns["text"], same_figures=self.same_figures))
        return self._told(columns.select("id", row=number), kept_twins(texts, self._likeness()))

    def judge_parts(self, gathered: Gathered, engine: Engine) -> pl.DataFrame:
        """Return the same, without holding the texts if there are many."""
        if self.embeddings or gathered.all("length")["length"].sum() <= _IN_MEMORY:
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

    def noted(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Return the ledger's events, those of records without a vector too: they stay."""
        bare = judged.filter(pl.col("score").is_null()).select("id", action=pl.lit("skipped"), reason=pl.lit(NO_VECTOR))
        return pl.concat([super().noted(judged), bare.with_columns(step=pl.lit(self.step_name()))], how="diagonal")

    def _by_vectors(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the scores of what has an earlier twin by its vector, and without a score what has no vector."""
        path = self.around.folder / self.embeddings
        vectors, has = given_some(path, columns["id"].to_list())
        if len(has) and not has.any():
            told = t("{path} has no vector for any of {count} records", path=path, count=len(has))
            raise UserError(told, t("Make the vectors for all records that come to this step, by their ids"))
        gone = np.zeros(len(has), dtype=np.bool_)
        pairs = near_vectors(vectors, columns["figures"].to_numpy(), self.similarity, self.margin, gone)
        twins = chosen_twins(pairs, lambda row: "", gone)
        judged = self._told(columns.select("id").with_row_index("row").cast({"row": pl.Int64}), twins)
        return pl.concat([judged, columns.filter(pl.Series(~has)).select("id")], how="diagonal")

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
        short = pl.when((threshold == self.short_similarity) & (self.by != "embedding")).then(
            pl.lit("short_similarity")
        )
        return of.select(
            "id",
            pl.when(threshold.is_not_null()).then(short.otherwise(pl.lit("similarity"))).alias("setting"),
            pl.col("similarity").round(6).alias("score"),
            threshold,
            (threshold - self.margin).round(6).alias("noted_to"),
            "of",
        )
