"""split: assign whole families to train, test and any other part, so that no part has seen another's questions."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, field_validator

from weitiao import ledger
from weitiao.errors import UserError
from weitiao.recipe import Settings
from weitiao.record import fact, with_fact, without_fact
from weitiao.similar import COMPARED, Ints, Likeness, compared, connected, distinct, is_filled, near_pairs
from weitiao.stage import Job, Outcome, Stage
from weitiao.step import Batch
from weitiao.store import Draft, Stored, digest
from weitiao.talk import t

Floats = NDArray[np.float64]

# Questions about one passage belong together; a form that more questions share is a prompt, which all parts may have.
_ASKED_OF_ONE_PASSAGE = 20


class Split(Settings):
    """How much goes where."""

    ratios: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.8, "validation": 0.1, "test": 0.1},
        description="Parts by name and their share; the shares sum to 1",
    )
    in_order: bool = Field(False, description="Keep the file's order: the first rows train, the last test")
    stratify: str | None = Field(None, description="A fact whose values are spread evenly over the parts")

    @field_validator("ratios")
    @classmethod
    def _are_shares(cls, ratios: dict[str, float]) -> dict[str, float]:
        for name, share in ratios.items():
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(t("`{name}` is no name for a part: use letters, digits, `_` and `-`", name=name))
            if not share > 0:
                raise ValueError(t("the share of `{name}` must be greater than 0", name=name))
        if len({name.casefold() for name in ratios}) < len(ratios):
            raise ValueError(t("two parts have the same name"))
        total = math.fsum(ratios.values())
        if not abs(total - 1) <= 1e-6:
            raise ValueError(t("the shares must sum to 1, not to {total}", total=f"{total:g}"))
        return ratios


STAGE = Stage(
    "split",
    Split,
    "weitiao.split:run",
    "Split {kept} records: {parts}; {families} families, the largest of {largest}; "
    "near-duplicate pairs across parts: 0, by chance it would be {by_chance}",
    reads_records=True,
    gives_records=True,
    project=("seed",),
)


def run(job: Job) -> Outcome:
    """Find the families, give each to a part, and hold that no near-duplicate crosses."""
    settings, source = job.settings(Split), job.inputs["records"]
    if settings.in_order and settings.stratify:
        raise UserError(t("split: `in_order` keeps the file's order, `stratify` mixes it: choose one"))
    rows = _rows(source, settings.stratify)
    texts, number = distinct(rows)
    alike = _alike(texts)
    root = _families(rows, number, alike)
    part = _assigned(settings, rows, root, job.seed)
    names = list(settings.ratios)
    counts = np.bincount(part, minlength=len(names))
    sizes = np.bincount(root, minlength=len(rows))
    _hold_all_filled(names, counts, int((sizes > 0).sum()), int(sizes.max(initial=0)))
    _write(source, job.draft, rows["id"].gather(root), sizes[root], pl.Series(names).gather(part))
    leaked = _leaks(job.draft, len(source.parts()))
    assert leaked == 0, f"{leaked} near-duplicate pairs cross the split"
    members = np.bincount(number, minlength=len(texts))
    pairs = int((members * (members - 1) // 2).sum() + (members[alike[0]] * members[alike[1]]).sum())
    by_chance = round(pairs * _apart_by_chance(counts), 1)
    parts = dict(zip(names, counts.tolist(), strict=True))
    facts = {
        "parts": parts,
        "families": int((sizes > 0).sum()),
        "largest_family": int(sizes.max(initial=0)),
        "near_duplicate_pairs": pairs,
        # The mean over all ways to draw rows, not families, for parts of these sizes.
        "expected_leaks_of_a_random_split": by_chance,
        "leaks": leaked,
    }
    said = {
        "parts": ", ".join(f"{name} {count:,}" for name, count in parts.items()),
        "families": f"{facts['families']:,}",
        "largest": f"{facts['largest_family']:,}",
        "by_chance": f"{by_chance:,g}",
    }
    return Outcome(len(rows), len(rows), facts={**facts, "said": said})


def _rows(source: Stored, stratify: str | None) -> pl.DataFrame:
    """Return a row a record: id, what links it to others, its question as it is compared, and its stratum."""
    empty: dict[str, pl.DataType] = {
        "id": pl.String(),
        "links": pl.List(pl.String),
        "stratum": pl.String(),
        **COMPARED,
    }
    tables = [pl.DataFrame(schema=empty)]
    for path in source.parts():
        frame = pl.read_parquet(path)
        links = pl.concat_list(pl.concat_list("id"), pl.col("parents").fill_null([]), pl.concat_list("family"))
        stratum = fact(*stratify.split(".")) if stratify else pl.lit(None, dtype=pl.String)
        tables.append(frame.select("id", links.alias("links"), stratum.alias("stratum")).hstack(_questions(frame)))
    rows = pl.concat(tables)
    if stratify and len(rows) and rows["stratum"].null_count() == len(rows):
        raise UserError(
            t("split.stratify: no record has the fact `{name}`", name=stratify),
            t("Facts are named by who wrote them: `source.task_type` is the field `task_type` of the file"),
        )
    return rows


def _questions(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `key, figures` of all user turns, or of the passage."""
    return compared(Batch.of(frame).texts(("user", "passage"))["text"])


def _alike(texts: pl.DataFrame) -> tuple[Ints, Ints]:
    """Return the pairs of different questions that are near-duplicates, or asked about one passage."""
    blocks = list(near_pairs(texts, Likeness()))
    if not blocks:  # of nothing there is nothing to concatenate
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    left, right = np.concatenate([b.left for b in blocks]), np.concatenate([b.right for b in blocks])
    keys = texts["key"].to_list()
    filled = np.array([is_filled(keys[a], keys[b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)])
    fills = np.bincount(np.concatenate([left[filled], right[filled]]), minlength=len(texts))
    linked = ~filled | (np.maximum(fills[left], fills[right]) <= _ASKED_OF_ONE_PASSAGE)
    return left[linked], right[linked]


def _families(rows: pl.DataFrame, number: Ints, alike: tuple[Ints, Ints]) -> Ints:
    """Return for each row the first of its family: joined by like questions, parents, and families set before."""
    numbered = rows.select("links").with_row_index("row").explode("links").drop_nulls()
    linked = numbered.select("row", first=pl.col("row").first().over("links")).filter(pl.col("row") != pl.col("first"))
    _, first = np.unique(number, return_index=True)
    left = [linked["first"].to_numpy().astype(np.int64), first[number], first[alike[0]]]
    right = [linked["row"].to_numpy().astype(np.int64), np.arange(len(rows)), first[alike[1]]]
    return connected(len(rows), np.concatenate(left), np.concatenate(right))


def _assigned(settings: Split, rows: pl.DataFrame, root: Ints, seed: int) -> Ints:
    """Return for each row the number of its part, as near to the ratios as whole families allow."""
    families = (
        rows.select("id", "stratum", root=pl.Series(root))
        .group_by("root")
        .agg(pl.len().alias("size"), pl.col("id").min(), pl.col("stratum").min())
    )
    ends = np.cumsum(list(settings.ratios.values()))
    ends[-1] = 1.0
    chosen = _in_order(families.sort("root"), ends) if settings.in_order else _drawn(families, ends, seed)
    by_root = np.zeros(len(rows), dtype=np.int64)
    by_root[chosen["root"].to_numpy()] = chosen["part"].to_numpy()
    return by_root[root]


def _in_order(families: pl.DataFrame, ends: Floats) -> pl.DataFrame:
    """Give each family, by its first row, to the part in which its middle lies."""
    size = families["size"].to_numpy().astype(np.int64)
    middle = np.cumsum(size) - (size + 1) / 2
    part = np.searchsorted(np.round(ends * size.sum()), middle, side="right")
    return families.with_columns(part=pl.Series(part))


def _drawn(families: pl.DataFrame, ends: Floats, seed: int) -> pl.DataFrame:
    """Give each family, large ones first and else by lot, to the part that lacks most; stratum by stratum.

    The lot depends on the seed and the family's smallest id, so the order of the rows does not matter.
    """
    lots = pl.Series([digest([seed, name]) for name in families["id"]], dtype=pl.String)
    drawn = families.with_columns(lot=lots).sort("stratum", "size", "lot", descending=[False, True, False])
    filled, parts, total = np.zeros(len(ends), dtype=np.int64), [], 0
    for stratum in drawn.partition_by("stratum", maintain_order=True):
        total += int(stratum["size"].sum())
        # All strata so far together have their share to the row, so that roundings do not add up.
        lacking = np.diff(np.round(ends * total), prepend=0) - filled
        for size in stratum["size"]:
            part = int(np.argmax(lacking))
            lacking[part] -= size
            filled[part] += size
            parts.append(part)
    return drawn.with_columns(part=pl.Series(parts, dtype=pl.Int64))


def _hold_all_filled(names: Sequence[str], counts: Ints, families: int, largest: int) -> None:
    """Raise UserError where a part would stay empty."""
    for name, count in zip(names, counts, strict=True):
        if count == 0:
            total = int(counts.sum())
            raise UserError(
                t("The part `{name}` would get none of {total} records", name=name, total=f"{total:,}"),
                t(
                    "There are {families} families, the largest of {largest} records; a family stays whole. "
                    "Give more records, or `{name}` a larger share",
                    families=f"{families:,}",
                    largest=f"{largest:,}",
                    name=name,
                ),
            )


def _write(source: Stored, draft: Draft, families: pl.Series, sizes: Ints, parts: pl.Series) -> None:
    """Write all records with their family and part, and the ledger; the arguments have a row a record."""
    first = 0
    for index, path in enumerate(source.parts()):
        frame = pl.read_parquet(path)
        rows = slice(first, first + len(frame))
        first += len(frame)
        if draft.part(index).exists():
            continue
        frame = without_fact(frame, "split").with_columns(
            family=families[rows], part=parts[rows], size=pl.Series(sizes[rows])
        )
        value = pl.struct("part").struct.json_encode()
        events = frame.select(
            "id",
            step=pl.lit("split"),
            action=pl.lit("assigned"),
            reason="part",
            detail=pl.struct("family", "size").struct.json_encode(),
        )
        records = frame.with_columns(with_fact("split", value)).drop("part", "size")
        draft.write(index, records, ledger.events(events))


def _leaks(draft: Draft, parts: int) -> int:
    """Count, in what was written, the pairs of like questions that stand in different parts."""
    tables = [pl.DataFrame(schema={"part": pl.String(), **COMPARED})]
    for index in range(parts):
        frame = pl.read_parquet(draft.part(index))
        tables.append(frame.select(fact("split", "part").alias("part")).hstack(_questions(frame)))
    rows = pl.concat(tables)
    texts, number = distinct(rows)
    place = np.zeros((len(texts), rows["part"].n_unique()), dtype=np.int64)
    np.add.at(place, (number, rows["part"].rank("dense").to_numpy().astype(np.int64) - 1), 1)
    left, right = _alike(texts)
    pairs = place[left].sum(axis=1) * place[right].sum(axis=1) - (place[left] * place[right]).sum(axis=1)
    same = (place.sum(axis=1) ** 2 - (place**2).sum(axis=1)) // 2
    return int(pairs.sum() + same.sum())


def _apart_by_chance(counts: Ints) -> float:
    """Return how likely two rows are in different parts when rows are drawn for parts of these sizes."""
    total = int(counts.sum())
    return 1 - float((counts * (counts - 1)).sum()) / max(total * (total - 1), 1)
