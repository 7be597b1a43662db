"""The catalogue of a run: every record that was ever in it, its fate and its text, in files mapped from disk."""

import mmap
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from weitiao.browse.grams import Grams

Rows = NDArray[np.uint32]

FACTS = "facts.json"
PAGE = 50
_KEPT = 12  # results that are kept: a million rows are 4 MB
_SHOWN = 160  # characters of a text on a page
_LEAD = 40  # of them before what was found


@dataclass(frozen=True)
class Label:
    """Something by which records are told apart: `kind` and `value`, in addresses written `kind:value`."""

    kind: str
    value: str
    count: int

    @property
    def name(self) -> str:
        """How an address calls it."""
        return f"{self.kind}:{self.value}"


@dataclass(frozen=True)
class Fate:
    """How it ended for a record.

    `action` is `on` (it went through), `waiting` (no later stage took it yet; with a stage: it waits there for people),
    dropped, refused or skipped.
    """

    action: str
    stage: str = ""
    step: str = ""
    reason: str = ""

    @property
    def label(self) -> str:
        """The label of all that ended so."""
        return f"fate:{self.stage}/{self.step}/{self.reason}" if self.stage else f"fate:{self.action}"


@dataclass(frozen=True)
class Query:
    """Which records are asked for: all whose text holds the words, with one label of each kind that is named.

    `sort` is `order`, `length`, or the name of a score; what lacks the score comes last.
    """

    text: str = ""
    labels: tuple[str, ...] = ()
    shortest: int = 0
    longest: int = 0  # 0: any
    sort: str = "order"
    down: bool = False


@dataclass(frozen=True)
class Found:
    """One record of a page; `marks` are the places of what was searched in the `text`, which may be a piece."""

    id: str
    text: str
    marks: list[tuple[int, int]]
    fate: Fate
    uri: str
    row: int
    chars: int
    score: float | None = None


@dataclass(frozen=True)
class Page:
    """Some of the records that answer to a query, which are `total` in all."""

    total: int
    number: int
    found: list[Found]

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE))


