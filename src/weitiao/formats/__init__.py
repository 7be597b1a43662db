"""Formats of training data: rows of other tools to messages (source) and back (export), declared as data."""

from weitiao.formats.problem import EMPTY, NO_FAULT, BadRow, Problem
from weitiao.formats.read import Reading, read, read_plain, recognise
from weitiao.formats.shapes import POST_COLUMNS, SHAPES
from weitiao.formats.tools import TOOLS, recognise_task
from weitiao.formats.write import FORMATS, Written, write

__all__ = [
    "EMPTY",
    "FORMATS",
    "NO_FAULT",
    "POST_COLUMNS",
    "SHAPES",
    "TOOLS",
    "BadRow",
    "Problem",
    "Reading",
    "Written",
    "read",
    "read_plain",
    "recognise",
    "recognise_task",
    "write",
]
