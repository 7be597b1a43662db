"""What a page is about, taken out of it as Markdown: ads, navigation and hidden parts gone, code and formulas kept."""

import html
import logging
import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode
from trafilatura import extract
from trafilatura.metadata import extract_metadata
from trafilatura.settings import use_config

from weitiao.source.markup import Disguise, raised, set_formulas, tidy, trimmed, unwrap_layout

for _name in ("trafilatura", "htmldate"):  # they say to the log what they also return
    logging.getLogger(_name).setLevel(logging.CRITICAL)

# Of an article with fewer characters it makes one line; Chinese says as much in a third of them.
_LATIN, _CHINESE = use_config(), use_config()
_CHINESE["DEFAULT"]["MIN_EXTRACTED_SIZE"] = str(_LATIN.getint("DEFAULT", "MIN_EXTRACTED_SIZE") // 3)
_HAN = re.compile("[\u4e00-\u9fff]")
# trafilatura drops empty lines of code, its language, and formulas outside paragraphs.
_EMPTY, _LANGUAGE = "\U00010600", "\U00010601"  # an empty line of code; the line before it, which names the language
_LANGUAGES = re.compile(r"(?:^|\s)(?:lang(?:uage)?-|brush:\s*|highlight-source-)([\w+#-]+)")
_CODE_HEAD = re.compile(rf"```\n{_LANGUAGE}([\w+#-]*)\n")
_FORMULA = re.compile(r"(?<=>)\s*(\$\$[^<]+\$\$)\s*(?=<)")


@dataclass(frozen=True)
class Article:
    """The text of a page and what the page says of it; "" where it says nothing."""

    text: str
    title: str = ""
    author: str = ""
    date: str = ""


def article(page: str) -> Article | None:
    """Return what the page is about (trafilatura 2, on a page without its ads and hidden parts), or None."""
    tree = LexborHTMLParser(page)
    tidy(tree)
    if tree.body:
        unwrap_layout(tree.body)
    for mark in tree.css("sup"):
        if mark.text(strip=True).startswith("["):  # to a note
            mark.unwrap()
    for block in tree.css("pre"):
        _keep(block)
    tidied = _FORMULA.sub(r"<p>\1</p>", raised(tree.html or ""))
    disguise = Disguise.free(tidied)
    visible = tree.body.text(strip=True) if tree.body else ""
    config = _CHINESE if len(_HAN.findall(visible)) * 3 > len(visible) else _LATIN
    worn = disguise.put_on(tidied)
    taken = extract(worn, output_format="markdown", include_comments=False, config=config) or ""
    taken = _CODE_HEAD.sub(r"```\1\n", taken).replace(_EMPTY, "")
    text = set_formulas(disguise.take_off(trimmed(taken)), page)
    if not text:
        return None
    said = extract_metadata(tidied, extensive=False)
    return Article(text, said.title or "", said.author or "", said.date or "")


def _keep(block: LexborNode) -> None:
    """Write a block of code so that its empty lines and its language come through."""
    inside = block.css_first("code") or block
    names = (f" {node.attributes.get('class') or ''}" for node in (inside, block) if node)
    match = _LANGUAGES.search("".join(names))
    lines = [line if line.strip() else _EMPTY for line in block.text().strip("\n").split("\n")]
    code = "\n".join([_LANGUAGE + (match[1] if match else ""), *lines])
    block.inner_html = f"<code>{html.escape(code, quote=False)}</code>"
