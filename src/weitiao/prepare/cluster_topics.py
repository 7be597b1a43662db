"""What records are about: topics found among them, each named by its most telling words."""

from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from weitiao import record
from weitiao.gather import Survey
from weitiao.similar import Flags, Ints
from weitiao.similar.vectors import BUCKETS, Floats, buckets, given, hashed, unit, vectors
from weitiao.step import ROLES_OF, Batch

_SAMPLE, _STARTS, _ROUNDS = 20_000, 5, 20  # records among which topics are found, runs, and rounds at most of each
_WORDS = 8  # pieces that name a topic


class ClusterTopics(Survey):
    """Part the records by topic, as words and pairs of characters tell it; no text is changed and none dropped.

    The topic's number and most telling words are facts: `cap: {per: cluster_topics.topic}` evens topics out.
    """

    topics: int = Field(20, ge=2, description="How many topics there are at most")
    by: Literal["talk", "question"] = Field(
        "talk", description="Whose texts tell the topic: question and answer, or the question"
    )
    embeddings: str = Field("", description="File of vectors by record id, which part the records instead of the texts")
    seed: int = Field(0, ge=0, description="Seed of what is drawn")

    def outside(self) -> tuple[str, ...]:
        """Return the file of vectors."""
        return (self.embeddings,) if self.embeddings else ()

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id, pieces` of the records and, with id null, `bucket, piece, records` of pieces that recur."""
        texts = batch.texts(ROLES_OF[self.by])
        found = hashed(texts)
        words = found.group_by("bucket", "piece").agg(records=pl.len()).filter(pl.col("records") > 1)
        return pl.concat([buckets(texts, found), words.sort("bucket", "piece")], how="diagonal")

    def found(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return `id, known`: the fact of each record as JSON; what is like no other has none."""
        records = columns.filter(pl.col("id").is_not_null()).select("id", "pieces").sort("id")
        if records.is_empty():
            return pl.DataFrame(schema={"id": pl.String, "known": pl.String})
        if self.embeddings:
            known = given(self.around.folder / self.embeddings, records["id"].to_list())
        else:
            known = vectors(records["pieces"], self.seed)
        told = np.linalg.norm(known, axis=1) > 0
        topic = _parted(known, told, self.topics, self.seed) if told.any() else np.zeros(len(known), dtype=np.int64)
        words = columns.filter(pl.col("id").is_null()).group_by("bucket", "piece").agg(pl.col("records").sum())
        words = words.sort("records", "piece", descending=[True, False]).unique("bucket", keep="first")
        names = _named(records["pieces"], topic, dict(words.select("bucket", "piece").iter_rows()))
        facts = pl.DataFrame({"topic": range(len(names)), "words": names})
        facts = facts.select("topic", known=pl.struct("topic", "words").struct.json_encode())
        numbered = records.select("id").with_columns(topic=pl.Series(topic)).filter(pl.Series(told))
        return numbered.join(facts, on="topic", maintain_order="left").select("id", "known")

    def change(self, batch: Batch, found: pl.DataFrame) -> Batch:
        """Return the batch with the facts."""
        name = self.step_name()
        records = record.without_fact(batch.records, name).join(found, on="id", how="left", maintain_order="left")
        facts = pl.when(pl.col("known").is_null()).then("facts").otherwise(record.with_fact(name, pl.col("known")))
        return replace(batch, records=records.with_columns(facts.alias("facts")).drop("known"))


def _parted(known: Floats, told: Flags, topics: int, seed: int) -> Ints:
    """Return the topic of each: the best of some runs of k-means on the sphere, as one may start badly."""
    rng = np.random.default_rng(seed)
    sample = known[np.sort(rng.permutation(np.flatnonzero(told))[:_SAMPLE])]
    _, centres = max((_centred(sample, topics, rng) for _ in range(_STARTS)), key=lambda found: found[0])
    return np.concatenate(
        [(some @ centres.T).argmax(axis=1) for some in np.array_split(known, len(known) // 20_000 + 1)]
    )


def _centred(sample: Floats, topics: int, rng: np.random.Generator) -> tuple[float, Floats]:
    """Return how near the sample is to its centres, and these; started by k-means++ (Arthur and Vassilvitskii 2007)."""
    centres = sample[rng.integers(len(sample), size=1)]
    far = 1 - sample @ centres[0]
    while len(centres) < topics and far.max() > 1e-3:
        weights = np.maximum(far, 0).astype(np.float64)
        chosen = sample[rng.choice(len(sample), p=weights / weights.sum())]
        centres, far = np.vstack([centres, chosen]), np.minimum(far, 1 - sample @ chosen)
    before = np.full(len(sample), -1)
    for _ in range(_ROUNDS):
        nearest = (sample @ centres.T).argmax(axis=1)
        if (nearest == before).all():
            break
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        centres, before = np.where(sums.any(axis=1, keepdims=True), unit(sums), centres), nearest
    return float((sample @ centres.T).max(axis=1).sum(dtype=np.float64)), centres


def _named(pieces: pl.Series, topic: Ints, words: dict[int, str]) -> list[str]:
    """Return the most telling words of each topic: often in it, and more often than elsewhere."""
    columns = pieces.explode().drop_nulls().to_numpy().astype(np.int64)
    topics = np.repeat(topic, pieces.list.len().to_numpy())
    everywhere = np.bincount(columns, minlength=BUCKETS) / len(pieces)
    names = []
    for number in range(int(topic.max()) + 1):
        here = np.bincount(columns[topics == number], minlength=BUCKETS) / max(1, int((topic == number).sum()))
        told = here * np.log(np.maximum(here, 1e-9) / np.maximum(everywhere, 1e-9))
        best = [int(bucket) for bucket in np.argsort(-told, kind="stable")[: 2 * _WORDS] if told[bucket] > 0]
        names.append(" ".join(_joined([words[bucket] for bucket in best if bucket in words][:_WORDS])))
    return names


def _joined(pieces: list[str]) -> list[str]:
    """Return the words that pairs of characters are made of: 孙悟 and 悟空 are 孙悟空."""
    words: list[str] = []
    for piece in pieces:
        if len(piece) == 2 and piece > "\u2e80":
            for place, word in enumerate(words):
                if word > "\u2e80" and len(word) < 4 and (word[-1] == piece[0] or word[0] == piece[-1]):
                    words[place] = word + piece[1] if word[-1] == piece[0] else piece[0] + word
                    break
            else:
                words.append(piece)
        else:
            words.append(piece)
    return words
