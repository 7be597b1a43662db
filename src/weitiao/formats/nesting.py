"""How deep the tags of a page are nested: beyond some thousands a parser's time grows with the square of it."""

import re

DEEPEST = 5_000  # lexbor takes 0.2 s for so many open elements, and 2 s for four times as many
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.I)
# Those that have no end, or often none is written.
_ENDLESS = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
        *("p", "li", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot"),
    }
)


def too_deep(page: str) -> bool:
    """Tell whether more than `DEEPEST` elements are open at once somewhere."""
    if page.count("<") <= DEEPEST:
        return False
    depth = 0
    for end, name in _TAG.findall(page):
        if name.lower() not in _ENDLESS:
            depth = max(depth - 1, 0) if end else depth + 1
            if depth > DEEPEST:
                return True
    return False
