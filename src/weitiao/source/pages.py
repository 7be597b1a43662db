"""Saved web pages and texts as rows: a row a post where the page marks its posts, else a row a page."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from weitiao.source import text
from weitiao.source.rows import Row, as_bytes

# A class or id, word by word, that says: here is what somebody wrote. `d_post_content` (Tieba), `t_f`, `t_msg` and
# `postmessage_1` (Discuz), `post-text`, `s-prose` (Stack Exchange), `commtext` (Hacker News), `reply_content` (V2EX).
_WRITTEN = re.compile(
    r"^(?:[a-z]{1,3}[-_])?(?:post|comment|reply|topic|thread|message|floor|answer|question)s?[-_]?"
    r"(?:content|body|text|message|msg|cont|main|detail)(?:[-_]?\d+)?$|^(?:t_f|t_?msg|commtext|s-prose)$",
    re.I,
)
# What holds a post with its author and date around it; looked at where no element says more.
_HOLDER = re.compile(r"^(?:[a-z]{1,3}[-_])?(?:post|comment|reply|floor)(?:[-_]?(?:item|list-item|\d+))?$", re.I)
_INSIDE = ":is(.content, .body, .text, .message, .msg, [itemprop=text])"
_BLOCKS = ":is(div, li, article, section, td, p, blockquote, dd, cc):is([class], [id])"
_HIDDEN = "script, style, noscript, template"
_CHROME = "nav, header, footer, aside, form"
# The thread must be most of the page, and the posts a good part of the thread beside names, dates and buttons: an
# article must not be lost to the comments below it. Judgements, held by the pages of the tests.
_THREAD, _POSTS = 0.6, 0.15
_BODY = re.compile(r"<body\b[^>]*>(.*?)(?:</body\s*>|\Z)", re.I | re.S)


def read_page(path: Path, encoding: str) -> Iterator[Row]:
    """Yield the posts of a page, else the page itself.

    Posts are block elements whose class or id says that somebody wrote them (`_WRITTEN`), else the content of those
    that say post, comment, reply or floor (`_HOLDER`): two at least, and they must be what the page is about
    (`_is_about`). A post is its inner HTML as the parser gives it back. On any other page the row is the HTML of the
    body, not a character changed. The page's title stands beside it.
    """
    with text.reader(path, encoding) as file:
        page = file.read()
    if problem := text.undecoded(page, encoding):
        yield Row(0, "1", page[:2000].encode("utf-8", "replace"), problem=problem)
        return
    tree = LexborHTMLParser(page)
    found = tree.css_first("title")
    title = {"title": found.text().strip()} if found and found.text().strip() else {}
    posts = _posts(tree)
    for number, post in enumerate(posts, 1):
        value = {"text": post.inner_html or "", **title}
        yield Row(number, str(number), as_bytes(value), value)
    if not posts:
        body = match[1] if (match := _BODY.search(page)) else page
        value = {"text": body, **title}
        yield Row(1, "1", as_bytes(value), value)


def read_text(path: Path, encoding: str, *, lines: bool) -> Iterator[Row]:
    """Yield the text as one row, or a row for each of its lines that is not blank."""
    with text.reader(path, encoding) as file:
        if not lines:
            yield _text(1, file.read(), encoding)
            return
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _text(number, line.rstrip("\r\n"), encoding)


def _text(number: int, content: str, encoding: str) -> Row:
    raw = content.encode("utf-8", "replace")
    if problem := text.undecoded(content, encoding):
        return Row(number, str(number), raw, problem=problem)
    return Row(number, str(number), raw, {"text": content})


def _posts(tree: LexborHTMLParser) -> list[LexborNode]:
    marked = tree.css(_BLOCKS)
    posts = _apart([node for node in marked if _says(node, _WRITTEN)])
    if len(posts) < 2:
        holders = [node for node in marked if _says(node, _HOLDER)]
        inside = {node.mem_id: node for holder in holders if (node := holder.css_first(_INSIDE))}
        posts = list(inside.values()) if 2 * len(inside) > len(holders) else _apart(holders)
    return posts if len(posts) > 1 and tree.body and _is_about(posts, tree.body) else []


def _apart(nodes: list[LexborNode]) -> list[LexborNode]:
    """Return the nodes without those inside another, and without those that only gather several others."""
    inside = {node.mem_id: [parent.mem_id for parent in _above(node)] for node in nodes}
    count = Counter(parent for parents in inside.values() for parent in parents)
    posts = {key for key in inside if count[key] < 2}
    return [node for node in nodes if node.mem_id in posts and not posts.intersection(inside[node.mem_id])]


def _is_about(posts: list[LexborNode], body: LexborNode) -> bool:
    """Tell whether the least element around all posts is most of the page's text, and they are enough of it."""
    shared = set.intersection(*({parent.mem_id for parent in _above(post)} for post in posts))
    thread = next(parent for parent in _above(posts[0]) if parent.mem_id in shared)
    outside = [node for node in body.css(_CHROME) if thread.mem_id not in {parent.mem_id for parent in _above(node)}]
    page = _length(body) - sum(_length(node) for node in _apart(outside))
    return _length(thread) >= _THREAD * page and sum(map(_length, posts)) >= _POSTS * _length(thread)


def _length(node: LexborNode) -> int:
    return len(node.text(strip=True)) - sum(len(hidden.text(strip=True)) for hidden in node.css(_HIDDEN))


def _says(node: LexborNode, says: re.Pattern[str]) -> bool:
    words = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}".split()
    return any(says.match(word) for word in words)


def _above(node: LexborNode) -> Iterator[LexborNode]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent
