"""Saved threads: which elements of a page are posts, and a thread as its question and its best reply."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from weitiao.source.markup import markdown, set_formulas, tidy, unwrap_layout

# A class or id, word by word, that says: here is what somebody wrote. `d_post_content` (Tieba), `t_f`, `t_msg` and
# `postmessage_1` (Discuz), `post-text`, `s-prose` (Stack Exchange), `toptext`, `commtext` (Hacker News),
# `reply_content` (V2EX), `usertext-body` (Reddit).
_WRITTEN = re.compile(
    r"^(?:[a-z]{1,3}[-_])?(?:usertext|post|comment|reply|topic|thread|message|floor|answer|question)s?[-_]?"
    r"(?:content|body|text|message|msg|cont|main|detail)(?:[-_]?\d+)?$|^(?:t_f|t_?msg|commtext|toptext|s-prose)$",
    re.I,
)
# What holds a post with its author and date around it; looked at where no element says more.
_HOLDER = re.compile(r"^(?:[a-z]{1,3}[-_])?(?:post|comment|reply|floor)(?:[-_]?(?:item|list-item|\d+))?$", re.I)
_INSIDE = ":is(.content, .body, .text, .message, .msg, [itemprop=text])"
_BLOCKS = ":is(div, li, article, section, td, p, blockquote, dd, cc):is([class], [id])"
_HIDDEN = "script, style, noscript, template"
_CHROME = "nav, header, footer, aside, form"
# Rules of a forum stand there in the clothes of a post. Written out, as lexbor takes `:is(a, b) c` for `:is(a, b) > c`.
_BESIDE = ", ".join(f"{beside} {_BLOCKS}" for beside in (".side", ".sidebar", "#sidebar"))
# The thread must be most of the page, and the posts a good part of the thread beside names, dates and buttons: an
# article must not be lost to the comments below it. Judgements, held by the pages of the tests.
_THREAD, _POSTS = 0.6, 0.15

# A page that says of itself that it holds a question and answers.
_ASKS = "[itemtype$='schema.org/Question'], [itemtype$='schema.org/QAPage'], .accepted-answer, .best-answer, .rusld"
_ACCEPTED = (
    "[itemprop=acceptedAnswer], .accepted-answer, .accepted, .best-answer, .best_answer, .bestanswer, .is-accepted"
)
_ACCEPTED_WORDS = re.compile(
    r"最佳答案|已采纳|被采纳|采纳为答案|accepted answer|best answer|marked as (?:the )?(?:answer|solution)", re.I
)
_IDS = (
    "data-pid",
    "data-post-id",
    "data-postid",
    "data-answerid",
    "data-questionid",
    "data-comment-id",
    "data-fullname",
    "data-id",
)
_AUTHOR = (
    "[itemprop=author] [itemprop=name], .author .name, .authi a, .username, .user-name, .p_author_name,"
    " .user-details a, .author, .poster, .nickname, a.dark"
)
_VOTES = "[itemprop=upvoteCount], .vote-count-post, .js-vote-count, .vote-count, .votes, .score, .likes, .like-count"
_HEARTS = ":is(img[alt^='♥'], img[alt^='❤'], img[alt^='👍'])"  # V2EX: a picture, and how many behind it
_LIKES = re.compile(
    r"(?:赞同?|顶|支持|Likes?|Upvotes?|Helpful|♥|❤|👍)\s*[(（:：]?\s*(\d+)|(\d+)\s*(?:人?赞同?|likes?\b|(?:up)?votes?\b)",
    re.I,
)
_THANKS = re.compile(
    r"谢谢|感谢|多谢|谢了|解决了|搞定了|可以了|thank(?:s| you)|that (?:works|worked|helped)|solved|works now", re.I
)
_REFUSES = re.compile(
    r"不行|没用|不对|没解决|没有解决|提前|先谢|in advance|(?:doesn|didn|don|isn).?t (?:work|help)|not (?:work|solved)",
    re.I,
)
_FURNITURE = (
    ".sig, .signature, .signatures, .pstatus, .quote-author, .edit-note, .act, .actions, .codebox > p, button, form"
)
LONG = 40  # characters of a reply that may be taken for an answer by its length alone


@dataclass(frozen=True)
class Post:
    """A post of a thread: its own id, what it says as Markdown, and what people thought of it."""

    id: str
    text: str
    author: str = ""
    time: str = ""
    votes: int | None = None
    accepted: bool = False


def posts_of(tree: LexborHTMLParser) -> list[LexborNode]:
    """Return the elements that hold what people wrote, in order; none where the page is about something else.

    They are block elements whose class or id says that somebody wrote them (`_WRITTEN`), else the content of those
    that say post, comment, reply or floor (`_HOLDER`): two at least, and they must be what the page is about.
    """
    beside = {node.mem_id for node in tree.css(_BESIDE)}
    marked = [node for node in tree.css(_BLOCKS) if node.mem_id not in beside]
    posts = _apart([node for node in marked if _says(node, _WRITTEN)])
    inner = [node.css(_INSIDE) for node in posts]
    if all(len(inside) == 1 for inside in inner):  # a heading and the author stand beside it (phpBB)
        posts = [inside[0] for inside in inner]
    if len(posts) < 2:
        holders = [node for node in marked if _says(node, _HOLDER)]
        inside = {node.mem_id: node for holder in holders if (node := holder.css_first(_INSIDE))}
        posts = list(inside.values()) if 2 * len(inside) > len(holders) else _apart(holders)
    if len(posts) < 2:
        posts = tree.css("[itemtype$='schema.org/Question'] [itemprop=text], [itemtype$='/Answer'] [itemprop=text]")
        posts = list({node.mem_id: node for node in posts}.values())  # an answer may stand inside its question
    return posts if len(posts) > 1 and tree.body and _is_about(posts, tree.body) else []


def ids_of(nodes: list[LexborNode]) -> list[str]:
    """Return the id that the page gives each post; "" where it gives none."""
    shared = Counter(above.mem_id for node in nodes for above in _above(node))
    return [_key([node, *(above for above in _above(node) if shared[above.mem_id] == 1)]) for node in nodes]


def asks(tree: LexborHTMLParser) -> bool:
    """Tell whether the page says of itself that it is a question with answers."""
    return tree.css_first(_ASKS) is not None


def thread(page: str) -> dict[str, Any] | None:
    """Return the row that a thread is: `question`, `answer` and `posts` with their ids; None for a page of no thread.

    The answer is the reply that `choose` names; where it names none the row has only the question.
    """
    tree = LexborHTMLParser(page)
    tidy(tree)
    nodes = posts_of(tree)
    if not nodes:
        return None
    posts = [replace(post, text=set_formulas(post.text, page)) for post in _read(nodes)]
    chosen, why = choose(posts)
    title = _title(tree)
    first = posts[0].text
    row: dict[str, Any] = {"question": first if not title or title in first else f"{title}\n\n{first}".strip()}
    if chosen is not None:
        row |= {"answer": posts[chosen].text, "answer_post": posts[chosen].id, "answer_by": why}
    asker = posts[0].author
    listed = [
        {
            "id": post.id,
            "text": post.text,
            "time": post.time or None,
            "votes": post.votes,
            "accepted": post.accepted or None,
            "asker": (bool(asker) and post.author == asker) or None,  # not who it was
        }
        for post in posts
    ]
    row["posts"] = [{key: value for key, value in post.items() if value is not None} for post in listed]
    return row | ({"title": title} if title else {})


def choose(posts: Sequence[Post]) -> tuple[int | None, str]:
    """Return which of the posts after the first answers it, and by which rule; none if no rule names one.

    1. `accepted`: the page marks it as the accepted or best answer.
    2. `votes`: it has the most votes, one at least, and more than any other.
    3. `thanks`: the asker thanks after it: the reply that the thanks name by its floor or author, else the one before.
    4. `first long`: the first of at least 40 characters.
    The asker's own posts are candidates for the first rule alone.
    """
    asker = posts[0].author
    replies = [index for index in range(1, len(posts)) if posts[index].text]
    others = [index for index in replies if not asker or posts[index].author != asker]
    for index in replies:
        if posts[index].accepted:
            return index, "accepted"
    ranked = sorted(((posts[index].votes or 0, -index) for index in others), reverse=True)
    if ranked and ranked[0][0] > 0 and (len(ranked) == 1 or ranked[0][0] > ranked[1][0]):
        return -ranked[0][1], "votes"
    for index in set(replies) - set(others):
        if _THANKS.search(posts[index].text) and not _REFUSES.search(posts[index].text):
            before = [other for other in others if other < index]
            if before:
                named = [other for other in before if _names(posts[index].text, posts[other].author, other)]
                return (named or before)[-1], "thanks"
    return next(((index, "first long") for index in others if len(posts[index].text) >= LONG), (None, ""))


def _names(text: str, author: str, index: int) -> bool:
    # A name of one Han character or two letters may be part of a word.
    word = rf"(?<!\w){re.escape(author)}(?!\w)" if author.isascii() else re.escape(author)
    named = len(author) > 1 + author.isascii() and re.search(word, text, re.I | re.A)
    floor = re.search(rf"(?<!\d){index + 1}\s*[楼#]|#{index + 1}(?!\d)", text)
    return bool(named or floor) or bool(author and f"@{author}" in text)


def _read(nodes: list[LexborNode]) -> list[Post]:
    """Read each post's words, and what stands around them up to the next post."""
    shared = Counter(above.mem_id for node in nodes for above in _above(node))
    posts: list[Post] = []
    said: list[str] = []
    for number, node in enumerate(nodes, 1):
        post = _around([node, *(above for above in _above(node) if shared[above.mem_id] == 1)])
        for furniture in node.css(_FURNITURE):
            furniture.decompose()
        for quote in node.css("blockquote, .quote, .quotes"):
            if _repeats(quote.text(separator="\n"), said):
                quote.decompose()
        unwrap_layout(node)
        said += [words] if (words := _squeezed(node.text())) else []
        posts.append(replace(post, id=post.id or str(number), text=markdown(node.inner_html or "")))
    if sum(post.accepted for post in posts[1:]) > 1:  # a button at each of them, or no single answer
        posts = [replace(post, accepted=False) for post in posts]
    return posts


