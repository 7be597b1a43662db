"""Near-duplicates among texts on many machines: what has a band in common meets in a shuffle, and nothing else does.

What is alike, and what is kept, is as on one machine: the same signatures, bands, limits and comparison. Texts up to
about a hundred characters are joined by one worker, and there the choice is made among the pairs that were found.
"""

import heapq
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from weitiao.engine import Engine, Shuffle
from weitiao.gather import Gathered
from weitiao.similar.firsts import Part, firsts, placed, places_of, starts_of
from weitiao.similar.folding import Folded
from weitiao.similar.join import Likeness, Pair, chosen_twins
from weitiao.similar.keys import COMPARED, Ints, compared
from weitiao.similar.large import JOINED, SIGNS, alike, key_of, short_pairs, sign, signed_at
from weitiao.similar.signatures import BANDS, SIZE, band_keys, close, needed

_PAIRS = {"right": pl.Int64, "left": pl.Int64, "similarity": pl.Float64, "threshold": pl.Float64}
_TEXTS = {"row": pl.Int64(), **COMPARED}


@dataclass(frozen=True)
class _Part:
    """One part: the number of its first row, and which of its rows say again what an earlier row says."""

    index: int
    start: int
    again: Ints


def twins_apart(gathered: Gathered, likeness: Likeness, engine: Engine, shuffle: Shuffle) -> tuple[Ints, pl.DataFrame]:
    """Return what `twins_on_disk` returns; in memory here are 17 bytes a row, and what was found."""
    indexes = range(len(gathered.parts))
    work = engine.run(partial(sign, gathered=gathered, likeness=likeness), indexes)
    starts = starts_of(work)
    first = firsts(partial(_text_hashes, gathered=gathered), starts, shuffle)
    again = np.flatnonzero(first != np.arange(len(first)))
    bounds = np.searchsorted(again, starts)
    parts = [
        _Part(index, int(starts[index]), again[bounds[index] : bounds[index + 1]] - starts[index]) for index in indexes
    ]
    meetings = [
        ("place", partial(_crowded, starts=starts)),
        ("part", partial(_signed, gathered=gathered, starts=starts)),
        ("place", partial(_close, likeness=likeness, starts=starts)),
        ("part", partial(_left_texts, gathered=gathered, starts=starts, likeness=likeness)),
        ("part", partial(_compared, gathered=gathered, starts=starts, likeness=likeness)),
    ]
    pairs = shuffle(partial(_bands, gathered=gathered, places=places_of(starts)), parts, meetings, _PAIRS)
    pairs.sort("right", "left").write_parquet(gathered.aside / "pairs.parquet")
    for _ in engine.run(partial(_write_joined, gathered=gathered, likeness=likeness), parts):
        pass
    choose = partial(_choose, gathered=gathered, likeness=likeness, rows=len(first))
    return first, next(twins for _, twins in engine.run(choose, [len(parts)]))


def _text_hashes(part: Part, gathered: Gathered) -> pl.DataFrame:
    index, start, places = part
    texts = signed_at(gathered, index)
    return placed(texts["hash"], texts["kind"] > 0, start, places)


def _bands(part: _Part, gathered: Gathered, places: int) -> pl.DataFrame:
    """Return the bands of each text that has a signature and is the first of its like."""
    texts = signed_at(gathered, part.index)
    chosen = texts["kind"] & SIGNS > 0
    chosen[part.again] = False
    rows = np.flatnonzero(chosen)
    keys = np.concatenate([band_keys(texts["signature"], band, rows) for band in range(BANDS)])
    # The bits of a key are scattered; of equal keys in different bands the places may be equal.
    return pl.DataFrame(
        {
            "place": (keys % np.uint64(places)).astype(np.int32),
            "band": np.repeat(np.arange(BANDS, dtype=np.uint8), len(rows)),
            "band_key": keys,
            "row": np.tile(rows + part.start, BANDS),
        }
    )


def _crowded(met: pl.DataFrame, starts: Ints) -> pl.DataFrame:
    """Return the bands that more than one text has, and the part of each of these texts."""
    shared = met.filter(pl.len().over("band", "band_key") > 1)
    return shared.with_columns(part=_part_of(shared["row"], starts))


