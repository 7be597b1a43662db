"""A file looked at before it is read: what it is by its content, its encoding, and what is wrong with it as a whole."""

import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from weitiao.formats import Problem
from weitiao.source import documents, text
from weitiao.source.collected import Collected
from weitiao.source.files import Input
from weitiao.talk import t

_HEAD = 1 << 16
PACKED = ("xlsx", "parquet", *documents.KINDS)  # which are no text as they lie there

_BINARY = (
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"SQLite format 3", "a SQLite database"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (.xls or .doc)"),
    (b"\x7fELF", "a program"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
)
_PAGE = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml[^>]*>\s*<(!doctype html|html))", re.I)
_DUMP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<posts[\s>]")
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.I | re.S)
_ANY_CHARSET = ("", "utf-8", "utf8", "iso-8859-1", "latin-1")  # what servers say of whatever they send
_CHARSET = re.compile(rb"""<meta[^>]+charset=["']?\s*([\w-]+)""", re.I)


@dataclass(frozen=True, slots=True)
class Opened:
    """A file ready to be read: `file`, its path, is plain (unpacked), `kind` one of the kinds of `files.KINDS`.

    `problem` is wrong with the file as a whole; with `readable` its rows can be read all the same. `note` is to be
    said.
    """

    uri: str
    file: str
    kind: str
    encoding: text.Encoding
    codec: str  # of `file`, where that is a copy
    problem: Problem | None = None
    readable: bool = True
    note: str = ""
    collected: Collected | None = None
    limit: int = 0  # so many first rows are wanted; 0: all

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.file)


def open_file(item: Input, encoding: str, aside: Path) -> Opened:
    """Look at a file; `aside` is a folder for unpacked copies. One that is on a hub is fetched."""
    if item.remote:
        item = replace(item, file=str(item.remote.fetch()))
    return replace(_open(item, encoding, aside), collected=item.collected)


def _open(item: Input, encoding: str, aside: Path) -> Opened:
    wanted = None if encoding == "auto" else text.named(encoding)
    path, problem = text.unpack(item.path, aside)
    head = _head(path)
    kind, wrong = _kind(item, path, head)
    if kind in documents.KINDS and not wrong:
        documents.require(kind)
    if wrong or kind in PACKED:
        none = text.Encoding("utf-8")
        return Opened(
            item.uri, _place(item, path), kind or "text", none, "utf-8", problem or wrong, not (problem or wrong)
        )
    declared = match[1].decode("ascii") if kind == "html" and (match := _CHARSET.search(head)) else ""
    server = item.collected.charset if item.collected else ""
    if server.lower() not in _ANY_CHARSET:  # then the server's word comes first, by the HTML standard
        declared = server
    found = text.detect(path, declared)
    if wanted and not (encoding.lower() in ("utf-16", "utf-32") and found.name.startswith(encoding.lower())):
        found = wanted  # UTF-16 alone does not say which byte comes first, the file does
    plain = text.strip_mark(head, found.name).decode(found.name, "replace")
    whole = len(head) < _HEAD
    real = _json_kind(kind, plain, whole)
    wrong = _no_text(plain, whole) or (None if real else _UNKNOWN)
    if wrong:
        return Opened(item.uri, _place(item, path), real or "text", found, found.name, problem or wrong, readable=False)
    note = _NOTES[real](item.uri) if kind and real != kind else ""
    codec = found.name
    if real == "jsonl" and codec.startswith(("utf-16", "utf-32")):  # its lines cannot be told apart by a byte
        path, _ = text.unpack(path, aside, recode=codec)
        codec = "utf-8"
    return Opened(item.uri, _place(item, path), real, found, codec, problem, note=note)


def _place(item: Input, path: Path) -> str:
    return item.file if path == item.path else str(path)  # one text for both


def _no_text(plain: str, whole: bool) -> Problem | None:
    """Return the problem of a file whose beginning is no text."""
    if whole and not plain.strip("\ufeff \t\r\n\f\v"):
        return Problem("empty file", "the file holds nothing", "Get it again, or take it out of `inputs`")
    odd = sum(plain.count(chr(code)) for code in range(32) if chr(code) not in "\t\n\r\f\v\x1b")
    if odd > 8 and odd * 50 > len(plain):  # a stray one is a matter of its row
        return Problem("not text", "the file is binary, or full of NUL bytes", "Give a text or table file")
    return None