def _around(chain: list[LexborNode]) -> Post:
    """Return what the elements around a post say of it, from the innermost to the one next to other posts."""
    holder = chain[-1]
    author = next((name for found in holder.css(_AUTHOR) if (name := found.text(strip=True))), "")
    clock = holder.css_first("time, [itemprop=dateCreated], .relativetime")
    attributes = clock.attributes if clock else {}
    time = attributes.get("datetime") or attributes.get("title") or (clock.text(strip=True) if clock else "")
    beside = holder.text(separator=" ").replace(chain[0].text(separator=" "), " ", 1)
    marked = {found.mem_id for found in holder.css(_ACCEPTED)}  # the holder itself, or a badge in it
    accepted = bool(marked) or _ACCEPTED_WORDS.search(beside) is not None
    return Post(_key(chain), "", author, time or "", _votes(holder, beside), accepted)


def _key(chain: Sequence[LexborNode]) -> str:
    key = next((value for one in chain for name in _IDS if (value := one.attributes.get(name))), "")
    key = key or next((value for one in reversed(chain) if (value := one.attributes.get("id"))), "")
    # An anchor's name, before there were ids.
    return key or next((name for one in chain if any(map(str.isdigit, name := one.attributes.get("name") or ""))), "")


def _votes(holder: LexborNode, beside: str) -> int | None:
    """Return how many people liked a post, where the page says so."""
    for name in ("data-score", "data-votes", "data-likes"):
        value = holder.attributes.get(name) or ""
        if re.fullmatch(r"-?\d+", value):
            return int(value)
    for found in holder.css(_VOTES):
        value = (
            found.attributes.get("content") or found.attributes.get("data-value") or found.text(strip=True)
        ).strip()
        if match := re.fullmatch(r"([-−]?\d+)(?:\s*(?:votes?|likes?|points?|赞|分|人赞同))?", value):
            return int(match[1].replace("−", "-"))
    hearts = (heart.parent for heart in holder.css(_HEARTS)[:20])
    for count in (above.text(strip=True) for above in hearts if above):
        if count.isdecimal() and len(count) < 7:
            return int(count)
    match = _LIKES.search(beside)
    return int(match[1] or match[2]) if match else None


