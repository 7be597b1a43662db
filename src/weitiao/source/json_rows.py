"""JSON Lines, and JSON arrays and objects, as rows."""

import dataclasses
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from weitiao.formats import BadRow, Problem, recognise_task
from weitiao.source import json_slips, text
from weitiao.source.rows import Row

_BUFFER = 1 << 22  # characters of a JSON array in memory at once
_WHOLE = 1 << 27  # bytes of a document that is no array: it is read whole, which takes five times that in memory
_LARGEST = 1 << 26  # an item longer than this is taken for a broken one
# orjson gives whole numbers beyond 64 bits as fractions; Python's own reader keeps them. Looked for as a run of digits
# in a copy where all digits are 0: twenty times as fast as a pattern.
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_BIG = b"0" * 19
_STRIDE = 9  # bytes: of a run of digits so long, two that follow each other at this distance are digits
_SPACE = re.compile(r"[ \t\r\n]*")


def read_lines(data: bytes, encoding: str, first: int) -> Iterator[Row]:
    """Yield a row for each line that is not blank; `first` is the number of the first line."""
    if first == 1:
        data = text.strip_mark(data, encoding)
    some = np.frombuffer(data, dtype=np.uint8)[::_STRIDE] - np.uint8(ord("0")) < 10  # tells for most data at once
    big = bool((some[:-1] & some[1:]).any()) and _BIG in data.translate(_DIGITS)
    for number, whole in enumerate(io.BytesIO(data), first):  # not `split`: a line is read while it is in the cache
        line = whole.strip(b" \t\r\n")
        if not line:
            continue
        if encoding != "utf-8":
            decoded = line.decode(encoding, "surrogateescape")
            if problem := text.undecoded(decoded, encoding):
                yield Row(number, str(number), decoded.encode("utf-8", "replace"), problem=problem)
                continue
            line = decoded.encode()
        try:
            value = orjson.loads(line)
            if big and _BIG in line.translate(_DIGITS):
                value = json_slips.exactly(line)
        except (ValueError, RecursionError):
            if problem := json_slips.explain(line, ended=whole.endswith(b"\n")):
                yield Row(number, str(number), line, problem=problem)
                continue
            value = json_slips.exactly(line)
        yield _row(number, str(number), line, value)


def read_document(path: Path, encoding: str) -> Iterator[Row]:
    """Yield the items of an array, of the one list that an object holds, or the object itself."""
    with text.reader(path, encoding) as file:
        window = _Window(file, encoding)
        if window.peek() == "[":
            yield from _array(window, encoding)
        elif path.stat().st_size > _WHOLE:
            yield Row(0, "1", window.ahead().encode("utf-8", "replace"), problem=text.too_large("the text", _WHOLE))
        else:
            yield from _object(window.rest(), encoding)


def _row(number: int, place: str, raw: bytes, value: object) -> Row:
    """Return the row that a JSON value is; a bare text is a post."""
    if type(value) is dict:
        return Row(number, place, raw, value)
    if type(value) is str:
        return Row(number, place, raw, {"text": value})
    kinds = {list: "a list", bool: "true or false", type(None): "null"}
    wrong = {"is": kinds.get(type(value), "a number")}
    mend = "Write an object with fields, or a text"
    return Row(number, place, raw, problem=Problem("not an object", "it is {is}, not an object", mend, values=wrong))


def _object(buffer: str, encoding: str) -> Iterator[Row]:
    """Yield the rows of a whole document that is no array."""
    raw = buffer.strip().encode("utf-8", "replace")
    if problem := text.undecoded(buffer, encoding) or json_slips.explain(raw):
        yield Row(0, _line(problem), raw, problem=problem)
        return
    value = json_slips.exactly(raw)
    if not isinstance(value, dict):
        yield _row(1, "1", raw, value)
        return
    lists = [key for key, item in value.items() if isinstance(item, list) and item and isinstance(item[0], dict)]
    whole = {"messages", "conversations", "conversation", "dialogue", "dialog", "history", "instruction"} & set(value)
    if len(lists) != 1 or whole or recognise_task(value):
        yield Row(1, "1", raw, value)
        return
    for number, item in enumerate(value[lists[0]], 1):
        yield _row(number, f"{lists[0]}[{number - 1}]", json_slips.flat(item).encode("utf-8", "replace"), item)


