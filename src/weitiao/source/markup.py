"""HTML made ready and written as Markdown: no ads, hidden parts or backslashes; code, formulas and tables kept."""

import re
from dataclasses import dataclass

from html_to_markdown import ConversionOptions, convert
from selectolax.lexbor import LexborHTMLParser, LexborNode

# A class or id, word by word, that says: an advertisement, buttons to share or to tip, or whose the page is.
_AD = re.compile(
    r"^(?:ads?|adv|adverts?|advertis\w*|adsbygoogle|sponsor(?:ed|s)?|guanggao|tuiguang|dfp|taboola|outbrain|gg"
    r"|sharedaddy|addthis\w*|bdshare\w*|social-?share|share-?(?:buttons?|bar|box|links?)|reward|donate|dashang"
    r"|(?:post-?|article-?)?copyright)(?:[-_]?\d+|[-_]\w+)*$"
    r"|[-_](?:ads?|adv|adverts?|advertis\w*|sponsor(?:ed|s)?|guanggao|share-?(?:buttons?|bar|box|links?))(?:[-_]?\d+)?$",
    re.I,
)
_AD_SOURCE = re.compile(r"//(?:[\w.-]+\.)?(?:doubleclick|googlesyndication|adnxs|taboola|outbrain|tanx|mediav)\.", re.I)
_AD_TAGS = "ins.adsbygoogle, amp-ad, amp-embed, amp-sticky-ad, amp-sidebar, amp-consent"
_HOLDS_ALL = ("html", "body", "main", "article")
_GONE = re.compile(r"display\s*:\s*none", re.I)
_UNSEEN = re.compile(rf"{_GONE.pattern}|visibility\s*:\s*hidden", re.I)
# What shows a formula a second time, beside its source.
_DRAWN = ".MathJax, .MathJax_Display, .MathJax_Preview, .MathJax_SVG, .MathJax_CHTML, .katex-html"
_LINE_NUMBERS = ".gutter, .linenos, .linenodiv, .line-numbers-rows, .lineno, .hljs-ln-numbers, td.blob-num"
_EDIT = ".mw-editsection, .headerlink"  # a link beside a heading
_TO_ITSELF = ("¶", "#", "§", "🔗")  # what a link of a heading to itself shows
_LANGUAGE = re.compile(
    r"(?:(?:^|\s)(?:lang(?:uage)?-|brush:\s*|highlight-(?:source-)?)|^highlight (?=[^ ]+$))"
    r"(?!(?:default|none|plain\w*|text)\b)([\w+#-]+)"
)
_AROUND_CODE = 5  # elements around a block of code that may name its language: a cell, its table and a figure
# A formula that MathJax or KaTeX sets when the page is shown, or code, where it is none. No sign opens twice, or a text
# of nothing else would take the square of its length.
_BY_SCRIPT = re.compile(r"(?:mathjax|katex)[^\s\"'<>]{0,200}\.js", re.I)
_SET_LATER = re.compile(
    r"(```.*?```|`[^`\n]*`)|\\\(((?:[^\\]|\\[^()\[\]])+)\\\)|\\\[((?:[^\\]|\\[^()\[\]])+)\\\]", re.S
)
_RAISED = {
    "sup": str.maketrans("0123456789+-−n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿ"),
    "sub": str.maketrans("0123456789+-−n", "₀₁₂₃₄₅₆₇₈₉₊₋₋ₙ"),
}
_OPTIONS = ConversionOptions(
    heading_style="atx",
    bullets="-",
    newline_style="spaces",
    skip_images=True,
    autolinks=False,
    extract_metadata=False,
    preserve_tags=["sup", "sub"],
)
_RAISED_TAG = re.compile(r"<(sup|sub)>([\d+−n-]+)</\1>", re.I)
_LAID_OUT = 100  # characters of a cell that may be the text of a page
_NESTED = 20  # tables in each other that arrange a page; of more, which none has, the time is the square
_TABLE = re.compile("<(/?)table[ >]")
_MARKS = "\\*_~[]<>#+-"
_SCRIPTS = (0x10280, 0x102A0, 0x10380, 0x103A0)  # Lycian, Carian, Ugaritic, Old Persian
_TEXTS = re.compile(r"(<script\b.*?</script>|<style\b.*?</style>)|(^|>)([^<]+)", re.I | re.S)
_ORDERED = re.compile(r"^(\s*\d{1,9})\\([.)])", re.M)
_CODE = re.compile(r"^([ \t]*```.*?^[ \t]*```)$", re.M | re.S)


@dataclass(frozen=True)
class Disguise:
    """Characters that a converter would write with a backslash, as Markdown asks, but a text to train on must not have.

    They travel through it as letters of a script that the page does not use.
    """

    letters: dict[str, str]

    @classmethod
    def free(cls, html: str) -> "Disguise":
        """Return letters that `html` does not hold."""
        free = (first for first in _SCRIPTS if not any(chr(first + index) in html for index in range(len(_MARKS))))
        first = next(free, _SCRIPTS[0])
        return cls({mark: chr(first + index) for index, mark in enumerate(_MARKS)})

    def put_on(self, html: str) -> str:
        """Return the HTML with letters for the marks of its texts; scripts are left alone."""
        table = str.maketrans(self.letters)

        def text(match: re.Match[str]) -> str:
            return match[1] or match[2] + match[3].replace("&lt;", "<").replace("&gt;", ">").translate(table)

        return _TEXTS.sub(text, html)

    def take_off(self, text: str) -> str:
        """Return a text with its own marks."""
        return text.translate({ord(letter): mark for mark, letter in self.letters.items()})


def markdown(html: str) -> str:
    """Return a piece of HTML as Markdown."""
    html = raised(html)
    disguise = Disguise.free(html)
    text = disguise.take_off(trimmed(convert(disguise.put_on(html), _OPTIONS).content or ""))
    # Of elements in each other some hundred deep the converter makes nothing.
    return text or LexborHTMLParser(html).text(separator="\n", strip=True)


def raised(html: str) -> str:
    """Return HTML with raised and lowered digits as characters; x² without its tag would be x2."""
    return _RAISED_TAG.sub(lambda match: match[2].translate(_RAISED[match[1].lower()]), html)


def trimmed(text: str) -> str:
    """Return Markdown without blanks at line ends and more than one empty line, outside code."""
    pieces = _CODE.split(text)
    for index in range(0, len(pieces), 2):
        # These two are no letters: a fence must be longer than the backticks in it, and dots end sentences.
        prose = _ORDERED.sub(r"\1\2", pieces[index].replace("\\`", "`"))
        if index and prose.strip():
            prose = "\n\n" + prose.lstrip("\n")
        pieces[index] = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t\xa0]+$", "", prose, flags=re.M))
    return "".join(pieces).strip()


def set_formulas(text: str, page: str) -> str:
    """Return Markdown with formulas as `$…$` that the page left to a script, where it has such a script."""
    if not _BY_SCRIPT.search(page):
        return text

    def dollars(match: re.Match[str]) -> str:
        code, inline, block = match.groups()
        return code or (f"${inline.strip()}$" if inline else f"$${block.strip()}$$")

    return _SET_LATER.sub(dollars, text)


def tidy(tree: LexborHTMLParser) -> None:
    """Take out of a page what no reader sees, ads, and numbers beside code; set formulas as `$…$`."""
    _formulas(tree)
    for node in tree.css("script"):
        if node.attributes.get("type") != "application/ld+json":  # which says title, author and date
            node.decompose()
    for node in tree.css(f"style, template, {_AD_TAGS}, {_EDIT}, {_LINE_NUMBERS}"):
        node.decompose()
    for node in tree.css("h1 a, h2 a, h3 a, h4 a, h5 a, h6 a"):
        if node.text(strip=True) in _TO_ITSELF:
            node.decompose()
    _drop_unseen(tree)
    for node in tree.css("body [class], body [id], body iframe[src], body a[href]"):
        if node.tag not in _HOLDS_ALL and _is_ad(node):
            node.decompose()
    _ready_code(tree)


def _drop_unseen(tree: LexborHTMLParser) -> None:
    most = _prose(tree.body) * 2 / 3 if tree.body else 0
    for node in tree.css("noscript"):
        if _prose(node) > max(_LAID_OUT, most):
            node.unwrap()  # the page itself is made by a script
        else:
            node.decompose()
    for node in [node for node in tree.css("[hidden], [aria-hidden=true], [style]") if _is_hidden(node, most)]:
        node.decompose()


