"""What the model after may have met in training: answers copied from it, and questions that it held already."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.record import Record, to_records
from weitiao.similar import INSIDE, Items, Likeness, compared, distinct, is_filled, matching_key, near_pairs
from weitiao.step import Batch

Units = NDArray[np.uint32]
Ints = NDArray[np.int64]

SHORTEST = 8  # characters; what is copied in shorter pieces is how everybody talks
_BLOCK = 4_000_000  # characters of the train side at a time: some 200 MB
_STANDINGS = 64  # of one piece on the train side; a span all of whose pieces stand there more often may be cut short
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHOWN, _PAIRS = 5, 20
_LAST = pl.col("messages").list.last()
# Code points that no text has: texts and sources are each set apart by their own, so no span reaches over an end.
_APART, _OTHER = 0x110000, 0x110001


@dataclass(frozen=True)
class Copy:
    """The longest span of a text that stands in a source too; nothing below `SHORTEST` characters."""

    length: int = 0
    start: int = 0
    source: str = ""


def met(train: pl.DataFrame | None, asked: pl.DataFrame, rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what of the questions and of the answers is on the train side too; None where that is not known."""
    if train is None or train.is_empty():
        return None
    return {**contamination(train, asked), "copied": mark(rows, to_records(train))}


def copies(texts: Sequence[str], sources: Iterable[tuple[str, str]]) -> list[Copy]:
    """Return for each text its longest span that stands in one of the `sources` (id, text) too.

    Pieces of eight characters that both have are found by their hashes; pieces that follow each other in both are one
    run, and each run is grown to its ends letter by letter. Time is linear in all characters, but for sorting.
    """
    found = [Copy()] * len(texts)
    units, owner, start = _laid_out(texts, _APART)
    hashes = _hashes(units)
    order = np.argsort(hashes, kind="stable")
    for ids, block in _blocks(sources):
        others, source, _ = _laid_out(block, _OTHER)
        a, b = _shared(hashes, order, _hashes(others))
        a, b, length = _grown(units, others, *_runs(a, b))
        keep = np.flatnonzero(length >= SHORTEST)  # a hash can lie
        for place in keep[np.argsort(-length[keep], kind="stable")].tolist():
            text = int(owner[a[place]])
            if length[place] > found[text].length:
                found[text] = Copy(int(length[place]), int(a[place] - start[text]), ids[int(source[b[place]])])
    return found


