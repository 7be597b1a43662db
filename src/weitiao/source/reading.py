"""The rows of a looked-at file, whatever its kind, and the pieces in which large ones are read."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from weitiao.formats import Problem
from weitiao.source import documents, json_rows, pages, stack_exchange, tables, text
from weitiao.source.opened import Opened
from weitiao.source.rows import Row

PIECE = 1 << 24  # bytes: what one worker reads at a time
_LEAST = 1 << 10  # bytes that a file counts for at least: to open it is work, and its record takes memory
_HEAD = 1 << 16
LARGEST = 1 << 26  # bytes of a line; a longer one is refused, its beginning in the ledger
_NO_ROWS = Problem("no rows", "no rows in it", "Check that it is the file you mean")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole files, or lines of one JSON Lines file: bytes `start` to `stop`, the first of them line `line`.

    With `huge` it is one line, too long to be read.
    """

    files: tuple[Opened, ...]
    start: int = 0
    stop: int = -1
    line: int = 1
    huge: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Pieces that can be read side by side, or one large file that must be read from end to end."""

    pieces: tuple[Piece, ...] = ()
    stream: Opened | None = None


def rows(file: Opened, shape: str = "auto") -> Iterator[Row]:
    """Yield all rows of a file, or the first that are wanted; what is wrong with it as a whole comes as row 0."""
    found = _all(file, shape)
    return _first(found, file.limit) if file.limit else found


def _first(found: Iterator[Row], left: int) -> Iterator[Row]:
    for row in found:
        yield row
        left -= row.number > 0
        if not left:
            return


def _all(file: Opened, shape: str) -> Iterator[Row]:
    if file.readable:
        found = _lines_of(file, shape) if file.kind == "jsonl" else _whole(file, shape)
        try:
            first = next(found, None)
            if first:
                yield first
                yield from found
            elif not file.problem:
                yield Row(0, "", b"", problem=_NO_ROWS)
        except UnicodeDecodeError as error:  # UTF-16 and 32 have no way to let a byte through
            byte = error.object[error.start]
            yield Row(0, "", b"", problem=text.not_text(error.start, byte, file.encoding.name))
    if file.problem:
        yield Row(0, "", b"", problem=file.problem)


def _lines_of(file: Opened, shape: str) -> Iterator[Row]:
    for piece in _lines(file):
        yield from piece_rows(piece, shape)


def piece_rows(piece: Piece, shape: str) -> Iterator[Row]:
    """Yield the rows of a piece that is part of a JSON Lines file."""
    (file,) = piece.files
    with file.path.open("rb") as source:
        source.seek(piece.start)
        if piece.huge:
            yield Row(piece.line, str(piece.line), source.read(_HEAD), problem=text.too_large("a line", LARGEST))
            return
        data = source.read(piece.stop - piece.start if piece.stop >= 0 else -1)
    yield from json_rows.read_lines(data, file.codec, piece.line)


def plans(files: list[Opened]) -> Iterator[Plan]:
    """Lay out how the files are read, in order."""
    pieces: list[Piece] = []
    for file in files:
        size = _size(file)
        if file.kind == "jsonl" and size > PIECE and not file.limit:
            pieces += _lines(file)
            if file.problem:
                pieces.append(Piece((dataclasses.replace(file, readable=False),)))
        elif size <= PIECE or file.kind in documents.KINDS:
            pieces.append(Piece((file,)))
        else:
            yield Plan(tuple(_bundled(pieces)))
            pieces = []
            yield Plan(stream=file)
    yield Plan(tuple(_bundled(pieces)))


def _size(file: Opened) -> int:
    """Return about how many bytes a file has when read, or what is as much work; Parquet and XLSX are packed."""
    packed = 8 if file.kind in ("parquet", "xlsx") else 16 if file.kind in documents.KINDS else 1
    return max(file.path.stat().st_size * packed, _LEAST) if file.readable else _LEAST


def _bundled(pieces: list[Piece]) -> Iterator[Piece]:
    """Join small files that follow each other, up to the size of a piece."""
    small: list[Opened] = []
    room = PIECE
    for piece in pieces:
        whole = piece.stop < 0
        size = _size(piece.files[0]) if whole else 0
        if small and (not whole or size > room):
            yield Piece(tuple(small))
            small, room = [], PIECE
        if whole:
            small += piece.files
            room -= size
        else:
            yield piece
    if small:
        yield Piece(tuple(small))


def _lines(file: Opened) -> Iterator[Piece]:
    """Cut a JSON Lines file at line ends, into pieces of about `PIECE` bytes; a line too long is a piece of its own."""
    start, line = 0, 1
    with file.path.open("rb") as source:
        while block := source.read(PIECE):
            block += source.readline(LARGEST)
            end, whole = len(block), len(block)
            if len(block) > LARGEST and not block.endswith(b"\n"):
                whole = block.rfind(b"\n") + 1
                while rest := source.readline(PIECE):
                    end += len(rest)
                    if rest.endswith(b"\n"):
                        break
            lines = block.count(b"\n", 0, whole)
            if whole:
                yield Piece((file,), start, start + whole, line)
            if end > whole:
                yield Piece((file,), start + whole, start + end, line + lines, huge=True)
            start, line = start + end, line + lines + (end > whole)


def _whole(file: Opened, shape: str) -> Iterator[Row]:
    encoding = file.codec
    if file.kind in ("html", "text") and shape != "lines" and file.path.stat().st_size > LARGEST:
        yield Row(0, "", b"", problem=text.too_large("the text", LARGEST))
        return
    match file.kind:
        case "json":
            yield from json_rows.read_document(file.path, encoding)
        case "csv" | "tsv":
            yield from tables.read_csv(file.path, encoding, "\t" if file.kind == "tsv" else ",")
        case "xlsx":
            yield from tables.read_xlsx(file.path, file.uri)
        case "parquet":
            yield from tables.read_parquet(file.path)
        case "stack_exchange":
            yield from stack_exchange.read_posts(file.path, file.uri)
        case "pdf" | "docx" | "epub":
            yield from documents.read(file.path, file.kind)
        case "html":
            yield from pages.read_page(file.path, encoding, shape)
        case _:
            yield from pages.read_text(file.path, encoding, lines=shape == "lines")
