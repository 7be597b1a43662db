"""The first rows of data sets on a hub: of the files only what these rows need is fetched."""

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from weitiao.source import Source, hub, text
from weitiao.source.files import PACKED, Input, kind_of
from weitiao.source.hub import Remote
from weitiao.source.opened import Opened, open_file
from weitiao.source.ranges import Ahead, NoRanges, RangeFile
from weitiao.source.reading import rows
from weitiao.store import digest

# Rows beyond those that are wanted: a file that is cut may end inside its last row, and a number that is cut, in a
# JSON array, is a row and a slip after it.
_SPARE = 2
_BATCH = 1_000  # rows of a Parquet file in memory at once
# Bytes of a group of rows of a Parquet file that is fetched in one go, where a part of it is wanted and where all of it
# is; of a larger one each column is fetched by itself, so many bytes at once.
_PART, _WHOLE = 1 << 22, 1 << 26
_LEAST, _MOST = 1 << 17, 1 << 23
_HIGH = bytes(range(0x80, 0x100))


def open_all(files: Iterable[Input], settings: Source, aside: Path) -> Iterator[Opened]:
    """Look at files, in order; `aside` is a folder for unpacked copies.

    Of an input of which only the first rows are wanted, files after these are left alone.
    """
    left: dict[str, int] = {}
    for item in files:
        remote = item.remote
        if not remote or not remote.limit:
            yield open_file(item, settings.encoding, aside)
            continue
        wanted = left.setdefault(remote.input, remote.limit)
        if not wanted:
            continue
        file = _open_first(item, remote, wanted, settings, aside)
        left[remote.input] -= _count(file, settings)
        yield file


def _open_first(item: Input, remote: Remote, wanted: int, settings: Source, aside: Path) -> Opened:
    """Look at a file of which only so many rows are wanted."""
    if (
        item.kind != "xlsx"
        and remote.can_be_read_in_part
        and (kept := _fetch_first(item, remote, wanted, settings, aside))
    ):
        item = replace(item, file=str(kept), remote=None)
    return replace(open_file(item, settings.encoding, aside), limit=wanted)


def _count(file: Opened, settings: Source) -> int:
    return sum(row.number > 0 for row in rows(file, settings.shape))  # row 0 is what is wrong with the whole file


def _fetch_first(item: Input, remote: Remote, wanted: int, settings: Source, aside: Path) -> Path | None:
    """Return a file that begins with the rows that are wanted; None where only the whole file tells them."""
    name = Path(remote.path).name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    kept = hub.cache() / "first" / f"{digest([remote.address, wanted, settings.encoding])}-{name[-80:]}"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{os.getpid()}-{kept.name}")
    source = RangeFile(remote)
    try:
        if kind_of(remote.path) == "parquet":
            done = _take_table(source, wanted, part)
        else:
            done = _take_text(source, replace(item, file=str(part), remote=None), wanted, settings, aside)
        if not done:
            return None
        with part.open("rb") as file:
            os.fsync(file.fileno())
        return part.replace(kept)
    except NoRanges:
        return None
    finally:
        part.unlink(missing_ok=True)


def _take_text(source: RangeFile, part: Input, wanted: int, settings: Source, aside: Path) -> bool:
    """Write the beginning of a text, unpacked, until our own readers find the rows in it; tell whether they do."""
    stream = io.BufferedReader(Ahead(source), text.SAMPLE)
    magic = stream.peek(4)[:4]
    if magic in (b"PK\x03\x04", b"PAR1"):
        return False
    room = max(text.UNPACKED, text.RATIO * source.size)
    enough, held = text.SAMPLE, b""  # less would make the judgement of its encoding another one
    try:
        with part.path.open("wb") as target:
            for block in text.blocks(stream, magic):
                held += block
                whole = held.rstrip(_HIGH)  # it must not end inside a character
                target.write(whole)
                held = held[len(whole) :]
                if (size := target.tell()) < enough:
                    continue
                target.flush()
                spare = wanted + _SPARE
                file = replace(open_file(part, settings.encoding, aside), limit=spare)
                found = _count(file, settings)
                if found == spare:
                    return True
                if size > room or (file.kind == "json" and not found):  # a document that is no array
                    return False
                enough = max(size * 5 // 4, size * spare // found) if found else size * 4
            target.write(held)
        return True
    except text.DAMAGED:  # the whole file tells where
        return False


def _take_table(source: RangeFile, wanted: int, part: Path) -> bool:
    """Write the first rows of a Parquet file as one; tell whether they could be read."""
    hub.need("pyarrow", "hub")
    import pyarrow
    from pyarrow import parquet

    size = source.size  # before anything else: here it is found out that there are no ranges
    try:
        head = parquet.read_metadata(source)
        if wanted >= head.num_rows or _loses_zones(head):  # of all rows the hub's own cache is the better place
            return False
        share = size * wanted // (head.num_rows * max(head.num_columns, 1))
        buffer = min(max(share, _LEAST), _MOST)
        by_group = parquet.ParquetFile(source, metadata=head, pre_buffer=True)
        by_page = parquet.ParquetFile(source, metadata=head, pre_buffer=False, buffer_size=buffer)
        with parquet.ParquetWriter(part, by_page.schema_arrow) as target:
            for number in range(head.num_row_groups):
                group = head.row_group(number)
                packed = sum(group.column(n).total_compressed_size for n in range(group.num_columns))
                table = by_group if packed <= (_WHOLE if group.num_rows <= wanted else _PART) else by_page
                for batch in table.iter_batches(min(wanted, _BATCH), row_groups=[number]):
                    target.write_batch(batch[:wanted])
                    wanted -= min(wanted, len(batch))
                    if not wanted:
                        return True
        return True
    except (pyarrow.ArrowException, OSError):
        return False


def _loses_zones(head: Any) -> bool:
    """Tell whether a Parquet file holds times of a kind whose time zone pyarrow drops and polars reads."""
    kinds = {head.schema.column(number).physical_type for number in range(head.num_columns)}
    return "INT96" in kinds and b"ARROW:schema" in (head.metadata or {})
