"""XML read element by element without entities: a document that declares its own is refused before it can grow."""

from collections.abc import Callable, Iterable, Mapping
from xml.parsers import expat

from weitiao.formats import Problem

Start = Callable[[str, Mapping[str, str]], None]

DOCTYPE = Problem(
    "document type",
    "the XML declares a document type, which may hide entities that grow without end",
    "Such a file is not read; get it from its publisher",
)


class Doctype(Exception):
    """The document has a document type declaration."""


def parser() -> expat.XMLParserType:
    """Return a parser that raises Doctype at a document type declaration, and expat.ExpatError at what is no XML."""
    made = expat.ParserCreate()
    made.buffer_text = True

    def refuse(*_: object) -> None:
        raise Doctype

    made.StartDoctypeDeclHandler = refuse
    return made


def texts(blocks: Iterable[bytes], path: tuple[str, str]) -> list[str]:
    """Return the texts of the elements `path[1]` that stand in `path[0]`, whatever their namespace prefix."""
    found: list[str] = []
    stack: list[str] = []
    made = parser()

    def start(name: str, _: Mapping[str, str]) -> None:
        stack.append(name.rpartition(":")[2])
        if tuple(stack[-2:]) == path:
            found.append("")

    def end(_: str) -> None:
        stack.pop()

    def data(text: str) -> None:
        if tuple(stack[-2:]) == path:
            found[-1] += text

    made.StartElementHandler, made.EndElementHandler, made.CharacterDataHandler = start, end, data
    for block in blocks:
        made.Parse(block, False)
    made.Parse(b"", True)
    return [text.strip() for text in found if text.strip()]
