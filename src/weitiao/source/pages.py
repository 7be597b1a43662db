"""Saved web pages and texts as rows."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from weitiao.formats import Problem
from weitiao.formats.nesting import too_deep
from weitiao.source import text, threads
from weitiao.source.rows import Row, as_bytes

_SAVED = re.compile(r"<!-- saved from url=\(\d+\)(https?://\S+) -->", re.I)  # as browsers write it
_COMMONS = re.compile(r"creativecommons\.org/(?:licenses/([a-z-]+)/(\d\.\d)|publicdomain/zero/(\d\.\d))", re.I)
_BODY = re.compile(r"<body\b[^>]*>(.*?)(?:</body\s*>|\Z)", re.I | re.S)


def read_page(path: Path, encoding: str, shape: str) -> Iterator[Row]:
    """Yield what a page holds, as its `shape` says.

    `thread`: a row of question and best reply; `posts`: a row for each post, its inner HTML as the parser gives it;
    `article`: what the page is about, as Markdown; `page`: the HTML of its body, not a character changed. Else a thread
    if the page says that it is a question with answers, posts if it holds some, the article of any other page. Where
    there is none the row is the body. The page's title stands beside it.
    """
    with text.reader(path, encoding) as file:
        page = file.read()
    if problem := text.undecoded(page, encoding):
        yield Row(0, "1", page[:2000].encode("utf-8", "replace"), problem=problem)
        return
    if too_deep(page):
        problem = Problem("nested too deep", "tags are nested too deep to be a page", "Take it out of `inputs`")
        yield Row(0, "1", page[:2000].encode(), problem=problem)
        return
    tree = LexborHTMLParser(page)
    found = tree.css_first("title")
    title = {"title": found.text().strip()} if found and found.text().strip() else {}
    said = {"address": address} if (address := _address(tree, page)) else {}
    body = {"text": match[1] if (match := _BODY.search(page)) else page, **title}
    whole = Row(1, "1", as_bytes(body), body | said, licence=_licence(tree))
    posts = threads.posts_of(tree) if shape not in ("article", "page") else []
    if posts and (shape == "thread" or (shape == "auto" and threads.asks(tree))):
        yield whole._replace(value=(threads.thread(page) or body) | said)
    elif posts:
        for number, (post, key) in enumerate(zip(posts, threads.ids_of(posts), strict=True), 1):
            value = {"text": post.inner_html or "", **title}
            row = value | ({"post": key} if key else {}) | said
            yield Row(number, str(number), as_bytes(value), row, licence=whole.licence)
    else:
        yield whole if shape == "page" else whole._replace(value=(_article(page) or body) | said)


def _article(page: str) -> dict[str, str] | None:
    from weitiao.source.articles import article  # trafilatura takes a third of a second to load

    found = article(page)
    return {key: value for key, value in asdict(found).items() if value} if found else None


def _address(tree: LexborHTMLParser, page: str) -> str:
    """Return where a saved page says it comes from."""
    for query, name in (("link[rel=canonical]", "href"), ("meta[property='og:url']", "content")):
        if (found := tree.css_first(query)) and (address := found.attributes.get(name) or "").startswith("http"):
            return address
    return match[1] if (match := _SAVED.search(page[:2000])) else ""


def _licence(tree: LexborHTMLParser) -> str:
    """Return the licence that a page links to as its own; of Creative Commons its SPDX name."""
    found = tree.css_first("a[rel~=license], link[rel~=license]")
    address = (found.attributes.get("href") or "").strip() if found else ""
    if match := _COMMONS.search(address):
        return f"CC-{match[1]}-{match[2]}".upper() if match[1] else f"CC0-{match[3]}"
    return address or (" ".join(found.text().split()) if found else "")


def read_text(path: Path, encoding: str, *, lines: bool) -> Iterator[Row]:
    """Yield the text as one row, or a row for each of its lines that is not blank."""
    with text.reader(path, encoding) as file:
        if not lines:
            yield _text(1, file.read(), encoding)
            return
        for number, (line, cut) in enumerate(text.lines(file, text.LONGEST), 1):
            if cut:
                raw = line[:2000].encode("utf-8", "replace")
                yield Row(number, str(number), raw, problem=text.too_large("a line", text.LONGEST))
            elif line.strip():
                yield _text(number, line.rstrip("\r\n"), encoding)


def _text(number: int, content: str, encoding: str) -> Row:
    raw = content.encode("utf-8", "replace")
    if problem := text.undecoded(content, encoding):
        return Row(number, str(number), raw, problem=problem)
    return Row(number, str(number), raw, {"text": content})
