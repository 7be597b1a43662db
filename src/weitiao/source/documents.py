"""PDF, DOCX and EPUB as rows: passages that know their page or chapter. A process of its own converts the file."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weitiao.errors import UserError
from weitiao.formats import EMPTY, Problem
from weitiao.source.passages import Block, Passage, cut
from weitiao.source.rows import Row, as_bytes
from weitiao.talk import t

KINDS = ("pdf", "docx", "epub")
_NEEDS = {"pdf": "pdfplumber", "docx": "mammoth"}
_BROKEN_PAGES = 20  # then the rest is not tried

PROBLEMS = {
    "encrypted": ("it is protected by a password", "Save a copy without one"),
    "too large": (
        "unpacked it has more than {limit} MB: {name}",
        "Take it apart; a file made to fill memory is not read",
    ),
    "document type": (
        "{name} declares a document type with entities, which can grow without end",
        "Save the file again",
    ),
    "broken": ("a damaged {kind} file: {error}", "Open it in its program and save it again"),
    "no chapters": ("it names no chapters", "Save it again as EPUB"),
    "scanned": (
        "its {pages} pages are pictures without text",
        "Recognise its text first, for example with `ocrmypdf -l chi_sim+eng IN OUT`",
    ),
    "no letters": (
        "the fonts of page {page} do not say which letters they draw",
        "Recognise its text with OCR instead",
    ),
    "broken page": ("page {page} cannot be read: {error}", "Print the file to PDF again"),
}


def require(kind: str) -> None:
    """Raise UserError if the library that reads documents of this kind is not installed."""
    if (name := _NEEDS.get(kind)) and find_spec(name) is None:
        raise UserError(
            t("{kind} files need the package {name}", kind=kind.upper(), name=name),
            "pip install 'weitiao[documents]'",
        )


def read(path: Path, kind: str) -> Iterator[Row]:
    """Yield a row for each passage; pages without text, and what is wrong, are rows that say so.

    Memory is bounded: the file is converted by another process, page by page, which may use so much and no more; where
    that ends early, the page is named and another process goes on after it.
    """
    found = _Found(kind)
    for number, passage in enumerate(cut(found.blocks(path)), 1):
        yield from found.take_odd()
        yield _row(passage, number, kind, found.title)
    yield from found.take_odd()


def _row(passage: Passage, number: int, kind: str, title: str) -> Row:
    value: dict[str, Any] = {"text": passage.text}
    value |= {name: text for name, text in (("title", title), ("section", passage.section)) if text}
    if kind == "pdf":
        value["page"] = int(passage.first)
        if passage.last != passage.first:
            value["last_page"] = int(passage.last)
    elif passage.first:
        value["chapter"] = passage.first
    return Row(number, passage.first if kind == "pdf" else str(number), as_bytes(value), value)


class _Found:
    """What a converter gives: blocks, and beside them rows for what has none."""

    def __init__(self, kind: str) -> None:
        self.title = ""
        self._kind = kind
        self._odd: list[Row] = []

    def take_odd(self) -> list[Row]:
        """Return the rows without a passage that have come up since."""
        odd, self._odd = self._odd, []
        return odd

    def blocks(self, path: Path) -> Iterator[Block]:
        """Yield the blocks of a document, by as many processes as it takes."""
        pages = after = 0
        empty: list[int] = []
        broken: list[int] = []
        ended = "yes"
        while ended and len(broken) < _BROKEN_PAGES:
            trying, ended = 0, ""
            for said in _convert(path, self._kind, after, broken):
                pages, self.title = said.get("pages", pages), said.get("title", self.title)
                trying, ended = said.get("trying", trying), said.get("ended", "")
                after = said.get("page", after)
                yield from (Block(text, said["place"]) for text in said.get("blocks", []))
                if "problem" in said:
                    self._note(said["problem"], said, said.get("page", 0))
                elif said.get("blocks") == [] and pages:
                    empty.append(after)
            if ended and trying:
                broken.append(trying)
                self._note("broken page", {"page": trying, "error": ended}, trying)
            elif ended:
                self._note("broken", {"kind": self._kind.upper(), "error": ended}, 0)
                break
        if len(broken) == _BROKEN_PAGES:
            self._note(
                "broken", {"kind": self._kind.upper(), "error": f"{_BROKEN_PAGES} pages; the others were left"}, 0
            )
        if pages and len(empty) == pages:
            self._note("scanned", {"pages": pages}, 0)
            return
        for page in empty:
            self._odd.append(Row(0, str(page), as_bytes(page), problem=Problem(EMPTY, "the page has no text")))

    def _note(self, name: str, values: dict[str, Any], page: int) -> None:
        message, mend = PROBLEMS[name]
        named = {key: value for key, value in values.items() if "{" + key + "}" in message}
        raw = as_bytes([name, page])
        self._odd.append(Row(0, str(page or ""), raw, problem=Problem(name, message, mend, values=named)))


def _convert(path: Path, kind: str, after: int, broken: list[int]) -> Iterator[dict[str, Any]]:
    """Yield what the converting process says, a JSON line at a time; at the end `ended` if it did not end well."""
    command = [
        sys.executable,
        "-m",
        "weitiao.source.convert",
        kind,
        str(path.absolute()),
        str(after),
        *map(str, broken),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            yield json.loads(line)
        said = process.stderr.read().decode("utf-8", "replace").strip().split("\n")[-1]
        if code := process.wait():
            late = "it takes more than a minute" if code == -signal.SIGALRM else ""
            yield {"ended": re.sub(r"^[\w.]*\.(\w+)", r"\1", said)[:200] or late or f"signal {-code}"}
