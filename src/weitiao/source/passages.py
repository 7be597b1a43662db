"""Documents cut into passages: at their headings, none too short to stand alone, none too long to be read at once."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SHORTEST, LONGEST = 200, 4_000  # characters
_HEADING = re.compile(r"#{1,6} +(.+)")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")


@dataclass(frozen=True)
class Block:
    """A heading, paragraph, list, table or piece of code as Markdown, and where it stands: a page or a chapter."""

    text: str
    place: str

    @property
    def heading(self) -> str:
        """The heading's text; "" for any other block."""
        return match[1].strip() if (match := _HEADING.match(self.text)) else ""


@dataclass(frozen=True)
class Passage:
    """Blocks that belong together, the heading they stand under, and where they begin and end."""

    text: str
    section: str
    first: str
    last: str


def cut(blocks: Iterable[Block]) -> Iterator[Passage]:
    """Yield passages in order; together they hold every block once.

    A passage ends before a heading if it has `SHORTEST` characters, and before a block with which it would have more
    than `LONGEST`; a heading never ends one. A block that is longer by itself stays whole.
    """
    held: list[Block] = []
    size, section, under = 0, "", ""
    for block in blocks:
        full = size + len(block.text) > LONGEST
        if held and not held[-1].heading and (full or (block.heading and size >= SHORTEST)):
            yield _passage(held, under)
            held, size = [], 0
        section = block.heading or section
        under = under if held else section
        held.append(block)
        size += len(block.text)
    if held:
        yield _passage(held, under)


def _passage(held: list[Block], section: str) -> Passage:
    return Passage("\n\n".join(block.text for block in held), section, held[0].place, held[-1].place)


def blocks_of(markdown: str, place: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown text: parted by empty lines, code kept whole, a list too."""
    held: list[str] = []
    fence = ""
    for line in [*markdown.split("\n"), ""]:
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
        if fence or line.strip():
            held.append(line)
        elif held:
            yield Block("\n".join(held), place)
            held = []
    if held:
        yield Block("\n".join(held), place)
