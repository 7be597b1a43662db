"""Records that hold a question of a benchmark, which a model that trains on them would know beforehand."""

import re
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.similar import INSIDE, Items, Likeness, matching_key
from weitiao.step import Batch, DropRecords

# `A. one B. two`: choices that stand inside the question.
_CHOICES = re.compile(r"\n\s*[(（]?[Aa][)）.．、:：].*", re.DOTALL)
_LABEL = r"^\s*\S{0,8}[:：]"  # `题目：`
_HEARD = ("user", "assistant", "passage", "tool")  # a system prompt may be everywhere


class DropContaminated(DropRecords):
    """Drop records in one of whose turns a question of a benchmark stands: as all of it, inside it, or nearly.

    What is compared, and what is nearly alike, is as with near-duplicates; a stretch of a long text may be it.
    """

    reason: ClassVar[str] = "contaminated"
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

    def material(self) -> tuple[str, ...]:
        """Return the benchmarks."""
        return self.against

    def gone(self, batch: Batch) -> pl.DataFrame:
        """Return the records that hold a question, with its place and how alike it is."""
        likeness = Likeness(self.short_similarity, self.similarity, self.same_figures)
        items, places = _read(self.around.of(self.against), likeness, self.min_contained)
        turns = _lines(batch.turns.filter(pl.col("role").is_in(_HEARD)))
        rows = [
            (held.text, places[held.item], held.kind, round(held.similarity, 3))
            for held in items.held(turns["key"].to_list())
        ]
        found = pl.DataFrame(rows, schema=("row", "of", "kind", "similarity"), orient="row").cast({"row": pl.UInt32})
        held = turns.with_row_index("row").join(found, on="row", maintain_order="left")
        held = held.sort("similarity", descending=True, maintain_order=True).unique("id", maintain_order=True)
        detail = pl.struct("of", "kind", "similarity", "turn").struct.json_encode()
        return batch.records.select("id").join(held, on="id", maintain_order="left").select("id", detail=detail)


def _lines(turns: pl.DataFrame) -> pl.DataFrame:
    """Return `id, turn, key`: each turn, and each line of those that have some, without its label."""
    text = pl.col("content")
    lines = turns.filter(text.str.contains(r"\S\s*\n\s*\S")).with_columns(text.str.split("\n")).explode("content")
    both = pl.concat([turns, lines.with_columns(text.str.replace(_LABEL, ""))])
    return both.select("id", "turn", key=matching_key(text))


@lru_cache(1)
def _read(parts: tuple[Path, ...], likeness: Likeness, shortest: int) -> tuple[Items, list[str]]:
    """Return the questions of benchmarks, with and without choices that stand in them, and the place of each."""
    frames = [pl.read_parquet(part) for part in parts]
    asked: dict[str, str] = {}
    for frame in frames:
        texts = Batch.of(frame).texts(("user", "passage"))["text"]
        uris, rows = (frame["origin"].struct.field(name) for name in ("uri", "row"))
        both = pl.DataFrame([texts, texts.map_elements(lambda text: _CHOICES.sub("", text), pl.String).alias("stem")])
        keys = both.select(matching_key(pl.all()))
        for key, stem, uri, row in zip(keys["text"], keys["stem"], uris, rows, strict=True):
            for one in (key, stem):
                asked.setdefault(one, f"{uri}:{row}")
    return Items(list(asked), likeness, shortest), list(asked.values())
