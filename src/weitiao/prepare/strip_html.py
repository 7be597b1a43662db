"""HTML turned into the text that a reader of the page sees."""

import html
import re
from collections import Counter
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter

import polars as pl

from weitiao.prepare.formulas import with_tex
from weitiao.prepare.html_text import PLAIN, plain_text, visible_text
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
            if any(mark in text for mark in ("`", "~~~", "$", "\\")):
                prose = _SHOWN.sub(hide, prose)
            if "|" in prose:  # in a row of Markdown `<br>` is the only line end there can be
                prose = _ROW.sub(lambda row: _BR.sub(hide, row[0]), prose)
            prose = with_tex(prose, kept)
        split = _Split(prose)
        tags = _real_tags(split.proofs)
        if tags or "<!--" in prose:
            seen = split.seen(tags)
            prose = visible_text(_escaped(prose, tags), page=False) if seen is None else seen
        else:
            prose = _ENTITY.sub(lambda entity: html.unescape(entity[0]).replace("\xa0", " "), prose)
        return re.sub("\ue000(\\d+)\ue001", lambda mark: shown[int(mark[1])], prose) if shown else prose


def _is_page(text: str) -> bool:
    return bool(_PAGE.search(text) or _BODY.match(text))


def _proves(close: str, name: str, rest: str) -> bool:
    return bool(close or rest) or name.lower() in _ALONE


_ASIDES = ("<!", "<?", "]]>")
# Of numbers and control characters a parser makes what HTML says.
_NEEDS_PARSER = (*_ASIDES, "&#", "\r", "\0", "\f")


class _Split:
    """A text cut at what looks like tags; `tags` are their names, with `/` before one that closes and parted by spaces.

    In `proofs` a `=` follows a name with attributes.
    """

    def __init__(self, whole: str) -> None:
        parts = _TAG.split(whole)
        self.whole, self.texts, self.inside = whole, parts[::5], "".join(parts[2::5] + parts[3::5] + parts[4::5])
        tags = [close + name.lower() for close, name in zip(parts[1::5], parts[2::5], strict=True)]
        self.tags = " ".join(tags)
        self.proofs = " ".join([tag + "=" if rest else tag for tag, rest in zip(tags, parts[3::5], strict=True)])

    def seen(self, tags: frozenset[str]) -> str | None:
        """Return the visible text, if these tags are meant as such and no parser is needed."""
        inside = self.inside
        inside = inside.lower()
        if not (tags <= PLAIN and inside.isascii() and inside.isprintable()) or "hidden" in inside or "start" in inside:
            return None
        if any(mark in self.whole for mark in _NEEDS_PARSER) or not tags.issuperset(self.tags.replace("/", "").split()):
            return None
        return plain_text([_decoded(text) if "&" in text else text for text in self.texts], self.tags)


@lru_cache(maxsize=1000)
def _real_tags(proofs: str) -> frozenset[str]:
    """Return the names of the tags that are meant as such; none if nothing proves that the text is HTML."""
    real: set[str] = set()
    opened: dict[str, int] = {}
    for tag, count in Counter(proofs.split()).items():
        name = tag.strip("/=")
        opened[name] = opened.get(name, 0) + (0 if tag[0] == "/" else count)
        # An open `<p>` alone may be a generic type or a comparison, two of them are paragraphs.
        if tag != name or name in _ALONE or (name in _OPEN and (len(name) > 1 or opened[name] > 1)):
            real.add(name)
    return frozenset(real) if not real.isdisjoint(_PROVING) else frozenset()


_NO_ENTITY = re.compile(rf"&(?!{_ENTITY.pattern[1:]})")
_TOKEN = re.compile(rf"(?P<aside>{_ASIDE.pattern})|{_TAG.pattern}", re.IGNORECASE | re.DOTALL)
_OPEN_TOKEN = re.compile(rf"(?P<aside>{_MARKUP})|{_TAG.pattern}", re.IGNORECASE)  # where no comment ends any more
# A parser moves or drops what stands where a table may not have it; under other names it stays where it is.
_TABLE = ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "colgroup", "col")
_TABLE_TAG = re.compile(rf"<(/?)({'|'.join(_TABLE)})\b", re.IGNORECASE)


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)


def _escaped(text: str, tags: frozenset[str]) -> str:
    """Return markup in which only the real tags and entities are left as such."""
    pieces, end = [], 0
    may_be_aside = any(mark in text for mark in _ASIDES)
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
