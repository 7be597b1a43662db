"""The source stage: lay out the files, read their pieces side by side, say what could not be read."""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from weitiao.errors import UserError
from weitiao.source import BadRows, Source, documents
from weitiao.source.files import LISTED, Found, Input, find
from weitiao.source.first_rows import open_all
from weitiao.source.opened import Opened
from weitiao.source.reading import Piece, piece_rows, plans, rows
from weitiao.source.table import Table, Tally
from weitiao.stage import Job, Outcome, Reporter
from weitiao.store import Draft, write_whole
from weitiao.talk import t

_NOTED = 10  # remarks on files; a folder may hold thousands of one kind
_LOOKED_FOR = 100  # files that all nodes must see; of more these stand for all
PART = 20_000  # records a part, where a file is read from end to end


def run(job: Job) -> Outcome:
    """Read all inputs into records, in the order of the inputs."""
    settings = job.settings(Source)
    found = find(settings.inputs, job.recipe.folder)
    before = _stamps(found.files)
    files = look(found, settings, job.draft.scratch("plain"), job.reporter)
    job.engine.check([job.folder, *(file.path for file in files[:_LOOKED_FOR])])
    tally, parts = Tally(), 0
    for plan in plans(files):
        if plan.stream:
            end = _stream(plan.stream, job.draft, parts, settings)
        else:
            end = parts + len(plan.pieces)
            _side_by_side(plan.pieces, job, parts, settings)
        for index in range(parts, end):
            tally.add(Tally.load(_tally(job.draft, index).read_bytes()))
        parts = end
    if (changed := (_stamps(found.files) != before).any(axis=1)).any():
        path = found.files[int(changed.argmax())].uri
        raise UserError(
            t("{path} changed while it was read", path=path), t("Run the command again when nobody writes to it")
        )
    total = tally.kept + tally.refused.total()
    if tally.bad and not settings.skip_bad:
        raise _cannot_read(tally, total)
    if not total:
        raise UserError(t("No rows in {inputs}", inputs=", ".join(settings.inputs)))
    if tally.shapes["records"]:
        _once_each(job.draft, parts)
    guessed = dict(islice(((file.uri, file.encoding.name) for file in files if file.encoding.guessed), LISTED))
    facts = {
        "files": len(files),
        "shapes": dict(tally.shapes),
        "encodings_guessed": guessed,
        "not_read": found.left[:LISTED],
    }
    facts |= {"revisions": found.revisions} if found.revisions else {}
    return Outcome(total, tally.kept, dict(tally.refused), facts)


def _stamps(files: Sequence[Input]) -> NDArray[np.int64]:
    """Return size and time of each file (files x 2); -1 where it is gone."""
    stamps = np.full((len(files), 2), -1, dtype=np.int64)
    for row, item in zip(stamps, files, strict=True):
        with suppress(FileNotFoundError):
            stat = os.stat(item.file)  # noqa: PTH116 - a Path for each of a million files takes a minute
            row[:] = stat.st_size, stat.st_mtime_ns
    return stamps


def look(found: Found, settings: Source, aside: Path, reporter: Reporter) -> list[Opened]:
    """Look at each file before any is read, and say what is odd."""
    files = [*open_all(reporter.track(found.files, len(found.files), "files looked at"), settings, aside)]
    notes = [note for file in files for note in _odd(file)]
    for note in notes[:_NOTED]:
        reporter.say(note)
    if len(notes) > _NOTED:
        reporter.say(t("and others: {count}", count=len(notes) - _NOTED))
    texts = sum(file.kind == "text" and file.readable for file in files)
    if texts and settings.shape != "lines":
        reporter.say(t("Texts read whole, a record each: {count}; `shape: lines` makes one of each line", count=texts))
    if note := found.note():
        reporter.say(note)
    return files


def _odd(file: Opened) -> list[str]:
    """Return what is to be said of a file before it is read."""
    name = file.encoding.name.upper()
    guess = t("{uri}: {encoding}, judged by its text", uri=file.uri, encoding=name) if file.encoding.guessed else ""
    return [note for note in (guess, file.note) if note]


def _side_by_side(pieces: tuple[Piece, ...], job: Job, first: int, settings: Source) -> None:
    """Read the pieces that an earlier try has not finished; each writes its own part."""
    missing = [(first + n, piece) for n, piece in enumerate(pieces) if not job.draft.part(first + n).exists()]
    slow = any(file.kind in documents.KINDS for _, piece in missing for file in piece.files)
    work = job.engine.run(partial(_read_piece, draft=job.draft, settings=settings), missing, slow=slow)
    for _ in job.reporter.track(work, len(missing), "chunks read"):
        pass


def _read_piece(numbered: tuple[int, Piece], *, draft: Draft, settings: Source) -> None:
    index, piece = numbered
    table = Table(settings)
    for file in piece.files:
        for row in rows(file, settings.shape) if piece.stop < 0 else piece_rows(piece, settings.shape):
            table.add(row, file)
    _write(draft, index, table)


def _stream(file: Opened, draft: Draft, first: int, settings: Source) -> int:
    """Read a large file from end to end, a part at a time; return the index after its last part."""
    waiting = rows(file, settings.shape)
    index = first
    while True:
        table = Table(settings)
        for row in islice(waiting, PART):
            table.add(row, file)
        if not len(table):
            return index
        if not draft.part(index).exists():
            _write(draft, index, table)
        index += 1


def _write(draft: Draft, index: int, table: Table) -> None:
    write_whole(_tally(draft, index), table.tally.dump())  # first: a part that is there is a finished chunk
    draft.write(index, *table.frames())


def _tally(draft: Draft, index: int) -> Path:
    return draft.scratch("tally") / f"{index:05d}.json"


def _cannot_read(tally: Tally, total: int) -> BadRows:
    head = t("{bad} of {total} rows cannot be read", bad=f"{tally.bad:,}", total=f"{total:,}")
    hint = t("Mend them, or go on without them: `skip_bad: true`, --skip-bad")
    return BadRows("\n  ".join([head, *tally.wrong.lines()]), hint)


def _once_each(draft: Draft, parts: int) -> None:
    """Hold that no id stands twice: records that come back in bring their own."""
    ids = pl.concat(pl.read_parquet(draft.part(index), columns=["id", "origin"]) for index in range(parts))
    twice = ids.filter(pl.col("id").is_duplicated())
    if not twice.is_empty():
        raise UserError(
            t("The id {id} stands {count} times", id=twice["id"][0], count=ids["id"].value_counts()["count"].max()),
            t("Give each record its own id; the same file may have been given twice"),
        )