def answers_of(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of all that training taught to say."""
    for record in records:
        for role, content in record.messages:
            if role == "assistant":
                yield record.id, content


def contamination(train: pl.DataFrame, asked: pl.DataFrame) -> dict[str, Any]:
    """Return how many of the questions `asked` are on the train side too: by family, word for word, nearly, and inside.

    Both tables have the columns of records. A question is near another as it is for `split`: by its user turns. That
    may be a question about another thing; `answered` counts those whose twin has the same answer too. One that is
    neither may still stand, as it is, inside a longer question.
    """
    rows = pl.concat([_keys(train).with_columns(asked=False), _keys(asked).with_columns(asked=True)])
    families = set(train["family"].drop_nulls()) | set(train["id"])
    by_family = [family in families for family in asked["family"].fill_null("")]
    texts, number = distinct(rows)
    first = {place: row for row, place in reversed(list(enumerate(number[: len(train)].tolist())))}
    twins: dict[int, tuple[float, int]] = {
        row: (1.0, first[place]) for row, place in enumerate(number[len(train) :].tolist()) if place in first
    }
    exact = len(twins)
    keys = texts["key"].to_list()
    on_test: dict[int, list[int]] = {}
    for row, place in enumerate(number[len(train) :].tolist()):
        on_test.setdefault(place, []).append(row)
    for block in near_pairs(texts, Likeness()):
        for pair in zip(block.left.tolist(), block.right.tolist(), block.similarity.tolist(), strict=True):
            for mine, other in (pair[:2], pair[1::-1]):
                if mine in on_test and other in first and not is_filled(keys[mine], keys[other]):
                    for row in on_test[mine]:
                        twins[row] = max(twins.get(row, (0.0, 0)), (pair[2], first[other]))
    near = len(twins) - exact
    for held in Items(rows["key"][len(train) :].to_list(), Likeness(), INSIDE).held(
        rows["key"][: len(train)].to_list()
    ):
        if held.kind == "contained":
            twins.setdefault(held.item, (1.0, held.text))
    said = [frame.select(matching_key(_LAST.struct.field("content")))["content"].to_list() for frame in (asked, train)]
    mine, others = asked["messages"].to_list(), train["messages"].to_list()
    ranked = sorted(twins.items(), key=lambda item: (-item[1][0], item[0]))
    return {
        "questions": len(asked),
        "train": len(train),
        "by_family": sum(by_family),
        "exact": exact,
        "near": near,
        "contained": len(twins) - exact - near,
        "answered": sum(said[0][row] == said[1][twin] for row, (_, twin) in twins.items()),
        "pairs": [
            {
                **{"id": asked["id"][row], "train": train["id"][twin], "similarity": round(likeness, 3)},
                **{"question": _asked(mine[row]), "trained": _asked(others[twin])},
            }
            for row, (likeness, twin) in ranked[:_PAIRS]
        ],
    }


def mark(rows: Sequence[dict[str, Any]], train: Sequence[Record]) -> dict[str, Any]:
    """Note in each row what its answers and its reference have in common with the train side; return it in short.

    A row gets `copies`: by side the length, the text and the record of the longest span. The reference shows what is to
    be expected of somebody who has not read the train side.
    """
    sides = [*(name for name in rows[0] if "measures" in rows[0][name]), "reference"]
    texts = [row[side] if side == "reference" else row[side]["text"] for row in rows for side in sides]
    found = iter(zip(texts, copies(texts, answers_of(train)), strict=True))
    halves = dict.fromkeys(sides, 0)
    for row in rows:
        row["copies"] = {}
        for side in sides:
            text, copy = next(found)
            span = text[copy.start : copy.start + copy.length]
            row["copies"][side] = {"length": copy.length, "text": span, "record": copy.source}
            halves[side] += 2 * copy.length >= len(text) > 0
            if side != "reference":
                row[side]["measures"]["copied"] = float(copy.length)
    lengths = {side: [row["copies"][side]["length"] for row in rows] for side in sides}
    order = sorted(range(len(rows)), key=lambda place: -lengths["after"][place])
    return {
        "sides": {
            side: {"mean": sum(each) / len(each), "longest": max(each), "half": halves[side]}
            for side, each in lengths.items()
        },
        "spans": [
            {"row": place + 1, **rows[place]["copies"]["after"]} for place in order[:_SHOWN] if lengths["after"][place]
        ],
        "shortest": SHORTEST,
    }


def _asked(messages: Sequence[dict[str, str]]) -> str:
    return next((one["content"] for one in reversed(messages) if one["role"] == "user"), "")


def _keys(frame: pl.DataFrame) -> pl.DataFrame:
    return compared(Batch.of(frame).texts(("user", "passage"))["text"])


def _laid_out(texts: Sequence[str], apart: int) -> tuple[Units, Ints, Ints]:
    """Return all characters with a mark before and after each text, the text of each, and where each text starts."""
    pieces = [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32) for text in texts]
    sizes = np.array([len(piece) + 1 for piece in pieces], dtype=np.int64)
    mark = np.array([apart], dtype=np.uint32)
    units = np.concatenate([mark, *(part for piece in pieces for part in (piece, mark))])
    owner = np.concatenate([[0], np.repeat(np.arange(len(texts)), sizes)])
    return units, owner, np.cumsum(sizes) - sizes + 1


def _blocks(sources: Iterable[tuple[str, str]]) -> Iterator[tuple[list[str], list[str]]]:
    ids: list[str] = []
    texts: list[str] = []
    size = 0
    for name, text in sources:
        ids.append(name)
        texts.append(text)
        size += len(text)
        if size >= _BLOCK:
            yield ids, texts
            ids, texts, size = [], [], 0
    if ids:
        yield ids, texts


def _hashes(units: Units) -> NDArray[np.uint64]:
    """Return the hash of the `SHORTEST` characters from each place on."""
    count = max(0, len(units) - SHORTEST + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for step in range(SHORTEST):
        hashes = (hashes ^ units[step : step + count]) * _MULTIPLIER
    return hashes


def _shared(hashes: NDArray[np.uint64], order: Ints, others: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return the places (in the texts, in the sources) of the pieces that both have."""
    ranked = hashes[order]
    low = np.searchsorted(ranked, others, side="left")
    times = np.searchsorted(ranked, others, side="right") - low
    b = np.flatnonzero(times)
    b = b[_standing(low[b]) < _STANDINGS]
    times, low = times[b], low[b]
    steps = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    return order[np.repeat(low, times) + steps], np.repeat(b, times)


def _standing(values: Ints) -> Ints:
    """Return for each value how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=-1))
    standing = np.empty(len(values), dtype=np.int64)
    standing[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.append(starts, len(values))))
    return standing


def _runs(a: Ints, b: Ints) -> tuple[Ints, Ints, Ints]:
    """Join pieces that follow each other in both; return where the runs start in each, and their lengths."""
    order = np.lexsort((a, b - a))
    a, b = a[order], b[order]
    fresh = np.ones(len(a), dtype=np.bool_)
    fresh[1:] = (np.diff(a) != 1) | (np.diff(b) != 1)
    starts = np.flatnonzero(fresh)
    return a[starts], b[starts], np.diff(np.append(starts, len(a))) + SHORTEST - 1


def _grown(units: Units, others: Units, a: Ints, b: Ints, length: Ints) -> tuple[Ints, Ints, Ints]:
    """Grow spans at both ends while the letters agree; a span whose own letters do not gets length 0."""
    a, b, length = a.copy(), b.copy(), length.copy()
    going = np.arange(len(a))
    while len(going := going[units[a[going] - 1] == others[b[going] - 1]]):
        a[going] -= 1
        b[going] -= 1
        length[going] += 1
    going = np.arange(len(a))
    while len(going := going[units[a[going] + length[going]] == others[b[going] + length[going]]]):
        length[going] += 1
    for step in range(SHORTEST):
        length[units[a + step] != others[b + step]] = 0
    return a, b, length