def _title(tree: LexborHTMLParser) -> str:
    """Return what the thread is called, without the name of its site."""
    found = tree.css_first("title")
    whole = " ".join(found.text().split()) if found else ""
    heading = tree.css_first("#thread_subject, [itemtype$='/Question'] [itemprop=name], .core_title_txt")
    if heading and (text := " ".join(heading.text().split())):
        return text
    # The first heading may be the site's name; the page's own title begins with the thread's, or has it in it.
    headings = [" ".join(one.text().split()) for one in tree.css("h1, h2, h3")]
    named = [text for text in headings if text and text in whole]
    if named:
        return max(named, key=lambda text: (whole.startswith(text), len(text)))
    if first := next((text for one in tree.css("h1") if (text := " ".join(one.text().split()))), ""):
        return first
    return re.split(r"\s+[-–—|_]\s+|_(?=[^_]*$)", whole)[0].strip()


def _repeats(quote: str, said: Sequence[str]) -> bool:
    """Tell whether a quote holds a line of an earlier post, or a short post as a whole, with or without its author."""
    lines = [_squeezed(line) for line in quote.split("\n")]
    lines += [line.partition(mark)[2] for line in lines for mark in "：:" if mark in line]
    return any(line in said or (len(line) >= 6 and any(line in earlier for earlier in said)) for line in lines if line)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


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
