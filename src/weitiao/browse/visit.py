"""A visit to a run: the catalogue as it is now, made in a process of its own where it is missing or old, and lives."""

import difflib
import multiprocessing
import os
import re
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson

from weitiao.browse.catalogue import Catalogue, Found
from weitiao.browse.census import CACHE, PROGRESS, key, take
from weitiao.trace import Life, Match, Place, funnel, stages, tell

R = TypeVar("R")
_Kind = Literal["same", "gone", "new"]
_MOST_TRIES = 5  # a stage may be replaced while it is read
_MOST_RELATIVES = 20
_MOST_TOKENS = 3_000  # that are compared one by one
_TOKEN = re.compile(r"[A-Za-z0-9_À-ɏЀ-ӿ]+|\s+|.", re.DOTALL)


@dataclass(frozen=True)
class Progress:
    """How far the reading of a run is: `what` is `ids`, `ledger`, `texts`, `index`, or `start`."""

    what: str = "start"
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Piece:
    """A piece of a text that changed: what stayed the `same`, what is `gone`, what is `new`."""

    kind: _Kind
    text: str


@dataclass(frozen=True)
class Told:
    """The life of a record with its relatives: of each change, by its place in the events, the pieces."""

    life: Life
    changes: dict[int, list[Piece]]
    parents: list[Found] = field(default_factory=list)
    children: list[Found] = field(default_factory=list)
    members: list[Found] = field(default_factory=list)


class Browser:
    """One run as its visitors see it; it may be shared by several threads."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._open: Catalogue | None = None
        self._census: BaseProcess | None = None
        self._lock = threading.Lock()
        self.failed = False  # the last census ended with an error

    def catalogue(self) -> Catalogue | None:
        """Return the catalogue; while the run is read anew, the old one; None before there is any.

        Starts reading where the run has changed or an index is missing, unless that failed before: then `retry`.
        """
        now = again(lambda: key(self.run))
        with self._lock:
            if self._open is None or self._open.folder.name != now:
                self._open = Catalogue.open(self.run / CACHE / now) or self._open
            self._watch(now)
            return self._open

    def is_current(self) -> bool:
        """Tell whether the open catalogue is of the run as it is now, and all of it is indexed."""
        return self._is_current(again(lambda: key(self.run)))

    def progress(self) -> Progress | None:
        """Return how far the reading is; None when nothing is being read."""
        if self._census is None or not self._census.is_alive():
            return None
        path = self.run / CACHE / PROGRESS
        return Progress(**orjson.loads(path.read_bytes())) if path.exists() else Progress()

    def retry(self) -> None:
        """Read the run again after a failure."""
        self.failed = False
        self.catalogue()

    def close(self) -> None:
        """End the reading; what it wrote so far is found again or thrown away by the next one."""
        with self._lock:
            if self._census is not None:
                self._census.terminate()
                self._census.join()

    def funnel(self) -> list[dict[str, Any]]:
        """Return the funnel of the run."""
        return again(lambda: funnel(self.run))

    def life(self, wanted: str) -> Told:
        """Return the life of the record with this id."""
        catalogue = self.catalogue()
        number = catalogue.number(wanted) if catalogue else None
        match = Match(self.run, wanted, "")
        if catalogue is None or number is None:
            return _told(again(lambda: tell(match)))
        life = again(lambda: tell(match, self._places(catalogue, number)))
        parents, family = catalogue.columns["parents"], catalogue.columns["family"]
        own = family[family[:, 1] == number, 0][:1].tolist()
        kin = [n for one in own for n in catalogue.paired("family", one) if n != number]
        children = parents[parents[:, 1] == number, 0].tolist()
        kinds = (catalogue.paired("parents", number), children, kin)
        return _told(life, *(catalogue.found(numbers[:_MOST_RELATIVES]) for numbers in kinds))

    def _watch(self, now: str) -> None:
        """Start a census unless one runs or nothing is to do."""
        if self._census is not None and not self._census.is_alive():
            self.failed = self._census.exitcode != 0
            self._census = None
        if self._census is None and not self.failed and not self._is_current(now):
            self._census = multiprocessing.get_context("spawn").Process(target=_read, args=(self.run,), daemon=True)
            self._census.start()

    def _is_current(self, now: str) -> bool:
        if self._open is None or self._open.folder.name != now:
            return False
        done, total = self._open.indexed
        return done == total

    def _places(self, catalogue: Catalogue, number: int) -> dict[str, Place] | None:
        """Return where each stage tells of a record, if the catalogue knows the run as it is now."""
        if catalogue.folder.name != key(self.run):
            return None
        finished, places = stages(self.run), {}
        for n, stage in enumerate(catalogue.facts["stages"]):
            folder, at = finished[stage["name"]].folder, int(catalogue.columns["at"][number, n])
            part = bisect_right(stage["bounds"], at) - 1
            ledgers = [folder / stage["ledgers"][file] for file in catalogue.paired(f"events{n}", number)]
            here = at >= 0
            path, row = folder / stage["parts"][part] if here else None, at - stage["bounds"][part] if here else 0
            places[stage["name"]] = Place(path, row, ledgers)
        return places


def _read(run: Path) -> None:
    os.nice(10)  # whoever looks comes first
    take(run)


def _told(life: Life, *relatives: list[Found]) -> Told:
    changes = {
        place: difference(event.before, event.after)
        for place, event in enumerate(life.events)
        if event.before is not None and event.after is not None
    }
    return Told(life, changes, *relatives)


def again(look: Callable[[], R]) -> R:
    """Return what `look` finds, looking again when a stage is replaced meanwhile."""
    for _ in range(_MOST_TRIES - 1):
        try:
            return look()
        except FileNotFoundError:
            continue
    return look()


def difference(before: str, after: str) -> list[Piece]:
    """Return what changed, by words where they are of letters and by characters else."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    head = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    most = min(len(old), len(new)) - head
    tail = next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    pieces: list[tuple[_Kind, list[str]]] = [("same", old[:head])]
    if len(a) + len(b) > _MOST_TOKENS:
        pieces += [("gone", a), ("new", b)]
    else:
        for kind, i, j, k, n in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
            pieces += [("same", a[i:j])] if kind == "equal" else [("gone", a[i:j]), ("new", b[k:n])]
    pieces.append(("same", old[len(old) - tail :]))
    return [Piece(kind, "".join(tokens)) for kind, tokens in pieces if tokens]