def _signed(met: pl.DataFrame, gathered: Gathered, starts: Ints) -> pl.DataFrame:
    """Return the bands of one part's texts with their signatures."""
    index = int(met["part"][0])
    signatures = signed_at(gathered, index)["signature"][met["row"].to_numpy() - starts[index]]
    packed = pl.Series("signature", signatures.view(f"V{SIZE}").ravel().astype(object).tolist(), dtype=pl.Binary)
    return met.drop("part").with_columns(packed)


def _close(met: pl.DataFrame, likeness: Likeness, starts: Ints) -> pl.DataFrame:
    """Return the pairs of texts whose signatures are close enough, each at the part of its left one."""
    met = met.sort("row")
    signed = np.frombuffer(b"".join(met["signature"]), dtype=np.uint8).reshape(-1, SIZE)
    bands, keys, row = (met[name].to_numpy() for name in ("band", "band_key", "row"))
    found = [np.zeros((0, 2), dtype=np.int64)]
    for band in range(BANDS):
        rows = np.flatnonzero(bands == band)
        found.append(close(keys[rows], rows, signed, band, needed(likeness.long - likeness.margin)))
    left, right = row[np.concatenate(found)].T
    return pl.DataFrame({"left": left, "right": right}).with_columns(part=_part_of(pl.Series(left), starts))


def _left_texts(met: pl.DataFrame, gathered: Gathered, starts: Ints, likeness: Likeness) -> pl.DataFrame:
    """Return the pairs with the text of the left one, each at the part of its right one."""
    return _with_text(met, "left", gathered, starts, likeness).with_columns(part=_part_of(met["right"], starts))


def _with_text(met: pl.DataFrame, side: str, gathered: Gathered, starts: Ints, likeness: Likeness) -> pl.DataFrame:
    index = int(met["part"][0])
    texts = _texts(gathered, index, met[side].to_numpy() - starts[index], likeness)
    return met.with_columns(texts["key"].alias(f"{side}_key"), texts["figures"].alias(f"{side}_figures"))


def _texts(gathered: Gathered, index: int, rows: Ints, likeness: Likeness) -> pl.DataFrame:
    """Return `key, figures` of some texts of one part."""
    return compared(gathered.part(index, "text")["text"].gather(rows), same_figures=likeness.same_figures)


def _compared(met: pl.DataFrame, gathered: Gathered, starts: Ints, likeness: Likeness) -> pl.DataFrame:
    """Return the pairs that are alike, or nearly."""
    met = _with_text(met, "right", gathered, starts, likeness)
    both = [met.select(key=f"{side}_key", figures=f"{side}_figures") for side in ("left", "right")]
    places = np.arange(len(met))
    similarity, near = alike(Folded.of(pl.concat(both)), places, places + len(met), likeness)
    pairs = met.with_columns(similarity=pl.Series(similarity), threshold=pl.lit(likeness.long)).filter(pl.Series(near))
    return pairs.select(*_PAIRS)


def _write_joined(part: _Part, gathered: Gathered, likeness: Likeness) -> None:
    """Write aside the texts of one part that are joined."""
    texts = signed_at(gathered, part.index)
    chosen = texts["kind"] & JOINED > 0
    chosen[part.again] = False
    rows = np.flatnonzero(chosen)
    short = _texts(gathered, part.index, rows, likeness).with_columns(row=pl.Series(rows + part.start))
    short.select(*_TEXTS).write_parquet(gathered.aside / f"joined-{part.index:05d}.parquet")


def _choose(parts: int, gathered: Gathered, likeness: Likeness, rows: int) -> pl.DataFrame:
    """Join the short texts, and choose among all pairs."""
    paths = [gathered.aside / f"joined-{index:05d}.parquet" for index in range(parts)]
    short = pl.concat([pl.DataFrame(schema=_TEXTS), *(pl.read_parquet(path) for path in paths)])
    numbers, gone = short["row"].to_numpy(), np.zeros(rows, dtype=np.bool_)
    found: list[Pair] = pl.read_parquet(gathered.aside / "pairs.parquet").rows()
    pairs = heapq.merge(short_pairs(short, numbers, likeness, gone), found)
    return chosen_twins(pairs, partial(key_of, keys=short["key"], rows=numbers), gone)


def _part_of(rows: pl.Series, starts: Ints) -> pl.Series:
    return pl.Series("part", np.searchsorted(starts, rows.to_numpy(), side="right") - 1, dtype=pl.Int32)
