"""So many records that speak for all, or that differ most, so that a budget is not spent on more of the same."""

from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from weitiao.engine import Engine
from weitiao.gather import Gather, Gathered
from weitiao.similar import Ints
from weitiao.similar.vectors import Floats, buckets, given, nearest, vectors
from weitiao.step import ROLES_OF, Batch
from weitiao.store import write_whole

_HEARD, _TRIED = 10_000, 64  # records that a pick is judged by; candidates for each place at least


class PickDiverse(Gather):
    """Keep the records that together are nearest to all records (`cover`), or farthest from each other (`spread`).

    How near is told by the words and pairs of characters they share, or by vectors from a file. Which ones stay does
    not depend on the order of the records.
    """

    reason: ClassVar[str] = "not picked"
    keep: float = Field(1000, gt=0, description="How many records stay; below 1 the share of them")
    way: Literal["cover", "spread"] = Field(
        "cover", description="cover: near to all records (facility location); spread: far from each other (k-center)"
    )
    by: Literal["talk", "question"] = Field(
        "talk", description="What is compared: question and answer, or the question"
    )
    embeddings: str = Field("", description="File of vectors by record id, compared instead of the texts")
    seed: int = Field(0, ge=0, description="Seed of what is drawn")

    def outside(self) -> tuple[str, ...]:
        """Return the file of vectors."""
        return (self.embeddings,) if self.embeddings else ()

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id`, and hashes of the pieces of the text unless there are vectors."""
        return batch.records.select("id") if self.embeddings else buckets(batch.texts(ROLES_OF[self.by]))

    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the records that are not picked, each with the nearest one that is and the distance to it."""
        return self.picked(columns)[0]

    def judge_parts(self, gathered: Gathered, engine: Engine) -> pl.DataFrame:
        """Return the same, and leave the coverage beside it."""
        judged, coverage = self.picked(gathered.all())
        if coverage:
            write_whole(gathered.aside / "coverage.json", orjson.dumps(coverage))
        return judged

    def picked(self, columns: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Return the scores of what is not picked, and the coverage: `mean` and `p95` distance, and by chance."""
        columns = columns.sort("id")
        ids, count = columns["id"], len(columns)
        wanted = min(count, round(self.keep) if self.keep >= 1 else ceil(self.keep * count))
        if wanted == count:
            empty = pl.DataFrame(schema={"id": pl.String, "setting": pl.String, "score": pl.Float64, "of": pl.String})
            return empty.with_columns(threshold=pl.lit(None, dtype=pl.Float64)), {}
        if self.embeddings:
            known = given(self.around.folder / self.embeddings, ids.to_list())
        else:
            known = vectors(columns["pieces"], self.seed)
        rng = np.random.default_rng(self.seed)
        picked = (_covering if self.way == "cover" else _spread)(known, wanted, rng)
        place, distance = nearest(known, picked)
        by_chance = nearest(known, np.sort(rng.choice(count, wanted, replace=False)))[1]
        gone = np.ones(count, dtype=np.bool_)
        gone[picked] = False
        judged = pl.DataFrame({"id": ids, "of": ids.gather(place), "score": distance.astype(np.float64).round(6)})
        judged = judged.filter(pl.Series(gone)).with_columns(
            setting=pl.lit(None, dtype=pl.String), threshold=pl.lit(None, dtype=pl.Float64)
        )
        figures = {"picked": wanted, "of": count} | _figures("", distance) | _figures("random_", by_chance)
        return judged, figures


def _figures(name: str, distance: Floats) -> dict[str, float]:
    far = float(np.quantile(distance, 0.95))
    return {f"{name}mean": round(float(distance.mean()), 4), f"{name}p95": round(far, 4)}


def _covering(known: Floats, wanted: int, rng: np.random.Generator) -> Ints:
    """Pick, one after the other, the best of some candidates for what is not well covered yet.

    Facility location by stochastic greedy (Mirzasoleiman et al. 2015): a candidate set of n/k ln(1/0.05) loses 5 %.
    """
    heard = known[rng.permutation(len(known))[:_HEARD]]
    covered = np.zeros(len(heard), dtype=np.float32)
    left = np.arange(len(known))
    tried = max(_TRIED, ceil(3 * len(known) / wanted))
    picked = []
    for end in range(len(left), len(left) - wanted, -1):
        places = np.unique(rng.integers(end, size=tried))
        alike = known[left[places]] @ heard.T
        best = int(np.maximum(alike, covered).sum(axis=1).argmax())
        covered = np.maximum(covered, alike[best])
        picked.append(left[places[best]])
        left[places[best]] = left[end - 1]
    return np.sort(np.array(picked))


def _spread(known: Floats, wanted: int, rng: np.random.Generator) -> Ints:
    """Pick, one after the other, the record that is farthest from all picked before (Gonzalez 1985)."""
    nearest_yet = np.full(len(known), -2, dtype=np.float32)
    picked = [int(rng.integers(len(known)))]
    while len(picked) < wanted:
        nearest_yet = np.maximum(nearest_yet, known @ known[picked[-1]])
        nearest_yet[picked[-1]] = np.inf
        picked.append(int(nearest_yet.argmin()))
    return np.sort(np.array(picked))
