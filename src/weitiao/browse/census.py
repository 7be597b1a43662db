"""The census of a run: reads its stages once, part by part, and writes the catalogue and the index of its texts."""

import fcntl
import shutil
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from weitiao.browse import grams
from weitiao.browse.catalogue import FACTS, Catalogue, lowered
from weitiao.record import ROLES
from weitiao.store import MANIFEST, Stored, digest, file_digest, make_folder, write_whole
from weitiao.trace import dropped_messages, ledger_files, stages

CACHE = ".browse"
PROGRESS = "progress.json"
_VERSION = 1  # of the files; a catalogue of another one is made anew
_GONE = ("dropped", "refused", "skipped")
_HAPPENED = ("changed", "cut", "made", "failed", "skipped", "spared", "trained", "answered")
_MOST_FILES = 1_000  # that are offered as a filter
_MOST_VALUES = 200  # of a fact, for each to be a tag
_MOST_SCORES = 24
_LONGEST_TAG = 60
_MOST_TRIES = 5  # a stage may be replaced while it is read


def key(run: Path) -> str:
    """Return the digest of the stages that are finished now."""
    return digest([_VERSION, *([name, file_digest(one.folder / MANIFEST)] for name, one in stages(run).items())])


def take(run: Path) -> None:
    """Write the catalogue of a run and its index, where they are not there yet; others wait meanwhile."""
    home = run / CACHE
    make_folder(home)
    with _locked(home):
        for last in range(_MOST_TRIES):
            try:
                folder = home / key(run)
                if not folder.exists():
                    _catalogue(run, folder)
                break
            except FileNotFoundError:
                if last == _MOST_TRIES - 1:
                    raise
        for old in home.iterdir():
            if old.is_dir() and old != folder:
                shutil.rmtree(old)
        _index(folder)
        (home / PROGRESS).unlink(missing_ok=True)


def tell(home: Path, what: str, done: int, total: int) -> None:
    """Let the visitors know how far it is."""
    write_whole(home / PROGRESS, orjson.dumps({"what": what, "done": done, "total": total}))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _index(folder: Path) -> None:
    """Index the segments that are not yet."""
    catalogue = Catalogue.open(folder)
    assert catalogue
    bounds = catalogue.facts["segments"]
    for segment, (start, end) in enumerate(pairwise(bounds)):
        tell(folder.parent, "index", segment, len(bounds) - 1)
        if grams.Grams.open(folder, segment) is None:
            cuts = (catalogue.columns[name][start:end].tolist() for name in ("low", "end"))
            grams.write(folder, segment, [catalogue.texts.at(a, b).decode() for a, b in zip(*cuts, strict=True)])


def _catalogue(run: Path, folder: Path) -> None:
    """Read the run into a folder that gets its name when it is whole."""
    aside = folder.with_name(".part")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir()
    finished = stages(run)
    with (aside / "texts.bin").open("wb") as texts:
        census = _Census(aside, finished, texts)
        census.count()
        census.happenings()
        census.read()
    census.write()
    if key(run) != folder.name:
        raise FileNotFoundError(run)
    aside.rename(folder)


@dataclass
class _Stage:
    """What is known of a stage: the number of each record of its parts, in order, and where each part starts."""

    name: str
    stored: Stored
    numbers: NDArray[np.uint32]
    bounds: list[int]

    def told(self) -> dict[str, Any]:
        """Return what a visit must know to find a record in the stage's files."""
        parts = [path.name for path in self.stored.parts()]
        ledgers = [path.name for path in ledger_files(self.stored)]
        return {
            "name": self.name,
            "bounds": self.bounds,
            "parts": parts,
            "ledgers": ledgers,
        }