class Blob:
    """Texts in one mapped file."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            size = path.stat().st_size
            self._map: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""

    def at(self, start: int, end: int) -> bytes:
        """Return the bytes there."""
        return self._map[start:end]


@dataclass(frozen=True)
class Catalogue:
    """A run as it was read once; `folder` holds its files. Several visitors may ask at the same time."""

    folder: Path
    facts: dict[str, Any]
    labels: dict[str, Label]
    columns: dict[str, NDArray[Any]]
    texts: Blob
    uris: Blob
    _places: dict[str, int]
    _grams: dict[int, Grams] = field(default_factory=dict)
    _results: OrderedDict[Query, Rows] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path) -> "Catalogue | None":
        """Open the catalogue, if it was made."""
        if not (folder / FACTS).exists():
            return None
        facts = orjson.loads((folder / FACTS).read_bytes())
        labels = [Label(*item) for item in facts.pop("labels")]
        names = [label.name for label in labels]
        columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in facts["columns"]}
        places = {name: place for place, name in enumerate(names)}
        texts, uris = (Blob(folder / f"{name}.bin") for name in ("texts", "uris"))
        return cls(folder, facts, dict(zip(names, labels, strict=True)), columns, texts, uris, places)

    @property
    def size(self) -> int:
        """How many records there are."""
        return len(self.columns["chars"])

    @property
    def indexed(self) -> tuple[int, int]:
        """How many segments of the texts are indexed, and how many there are."""
        total = len(self.facts["segments"]) - 1
        return sum(self._index(segment) is not None for segment in range(total)), total

    @property
    def scores(self) -> list[str]:
        """The names of the scores that records can be sorted by."""
        return list(self.facts["scores"])

    def page(self, query: Query, number: int = 1) -> Page:
        """Return a page of the records that answer to the query; past the last one, the last."""
        rows = self.rows(query)
        number = max(1, min(number, -(-len(rows) // PAGE)))
        terms = words(query.text)
        return Page(
            len(rows), number, [self._found(int(n), terms, query.sort) for n in rows[(number - 1) * PAGE :][:PAGE]]
        )

    def rows(self, query: Query) -> Rows:
        """Return the numbers of all records that answer to the query, sorted."""
        with self._lock:
            if query in self._results:
                self._results.move_to_end(query)
                return self._results[query]
        rows = self._sorted(self._matching(query), query)
        with self._lock:
            self._results[query] = rows
            while len(self._results) > _KEPT:
                self._results.popitem(last=False)
        return rows

    def number(self, key: str) -> int | None:
        """Return the number of the record with this id."""
        ids, order = self.columns["ids"], self.columns["by_id"]
        wanted = np.array(key.encode(), dtype=ids.dtype if len(key) <= ids.dtype.itemsize else None)
        at = int(np.searchsorted(ids, wanted, sorter=order)) if self.size else 0
        return int(order[at]) if at < self.size and ids[order[at]] == wanted else None

    def found(self, numbers: Sequence[int]) -> list[Found]:
        """Return these records as a page shows them."""
        return [self._found(n, [], "order") for n in numbers]

    def near(self, text: str, most: int) -> list[tuple[Found, float]]:
        """Return the records most like a text with the share of pairs of characters in common, as far as is indexed."""
        pairs = {a << 21 | b for a, b in pairwise(map(ord, lowered(pl.Series([text]))[0]))}
        likest: list[tuple[float, int]] = []
        for segment, (start, end) in enumerate(pairwise(self.facts["segments"])):
            if index := self._index(segment):
                shared = index.shared(pairs, end - start)
                like = 2 * shared / (len(pairs) + np.maximum(self.columns["chars"][start:end], 1))
                best = np.argsort(-like, kind="stable")[:most]
                likest += [(min(1.0, float(like[n])), start + int(n)) for n in best]
        return [(self._found(n, [], "order"), like) for like, n in sorted(likest, reverse=True)[:most]]

    def paired(self, name: str, number: int) -> list[int]:
        """Return what `name`, an array of pairs sorted by their first, pairs with this number."""
        pairs = self.columns[name]
        a, b = np.searchsorted(pairs[:, 0], [number, number + 1])
        return [int(other) for other in pairs[a:b, 1]]

    def labelled(self, name: str) -> Rows:
        """Return the records with a label; none, if no record has it."""
        if name not in self._places:
            return np.empty(0, dtype=np.uint32)
        starts, place = self.columns["label_starts"], self._places[name]
        return cast(Rows, self.columns["labelled"][int(starts[place]) : int(starts[place + 1])])

    def _matching(self, query: Query) -> Rows:
        """Return the numbers of the records that answer, in their order."""
        kinds: dict[str, list[str]] = {}
        for name in query.labels:
            kinds.setdefault(name.partition(":")[0], []).append(name)
        holds: NDArray[np.bool_] | None = None
        for names in kinds.values():
            one = np.zeros(self.size, dtype=bool)
            for name in names:
                one[self.labelled(name)] = True
            holds = one if holds is None else holds & one
        chars = self.columns["chars"]
        if query.shortest or query.longest:
            fits = (chars >= query.shortest) & (chars <= (query.longest or np.iinfo(np.uint32).max))
            holds = fits if holds is None else holds & fits
        for term in words(query.text):
            holds = self._holding(term, holds)
        return np.arange(self.size, dtype=np.uint32) if holds is None else np.flatnonzero(holds).astype(np.uint32)

    def _holding(self, term: str, among: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return which records, of those that are left, hold the term."""
        held = np.zeros(self.size, dtype=bool)
        needle, bounds = term.encode("utf-8"), self.facts["segments"]
        for segment, (start, end) in enumerate(pairwise(bounds)):
            index = self._index(segment)
            rows, sure = index.candidates(term, end - start) if index else (np.arange(end - start), False)
            rows = rows + start
            if among is not None:
                rows = rows[among[rows]]
            if not sure:
                rows = self._verified(needle, rows)
            held[rows] = True
        return held

    def _verified(self, needle: bytes, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        starts, ends = (self.columns[name][rows].tolist() for name in ("low", "end"))
        at = self.texts.at
        return rows[[needle in at(a, b) for a, b in zip(starts, ends, strict=True)]] if len(rows) else rows

    def _index(self, segment: int) -> Grams | None:
        if segment not in self._grams and (found := Grams.open(self.folder, segment)):
            self._grams[segment] = found
        return self._grams.get(segment)

    def _sorted(self, rows: Rows, query: Query) -> Rows:
        if query.sort == "length":
            by = self.columns["chars"][rows]
            rows = rows[np.argsort(~by if query.down else by, kind="stable")]
        elif query.sort in self.facts["scores"]:
            value = self.columns[f"score{self.facts['scores'].index(query.sort)}"][rows]
            rows = rows[np.argsort(-value if query.down else value, kind="stable")]  # nan comes last
        elif query.down:
            rows = rows[::-1]
        return rows

    def _found(self, n: int, terms: list[str], sort: str) -> Found:
        start, low, end = (int(self.columns[name][n]) for name in ("start", "low", "end"))
        text = self.texts.at(start, low if low > start else end).decode("utf-8")
        shown, marks = _piece(text, terms)
        file = int(self.columns["file"][n])
        a, b = (int(self.columns["uri_ends"][place]) for place in (file, file + 1))
        score = None
        if sort in self.facts["scores"]:
            value = float(self.columns[f"score{self.facts['scores'].index(sort)}"][n])
            score = None if value != value else value
        return Found(
            id=bytes(self.columns["ids"][n]).decode(),
            text=shown,
            marks=marks,
            fate=Fate(*self.facts["fates"][int(self.columns["fate"][n])]),
            uri=self.uris.at(a, b).decode(),
            row=int(self.columns["row"][n]),
            chars=int(self.columns["chars"][n]),
            score=score,
        )


def lowered(texts: pl.Series) -> pl.Series:
    """Return texts as they are searched."""
    return texts.str.to_lowercase()


def words(text: str) -> list[str]:
    """Return what a text must hold: the words of a query, those in quotes together."""
    plain = text.replace("\0", " ").encode("utf-8", "ignore").decode()
    found = [a or b for a, b in re.findall(r'"([^"]+)"|(\S+)', plain)]
    return list(lowered(pl.Series(found, dtype=pl.String)))


def _piece(text: str, terms: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the piece of a text that is shown, one line, with the places of what was searched."""
    low = text.lower()
    same = len(low) == len(text)  # else a place in one is none in the other
    first = min((at for term in terms if (at := low.find(term)) >= 0), default=0) if same else 0
    start = first - _LEAD if first > 2 * _LEAD else 0
    shown, low = text[start : start + _SHOWN], low[start : start + _SHOWN]
    marks = sorted(place for term in terms for place in _places(low, term)) if same else []
    lead = "…" if start else ""
    end = "…" if start + _SHOWN < len(text) else ""
    return f"{lead}{shown}{end}", [(a + len(lead), b + len(lead)) for a, b in marks]


def _places(text: str, term: str) -> Iterator[tuple[int, int]]:
    at = text.find(term)
    while at >= 0:
        yield at, at + len(term)
        at = text.find(term, at + len(term))