def _line(problem: Problem) -> str:
    return str(problem.values.get("line", 1))


class _Window:
    """The part of a long text that is in memory; it moves on as the text is read, and knows its line."""

    def __init__(self, file: IO[str], encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._text = file.read(_BUFFER)
        self._at = 0
        self._column = 0  # characters of the line at the window's start that have left it
        self.line = 1

    def peek(self) -> str:
        """Return the next character that is not white space, and stand before it; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match
            self._take(match.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self) -> None:
        """Go past one character."""
        self._take(self._at + 1)

    def rest(self) -> str:
        """Return all that is left."""
        return self._text[self._at :] + self._file.read()

    def item(self) -> tuple[Any, str]:
        """Return the value that starts here, and its text; raises BadRow if it is not JSON."""
        while True:
            try:
                value, end = json_slips.decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():  # a number may go on after the window
                    raw = self._text[self._at : end]
                    self._take(end)
                    return value, raw
            except RecursionError:
                raise BadRow(json_slips.too_deep()) from None
            except ValueError as error:
                if len(self._text) - self._at > _LARGEST:
                    endless = str(error).startswith("Unterminated string")  # any other slip stands before its end
                    raise BadRow(text.too_large("a line", _LARGEST) if endless else self.problem(error)) from None
                if not self._more():
                    raise BadRow(self.problem(error)) from None

    def problem(self, error: ValueError) -> Problem:
        """Return what is wrong, and stand on its line."""
        if not isinstance(error, json.JSONDecodeError):
            return json_slips.not_a_number(error)
        error.colno += self._column if error.lineno == 1 else 0
        found = json_slips.name(self._text, error)
        self._take(error.pos)
        here = self._text[self._at : self._at + 1]
        return text.undecoded(here, self._encoding) or found

    def ahead(self) -> str:
        """Return the next characters, as the ledger shows them."""
        return self._text[self._at : self._at + 2000]

    def slip(self, message: str = "Extra data") -> Problem:
        """Return the problem of a mark that cannot stand here."""
        return self.problem(json.JSONDecodeError(message, self._text, self._at))

    def _take(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        block = self._file.read(_BUFFER)
        if not block:
            return False
        gone = self._text[: self._at]
        self._column = len(gone) - gone.rfind("\n") - 1 + (self._column if "\n" not in gone else 0)
        self._text, self._at = self._text[self._at :] + block, 0
        return True


def _array(window: _Window, encoding: str) -> Iterator[Row]:
    """Yield the items of an array; a slip ends it, since nothing after it can be told apart."""
    number = 0
    window.take()
    while True:
        mark = window.peek()
        problem = None
        if mark == "]":
            window.take()
            if window.peek():
                yield _broken(number, window, window.slip())
            return
        if number and mark != ",":
            problem = window.slip("Expecting ',' delimiter")
        elif number:
            window.take()
            if window.peek() == "]":
                problem = window.slip("Expecting value")
        if problem:
            yield _broken(number + 1, window, problem)
            return
        line = window.line
        try:
            value, raw = window.item()
        except BadRow as bad:
            yield _broken(number + 1, window, bad.problem)
            return
        number += 1
        yield _item(number, line, raw, value, encoding)


def _item(number: int, line: int, raw: str, value: object, encoding: str) -> Row:
    problem = None if raw.isascii() else text.undecoded(raw, encoding)
    if problem is None and json_slips.SURROGATE.search(raw):
        problem = text.undecoded(json_slips.flat(value), "utf-8")
    content = raw.encode("utf-8", "replace")
    return Row(number, str(line), content, problem=problem) if problem else _row(number, str(line), content, value)


def _broken(number: int, window: _Window, problem: Problem) -> Row:
    problem = dataclasses.replace(problem, ends=True)
    return Row(number, str(window.line), window.ahead().encode("utf-8", "replace"), problem=problem)
