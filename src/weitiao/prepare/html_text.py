"""The text that a reader of HTML sees: parsed by lexbor, its blocks walked here."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from selectolax.lexbor import LexborHTMLParser, LexborNode

from weitiao.formats.nesting import too_deep


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_UNSEEN = _tags("script style noscript template head title iframe svg canvas audio video object select option")
_FURNITURE = _tags("nav aside footer header form button")  # of a page, around what it says
_PARAGRAPHS = _tags("p h1 h2 h3 h4 h5 h6 ul ol dl blockquote x-table article section main figure hr pre")
_LINES = _tags(
    "div li dt dd x-tr x-caption address figcaption fieldset legend details summary center nav aside footer header form"
    " body html"
)
_BLOCKS = _PARAGRAPHS | _LINES | {"x-td", "x-th"}
_WHOLE = _tags("pre code tt sup sub")
# Of these it can be told without a parser what they are (`plain_text`).
_NESTED = 50
_ALONE, _RAW, _HEADINGS = _tags("br hr"), _tags("script style"), _tags("h1 h2 h3 h4 h5 h6")
_INLINE = _tags("b strong i em u s small big span font a")
PLAIN = _ALONE | _RAW | _HEADINGS | _INLINE | _tags("div p ul ol li blockquote center section article")
# What stands in the text while it is put together: private use, removed from the text itself.
_LINE, _PARAGRAPH, _CELL, _ITEM, _ITEM_END, _KEPT = "\ue002", "\ue003", "\ue004", "\ue005", "\ue006", "\ue007"
OURS = (_LINE, _PARAGRAPH, _CELL, _ITEM, _ITEM_END, _KEPT)
_BREAK = dict.fromkeys(_LINES, _LINE) | dict.fromkeys(_PARAGRAPHS, _PARAGRAPH)
_BREAKS = f"[\\s{_LINE}{_PARAGRAPH}]*"
_MARK = f"(?:- |\\d+\\. ){_ITEM}"
_ICONS, _OURS = re.compile("[\ue002-\uf8ff]"), re.compile("[\ue002-\ue007]")  # in pages all private ones are icons
_SPACES = re.compile(r"[ \t\r\n\f]+")
# A line end between two Chinese characters is none.
_CHINESE_LINE_END = re.compile(r"(?<=[\u2e80-\uffef])[ \t\r\f]*\n[ \t\r\n\f]*(?=[\u2e80-\uffef])")
_BETWEEN_CELLS = re.compile(f" ?[{_LINE}{_PARAGRAPH}]*{_CELL}[{_LINE}{_PARAGRAPH}]*")
# Python looks for a character much faster than for one of two marks.
_EMPTY = re.compile(f"{_ITEM}{_BREAKS}(?={_MARK}|{_ITEM_END})")
_EMPTY_ITEM = re.compile(f"(?:- |\\d+\\. ){_EMPTY.pattern}")
_ITEM_MARK = re.compile(f"{_ITEM}{_BREAKS}|{_ITEM_END}")
_GAP = re.compile(f"([\\n{_LINE}{_PARAGRAPH}](?:{_BREAKS}[\\n{_LINE}{_PARAGRAPH}])?)")
_KEPT_CODE = re.compile(f"{_KEPT}(\\d+){_KEPT}")
_RAISED = {
    "sup": str.maketrans("0123456789+-−n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿ"),
    # Of letters those that count: aₙ₊₁ without its mark would be another term.
    "sub": str.maketrans("0123456789+-−ijkmnx", "₀₁₂₃₄₅₆₇₈₉₊₋₋ᵢⱼₖₘₙₓ"),
}


def visible_text(markup: str, *, page: bool) -> str:
    """Return the visible text of `markup`; of a whole page without navigation, forms and the like.

    Paragraphs are parted by blank lines, other blocks by line ends, table cells by ` | `; list items keep their mark,
    and code its line ends, in a fence. Text outside all blocks of a fragment keeps its own line ends. What is nested
    too deep for any page stays as it is.
    """
    if too_deep(markup):
        return markup
    body = LexborHTMLParser(markup).body
    return _Walk(page, "hidden" in markup.lower()).text(body) if body else ""


def plain_text(texts: Sequence[str], tags: str) -> str | None:
    """Return what `visible_text` would of a fragment, without a parser; None where that may find other elements.

    `texts` stand before, between and behind the `tags`: names of `PLAIN` parted by spaces, as `p /p`. None holds one of
    `OURS`.
    """
    if (form := _form(tags)) is None:
        return None
    walk = _Walk(page=False, hides=False)
    for text, (marks, blocks, raw) in zip(texts, form, strict=True):
        walk.parts += marks
        if raw and "</" in text:
            return None
        if text and not raw:
            if text[0].isspace() and not walk.parts:  # a parser drops space before the first element
                return None
            walk.blocks = blocks
            walk.write(text)
    return walk.joined()


@lru_cache(maxsize=1000)
def _form(tags: str) -> list[tuple[list[str], int, bool]] | None:
    """Return for the text before the first tag and behind each what stands before it, in how many blocks it is, and if
    it is a script; None where elements may be others than those that are written, each closed where it may be.

    Pages of one make share their tags.
    """
    walk, above = _Walk(page=False, hides=False), list[str]()
    form: list[tuple[list[str], int, bool]] = [([], 0, False)]
    for tag in tags.split():
        name, close, start = tag.removeprefix("/"), tag[0] == "/", len(walk.parts)
        raw = bool(above) and above[-1] in _RAW
        if (raw and not close) or not _fits(name, close, above, bool(start)):
            return None
        if name not in _INLINE and not close:
            walk.start(name)
        if name not in _INLINE and (close or name in _ALONE):
            walk.leave(name)
        form.append((walk.parts[start:], walk.blocks, not close and name in _RAW))
    return None if above else form


def _fits(tag: str, close: bool, above: list[str], inside: bool) -> bool:
    """Tell whether a tag ends the element that was opened last, or opens one so that no other ends; take note of it."""
    if close:
        return bool(above) and above.pop() == tag
    if tag in _RAW:
        fits = inside  # at the very start it belongs to the head
    elif tag == "li":
        fits = above[-1:] in (["ul"], ["ol"])
    elif tag in _INLINE or tag == "br":
        fits = tag != "a" or "a" not in above
    else:
        fits = "p" not in above and not (tag in _HEADINGS and above and above[-1] in _HEADINGS)
    if tag not in _ALONE:
        above.append(tag)
    return fits and len(above) < _NESTED


class _Walk:
    def __init__(self, page: bool, hides: bool) -> None:
        self.page, self.hides = page, hides  # whether something may be hidden
        self.blocks = int(page)  # open blocks; outside all of them line ends are the author's
        self.lists: list[int] = []  # of each open list the next number, 0 for one without
        self.cells = 0  # so far in the row
        self.parts: list[str] = []
        self.code: list[str] = []

    def text(self, root: LexborNode) -> str:
        """Return the text below `root`."""
        node, above = root.first_child, list[tuple[LexborNode, str]]()
        private = _ICONS if self.page else _OURS
        while node is not None or above:
            if node is None:
                node, tag = above.pop()
                self.leave(tag)
            elif (tag := node.tag or "") == "-text":
                self.write(private.sub("", node.text_content or ""))
            elif node.is_element_node and self._enter(node, tag):
                above.append((node, tag))
                node = node.first_child
                continue
            node = node.next
        return self.joined()

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Write what stands for the start of an element, and say whether to go inside."""
        if tag in _UNSEEN or (self.hides and "hidden" in node.attributes) or (self.page and _is_furniture(node)):
            return False
        if tag in _WHOLE and self._whole(node, tag):
            return False
        self.start(tag, _first(node) if tag == "ol" else 1)
        return True

    def start(self, tag: str, first: int = 1) -> None:
        """Write what stands for the start of an element; a list counts from `first` on."""
        self._break(tag)
        self.blocks += tag in _BLOCKS
        if tag == "br":
            self.parts.append("\n")
        elif tag in ("ul", "ol"):
            self.lists.append(first if tag == "ol" else 0)
        elif tag == "li":
            self._item()
        elif tag == "x-tr":
            self.cells = 0
        elif tag in ("x-td", "x-th"):
            self.parts += [_CELL] if self.cells else []
            self.cells += 1

    def _whole(self, node: LexborNode, tag: str) -> bool:
        """Write an element with all that is in it, if it is code or raised."""
        if tag == "pre":
            self._break(tag)
            self._keep("```\n{}\n```", _code(node).strip("\n"))
            self._break(tag)
        elif tag in ("code", "tt") and "`" not in node.text():
            self._keep("`{}`", node.text())
        elif tag in _RAISED and all(ord(letter) in _RAISED[tag] for letter in node.text().strip()):
            self.parts.append(node.text().strip().translate(_RAISED[tag]))
        else:
            return False
        return True

    def leave(self, tag: str) -> None:
        self.blocks -= tag in _BLOCKS
        if tag in ("ul", "ol"):
            self.lists.pop()
        elif tag == "li":
            self.parts.append(_ITEM_END)
        self._break(tag)

    def _break(self, tag: str) -> None:
        if mark := _BREAK.get(tag):
            # A list within a list is a part of the item.
            self.parts.append(_LINE if tag in ("ul", "ol") and len(self.lists) > 1 else mark)

    def _item(self) -> None:
        number = self.lists[-1] if self.lists else 0
        self.parts += [_LINE, "  " * (len(self.lists) - 1), f"{number}. " if number else "- ", _ITEM]
        if number:
            self.lists[-1] += 1

    def _keep(self, form: str, text: str) -> None:
        if text.strip():
            self.parts.append(f"{_KEPT}{len(self.code)}{_KEPT}")
            self.code.append(form.format(text.replace("\xa0", " ")))

    def write(self, text: str) -> None:
        last = self.parts[-1] if self.parts else _LINE
        if self.blocks:
            if "  " in text or "\n" in text or "\t" in text or "\r" in text or "\f" in text:
                text = _SPACES.sub(" ", _CHINESE_LINE_END.sub("", text))
            if last[-1:] in ("\n", " ", _LINE, _PARAGRAPH, _CELL, _ITEM):
                text = text.lstrip(" ")
        elif last == "\n":  # the line end behind `<br>` is the same one
            text = re.sub(r"^(?:[ \t]*\r?\n| (?! ))", "", text)
        if text:
            self.parts.append(text.replace("\xa0", " "))

    def joined(self) -> str:
        text = "".join(self.parts)
        if _CELL in text:
            text = _BETWEEN_CELLS.sub(" | ", text)
        if _ITEM in text:
            while _EMPTY.search(text):  # an item without text of its own, but for items within it, has no mark
                text = _EMPTY_ITEM.sub("", text)
            text = _ITEM_MARK.sub("", text)
        *before, last = _GAP.split(text)
        lines, gaps = map(str.rstrip, before[::2]), map(_gap, before[1::2])
        text = "".join(chain.from_iterable(zip(lines, gaps, strict=True))) + last
        return _KEPT_CODE.sub(lambda mark: self.code[int(mark[1])], text).strip("\n")


@lru_cache(maxsize=1000)
def _gap(run: str) -> str:
    """Return the line ends that a run of them and of block ends makes: at most a blank line, if a block ends there."""
    if _LINE not in run and _PARAGRAPH not in run:
        return "\n" * run.count("\n")
    return "\n\n" if _PARAGRAPH in run or run.count("\n") > 1 else "\n"


def _is_furniture(node: LexborNode) -> bool:
    """Say whether a part of a page is not what the page says."""
    if node.tag == "form":  # some pages are one form from top to bottom
        return node.css_first("p, article, main, h1, h2, x-table") is None
    if node.tag != "header":
        return node.tag in _FURNITURE
    above = node.parent
    while above is not None and above.tag not in ("article", "main"):
        above = above.parent
    return above is None  # the header of an article holds its title


def _first(node: LexborNode) -> int:
    """Return the number that a list begins with."""
    start = node.attributes.get("start") or ""
    return int(start) if re.fullmatch("[1-9][0-9]{0,8}", start) else 1


def _code(node: LexborNode) -> str:
    pieces = (("\n" if part.tag == "br" else part.text_content or "") for part in node.traverse(include_text=True))
    return "".join(pieces)
