"""What keeps a child out without asking anybody: it is like a record that is there, empty, or in another language."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from weitiao import record
from weitiao.augment.expand import ASKED, Child, answer, question
from weitiao.record import Record
from weitiao.script import drifts
from weitiao.similar import COMPARED, Likeness, compared, distinct, is_filled, near_pairs
from weitiao.step import Batch

TWIN = "near-duplicate"
Against = tuple[str, dict[str, Any]]  # the reason, and the particulars

_KIN: dict[str, pl.DataType] = {"id": pl.String(), "kin": pl.List(pl.String)}


class Guard:
    """The records so far, by their questions; each child that is let in is one of them from then on."""

    def __init__(self, frames: Sequence[pl.DataFrame]) -> None:
        tables = [pl.DataFrame(schema=_KIN | COMPARED), *(_row(frame) for frame in frames)]
        self._rows = pl.concat(tables)

    def judge(self, children: Sequence[tuple[Child, Sequence[Record]]]) -> list[Against | None]:
        """Return for each child, given with its parents, what speaks against it, None where it is let in.

        In their order: of two children that are alike the first one is.
        """
        against = [_empty(child.record) or _foreign(child.record, parents) for child, parents in children]
        ids = set(self._rows.filter(pl.col("id").is_in([child.record.id for child, _ in children]))["id"])
        for place, (child, _) in enumerate(children):
            if child.record.id in ids:  # made once before of the same parents, to the letter
                against[place] = against[place] or (TWIN, {"of": child.record.id, "similarity": 1.0})
            ids.add(child.record.id)
        left = [place for place, reason in enumerate(against) if reason is None]
        if not left:
            return against
        frame = record.to_frame([children[place][0].record for place in left])
        found = self._alike(_row(frame), [children[place][0].close for place in left])
        for place, twin in zip(left, found, strict=True):
            against[place] = twin and (TWIN, {"of": twin[0], "similarity": round(twin[1], 2)})
        let_in = [twin is None for twin in found]
        self._rows = pl.concat([self._rows, _row(frame.filter(pl.Series(let_in, dtype=pl.Boolean)))])
        return against

    def _alike(self, new: pl.DataFrame, close: Sequence[bool]) -> list[tuple[str, float] | None]:
        """Return for each new row the record that it is like: its id and the similarity."""
        there = len(self._rows)
        texts, number = distinct(pl.concat([self._rows, new]).select("key", "figures"))
        near = _near(texts, int(number[:there].max(initial=-1)) + 1)
        wanted = np.unique(np.concatenate([number[there:], np.array([n for m in near.values() for n in m], dtype=int)]))
        owners: dict[int, list[tuple[str, set[str]]]] = defaultdict(list)
        involved = np.flatnonzero(np.isin(number[:there], wanted))
        for text, own in zip(number[involved].tolist(), _kin(self._rows[involved]), strict=True):
            owners[text].append(own)
        found: list[tuple[str, float] | None] = []
        for place, (text, (own_id, kin)) in enumerate(zip(number[there:].tolist(), _kin(new), strict=True)):
            twins = [(of, 1.0) for of, _ in owners[text]]
            for other, similarity in near[text].items():
                twins += [(of, similarity) for of, theirs in owners[other] if not (close[place] and kin & theirs)]
            best = max(twins, key=lambda twin: twin[1], default=None)
            found.append(best)
            if best is None:
                owners[text].append((own_id, kin))
        return found


def _near(texts: pl.DataFrame, first: int) -> defaultdict[int, dict[int, float]]:
    """Return the pairs of near-duplicates in which one row is `first` or later, seen from both sides."""
    near: defaultdict[int, dict[int, float]] = defaultdict(dict)
    keys = texts["key"].to_list()
    for block in near_pairs(texts, Likeness(), first=first):
        columns = (column.tolist() for column in (block.left, block.right, block.similarity))
        for left, right, similarity in zip(*columns, strict=True):
            if not is_filled(keys[left], keys[right]):
                near[left][right] = near[right][left] = similarity
    return near


def _row(frame: pl.DataFrame) -> pl.DataFrame:
    """Return of each record its id, its kin (itself, its parents and its family), and its question as compared."""
    parents = pl.col("parents").fill_null([])
    kin = pl.concat_list(pl.concat_list("id"), parents, pl.concat_list("family")).list.drop_nulls()
    return frame.select("id", kin=kin).hstack(compared(Batch.of(frame).texts(ASKED)["text"]))


def _kin(rows: pl.DataFrame) -> list[tuple[str, set[str]]]:
    return [(own, set(kin)) for own, kin in rows.select("id", "kin").iter_rows()]


def _empty(child: Record) -> Against | None:
    return None if all(text.strip() for _, text in child.messages) else ("empty text", {})


def _foreign(child: Record, parents: Sequence[Record]) -> Against | None:
    """Hold that question and answer are in the parents' language."""
    if not parents:
        return None
    asked = [question(parent) for parent in parents]
    if drifts(question(child), *asked):
        return "another language", {}
    # The answer to `What is this in English?` is in another language than its question; so it was in the parent then.
    answered = [answer(parent) for parent in parents if answer(parent)]
    return ("another language", {}) if drifts(answer(child), *asked, *answered) else None
