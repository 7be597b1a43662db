"""CSV, TSV, XLSX and Parquet as rows: a row is its cells by column name."""

import csv
import dataclasses
import datetime
import io
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import openpyxl
import polars as pl

from weitiao.formats import Problem
from weitiao.source import text
from weitiao.source.rows import Row, as_bytes

_OPEN = Problem(
    "open quote",
    "a quote that opens here is never closed: it swallows the rest of the file",
    "Close it, or write two quotes for one inside a text",
)
_SLICE = 5_000  # rows of a Parquet file in memory at once


def read_csv(path: Path, encoding: str, delimiter: str) -> Iterator[Row]:
    """Yield the records of a CSV file (RFC 4180); the first one names the columns. Blank lines are no records."""
    csv.field_size_limit(sys.maxsize)
    with text.reader(path, encoding) as file:
        delimiter = _delimiter(file.readline(text.LONGEST), delimiter)
    with text.reader(path, encoding) as file:
        heard = _Heard(text.lines(file, text.LONGEST))
        records = csv.reader(heard, delimiter=delimiter, strict=True)
        columns: list[str] = []
        number, line = 0, 1
        problem: Problem | None = None
        alone: Row | None = None
        while not (problem and problem.ends):
            heard.said.clear()
            cells, problem = _next(records, line)
            if cells is None:
                if alone and not number:
                    yield alone
                return
            place, line = line, heard.count + 1
            if not cells and not problem:
                continue
            if columns and not cells:
                number += 1
                yield Row(number, str(place), heard.raw(), problem=problem)
                continue
            if columns:
                number += 1
                yield _record(number, place, columns, cells, problem or _cells(columns, cells, encoding))
                continue
            columns = [cell.strip() for cell in cells]
            if problem := problem or _header(columns) or text.undecoded("".join(columns), encoding):
                # A byte that is not in the encoding stands there as half a character, which is no UTF-8.
                yield Row(0, str(place), heard.raw(), problem=problem)
                return
            alone = Row(0, str(place), heard.raw(), problem=_alone(columns))


class _TooLong(Exception):
    """A record that goes on beyond what is read; with `args[0]` its line was cut, and the next one can be read."""


class _Heard:
    """The lines that a reader of records takes, counted; `said` are those of the record at hand.

    Where its quotes are wrong, or it is too long, there are no cells.
    """

    def __init__(self, lines: Iterator[tuple[str, bool]]) -> None:
        self._lines = lines
        self.said: list[str] = []
        self.count = 0
        self._size = 0

    def __iter__(self) -> "_Heard":
        return self

    def __next__(self) -> str:
        line, cut = next(self._lines)
        self.count += 1
        self._size = len(line) + (self._size if self.said else 0)
        self.said.append(line)
        if cut or self._size > text.LONGEST:
            raise _TooLong(cut)
        return line

    def raw(self) -> bytes:
        """Return what was said as it stands there."""
        return "".join(self.said).encode(errors="backslashreplace")


def _next(records: Any, line: int) -> tuple[list[str] | None, Problem | None]:
    """Return the next record, None after the last one, and what is wrong with its quotes."""
    try:
        return next(records), None
    except StopIteration:
        return None, None
    except csv.Error as error:
        return [], _quote(error, line)
    except _TooLong as error:
        problem = text.too_large("a line", text.LONGEST) if error.args[0] else _OPEN
        return [], dataclasses.replace(problem, ends=not error.args[0])