def _array_note(uri: str) -> str:
    return t("{uri} is one JSON value, not JSON Lines; read as such", uri=uri)


def _lines_note(uri: str) -> str:
    return t("{uri} holds JSON Lines; read as such", uri=uri)


_UNKNOWN = Problem("unknown type", "its name and content do not tell what it is", "Rename it: .txt for a text")
_NOTES = {"json": _array_note, "jsonl": _lines_note}


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _kind(item: Input, path: Path, head: bytes) -> tuple[str, Problem | None]:
    """Return what the file is, by its first bytes before its name, and what is wrong if that is nothing we read."""
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    if found := _by_magic(head):
        return found
    kind = item.kind
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return kind, Problem("LFS pointer", "a Git LFS pointer, not the file itself", "Run `git lfs pull` there")
    if not kind and _DUMP.match(head):
        return "stack_exchange", None
    if _PAGE.match(head) and kind not in ("html", "text"):
        if not kind:
            return "html", None
        title = match[1].decode("utf-8", "replace").strip()[:80] if (match := _TITLE.search(head)) else ""
        return kind, Problem(
            "a web page",
            "a web page instead of data: {title}",
            "The download failed, or needs a login; get it again",
            values={"title": title or "-"},
        )
    return kind, _mistaken(kind, path, head) if kind in PACKED and head else None


def _mistaken(kind: str, path: Path, head: bytes) -> Problem:
    """Return the problem of a file whose name says that it is packed, and which is not."""
    reason = "not a document" if kind in documents.KINDS else "not a table"
    values = {"kind": kind.upper()}
    found = text.detect(path).name
    start = text.strip_mark(head, found).decode(found, "replace").lstrip()
    if _no_text(start, whole=False):
        return Problem(reason, "the file is not {kind}", "Get it again", values=values)
    mend = "Give it the ending of what it is, such as .csv or .txt"
    values["start"] = start.partition("\n")[0].rstrip()[:40]
    return Problem(reason, "the file is not {kind} but text: {start}", mend, values=values)


def _by_magic(head: bytes) -> tuple[str, Problem | None] | None:
    """Return what the first bytes say beyond doubt."""
    if b"%PDF-" in head[:1024]:  # some programs write a line before it
        return "pdf", None
    if head.startswith(b"PAR1"):
        return "parquet", None
    for magic, name in _BINARY:
        if head.startswith(magic):
            return "", Problem(
                "not text", "the file is {what}", "Save its text in a format that is read", values={"what": name}
            )
    return None


def _zipped(path: Path) -> tuple[str, Problem | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError):
        return "", Problem("broken archive", "a damaged ZIP or Office file", "Get the file again")
    if size > text.UNPACKED:
        return "", text.too_large("the unpacked file", text.UNPACKED)
    if "xl/workbook.xml" in names:
        return "xlsx", None
    if "word/document.xml" in names:
        return "docx", None
    if "META-INF/container.xml" in names:
        return "epub", None
    return "", Problem("not text", "a ZIP archive", "Unpack it and name the folder")


def _json_kind(kind: str, plain: str, whole: bool) -> str:
    """Return `json` or `jsonl` by what the text holds, whatever its name says; other kinds as they are."""
    start = plain.lstrip("\ufeff \t\r\n")[:1]
    if kind not in ("json", "jsonl", "text", "") or (kind in ("text", "") and start not in ("{", "[")):
        return kind
    lines = [line for line in plain.split("\n") if line.strip()]
    if not whole:
        lines = lines[:-1]  # it may be cut
    parsed = [_parses(line) for line in lines[:5]]
    if kind == "text":
        return "jsonl" if len(parsed) > 1 and all(parsed) else "text"
    if len(parsed) > 1 and (parsed[0] or sum(parsed) * 2 >= len(parsed)):
        return "jsonl"
    if start == "[":
        return "json"
    one_line = not lines or len(lines) == 1 or lines[0].rstrip().endswith("}")
    return (kind or "json") if one_line else "json"


def _parses(line: str) -> bool:
    """Tell whether a line is a JSON object or text by itself."""
    try:
        return isinstance(orjson.loads(line), (dict, str))
    except orjson.JSONDecodeError:
        return False
