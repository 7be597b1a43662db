"""Whitespace as one would type it, and nothing in a text that cannot be seen."""

import re

import polars as pl

from weitiao.prepare.code import outside_code
from weitiao.step import RewriteSelected

_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f]")
_CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JOINED = (
    "\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1a00-\u1aff\ua840-\ua9ff"  # Arabic, Indic, Khmer, Mongolian and so on
)
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"
_HIDDEN = re.compile(
    f"[{_CONTROL}\u00ad\u2060-\u2064\ufeff]"
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"  # Thai, Lao, Burmese and Khmer part words with it
    f"|(?<![{_JOINED}])(?:\u200c|(?<![{_EMOJI}\ufe0f\u20e3\U000e007f])\u200d|\u200d(?![{_EMOJI}]))"
    r"|(?<![^\sA-Za-z\u4e00-\u9fff])[\ufe0e\ufe0f]"  # which of its looks an emoji has, where there is none
)
_CLASS = f"[{_CONTROL}\r\v\f\x85\xa0\u00ad\u061c\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2069\ufe0e\ufe0f\ufeff]"
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
        text = _SPACE.sub(" ", _LINE_END.sub("\n", text))
        if not _RIGHT_TO_LEFT.search(text):
            text = _DIRECTION.sub("", text)
        before = None
        while before != text:  # what is removed may have kept its neighbour in place
            before, text = text, _HIDDEN.sub("", text)
        text = outside_code(_tidy_lines, text).strip("\n").rstrip()
        return text.lstrip() if "\n" not in text else text


def _tidy_lines(text: str) -> str:
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=\S) {2,}", " ", text)
    # Chinese paragraphs begin with two wide spaces, which are no indentation.
    text = re.sub(r"^[ \t]+(?=[\u4e00-\u9fff“‘《（【])", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text)
