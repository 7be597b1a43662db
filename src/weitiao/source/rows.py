"""A row as it stands in its file, before it is a record."""

from typing import Any, NamedTuple

import orjson

from weitiao.formats import Problem


class Row(NamedTuple):
    """A row: its number (from 1; 0 is the file as a whole), its place for messages, its raw content, what it holds.

    `raw` is UTF-8 and goes into the record's id. With a `problem` there is no `value`. `uri` differs from the file's
    where a file has several tables. `address` is where on the web it comes from, `licence` what it says of its use.
    """

    number: int
    place: str
    raw: bytes
    value: Any = None
    problem: Problem | None = None
    uri: str = ""
    address: str = ""
    licence: str = ""


def as_bytes(value: object) -> bytes:
    """Return plain data as JSON: what an id is made of where a file has no text of a row."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
