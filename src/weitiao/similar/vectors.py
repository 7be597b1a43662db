"""What texts are about, as vectors: weighted pieces (TF-IDF), hashed, brought down to the directions that matter (LSA).

Latent semantic analysis (Deerwester et al. 1990) by a random range finder (Halko et al. 2011), the directions found on
a sample. A record takes two bytes a piece and four a dimension; no model is needed. Vectors of a model may stand in
their place (`given`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.errors import UserError
from weitiao.similar.keys import Flags, Ints
from weitiao.talk import t

Floats = NDArray[np.float32]

BUCKETS = 1 << 16
SIZE = 128  # dimensions, if there are as many records
_BLOCK = 1 << 13  # pieces that are looked up at once
_SAMPLE = 20_000  # records on which the directions are found
_WIDE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
# A word, an East Asian character, or what parts them.
_TOKEN = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{_WIDE}]]+|[{_WIDE}]|[^\s\p{{L}}\p{{M}}\p{{N}}_]+"


def tokens(texts: pl.DataFrame) -> pl.DataFrame:
    """Return `id, piece`, a row each time: words in small letters, and pairs of East Asian characters side by side."""
    found = texts.select("id", token=pl.col("text").str.to_lowercase().str.extract_all(_TOKEN))
    found = found.filter(pl.col("token").list.len() > 0).explode("token")
    token, after = pl.col("token"), pl.col("token").shift(-1).over("id")
    wide = found["token"].str.contains(rf"^[{_WIDE}]$")
    pair = pl.when(after.str.contains(rf"^[{_WIDE}]$")).then(token + after)
    word = pl.when(token.str.contains(r"^[\p{L}\p{N}_]")).then(token)
    found = found.with_columns(wide=wide)
    return found.select("id", piece=pl.when("wide").then(pair).otherwise(word)).drop_nulls("piece")


def hashed(texts: pl.DataFrame) -> pl.DataFrame:
    """Return `id, piece, bucket`: the pieces that each text of `id, text` has, and the hash of each."""
    return (
        tokens(texts)
        .unique(maintain_order=True)
        .with_columns(bucket=(pl.col("piece").hash() % BUCKETS).cast(pl.UInt16))
    )


def buckets(texts: pl.DataFrame, found: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return `id, pieces`, a row a text of `id, text`: the hashes of the pieces that it has (`found` by `hashed`)."""
    found = hashed(texts) if found is None else found
    found = (
        found.select("id", pieces="bucket")
        .unique(maintain_order=True)
        .group_by("id", maintain_order=True)
        .agg("pieces")
    )
    joined = texts.select("id").join(found, on="id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("pieces").fill_null([]))


@dataclass(frozen=True)
class _Sparse:
    """A matrix by rows: row `i` has `weights` in the `columns` from `ends[i]` to `ends[i + 1]`."""

    ends: Ints
    columns: NDArray[np.int32]
    weights: Floats

    def dot(self, matrix: Floats) -> Floats:
        """Return the product, some rows at a time."""
        rows = len(self.ends) - 1
        out = np.zeros((rows, matrix.shape[1]), dtype=np.float32)
        start = 0
        while start < rows:
            end = max(start + 1, int(np.searchsorted(self.ends, self.ends[start] + _BLOCK, "right")) - 1)
            first, last = self.ends[start], self.ends[end]
            filled = np.flatnonzero(np.diff(self.ends[start : end + 1]))
            if last > first:
                terms = matrix[self.columns[first:last]] * self.weights[first:last, None]
                out[start + filled] = np.add.reduceat(terms, self.ends[start:end][filled] - first)
            start = end
        return out

    def turned(self) -> "_Sparse":
        """Return rows for columns."""
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(len(self.ends) - 1, dtype=np.int32), np.diff(self.ends))
        ends = np.append(0, np.cumsum(np.bincount(self.columns, minlength=BUCKETS)))
        return _Sparse(ends, rows[order], self.weights[order])

    def some(self, rows: Ints) -> "_Sparse":
        """Return these rows."""
        lengths = np.diff(self.ends)[rows]
        ends = np.append(0, np.cumsum(lengths))
        places = np.repeat(self.ends[rows] - ends[:-1], lengths) + np.arange(ends[-1])
        return _Sparse(ends, self.columns[places], self.weights[places])