def read_parquet(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file."""
    try:
        table = pl.scan_parquet(path)
        total = table.select(pl.len()).collect().item()
        for start in range(0, total, _SLICE):
            for number, row in enumerate(table.slice(start, _SLICE).collect().iter_rows(named=True), start + 1):
                value = {key: cell for key, cell in row.items() if cell is not None}
                yield Row(number, str(number), as_bytes(value), value)
    except (pl.exceptions.PolarsError, OSError) as error:
        what = {"error": str(error).splitlines()[0][:200]}
        yield Row(
            0, "", b"", problem=Problem("broken table", "a damaged Parquet file: {error}", "Get it again", "", what)
        )


def read_xlsx(path: Path, uri: str) -> Iterator[Row]:
    """Yield the rows of each sheet; its first row that is not empty names the columns.

    Of a formula the value is read that the spreadsheet program stored. A date becomes ISO text, a whole number has no
    fraction. Of merged cells only the first has the value, as in the file.
    """
    try:
        with path.open("rb") as file, path.open("rb") as again:  # openpyxl would leave a damaged one open
            values, formulas = _workbooks(file, again)
            sheets = [sheet for sheet in values.worksheets if any(_filled(row) for row in _cells_of(sheet))]
            for sheet in sheets:
                name = uri if len(sheets) == 1 else f"{uri}#{sheet.title}"
                yield from _sheet(name, sheet, formulas[sheet.title] if formulas else None)
    except _Damaged as damage:
        what = {"error": str(damage)[:200]}
        yield Row(
            0, "", b"", problem=Problem("broken table", "a damaged XLSX file: {error}", "Save it again", "", what)
        )


class _Damaged(Exception):
    """A workbook whose parts do not fit together."""


# What openpyxl and the libraries below it raise over a damaged workbook, by trying 500; both XML readers' errors are
# SyntaxErrors.
_DAMAGE = (
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, EOFError, OSError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)


def _workbooks(file: IO[bytes], again: IO[bytes]) -> tuple[Any, Any]:
    """Open the workbook for its values, and once more for its formulas if it has some."""
    # openpyxl warns, also while it reads on, of styles and extensions that do not matter here.
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    try:
        values = openpyxl.load_workbook(file, read_only=True, data_only=True)
        return values, openpyxl.load_workbook(again, read_only=True) if _has_formulas(again) else None
    except _DAMAGE as error:
        raise _Damaged(f"{type(error).__name__} {error}") from None


def _delimiter(head: str, named: str) -> str:
    """Return what separates the columns: a comma, or what stands in the first line where no comma does."""
    if named in head:
        return named
    return next((mark for mark in ("\t", ";", "，", "|") if mark in head), named)


def _header(columns: Sequence[str]) -> Problem | None:
    names = [_name(column, number) for number, column in enumerate(columns, 1)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        values = {"names": ", ".join(sorted(twice))}
        return Problem("columns", "two columns are called {names}", "Give each column its own name", values=values)
    return None


def _name(column: str, number: int) -> str:
    """Return what a column is called: one without a name by its number."""
    return column or f"#{number}"


def _alone(columns: Sequence[str]) -> Problem:
    """Return the problem of a table that has no row below its first one."""
    return Problem(
        "no rows",
        "its only row was taken for the names of the columns: {columns}",
        "If it is data, put a row of names above it (question,answer); else leave it out",
        values={"columns": ", ".join(name[:40] for name in columns[:20])},
    )


def _value(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Return the cells by the names of their columns; of the columns without a name only the cells that say something.

    A spreadsheet may leave out cells at a row's end, and have some beside its table.
    """
    if len(columns) == len(cells) and "" not in columns:
        return dict(zip(columns, cells, strict=True))
    beside = [""] * (len(cells) - len(columns))
    named = enumerate(zip([*columns, *beside], cells, strict=False), 1)
    return {_name(column, number): cell for number, (column, cell) in named if column or cell}


def _cells(columns: Sequence[str], cells: Sequence[str], encoding: str) -> Problem | None:
    if len(cells) != len(columns):
        return Problem(
            "unequal columns",
            "{found} cells under {wanted} columns",
            "Set texts that hold a comma or line break in double quotes",
            values={"found": len(cells), "wanted": len(columns)},
        )
    joined = "".join(cells)
    if "\0" in joined:
        return Problem("NUL byte", "a NUL byte in a cell", "Take it out")
    return None if joined.isascii() else text.undecoded(joined, encoding)


def _record(number: int, line: int, columns: Sequence[str], cells: Sequence[str], problem: Problem | None) -> Row:
    if problem:
        target = io.StringIO()
        csv.writer(target).writerow(cells)
        return Row(number, str(line), target.getvalue().encode("utf-8", "replace"), problem=problem)
    return Row(number, str(line), as_bytes(cells), _value(columns, cells))


def _quote(error: csv.Error, line: int) -> Problem:
    if "end of data" in str(error):
        return _OPEN
    return Problem("stray quote", "a quote inside a quoted text", "Write it twice", values={"line": line})


def _cells_of(sheet: Any) -> Iterator[tuple[Any, ...]]:
    try:
        sheet.reset_dimensions()  # many programs write them wrong, and openpyxl would believe them
        yield from sheet.iter_rows(values_only=True)
    except _DAMAGE as error:
        raise _Damaged(f"{type(error).__name__} {error}") from None


def _filled(row: Sequence[Any]) -> bool:
    return any(cell is not None and cell != "" for cell in row)


def _sheet(uri: str, sheet: Any, formulas: Any | None) -> Iterator[Row]:
    columns: list[str] = []
    number = 0
    alone: Row | None = None
    written = _cells_of(formulas) if formulas is not None else iter(())
    for line, row in enumerate(_cells_of(sheet), 1):
        formula = next(written, ())
        if not columns:
            if _filled(row):
                columns = [_shown(cell).strip() for cell in row]
                while columns and not columns[-1]:
                    columns.pop()
                problem = _header(columns)
                alone = Row(0, str(line), as_bytes(columns), problem=problem or _alone(columns), uri=uri)
                if problem:
                    break
            continue
        if not _filled(row) and not _filled(formula):
            continue
        number += 1
        shown = [_shown(cell) for cell in row]
        raw, problem = as_bytes(shown), _uncounted(columns, row, formula)
        if any(beside := shown[len(columns) :]):
            problem = problem or _header([*columns, *("" for _ in beside)])
        yield Row(number, str(line), raw, None if problem else _value(columns, shown), problem, uri)
    if alone and not number:
        yield alone


def _uncounted(columns: Sequence[str], row: Sequence[Any], formula: Sequence[Any]) -> Problem | None:
    """Return the problem of a formula whose value no program has stored."""
    for index, cell in enumerate(formula):
        text_of = getattr(cell, "text", cell)  # an array formula is an object of openpyxl's
        if isinstance(text_of, str) and text_of.startswith("=") and (index >= len(row) or row[index] is None):
            return Problem(
                "formula without value",
                "the formula {formula} has no stored value",
                "Open the file in a spreadsheet program and save it",
                columns[index] if index < len(columns) else "",
                {"formula": text_of[:40]},
            )
    return None


def _shown(cell: object) -> str:
    """Return a cell as text."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, (datetime.datetime, datetime.date, datetime.time)):
        return cell.isoformat()
    return str(cell)


def _has_formulas(file: IO[bytes]) -> bool:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as sheet:
                    tail = b""
                    while block := sheet.read(1 << 20):
                        if b"<f>" in tail + block or b"<f " in tail + block:
                            return True
                        tail = block[-2:]
    return False