@dataclass
class _Census:
    """The columns of all records as they come to be known; a record's number is its place among those first seen."""

    folder: Path
    finished: dict[str, Stored]
    texts: Any
    stages: list[_Stage] = field(default_factory=list)
    known: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"id": pl.String, "n": pl.UInt32}))
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    labels: dict[tuple[str, str], list[NDArray[np.uint32]]] = field(default_factory=lambda: defaultdict(list))
    fates: list[tuple[str, str, str, str]] = field(
        default_factory=lambda: [("on", "", "", ""), ("waiting", "", "", "")]
    )
    tags: dict[str, dict[str, "array[int]"]] = field(default_factory=lambda: defaultdict(dict))
    scores: dict[str, tuple["array[int]", "array[float]"]] = field(default_factory=dict)
    written: int = 0

    def count(self) -> None:
        """Number all ids, and note where each came from, what it belongs to, and at which stages it is."""
        seen: list[pl.DataFrame] = []
        for name, stored in self.finished.items():
            tell(self.folder.parent, "ids", len(self.stages), len(self.finished))
            origin = pl.col("origin").struct
            columns = ("id", origin.field("uri"), origin.field("row"), "family", "parents")
            parts = [pl.scan_parquet(path).select(columns).collect() for path in stored.parts()]
            frame = pl.concat(parts) if parts else _NOTHING
            new = frame.join(self.known, on="id", how="anti", maintain_order="left")
            seen += [self._number(new)]
            ledger = _ledger(stored, "id", "action", "detail").filter(pl.col("action").is_in(_GONE))
            lost = ledger.unique("id", maintain_order=True).join(self.known, on="id", how="anti", maintain_order="left")
            uri, row = (pl.col("detail").str.extract(r'"place":"(.*?):(\d+)[:"]', group) for group in (1, 2))
            lost = lost.select("id", uri=uri, row=row.cast(pl.Int64))
            seen += [self._number(pl.concat([_NOTHING, lost], how="diagonal"))]
            numbers = frame.select("id").join(self.known, on="id", how="left", maintain_order="left")["n"].to_numpy()
            self.stages.append(_Stage(name, stored, numbers, [0, *accumulate(len(part) for part in parts)]))
            self._relatives(frame, numbers)
        self._columns(pl.concat([_NOTHING, *seen]))

    def _number(self, new: pl.DataFrame) -> pl.DataFrame:
        numbered = (
            new.select("id").with_row_index("n", offset=len(self.known)).select("id", pl.col("n").cast(pl.UInt32))
        )
        self.known = pl.concat([self.known, numbered])
        return new

    def _relatives(self, frame: pl.DataFrame, numbers: NDArray[np.uint32]) -> None:
        """Note whose parents are which, and who is of one family, where it has more than one."""
        young = frame.select("parents", n=pl.Series(numbers)).filter(pl.col("parents").list.len() > 0)
        pairs = young.explode("parents").join(
            self.known, left_on="parents", right_on="id", how="inner", suffix="_parent"
        )
        if len(pairs):
            self.columns["parents"] = np.unique(pairs.select("n", "n_parent").to_numpy(), axis=0)
        families = frame.select("family", n=pl.Series(numbers)).drop_nulls("family")
        families = families.filter(pl.len().over("family") > 1).select(pl.col("family").rank("dense"), "n")
        if len(families):
            self.columns["family"] = families.sort("family", "n").to_numpy().astype(np.uint32)

    def _columns(self, seen: pl.DataFrame) -> None:
        """Set the columns that are known from the first sight of a record."""
        uris = seen["uri"].fill_null("").unique(maintain_order=True)
        coded = seen.select(uri=pl.col("uri").fill_null("")).join(
            pl.DataFrame({"uri": uris}).with_row_index("file"), on="uri", how="left", maintain_order="left"
        )
        written = [uri.encode() for uri in uris]
        (self.folder / "uris.bin").write_bytes(b"".join(written))
        counts = coded["file"].value_counts(sort=True).head(_MOST_FILES)
        self.columns |= {
            "ids": seen["id"].to_numpy().astype("S") if len(seen) else np.empty(0, dtype="S1"),
            "file": coded["file"].to_numpy(),
            "row": seen["row"].fill_null(0).to_numpy(),
            "uri_ends": np.cumsum([0, *map(len, written)]),
        }
        for place in counts["file"]:
            if uris[place]:
                self.labels["file", uris[place]].append(_numbers(np.flatnonzero(self.columns["file"] == place)))
        size = len(seen)
        for name, kind in (("start", np.uint64), ("low", np.uint64), ("end", np.uint64), ("chars", np.uint32)):
            self.columns[name] = np.zeros(size, dtype=kind)
        self.columns["fate"] = np.zeros(size, dtype=np.uint16)
        self.columns["at"] = np.full((size, len(self.stages)), -1, dtype=np.int32)
        for place, stage in enumerate(self.stages):
            self.columns["at"][stage.numbers, place] = np.arange(len(stage.numbers))
            if len(stage.numbers):
                self.labels["stage", stage.name].append(_numbers(np.unique(stage.numbers)))

    def happenings(self) -> None:
        """Read the ledgers: what happened to whom, how it ended, and the texts of those that stand nowhere else."""
        at, fate = self.columns["at"], self.columns["fate"]
        handing = {
            stage.name.rpartition("/")[0]: place for place, stage in enumerate(self.stages) if len(stage.numbers)
        }
        fate[:] = (at[:, list(handing.values())] < 0).all(axis=1)  # waiting, unless the last stage of a line has it
        for place, stage in enumerate(self.stages):
            tell(self.folder.parent, "ledger", place, len(self.stages))
            events = _ledger(stage.stored, "id", "step", "action", "reason")
            events = events.join(self.known, on="id", how="inner", maintain_order="left")
            self.columns[f"events{place}"] = _pairs(events)
            kinds = events.group_by("step", "action", "reason", maintain_order=True).agg(pl.col("n").unique())
            named = kinds.select("action", "step", pl.col("reason").fill_null("")).rows()
            for (action, step, reason), numbers in zip(named, kinds["n"], strict=True):
                self._note(place, (action, stage.name, step, reason), numbers.to_numpy())
            self._last_words(place, stage)

    def _note(self, place: int, kind: tuple[str, str, str, str], numbers: NDArray[np.uint32]) -> None:
        """Note one kind of event: for those that are not among the stage's records it was the end."""
        action, stage, step, _ = kind
        ends = self.columns["at"][numbers, place] < 0
        if action == "waiting":
            self.columns["fate"][numbers] = len(self.fates)
            self.fates.append(kind)
        if action in _GONE and ends.any():
            self.columns["fate"][numbers[ends]] = len(self.fates)
            self.fates.append(kind)
            numbers = numbers[~ends]
        if action in _HAPPENED and len(numbers):
            self.labels["did", f"{stage}/{step}/{action}"].append(numbers)

    def _last_words(self, place: int, stage: _Stage) -> None:
        """Write what records said when they went, where the ledger holds that."""
        noted = pl.col("before").is_not_null() & pl.col("action").is_in(_GONE)
        for path in ledger_files(stage.stored):
            gone = pl.scan_parquet(path).filter(noted).select("id", "before").collect()
            gone = gone.unique("id", keep="last").join(self.known, on="id", how="inner")
            gone = gone.filter(pl.Series(self.columns["at"][gone["n"].to_numpy(), place] < 0))
            said = [dropped_messages(text) or [{"role": "", "content": text}] for text in gone["before"]]
            self._write_texts(gone["n"].to_numpy(), pl.DataFrame({"messages": said}, schema=_SAID)["messages"])

    def read(self) -> None:
        """Read what each record says, and its facts, at the last stage that has it."""
        at = self.columns["at"]
        last = np.where(at >= 0, np.arange(at.shape[1]), 0).max(axis=1, initial=0)
        total, done = sum(len(stage.bounds) - 1 for stage in self.stages), 0
        for place in reversed(range(len(self.stages))):
            stage = self.stages[place]
            for path, start, end in zip(stage.stored.parts(), stage.bounds, stage.bounds[1:], strict=False):
                tell(self.folder.parent, "texts", done, total)
                done += 1
                numbers = stage.numbers[start:end]
                here = (last[numbers] == place) & (at[numbers, place] == np.arange(start, end))
                if here.any():
                    frame = pl.read_parquet(path, columns=["messages", "facts"]).filter(pl.Series(here))
                    self._write_facts(numbers[here], frame["facts"])
                    silent = self.columns["end"][numbers[here]] == 0
                    self._write_texts(numbers[here][silent], frame["messages"].filter(pl.Series(silent)))

    def _write_texts(self, numbers: NDArray[np.uint32], messages: pl.Series) -> None:
        """Write the texts of records, what the system says last, as they are and, where that differs, in lower case."""
        role, content = pl.element().struct.field("role"), pl.element().struct.field("content")
        said = pl.concat_list(
            pl.col("messages").list.eval(content.filter(role != "system")),
            pl.col("messages").list.eval(content.filter(role == "system")),
        )
        frame = messages.to_frame("messages").select(
            said.list.join("\n", ignore_nulls=True).fill_null("").alias("text"),
            roles=pl.col("messages").list.eval(role).list.unique(),
        )
        texts, low = frame["text"], lowered(frame["text"])
        low = low.to_frame("low").select(pl.when(low != texts).then("low").otherwise(pl.lit("")))["low"]
        sizes = np.stack([texts.str.len_bytes().to_numpy(), low.str.len_bytes().to_numpy()], axis=1).astype(np.uint64)
        ends = self.written + np.cumsum(sizes.ravel(), dtype=np.uint64).reshape(sizes.shape)
        start = ends[:, 0] - sizes[:, 0]
        self.columns["start"][numbers] = start
        self.columns["low"][numbers] = np.where(sizes[:, 1] > 0, ends[:, 0], start)
        self.columns["end"][numbers] = ends[:, 1]
        self.columns["chars"][numbers] = texts.str.len_chars().to_numpy()
        for text, other in zip(texts, low, strict=True):
            self.texts.write(text.encode())
            self.texts.write(other.encode())
        self.written += int(sizes.sum())
        for name in ROLES:
            if len(some := numbers[frame["roles"].list.contains(name).fill_null(False).to_numpy()]):
                self.labels["role", name].append(some)

    def _write_facts(self, numbers: NDArray[np.uint32], facts: pl.Series) -> None:
        for n, text in zip(numbers.tolist(), facts, strict=True):
            if text and text != "{}":
                for path, value in _flat("", orjson.loads(text)):
                    self._note_fact(n, path, value)

    def _note_fact(self, n: int, path: str, value: str | float) -> None:
        if isinstance(value, float):
            if path in self.scores or len(self.scores) < _MOST_SCORES:
                rows, values = self.scores.setdefault(path, (array("I"), array("f")))
                rows.append(n)
                values.append(value)
            return
        values_of = self.tags[path]
        if value in values_of or len(values_of) <= _MOST_VALUES:
            values_of.setdefault(value, array("I")).append(n)

    def write(self) -> None:
        """Write all columns, the labels, and last the facts that make it a catalogue."""
        for path, values in self.tags.items():
            # Where hardly a value stands twice, as with times and titles, none tells records apart.
            if len(values) <= min(_MOST_VALUES, sum(map(len, values.values())) // 2):
                for value, rows in values.items():
                    kind, name = ("part", value) if path == "split.part" else ("tag", f"{path}={value}")
                    self.labels[kind, name].append(np.array(rows, dtype=np.uint32))
        for place, fate in enumerate(self.fates):
            if len(ended := np.flatnonzero(self.columns["fate"] == place)):
                self.labels["fate", "/".join(fate[1:]) if fate[1] else fate[0]].append(_numbers(ended))
        for place, (rows_of, values_at) in enumerate(self.scores.values()):
            column = np.full(len(self.known), np.nan, dtype=np.float32)
            column[np.array(rows_of, dtype=np.uint32)] = np.array(values_at, dtype=np.float32)
            self.columns[f"score{place}"] = column
        labelled = [np.unique(np.concatenate(rows)) for rows in self.labels.values()]
        self.columns |= {
            "labelled": np.concatenate([np.empty(0, dtype=np.uint32), *labelled]),
            "label_starts": np.cumsum([0, *map(len, labelled)]),
            "by_id": _numbers(np.argsort(self.columns["ids"], kind="stable")),
        }
        for name in ("parents", "family"):
            self.columns.setdefault(name, np.empty((0, 2), dtype=np.uint32))
        for name, column in self.columns.items():
            np.save(self.folder / f"{name}.npy", column)
        facts = {
            "columns": list(self.columns),
            "labels": [(*name, len(rows)) for name, rows in zip(self.labels, labelled, strict=True)],
            "fates": self.fates,
            "scores": list(self.scores),
            "segments": grams.segments(self.columns["chars"]),
            "stages": [one.told() for one in self.stages],
        }
        write_whole(self.folder / FACTS, orjson.dumps(facts))


_SAID = {"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))}
_NOTHING = pl.DataFrame(
    schema={"id": pl.String, "uri": pl.String, "row": pl.Int64, "family": pl.String, "parents": pl.List(pl.String)}
)


def _numbers(places: NDArray[Any]) -> NDArray[np.uint32]:
    return places.astype(np.uint32)


def _ledger(stored: Stored, *columns: str) -> pl.DataFrame:
    """Return columns of a stage's ledger, and of each event the number of its file."""
    files = enumerate(ledger_files(stored))
    tables = [pl.read_parquet(path, columns=list(columns)).with_columns(file=pl.lit(n, pl.UInt32)) for n, path in files]
    return pl.concat([pl.DataFrame(schema={**dict.fromkeys(columns, pl.String), "file": pl.UInt32}), *tables])


def _pairs(events: pl.DataFrame) -> NDArray[np.uint32]:
    """Return pairs of a record and a file of the ledger that tells of it, sorted."""
    return events.select("n", "file").unique().sort("n", "file").to_numpy()


def _flat(path: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str | float]]:
    """Yield the short texts, flags and numbers that stand somewhere in a fact, with their place."""
    if isinstance(value, dict):
        for name, inner in value.items() if depth < 3 else ():
            yield from _flat(f"{path}.{name}" if path else name, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str):
                yield from _flat(path, inner, depth)
    elif isinstance(value, bool):
        yield path, "yes" if value else "no"
    elif isinstance(value, (int, float)):
        yield path, float(value)
    elif isinstance(value, str) and 0 < len(value) <= _LONGEST_TAG:
        yield path, value
