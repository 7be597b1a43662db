"""Full-width letters, digits and spaces made half-width, and each character in its composed form."""

import re
import unicodedata
from functools import cache

import polars as pl

from weitiao.prepare.code import outside_code
from weitiao.step import RewriteSelected

_WIDE = "０-９Ａ-Ｚａ-ｚ\u3000"
_NARROW = {code: code - 0xFEE0 for start, end in ("０９", "ＡＺ", "ａｚ") for code in range(ord(start), ord(end) + 1)}
_NARROW[0x3000] = 0x20
_WIDE_RUN = re.compile(f"[{_WIDE}][{_WIDE}]*")  # Python looks for a set faster than for a run
# The composed form would turn compatibility ideographs into others: 神 (U+FA19), as a name is written, into 神.
_COMPOSABLE = re.compile(r"[^\uf900-\ufaff\U0002f800-\U0002fa1f]+")


@cache
def _other_forms() -> str:
    """Return the characters, for a class of Polars, without any of which a text is in its composed form."""
    codes = (*range(0xD800), *range(0xF900, 0x1FFFF), *range(0x2F800, 0x2FA20))
    changed = "".join(letter for letter in map(chr, codes) if not unicodedata.is_normalized("NFC", letter))
    return rf"\p{{M}}\x{{1161}}-\x{{11FF}}{changed}"


class FoldWidth(RewriteSelected):
    """Make full-width letters, digits and spaces half-width; Chinese punctuation, x², ①, ½ and ℃ stay."""

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is such a character, or one that can be composed."""
        return text.str.contains(f"[{_WIDE}{_other_forms()}]")

    def rewrite_one(self, text: str) -> str:
        """Return the text with half-width characters, but for what stands in code fences."""
        return outside_code(_folded, text)


def _folded(text: str) -> str:
    return composed(_WIDE_RUN.sub(lambda run: run[0].translate(_NARROW), text))


def composed(text: str) -> str:
    """Return the text in its composed form (NFC), in which compatibility ideographs stay as they are."""
    if unicodedata.is_normalized("NFC", text):
        return text
    return _COMPOSABLE.sub(lambda run: unicodedata.normalize("NFC", run[0]), text)
