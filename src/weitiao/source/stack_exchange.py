"""Dumps of Stack Exchange (`Posts.xml`) as rows: a question with its accepted or best answer, both as Markdown."""

import dataclasses
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any
from xml.parsers.expat import ExpatError, ParserCreate

from weitiao.formats import Problem
from weitiao.source import safe_xml, text
from weitiao.source.markup import markdown
from weitiao.source.rows import Row, as_bytes

_BLOCK = 1 << 20
_QUESTION, _ANSWER = "1", "2"
_SITE = re.compile(r"(?:^|/)((?:[a-z0-9-]+\.)+(?:com|net|org))(?:/|-)Posts\.xml", re.I)
# When contributions changed their licence, where a row does not say it (https://stackoverflow.com/help/licensing).
_LICENCES = (("2011-04-08", "CC-BY-SA-2.5"), ("2018-05-02", "CC-BY-SA-3.0"))
# Each question with its accepted answer, else the one with the most votes, one at least, the earliest of equals.
_CHOSEN = """
    SELECT q.number, q.line, q.place, a.place, a.id = q.accepted, q.answers FROM (
        SELECT *, (SELECT count(*) FROM answer WHERE parent = question.id) AS answers, coalesce(
            (SELECT id FROM answer WHERE id = question.accepted AND parent = question.id),
            (SELECT id FROM answer WHERE parent = question.id AND score > 0 ORDER BY score DESC, id LIMIT 1)
        ) AS chosen FROM question
    ) q LEFT JOIN answer a ON a.id = q.chosen ORDER BY q.number
"""


def read_posts(path: Path, uri: str) -> Iterator[Row]:
    """Yield a row for each question of a dump; what is wrong with its XML comes first.

    The file is gone through once for where its posts stand, kept in a temporary file of SQLite's, then from question to
    question, so that memory does not grow with it.
    """
    with closing(sqlite3.connect("")) as places, path.open("rb") as file:
        places.execute("CREATE TABLE question (id INTEGER PRIMARY KEY, number, line, place, accepted)")
        places.execute("CREATE TABLE answer (id INTEGER PRIMARY KEY, parent, score, place)")
        yield from _find_posts(file, places)
        places.execute("CREATE INDEX parents ON answer (parent)")
        site = match[1].lower() if (match := _SITE.search(uri)) else ""
        for number, line, question, answer, accepted, answers in places.execute(_CHOSEN):
            asked = _at(file, question)
            given = _at(file, answer) if answer is not None else None
            value = _value(asked, given, site) | {"answers": answers}
            if given:
                value["answer_by"] = "accepted" if accepted else "votes"
            licences = dict.fromkeys(map(_licence, [asked, given] if given else [asked]))
            address = f"https://{site}/questions/{asked['Id']}" if site else ""
            raw = as_bytes([asked, given])
            yield Row(number, str(line), raw, value, address=address, licence=" AND ".join(licences))


def _find_posts(file: IO[bytes], places: sqlite3.Connection) -> Iterator[Row]:
    """Note where each question and answer stands; yield the rows that are neither right nor of another type."""
    made = safe_xml.parser()
    bad: list[Row] = []
    number = read = begun = 0

    def start(name: str, fields: Mapping[str, str]) -> None:
        nonlocal number, begun
        begun = made.CurrentByteIndex
        if name != "row":
            return
        number += 1
        kind, place, line = fields.get("PostTypeId"), made.CurrentByteIndex, made.CurrentLineNumber
        try:
            if kind == _QUESTION:
                row = (int(fields["Id"]), number, line, place, int(fields.get("AcceptedAnswerId") or 0))
                places.execute("INSERT INTO question VALUES (?, ?, ?, ?, ?)", row)
            elif kind == _ANSWER:
                reply = (int(fields["Id"]), int(fields["ParentId"]), int(fields.get("Score") or 0), place)
                places.execute("INSERT INTO answer VALUES (?, ?, ?, ?)", reply)
        except (KeyError, ValueError, OverflowError, sqlite3.IntegrityError):
            problem = Problem("bad post", "no number as Id or ParentId, or one that stands twice", "Get the dump again")
            bad.append(Row(number, str(line), as_bytes(dict(fields)), problem=problem))

    made.StartElementHandler = start
    try:
        while block := file.read(_BLOCK):
            made.Parse(block, False)
            yield from bad
            bad.clear()
            read += len(block)
            if read - begun > text.LONGEST:  # what is not at its end is kept whole, and gone through again each time
                problem = dataclasses.replace(text.too_large("a line", text.LONGEST), ends=True)
                yield Row(0, str(made.CurrentLineNumber), b"", problem=problem)
                return
        made.Parse(b"", True)
    except safe_xml.Doctype:
        yield Row(0, "1", b"", problem=safe_xml.DOCTYPE)
    except ExpatError as error:
        yield from bad
        what = {"error": str(error)}
        mend = "Get the dump again; what stands before the damage can be read with `skip_bad`"
        yield Row(0, str(error.lineno), b"", problem=Problem("broken XML", "broken XML: {error}", mend, "", what))


def _at(file: IO[bytes], place: int) -> dict[str, str]:
    """Return the fields of the row that begins at a byte of the file."""
    found: list[dict[str, str]] = []
    made = ParserCreate("utf-8")
    made.StartElementHandler = lambda _, fields: found.append(fields)
    file.seek(place)
    while not found:
        try:
            made.Parse(file.read(_BLOCK >> 4), False)
        except ExpatError:  # the next row, where this one should be the last
            assert found
    return found[0]


def _value(asked: Mapping[str, str], given: Mapping[str, str] | None, site: str) -> dict[str, Any]:
    title, body = asked.get("Title", ""), markdown(asked.get("Body", ""))
    posts = [asked, given] if given else [asked]
    value: dict[str, Any] = {"question": f"{title}\n\n{body}".strip()}
    if given:
        value |= {"answer": markdown(given.get("Body", "")), "answer_id": int(given["Id"])}
        value["answer_score"] = int(given.get("Score") or 0)
    value |= {"title": title, "question_id": int(asked["Id"]), "score": _number(asked.get("Score"))}
    value |= {"tags": re.findall(r"[^<>|]+", asked.get("Tags", "")), "time": asked.get("CreationDate", "")}
    # CC BY-SA asks to name who wrote it.
    return value | {"authors": [_author(post, site) for post in posts]}


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d+", text) else None


def _author(post: Mapping[str, str], site: str) -> str:
    user = post.get("OwnerUserId")
    return f"https://{site}/users/{user}" if user and site else post.get("OwnerDisplayName", user or "")


def _licence(post: Mapping[str, str]) -> str:
    """Return the licence that a post says it has, else that of its date."""
    if said := post.get("ContentLicense"):
        return said.strip().replace(" ", "-")
    date = post.get("CreationDate", "")
    return next((name for until, name in _LICENCES if date and date < until), "CC-BY-SA-4.0")
