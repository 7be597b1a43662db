"""Convert one document to Markdown blocks, a JSON line for each page or chapter: run as a process of its own.

`python -m weitiao.source.convert KIND PATH AFTER SKIP...` (of a PDF: the last page already read, and pages not to try)
bounds its memory, and its time for a page, before it touches the file. A file that breaks a library ends this process,
never the one that reads its lines.
"""

import json
import posixpath
import resource
import signal
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.parsers.expat import ExpatError, ParserCreate

from weitiao.source.markup import markdown
from weitiao.source.passages import blocks_of
from weitiao.source.safe_xml import Doctype, parser

MEMORY = 2 << 30  # bytes beyond what Python and the libraries take
SECONDS = 60  # for a page, a chapter, or a whole DOCX
_PART = 64 << 20  # bytes of one file inside a DOCX or EPUB
_WHOLE = 1 << 30


def say(**values: Any) -> None:
    """Write one line to the reader."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def bound() -> None:
    """Bound the memory of this process, where the system can."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


def _fits(archive: zipfile.ZipFile) -> bool:
    """Tell whether a packed document is small enough unpacked; zipfile never gives more bytes than it declares."""
    items = [item for item in archive.infolist() if item.filename.lower().endswith((".xml", ".rels", ".opf", ".xhtml"))]
    items += [item for item in archive.infolist() if item.filename.lower().endswith((".html", ".htm", ".ncx"))]
    for item in items:
        if item.file_size > _PART:
            say(problem="too large", name=item.filename, limit=_PART >> 20)
            return False
    if sum(item.file_size for item in items) > _WHOLE:
        say(problem="too large", name=Path(archive.filename or "").name, limit=_WHOLE >> 20)
        return False
    if any(item.flag_bits & 1 for item in items):
        say(problem="encrypted")
        return False
    return True


def docx(path: str) -> None:
    """Say the blocks of a DOCX: headings, lists, tables and code as mammoth's HTML has them."""
    import mammoth

    with zipfile.ZipFile(path) as archive:
        if not _fits(archive):
            return
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")) and _declares(archive.read(name)):
                say(problem="document type", name=name)
                return
    signal.alarm(SECONDS)
    # Word's own styles for code; mammoth knows headings, lists and tables by itself.
    styles = "p[style-name='Code'] => pre:separator('\\n')\np[style-name='HTML Preformatted'] => pre:separator('\\n')"
    ignored = mammoth.images.img_element(lambda _: {"src": ""})
    with Path(path).open("rb") as file:
        html = mammoth.convert_to_html(
            file, style_map=styles, convert_image=ignored, ignore_empty_paragraphs=True
        ).value
    say(place="", blocks=[block.text for block in blocks_of(markdown(html), "")])


def _declares(data: bytes) -> bool:
    """Tell whether an XML text declares a document type; what is no XML is left to its reader."""
    made = parser()
    try:
        made.Parse(data, True)
    except Doctype:
        return True
    except ExpatError:
        pass
    return False


def epub(path: str) -> None:
    """Say the blocks of each chapter of an EPUB, in the order of its spine (EPUB 3, section 5)."""
    with zipfile.ZipFile(path) as archive:
        if "META-INF/encryption.xml" in archive.namelist() and b"EncryptedData" in archive.read(
            "META-INF/encryption.xml"
        ):
            kept = archive.read("META-INF/encryption.xml")
            if b".xhtml" in kept or b".html" in kept:  # fonts may be, and do not matter
                say(problem="encrypted")
                return
        if not _fits(archive):
            return
        chapters, title = _spine(archive)
        say(title=title)
        if not chapters:
            say(problem="no chapters")
        for name in chapters:
            signal.alarm(SECONDS)
            html = archive.read(name).decode("utf-8", "replace")
            say(place=posixpath.basename(name), blocks=[block.text for block in blocks_of(markdown(_body(html)), "")])


def _body(html: str) -> str:
    start = html.find("<body")
    return html[start:] if start >= 0 else html


def _spine(archive: zipfile.ZipFile) -> tuple[list[str], str]:
    """Return the names of the chapters in reading order, and the book's title."""
    root: list[str] = []
    _walk(
        archive.read("META-INF/container.xml"),
        lambda tag, has: root.append(has["full-path"]) if tag == "rootfile" else None,
    )
    items: dict[str, str] = {}
    order: list[str] = []
    title: list[str] = []

    def start(tag: str, has: dict[str, str]) -> None:
        if tag == "item" and "html" in has.get("media-type", ""):
            items[has["id"]] = posixpath.normpath(posixpath.join(posixpath.dirname(root[0]), unquote(has["href"])))
        elif tag == "itemref":
            order.append(has["idref"])

    _walk(archive.read(root[0]), start, title)
    known = set(archive.namelist())
    return [items[name] for name in order if items.get(name) in known], "".join(title).strip()


def _walk(data: bytes, start: Any, title: list[str] | None = None) -> None:
    made = ParserCreate()
    stack: list[str] = []

    def begin(tag: str, has: dict[str, str]) -> None:
        stack.append(tag.rpartition(":")[2])
        start(stack[-1], has)

    def text(data: str) -> None:
        if title is not None and stack and stack[-1] == "title":
            title.append(data)

    made.StartElementHandler, made.CharacterDataHandler = begin, text
    made.EndElementHandler = lambda _: stack.pop() and None
    made.Parse(data, True)


def pdf(path: str, after: int, skip: set[int]) -> None:
    """Say the blocks of each page of a PDF after page `after`, those of `skip` left out."""
    from weitiao.source.pdf_pages import pages

    def begin(page: int) -> None:
        say(trying=page)
        signal.alarm(SECONDS)

    for said in pages(path, after, skip, begin):
        say(**said)


if __name__ == "__main__":
    bound()
    kind, path, after, *skip = sys.argv[1:]
    if kind == "pdf":
        pdf(path, int(after), {int(page) for page in skip})
    else:
        {"docx": docx, "epub": epub}[kind](path)
