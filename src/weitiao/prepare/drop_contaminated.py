"""Records that hold a question of a benchmark, which a model that trains on them would know beforehand."""

import re
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.ledger import Goes, beyond
from weitiao.prepare.to_simplified import ToSimplified
from weitiao.similar import INSIDE, Items, Likeness, matching_key
from weitiao.step import Batch, DropByScore

# `A. one B. two`: choices that stand inside the question.
_CHOICES = re.compile(r"\n\s*[(（]?[Aa][)）.．、:：].*", re.DOTALL)
_LABEL = r"^\s*\S{0,8}[:：]"  # `题目：`
_HEARD = ("user", "assistant", "passage", "tool")  # a system prompt may be everywhere


class DropContaminated(DropByScore):
    """Drop records in one of whose turns a question of a benchmark stands: as all of it, inside it, or nearly.

    What is compared, and what is nearly alike, is as with near-duplicates; a stretch of a long text may be it.
    """

    reason: ClassVar[str] = "contaminated"
    goes: ClassVar[Goes] = ">="
    against: tuple[str, ...] = Field(
        strict=False, min_length=1, description="Files or folders of benchmark questions, in any format"
    )
    similarity: float = Field(0.5, gt=0, le=1, description="Share of common pieces from which on two texts are alike")
    short_similarity: float = Field(
        0.6, gt=0, le=1, description="The same for Chinese, Japanese and Korean texts below 50 characters"
    )
    min_contained: int = Field(
        INSIDE, ge=1, description="Characters of a question (four letters are one) to be looked for inside longer texts"
    )
    same_figures: bool = Field(True, description="Keep texts apart whose numbers differ")
    margin: float = Field(0.05, ge=0, lt=1, description="How much less alike those are that the ledger notes as spared")

    def material(self) -> tuple[str, ...]:
        """Return the benchmarks."""
        return self.against

    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return the question that each record holds, or nearly, with its place and how alike it is."""
        likeness = Likeness(self.short_similarity, self.similarity, self.same_figures, self.margin)
        items, places = _read(self.around.of(self.against), likeness, self.min_contained)
        turns = _lines(batch.turns.filter(pl.col("role").is_in(_HEARD)))
        rows = [
            (held.text, places[held.item], held.kind, round(held.similarity, 6), held.threshold)
            for held in items.held(turns["key"].to_list())
        ]
        schema = {"row": pl.UInt32, "of": pl.String, "kind": pl.String, "score": pl.Float64, "threshold": pl.Float64}
        found = pl.DataFrame(rows, schema=schema, orient="row")
        held = turns.with_row_index("row").join(found, on="row", maintain_order="left")
        goes = beyond(pl.lit(self.goes), pl.col("score"), pl.col("threshold"))
        held = held.sort(goes, "score", descending=True, maintain_order=True).unique("id", maintain_order=True)
        threshold = pl.col("threshold")
        short = pl.when(threshold == self.short_similarity).then(pl.lit("short_similarity"))
        setting = pl.when(threshold.is_not_null()).then(short.otherwise(pl.lit("similarity")))
        noted_to = (threshold - self.margin).round(6)
        told = held.with_columns(setting=setting, noted_to=noted_to).drop("row", "key")
        return batch.records.select("id").join(told, on="id", maintain_order="left")


def _lines(turns: pl.DataFrame) -> pl.DataFrame:
    """Return `id, turn, key`: each turn, and each line of those that have some, without its label."""
    text = pl.col("content")
    turns = turns.with_columns(_plain(turns["content"]))
    lines = turns.filter(text.str.contains(rf"\S\s*\n\s*\S|{_LABEL}")).with_columns(text.str.split("\n"))
    both = pl.concat([turns, lines.explode("content").with_columns(text.str.replace(_LABEL, ""))])
    return both.select("id", "turn", key=matching_key(text))


def _plain(texts: pl.Series) -> pl.Series:
    """Return texts in simplified characters, and without the dollar signs of formulas."""
    return ToSimplified().rewritten(texts).str.replace_all("$", "", literal=True)


@lru_cache(1)
def _read(parts: tuple[Path, ...], likeness: Likeness, shortest: int) -> tuple[Items, list[str]]:
    """Return the questions of benchmarks, with and without choices that stand in them, and the place of each."""
    frames = [pl.read_parquet(part) for part in parts]
    asked: dict[str, str] = {}
    for frame in frames:
        texts = _plain(Batch.of(frame).texts(("user", "passage"))["text"])
        uris, rows = (frame["origin"].struct.field(name) for name in ("uri", "row"))
        both = pl.DataFrame([texts, texts.map_elements(lambda text: _CHOICES.sub("", text), pl.String).alias("stem")])
        keys = both.select(matching_key(pl.all()))
        for key, stem, uri, row in zip(keys["text"], keys["stem"], uris, rows, strict=True):
            for one in (key, stem):
                asked.setdefault(one, f"{uri}:{row}")
    return Items(list(asked), likeness, shortest), list(asked.values())