def unit(matrix: Floats) -> Floats:
    """Return the rows at length one; what is nothing stays nothing."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 1e-6, lengths, np.inf), dtype=np.float32)


def vectors(pieces: pl.Series, seed: int = 0, size: int = SIZE) -> Floats:
    """Return a vector of length one for each text, given its `buckets`; of a text like no other it is nothing."""
    ends = np.append(0, np.cumsum(pieces.list.len().to_numpy(), dtype=np.int64))
    columns = pieces.explode().drop_nulls().to_numpy().astype(np.int32)
    records = np.bincount(columns, minlength=BUCKETS)
    # A piece that stands once likens nothing; one that stands everywhere tells nothing apart.
    weights = np.where(records > 1, np.log(len(pieces) / np.maximum(records, 1)), 0).astype(np.float32)
    matrix = _Sparse(ends, columns, weights[columns])
    rows = np.repeat(np.arange(len(pieces)), np.diff(ends))
    lengths: Floats = np.sqrt(np.bincount(rows, matrix.weights**2)).astype(np.float32)
    matrix = _Sparse(ends, columns, (matrix.weights / np.maximum(lengths, 1e-6)[rows]).astype(np.float32))
    return unit(matrix.dot(_directions(matrix, size, seed)))


def _directions(matrix: _Sparse, size: int, seed: int) -> Floats:
    """Return the directions in which the rows of a sample differ most: a column each."""
    rng = np.random.default_rng(seed)
    rows = len(matrix.ends) - 1
    if rows > _SAMPLE:
        matrix = matrix.some(np.sort(rng.choice(rows, _SAMPLE, replace=False)))
    turned = matrix.turned()
    found = rng.standard_normal((BUCKETS, min(size + 16, rows)), dtype=np.float32)
    for _ in range(2):
        found = _upright(turned.dot(matrix.dot(found)))
    spread = matrix.dot(found)
    turn = np.linalg.eigh(spread.T @ spread)[1][:, ::-1]
    return np.ascontiguousarray(found @ turn[:, :size])


def _upright(matrix: Floats) -> Floats:
    """Return columns at right angles that span the same: much quicker than a decomposition of the whole."""
    lengths, turn = np.linalg.eigh((matrix.T @ matrix).astype(np.float64))
    scale = np.where(lengths > 1e-6 * lengths[-1], lengths, np.inf) ** -0.5
    return matrix @ (turn * scale).astype(np.float32)


def given(path: Path, ids: Sequence[str]) -> Floats:
    """Read the vectors of these records, at length one, off a file by id; raises UserError if one has none.

    Parquet with the columns `id` and `embedding` (a list of numbers), or NPZ with `ids` and `vectors`; no pickles.
    """
    found, has = given_some(path, ids)
    if not has.all():
        missing = [name for name, there in zip(ids, has.tolist(), strict=True) if not there]
        text = t("{path} has no vector for {count} records: {id} …", path=path, count=len(missing), id=missing[0])
        raise UserError(text, t("Make the vectors for all records that come to this step, by their ids"))
    return found


def given_some(path: Path, ids: Sequence[str]) -> tuple[Floats, Flags]:
    """Return the same, and which records have a vector; that of the others is nothing."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                known, rows = file["ids"], file["vectors"]
        else:
            frame = pl.read_parquet(path, columns=["id", "embedding"])
            known, sizes = frame["id"].to_numpy(), set(frame["embedding"].cast(pl.List(pl.Float32)).list.len())
            if len(sizes) > 1:
                raise ValueError(t("not all have as many numbers"))
            rows = frame["embedding"].explode().to_numpy().reshape(-1, max(sizes, default=1) or 1)
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        hint = t("It is Parquet with `id` and `embedding` (a list of numbers), or NPZ with `ids` and `vectors`")
        raise UserError(t("Cannot read the vectors of {path}: {error}", path=path, error=error), hint) from None
    places = {str(name): place for place, name in enumerate(known)}
    wanted = np.array([places.get(name, -1) for name in ids], dtype=np.int64)
    has = wanted >= 0
    found = np.zeros((len(wanted), rows.shape[1]), dtype=np.float32)
    for start in range(0, len(wanted), _BLOCK):  # a block at a time: no further copy of all
        own = slice(start, start + _BLOCK)
        found[own][has[own]] = unit(np.asarray(rows[wanted[own][has[own]]], dtype=np.float32))
    return found, has


def nearest(vectors: Floats, among: Ints) -> tuple[Ints, Floats]:
    """Return for each vector the row of the nearest one `among` these, and how far it is (1 - cosine), in blocks."""
    place, distance = np.empty(len(vectors), dtype=np.int64), np.empty(len(vectors), dtype=np.float32)
    chosen = np.ascontiguousarray(vectors[among].T)
    for start in range(0, len(vectors), 2_000):
        alike = vectors[start : start + 2_000] @ chosen
        best = alike.argmax(axis=1)
        place[start : start + 2_000] = among[best]
        distance[start : start + 2_000] = 1 - alike[np.arange(len(best)), best]
    place[among], distance[among] = among, 0
    return place, np.maximum(distance, 0)
