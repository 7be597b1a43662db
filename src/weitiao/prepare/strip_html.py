"""HTML turned into the text that a reader of the page sees."""

import html
import re
from collections import Counter
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

import polars as pl

from weitiao.prepare.formulas import with_tex
from weitiao.prepare.html_text import OURS, PLAIN, plain_text, visible_text
from weitiao.step import RewriteSelected

# Tags whose presence shows that a text is HTML; names that placeholders have too (`<input>`, `<title>`) are no proof.
_PROOF = (
    "a abbr b big blockquote br center code dd del div dl dt em embed figure font h1 h2 h3 h4 h5 h6 hr i iframe img ins"
    " li nobr noscript ol p pre s script small span strike strong style sub sup table tbody td tfoot th thead tr tt u"
    " ul"
)
_OTHER = (
    "address article aside audio body button canvas caption cite col colgroup details fieldset figcaption footer form"
    " head header html input kbd label legend link main mark meta nav option picture q rp rt ruby section select source"
    " summary svg textarea time title video wbr"
)
_PROVING = frozenset(_PROOF.split())
_ALONE = {"br", "hr", "wbr", "img"}  # never closed
_OPEN = {"p", "li", "td", "th", "tr", "dt", "dd", "body", "html", "head", "option"}  # need not be closed
# A bare word among the attributes is one of HTML's own, else `a<b and c>d` would hold a tag.
_ATTRIBUTE = (
    r"""\s+(?:[a-z_:@][\w:.-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=`]+)"""
    r"|(?:allowfullscreen|async|checked|controls|defer|disabled|hidden|itemscope|loop|muted|multiple|noshade|nowrap|open"
    r"|readonly|required|reversed|selected)(?=[\s/>]))"
)
# By their first letter: a hundred names one after another are half the time of a page.
_NAME = "|".join(
    f"{first}(?:{'|'.join(name[1:] for name in names)})"
    for first, names in groupby(sorted((_PROOF + " " + _OTHER).split()), itemgetter(0))
)
_TAG = re.compile(rf"<(?P<close>/?)(?P<name>{_NAME})(?P<rest>(?:{_ATTRIBUTE})*)(?P<end>\s*(?:/\s*)?)>", re.IGNORECASE)
# What may be one: up to where it ends, or the next begins.
_TAGLIKE = re.compile(r"(<[a-z/!?][^<>]{0,500}>?)", re.IGNORECASE)
_COMMENT_END = "-->"
_MARKUP = r"<!doctype[^>]{0,1000}>|<\?xml[^>]{0,1000}\?>|<!\[CDATA\[|\]\]>"
_ASIDE = re.compile(rf"<!--.*?{_COMMENT_END}|{_MARKUP}", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_PAGE = re.compile(r"<(?:!doctype\s+html|html[\s>])", re.IGNORECASE)
_BODY = re.compile(r"\s*<body[\s>]", re.IGNORECASE)
# Code and formulas of a Markdown text, in which tags are shown, not meant.
_SHOWN = re.compile(
    r"^[ \t]*(?P<mark>```+|~~~+)[^\n]*\n.*?(?:^[ \t]*(?P=mark)|\Z)|(?P<tick>`+)(?!`)[^\n]*?(?<!`)(?P=tick)(?!`)"
    r"|\$\$.{1,4000}?\$\$|\\\(.{1,4000}?\\\)|\\\[.{1,4000}?\\\]|\$(?=\S)[^$\n]+?(?<=\S)\$",
    re.MULTILINE | re.DOTALL,
)


_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_BR = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)


