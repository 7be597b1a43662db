"""Whitespace as one would type it, and nothing in a text that cannot be seen."""

import re

import polars as pl

from weitiao.prepare.code import outside_code
from weitiao.prepare.invisible import SETS, Invisible, without_invisible
from weitiao.step import RewriteSelected

_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f]")
_HIDDEN: tuple[Invisible, ...] = ("control", "zero_width", "variation", "bidi")
_CLASS = f"[{''.join(SETS[kind] for kind in _HIDDEN)}\r\v\f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f]"
_ODD = re.compile(_CLASS)
_UNTIDY = _CLASS + r"|[ \t]\n|\S  +|\n\n\n|^\s|\s$|(?m:^[ \t]+[\u4e00-\u9fff“‘《（【])"


class TidyWhitespace(RewriteSelected):
    """Collapse runs of spaces and blank lines, and remove control and invisible characters.

    Stay: the indentation of lines, all inside code fences but what cannot be seen, and the joiners that emoji and the
    scripts of India and Arabia need.
    """

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is something to tidy."""
        return text.str.contains(_UNTIDY)

    def rewrite_one(self, text: str) -> str:
        """Return the tidy text."""
        if _ODD.search(text):
            text = without_invisible(_SPACE.sub(" ", _LINE_END.sub("\n", text)), _HIDDEN)
        text = outside_code(_tidy_lines, text).strip("\n").rstrip()
        return text.lstrip() if "\n" not in text else text


def _tidy_lines(text: str) -> str:
    # Python looks fast for what begins with a character of its own: so do these, and each line with a line end.
    text = "".join(["\n" + line.rstrip(" \t") for line in text.split("\n")])
    if "  " in text:
        text = re.sub(r" (?<=\S ) +", " ", text)
    # Chinese paragraphs begin with two wide spaces, which are no indentation.
    text = re.sub(r"\n[ \t]+(?=[\u4e00-\u9fff“‘《（【])", "\n", text)[1:]
    return re.sub(r"\n\n\n+", "\n\n", text)
