"""The store: a run is a folder, a stage a folder in it, written aside and renamed when whole."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import polars as pl

from weitiao import ledger, record
from weitiao.errors import UserError
from weitiao.talk import problem_of, t

MANIFEST = "manifest.json"
LOCK = ".lock"

# What later stages and people rely on; a model card, say, may be written on. What has clocks in it differs in size
# between runs that are the same, and manifests must not.
_HELD = (".parquet", ".jsonl", ".safetensors")
_CLOCKED = ("metrics.jsonl", "probes.jsonl")


def digest(value: object) -> str:
    """Return a short digest of plain data."""
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def file_digest(path: Path) -> str:
    """Return a short digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder; raises UserError where none can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(t("Cannot make the folder {folder}: {error}", folder=folder, error=problem_of(error))) from None


def make_room(path: Path) -> None:
    """Make the folder of a file that is to be written; raises UserError where neither can be."""
    make_folder(path.parent)
    if path.is_dir():
        raise UserError(t("{path} is a folder, a file is needed", path=path))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def add_line(path: Path, make: Callable[[list[bytes]], object]) -> None:
    """Add what `make` makes of the lines that there are to a file of JSON lines, and nothing where that is None.

    It is on the disk when this returns. Of several processes each waits for the others; half a line that a crash has
    left goes, a whole one that lacks its end gets it.
    """
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        *lines, rest = file.read().split(b"\n")
        try:
            lines += [rest] if rest and orjson.loads(rest) is not None else []
        except orjson.JSONDecodeError:
            file.truncate(file.tell() - len(rest))
            rest = b""
        if (row := make(lines)) is not None:
            file.write(b"\n" * bool(rest) + orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())


def write_parquet(path: Path, frame: pl.DataFrame, *, lasting: bool = True) -> None:
    """Write a table so that it is there whole or not at all; what is not `lasting` is not packed."""
    aside = path.with_name(f".{path.name}.part")
    if lasting:
        frame.write_parquet(aside, compression="zstd", compression_level=1)
    else:
        frame.write_parquet(aside, compression="uncompressed", statistics=False)
    aside.replace(path)


def sizes(folder: Path) -> dict[str, int]:
    """Return the files of a stage that stay as they are, and their bytes; checkpoints may be cleared away."""
    found: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        held = path.suffix in _HELD and path.name not in _CLOCKED
        if held and not any(part.startswith((".", "checkpoint-")) for part in name.parts):
            found[name.as_posix()] = path.stat().st_size
    return found


class Damaged(UserError):
    """A file of a finished stage that is gone, or is not what was written."""

    def __init__(self, path: Path, folder: Path) -> None:
        said = t("{path} is damaged, or was changed", path=path) if path.exists() else t("{path} is gone", path=path)
        hint = t("Put it back as it was, or remove the folder {folder}: the stage then runs again", folder=folder)
        super().__init__(said, hint)


@dataclass(frozen=True)
class Stored:
    """A finished stage on disk."""

    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        """What the stage read, with which settings, what came of it, and how long it took."""
        path = self.folder / MANIFEST
        try:
            data: dict[str, Any] = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            raise Damaged(path, self.folder) from None
        return data

    def hold_whole(self) -> None:
        """Raise Damaged where a file is gone, or of another size than when the stage was finished."""
        for name, size in self.manifest.get("files", {}).items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise Damaged(path, self.folder)

    def parts(self) -> list[Path]:
        """Return the files of records, in order."""
        return sorted(self.folder.glob("part-*.parquet"))

    def records(self) -> pl.DataFrame:
        """Return all records, in order."""
        return pl.concat([pl.DataFrame(schema=record.SCHEMA), *(pl.read_parquet(path) for path in self.parts())])

    def ledger(self) -> pl.DataFrame:
        """Return all events, in order."""
        return pl.concat([ledger.empty(), *(pl.read_parquet(p) for p in sorted(self.folder.glob("ledger-*.parquet")))])


