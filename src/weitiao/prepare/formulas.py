"""Formulas of web pages written as the TeX that they were made of."""

import html
import re
from collections.abc import Callable

_TEX = "application/x-tex"
# One of these stands in each text that has such a formula.
_SIGNS = ("math/tex", _TEX, "alttext", "data-tex", "eeimg", "katex-html", "MathJax", "mwe-math")
# Tags are matched whole and looked into afterwards: a search inside them takes the square of their length.
_SCRIPT = re.compile(r"<script(?P<how>\s[^<>]*)>(?P<tex>[^<]*(?:<(?!/?script\b)[^<]*)*)</script\s*>", re.I)
_MATH = re.compile(r"<math(?P<how>\s[^<>]*)?>(?P<inside>[^<]*(?:<(?!/?math\b)[^<]*)*)</math\s*>", re.I)
_ANNOTATION = re.compile(r"<annotation(\s[^<>]*)>([^<]*)</annotation", re.I)
_IMAGE = re.compile(r"<img\s[^<>]*>", re.I)
_PART = re.compile(r"<(?P<close>/?)(?P<name>span|div)\b(?P<rest>[^<>]*)>", re.I)
# What shows a formula a second time, beside its source.
_DRAWN = re.compile(r"class\s*=\s*[\"'][^\"']*(?:\bkatex-html\b|\bMathJax(?:_\w+)?\b)", re.I)
_BLOCK = re.compile(r"display\s*=\s*[\"']block", re.I)


def with_tex(markup: str, written: Callable[[str], str]) -> str:
    """Return HTML in which each formula of MathJax, KaTeX, MathML, MediaWiki and Zhihu is what `written` makes of it.

    It is given `$…$`, or `$$…$$` for one that stands by itself.
    """
    if not any(sign in markup for sign in _SIGNS):
        return markup

    def tex(source: str, *, block: bool) -> str:
        mark = "$$" if block else "$"
        return written(f"{mark}{source.strip()}{mark}") if source.strip() else ""

    def mathml(found: re.Match[str]) -> str:
        # One that names no TeX stays: it may be shown as code.
        how = found["how"] or ""
        notes = (html.unescape(text) for kind, text in _ANNOTATION.findall(found["inside"]) if _TEX in kind)
        named = next(notes, "") or _value(how, "alttext")
        return tex(named, block=bool(_BLOCK.search(how))) or found[0]

    def image(found: re.Match[str]) -> str:
        # MediaWiki's stand beside the formula; of Zhihu's a line end tells those by themselves.
        if "mwe-math" in found[0]:
            return ""
        named = _value(found[0], "alt") if "eeimg" in found[0] else ""
        return tex(named.removesuffix("\\\\"), block=named.endswith("\\\\")) or found[0]

    def script(found: re.Match[str]) -> str:
        return tex(found["tex"], block="display" in found["how"]) if "math/tex" in found["how"] else found[0]

    markup = _SCRIPT.sub(script, markup)
    markup = _IMAGE.sub(image, _MATH.sub(mathml, markup))
    return _without_drawn(markup, lambda source: tex(source, block=False))


def _value(rest: str, name: str) -> str:
    """Return the value of an attribute."""
    found = re.search(rf"\s{name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", rest, re.I)
    return html.unescape(found[1] or found[2] or "") if found else ""


def _without_drawn(markup: str, tex: Callable[[str], str]) -> str:
    """Return the markup without formulas drawn a second time, and with those whose source is an attribute as `tex`."""
    pieces, end, opened, name, depth = list[str](), 0, -1, "", 0
    for part in _PART.finditer(markup):
        if opened < 0:
            source = _value(part["rest"], "data-tex")
            if not part["close"] and (source or _DRAWN.search(part["rest"])):
                pieces += [markup[end : part.start()], tex(source)]
                opened, name, depth = part.start(), part["name"].lower(), 1
        elif part["name"].lower() == name:
            depth += -1 if part["close"] else 1
            if not depth:
                end, opened = part.end(), -1
    if opened >= 0:  # never closed: it stays
        pieces[-1], end = "", opened
    return "".join([*pieces, markup[end:]])