class StripHtml(RewriteSelected):
    """Replace HTML by its visible text: blocks, lines and cells stay apart, scripts and navigation go.

    Only texts that hold a real tag, a comment or an entity are touched; code, formulas and comparisons are left alone.
    """

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there may be a tag, a comment or an entity."""
        return text.str.contains(r"(?i)</?[a-z][a-z0-9]*[\s/>]|<!|&(?:#?[a-z0-9]+);")

    def rewrite_one(self, text: str) -> str:
        """Return the visible text."""
        if _is_page(text) and _is_page(_SHOWN.sub("", text)):
            return visible_text(_TABLE_TAG.sub(r"<\1x-\2", with_tex(text, html.escape)), page=True)
        shown: list[str] = []

        def kept(one: str) -> str:
            shown.append(one)
            return f"\ue000{len(shown) - 1}\ue001"

        def hide(match: re.Match[str]) -> str:
            if match[0].startswith("$") and any(_proves(*tag) for *tag, _ in _TAG.findall(match[0])):
                return match[0]  # two prices, and paragraphs between them
            return kept(match[0])

        prose = text
        if "\ue000" not in text:
            if "`" in text or "~~~" in text or "$" in text or "\\" in text:
                prose = _SHOWN.sub(hide, prose)
            if "|" in prose:  # in a row of Markdown `<br>` is the only line end there can be
                prose = _ROW.sub(lambda row: _BR.sub(hide, row[0]), prose)
            prose = with_tex(prose, kept)
        seen = _visible(prose)
        return re.sub("\ue000(\\d+)\ue001", lambda mark: shown[int(mark[1])], seen) if shown else seen


def _is_page(text: str) -> bool:
    return bool(_PAGE.search(text) or _BODY.match(text))


def _proves(close: str, name: str, rest: str) -> bool:
    return bool(close or rest) or name.lower() in _ALONE


# Of numbers and control characters a parser makes what HTML says.
_NEEDS_PARSER = ("&#", "]]>", "\r", "\0", "\f", *OURS)
_PARSED = "?"  # behind the mark of a tag that needs one


def _visible(text: str) -> str:
    """Return the text that is seen of one without code."""
    pieces = _TAGLIKE.split(text)
    marks = [_mark(tag) for tag in pieces[1::2]]
    if "" in marks:  # no tag, or `<` or `>` in an attribute
        marks = [_marked(tag) + _PARSED for tag in _TAG.finditer(text)]
    tags, plain = _meant(" ".join(marks))
    if not tags and "<!--" not in text:
        return _ENTITY.sub(lambda entity: _unescaped(entity[0]).replace("\xa0", " "), text)
    if plain and not any(mark in text for mark in _NEEDS_PARSER):
        seen = plain_text([_decoded(piece) if "&" in piece else piece for piece in pieces[::2]], plain)
        if seen is not None:
            return seen
    return visible_text(_escaped(text, tags), page=False)


def _marked(tag: re.Match[str]) -> str:
    """Return a tag's name: `/` before one that closes, `=` behind one with attributes, `?` if it takes a parser."""
    written = tag[0].lower()
    needs_parser = not (written.isascii() and written.isprintable()) or "hidden" in written or "start" in written
    return tag["close"] + tag["name"].lower() + ("=" if tag["rest"] else "") + (_PARSED if needs_parser else "")


@lru_cache(maxsize=1000)
def _mark(tag: str) -> str:
    found = _TAG.fullmatch(tag)
    return _marked(found) if found else ""


class _Meant(NamedTuple):
    tags: frozenset[str]  # the names of those that are meant as such; none if nothing proves that the text is HTML
    plain: str | None  # all tags, if they are meant and of `PLAIN`, and no attribute needs a parser


@lru_cache(maxsize=1000)
def _meant(marks: str) -> _Meant:
    real: set[str] = set()
    opened: dict[str, int] = {}
    for tag, count in Counter(marks.replace(_PARSED, "").split()).items():
        name = tag.strip("/=")
        opened[name] = opened.get(name, 0) + (0 if tag[0] == "/" else count)
        # An open `<p>` alone may be a generic type or a comparison, two of them are paragraphs.
        if tag != name or name in _ALONE or (name in _OPEN and (len(name) > 1 or opened[name] > 1)):
            real.add(name)
    if real.isdisjoint(_PROVING):
        return _Meant(frozenset(), None)
    is_plain = _PARSED not in marks and opened.keys() == real <= PLAIN
    return _Meant(frozenset(real), marks.replace("=", "") if is_plain else None)


_NO_ENTITY = re.compile(rf"&(?!{_ENTITY.pattern[1:]})")
_TOKEN = re.compile(rf"(?P<aside>{_ASIDE.pattern})|{_TAG.pattern}", re.IGNORECASE | re.DOTALL)
_OPEN_TOKEN = re.compile(rf"(?P<aside>{_MARKUP})|{_TAG.pattern}", re.IGNORECASE)  # where no comment ends any more
# A parser moves or drops what stands where a table may not have it; under other names it stays where it is.
_TABLE = ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "colgroup", "col")
_TABLE_TAG = re.compile(rf"<(/?)({'|'.join(_TABLE)})\b", re.IGNORECASE)
_unescaped = lru_cache(maxsize=1000)(html.unescape)


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda entity: _unescaped(entity[0]), text)


def _escaped(text: str, tags: frozenset[str]) -> str:
    """Return markup in which only the real tags and entities are left as such."""
    pieces, end = [], 0
    may_be_aside = any(mark in text for mark in ("<!", "<?", "]]>"))
    last = text.rfind(_COMMENT_END) + len(_COMMENT_END) if _COMMENT_END in text else 0
    found = (
        chain(_TOKEN.finditer(text, 0, last), _OPEN_TOKEN.finditer(text, last)) if may_be_aside else _TAG.finditer(text)
    )
    for match in found:
        pieces.append(_as_text(text[end : match.start()]))
        end = match.end()
        if match.lastgroup == "aside":
            continue
        name = match["name"].lower()
        if name not in tags:
            pieces.append(match[0].replace("&", "&amp;").replace("<", "&lt;"))
        else:
            pieces.append(f"<{match['close']}x-{name}>" if name in _TABLE else match[0])
    return "".join([*pieces, _as_text(text[end:])])


def _as_text(text: str) -> str:
    """Return markup of a text between two tags: of what HTML has marks for, the entities alone are meant."""
    return _NO_ENTITY.sub("&amp;", text).replace("<", "&lt;") if "<" in text or "&" in text else text