@dataclass(frozen=True)
class Draft:
    """A stage being written; what it holds already survives a crash and is found again."""

    folder: Path
    lasting: bool = True  # false for what a stage writes on the way

    def part(self, index: int) -> Path:
        """Return where the records of chunk `index` belong."""
        return self.folder / f"part-{index:05d}.parquet"

    def ledger_part(self, index: int) -> Path:
        """Return where the events of chunk `index` belong."""
        return self.folder / f"ledger-{index:05d}.parquet"

    def write(self, index: int, records: pl.DataFrame | None, events: pl.DataFrame) -> None:
        """Write the records and the events of one chunk; the records come last, so a part is a finished chunk."""
        write_parquet(self.ledger_part(index), events, lasting=self.lasting)
        if records is not None:
            write_parquet(self.part(index), records, lasting=self.lasting)

    def empty(self, index: int) -> None:
        """Give back the room of a finished chunk that nobody reads any more."""
        for path in (self.part(index), self.ledger_part(index)):
            os.truncate(path, 0)

    def scratch(self, name: str) -> Path:
        """Return a folder for what is needed on the way; it is not part of the finished stage."""
        folder = self.folder / f".{name}"
        folder.mkdir(exist_ok=True)
        return folder


class Run:
    """The folder of one run: `runs/<name>/<stage>/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stored(self, stage: str) -> Stored | None:
        """Return the finished stage, or None."""
        self._finish_renaming(stage)
        folder = self.folder / stage
        return Stored(folder) if (folder / MANIFEST).exists() else None

    def seen(self, stage: str) -> Stored | None:
        """Return the finished stage as it lies there, or None: for those who look on while another process writes."""
        places = (self._aside(stage), self.folder / stage, self.folder / f".{stage}.old")
        return next((Stored(place) for place in places if (place / MANIFEST).exists()), None)

    def draft(self, stage: str, key: str) -> Draft:
        """Open the place where a stage is written; what an interrupted try with the same `key` left there is kept."""
        folder = self._aside(stage)
        mark = folder / ".key"
        if folder.exists() and not (mark.exists() and mark.read_text() == key):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(mark, key.encode())
        return Draft(folder)

    def finish(self, stage: str, manifest: dict[str, Any]) -> Stored:
        """Make the draft the finished stage in place of an older one."""
        write_whole(self._aside(stage) / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        self._finish_renaming(stage)
        return Stored(self.folder / stage)

    @contextmanager
    def locked(self) -> Iterator[Self]:
        """Keep other processes from writing this run meanwhile."""
        make_folder(self.folder)
        with (self.folder / LOCK).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    t("Another weitiao is writing {folder}", folder=self.folder),
                    t("Wait for it, or give this run another place with --runs DIR"),
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield self
            finally:
                file.truncate(0)

    def writer(self) -> int | None:
        """Return the process that writes this run now, None where none does."""
        try:
            with (self.folder / LOCK).open() as file:
                if not (written := file.read()).isdecimal():
                    return None
                try:  # who was killed has left its number behind, but not its lock
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(written)
        except FileNotFoundError:
            pass
        return None

    def glance(self, stage: str) -> Stored | None:
        """Return the finished stage, or None, and change nothing: for those who look on while another writes."""
        for folder in (self._aside(stage), self.folder / stage):
            if (folder / MANIFEST).exists():
                return Stored(folder)
        return None

    def _aside(self, stage: str) -> Path:
        return self.folder / f".{stage}.part"

    def _finish_renaming(self, stage: str) -> None:
        """Put a draft that is whole (it has its manifest) in place; a crash may have come in between.

        Only now its scratch goes: without the manifest the stage would still need it.
        """
        aside, folder, old = self._aside(stage), self.folder / stage, self.folder / f".{stage}.old"
        if (aside / MANIFEST).exists():
            for scratch in aside.glob(".*"):
                if scratch.is_dir():
                    shutil.rmtree(scratch)
            if folder.exists():
                if old.exists():
                    shutil.rmtree(old)
                folder.rename(old)
            aside.rename(folder)
            (folder / ".key").unlink(missing_ok=True)
        if old.exists():
            shutil.rmtree(old)


class Trial(Run):
    """A run in a place of its own that finds what another has finished; the other stays as it is."""

    def __init__(self, folder: Path, other: Run) -> None:
        super().__init__(folder)
        self.other = other

    def stored(self, stage: str) -> Stored | None:
        """Return the finished stage, or None."""
        return super().stored(stage) or self.other.stored(stage)

    @contextmanager
    def locked(self) -> Iterator[Self]:
        """Keep other processes from writing the other run meanwhile."""
        with self.other.locked() if self.other.folder.is_dir() else nullcontext():
            yield self