def _ready_code(tree: LexborHTMLParser) -> None:
    """Give blocks of code the language and the line ends that stand around and in them as elements."""
    for block in tree.css("pre"):
        _name_language(block)
        for end in block.css("br"):
            end.replace_with("\n")
    for figure in tree.css("figure"):
        if figure.css_first("pre"):  # a figure is taken for a picture
            figure.unwrap()


def _is_hidden(node: LexborNode, most: float) -> bool:
    """Tell whether nobody sees an element. What is most of the page is seen once a script has shown it (WeChat)."""
    if node.tag in ("html", "body"):
        return False
    style = node.attributes.get("style") or ""
    if "hidden" in node.attributes or _GONE.search(style):
        return True
    unseen = node.attributes.get("aria-hidden") == "true" or bool(_UNSEEN.search(style))
    return unseen and _prose(node) <= most


def _prose(node: LexborNode) -> int:
    """Return how many characters an element has outside links."""
    return len(node.text(strip=True)) - sum(len(link.text(strip=True)) for link in node.css("a"))


def _name_language(block: LexborNode) -> None:
    """Give a block of code the language that an element around it names (Hexo, Jekyll, Sphinx)."""
    around: LexborNode | None = block
    for _ in range(_AROUND_CODE + 1):
        inside = block.css_first("code[class]") if around is block else None
        for node in (inside, around):
            if node and (match := _LANGUAGE.search(node.attributes.get("class") or "")):
                block.attrs["class"] = f"language-{match[1]}"
                return
        around = around.parent if around else None


def unwrap_layout(root: LexborNode) -> None:
    """Make blocks of the cells of tables that only arrange a page: Markdown has no code or paragraphs in cells."""
    depth = 0
    for end in _TABLE.findall(root.html or ""):
        depth += -1 if end else 1
        if depth > _NESTED:
            return
    tables = [(table, cells) for table in root.css("table") if (cells := _layout(table))]
    for table, cells in reversed(tables):  # the innermost first
        inside = "".join(f"<div{(cell.html or '')[3:-5]}</div>" for cell in cells)
        blocks = LexborHTMLParser(f"<div>{inside}</div>").css_first("body > div")
        if blocks is not None:
            table.replace_with(blocks)


def _layout(table: LexborNode) -> list[LexborNode]:
    """Return the cells of a table that holds code, other tables, or most of its text as paragraphs in one cell."""
    cells = [cell for cell in table.css("td, th") if _table_of(cell) == table.mem_id]
    if not cells or table.css_first("pre") is not None:
        return cells
    longest = max(cells, key=lambda cell: len(cell.text()))
    most = len(longest.text(strip=True)) > max(_LAID_OUT, len(table.text(strip=True)) // 2)
    return cells if most and longest.css_first("p, br + br, div, h1, h2, h3, ul, ol") is not None else []


def _table_of(node: LexborNode) -> int:
    above = node.parent
    while above is not None and above.tag != "table":
        above = above.parent
    return above.mem_id if above is not None else 0


def _is_ad(node: LexborNode) -> bool:
    words = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}".split()
    source = node.attributes.get("src") or node.attributes.get("href") or ""
    return any(_AD.search(word) for word in words) or bool(_AD_SOURCE.search(source))


def _formulas(tree: LexborHTMLParser) -> None:
    """Replace each formula by its TeX: of MathML, MathJax, KaTeX, MediaWiki and Zhihu."""
    for node in tree.css(_DRAWN):
        node.decompose()
    for node in tree.css("script[type^='math/tex']"):
        _set(node, node.text(), block="display" in (node.attributes.get("type") or ""))
    for node in tree.css("math"):
        source = node.css_first("annotation[encoding='application/x-tex']")
        tex = source.text() if source else node.attributes.get("alttext") or ""
        above = node.parent
        hidden = above is not None and bool(_UNSEEN.search(above.attributes.get("style") or ""))
        if tex:
            _set(above if hidden and above else node, tex, block=node.attributes.get("display") == "block")
    for node in tree.css("[data-tex]"):
        _set(node, node.attributes["data-tex"] or "", block=False)
    for node in tree.css("img[eeimg][alt]"):  # a line end tells those by themselves
        tex = node.attributes["alt"] or ""
        _set(node, tex.removesuffix("\\\\"), block=tex.endswith("\\\\"))


def _set(node: LexborNode, tex: str, *, block: bool) -> None:
    mark = "$$" if block else "$"
    node.replace_with(f"{mark}{tex.strip()}{mark}")
