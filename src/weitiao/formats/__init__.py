"""Formats of training data: rows of other tools to messages (source) and back (export), declared as data."""

from weitiao.formats.problem import EMPTY, BadRow, Problem
from weitiao.formats.read import POST_COLUMNS, SHAPES, Reading, read, recognise
from weitiao.formats.write import FORMATS, Written, write

__all__ = [
    "EMPTY",
    "FORMATS",
    "POST_COLUMNS",
    "SHAPES",
    "BadRow",
    "Problem",
    "Reading",
    "Written",
    "read",
    "recognise",
    "write",
]
