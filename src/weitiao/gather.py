"""Steps that see the whole data set, by columns that lie on disk part by part."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao import ledger
from weitiao.engine import Engine
from weitiao.step import Batch, Step

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Gathered:
    """What `Gather.columns` gave for all records, on disk part by part.

    Records that `gone` drops (folders with the events of each part) are left out. `aside` is a folder for what is
    needed on the way.
    """

    parts: tuple[Path, ...]
    gone: tuple[Path, ...]
    aside: Path

    def part(self, index: int, *columns: str) -> pl.DataFrame:
        """Return these columns, or all, of one part's records, in order."""
        frame = pl.scan_parquet(self.parts[index])
        for folder in self.gone:
            events = pl.scan_parquet(folder / self.parts[index].name)
            dropped = events.filter(pl.col("action") == "dropped").select("id")
            frame = frame.join(dropped, on="id", how="anti", maintain_order="left")
        return (frame.select(columns) if columns else frame).collect()

    def all(self, *columns: str) -> pl.DataFrame:
        """Return these columns, or all, of all records, in order."""
        return pl.concat(self.part(index, *columns) for index in range(len(self.parts)))

    def some(self, rows: Flags, *columns: str) -> Iterator[pl.DataFrame]:
        """Yield `row`, from 0, and these columns of the records for which `rows` is true, part by part."""
        start = 0
        for index in range(len(self.parts)):
            frame = self.part(index, *columns).with_row_index("row", start).cast({"row": pl.Int64})
            yield frame.filter(pl.Series(rows[start : start + len(frame)]))
            start += len(frame)


class Gather(Step):
    """See the whole data set, but only ids and small columns: give `columns` for a batch, `judge` for all.

    Where the columns may be too large for memory, `judge_parts` judges them part by part instead.
    """

    reason: ClassVar[str]
    goes: ClassVar[ledger.Goes] = ">="  # on which side of its threshold, where `judge` gives scores

    @abstractmethod
    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id` and the small columns that `judge` needs, a row a record."""

    @abstractmethod
    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the records to drop, given the columns of all records in order: `id` and `detail` (JSON text).

        Where they go by a score: `id, setting, score, threshold`, as of `DropByScore`, with those that just stay.
        """

    def judge_parts(self, gathered: Gathered, engine: Engine) -> pl.DataFrame:
        """Return what `judge` returns, of columns on disk."""
        return self.judge(gathered.all())

    def noted(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Return the ledger's events for what was judged: what is `dropped`, and what was `spared`."""
        scored = "score" in judged.columns
        events = ledger.weighed(judged, self.goes) if scored else judged.with_columns(action=pl.lit("dropped"))
        return events.with_columns(step=pl.lit(self.step_name()), reason=pl.lit(self.reason))

    def apply(self, batch: Batch) -> Batch:
        """Return a batch that is the whole data set after this step."""
        return batch.without(self.noted(self.judge(self.columns(batch))))


class Survey(Step):
    """See the whole data set, but only small columns, and change texts by what is found there.

    Give `columns` for a batch, `found` for all, and `change`.
    """

    @abstractmethod
    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return the small columns that `found` needs."""

    @abstractmethod
    def found(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return what is found, given the columns of all batches."""

    @abstractmethod
    def change(self, batch: Batch, found: pl.DataFrame) -> Batch:
        """Return the batch after this step."""

    def apply(self, batch: Batch) -> Batch:
        """Return a batch that is the whole data set after this step."""
        return self.change(batch, self.found(self.columns(batch)))
