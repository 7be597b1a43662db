"""Rows laid out as the columns of records, and the rows that became none as events of the ledger."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import orjson
import polars as pl

from weitiao import checks, ledger, record
from weitiao.formats import (
    EMPTY,
    NO_FAULT,
    SHAPES,
    TOOLS,
    BadRow,
    Problem,
    Reading,
    read,
    read_plain,
    recognise,
    recognise_task,
)
from weitiao.source import CUTS, Source
from weitiao.source.opened import Opened
from weitiao.source.rows import Row
from weitiao.talk import t

_OWN = {"id", "messages", "origin", "facts"}  # a record of ours is known as one, whatever the others are
_NONE: Mapping[str, Any] = {}
_ASKED = ("user", "assistant")
_SHAPE = {shape: orjson.dumps({"shape": shape}).decode() for shape in SHAPES}  # the facts of a plain row
_HELD = 1_000  # texts that wait to be laid out: so many are still in the cache, and their memory is used again
SHOWN = 2_000  # characters of a row that cannot be read, in the ledger


class Wrong:
    """What is wrong with rows, by place; rows of one file with the same trouble are counted, not listed."""

    def __init__(self, most: int = 5) -> None:
        self.kinds: dict[tuple[str, str], tuple[str, Problem, int]] = {}
        self.rows = 0
        self._most = most

    def add(self, place: str, problem: Problem, count: int = 1) -> None:
        """Note `count` rows; only the first kinds are kept."""
        self.rows += count
        kind = (place.partition(":")[0], problem.english())
        if kind in self.kinds:
            first, same, before = self.kinds[kind]
            self.kinds[kind] = (first, same, before + count)
        elif len(self.kinds) < self._most:
            self.kinds[kind] = (place, problem, count)

    def lines(self) -> list[str]:
        """Return a line for each kind: its first place, what is wrong, what to do."""
        said = []
        for place, problem, count in self.kinds.values():
            line = f"{place}: {problem.said()}"
            line = t("{line}. {mend}", line=line, mend=problem.mended()) if problem.mend else line
            said.append(line + (" " + t("(like it: {count} more)", count=f"{count - 1:,}") if count > 1 else ""))
        if left := self.rows - sum(count for _, _, count in self.kinds.values()):
            said.append(t("and others: {count}", count=f"{left:,}"))
        return said


@dataclass
class Tally:
    """What came of some rows: how many are records, the others by reason, the first problems by place."""

    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    wrong: "Wrong" = field(default_factory=lambda: Wrong())

    @property
    def bad(self) -> int:
        """How many rows need `skip_bad`: all but the empty ones and those that annotators left out."""
        return sum(count for reason, count in self.refused.items() if reason not in NO_FAULT)

    def add(self, other: "Tally") -> None:
        """Count another's rows too."""
        self.kept += other.kept
        self.refused += other.refused
        self.shapes += other.shapes
        for place, problem, count in other.wrong.kinds.values():
            self.wrong.add(place, problem, count)
        self.wrong.rows += other.bad - sum(count for _, _, count in other.wrong.kinds.values())

    def dump(self) -> bytes:
        """Return the tally as JSON, so that a later try finds it."""
        wrong = [(place, asdict(problem), count) for place, problem, count in self.wrong.kinds.values()]
        return orjson.dumps(
            {"kept": self.kept, "refused": self.refused, "shapes": self.shapes, "wrong": wrong},
            option=orjson.OPT_PASSTHROUGH_SUBCLASS,
            default=dict,
        )

    @classmethod
    def load(cls, data: bytes) -> "Tally":
        """Read back what `dump` gave."""
        values = orjson.loads(data)
        tally = cls(values["kept"], Counter(values["refused"]), Counter(values["shapes"]))
        for place, problem, count in values["wrong"]:
            tally.wrong.add(place, Problem(**problem), count)
        tally.wrong.rows = tally.bad
        return tally


class Understood(NamedTuple):
    """A row as a record's parts; `own` is the row itself where it already is a record of ours.

    `facts` are its own ones, or what the row held beyond its messages.
    """

    shape: str
    reading: Reading
    facts: dict[str, Any]
    own: dict[str, Any] | None = None


def understand(row: Row, file: Opened, settings: Source) -> Understood:
    """Return what a row says; raises BadRow if it cannot be told or is wrong."""
    if plain := _plain(row, settings):
        shape, texts, fields = plain
        return Understood(shape, Reading([*zip(_ASKED, texts, strict=True)], fields), _facts(shape, fields))
    return understand_any(row, file, settings)


def _plain(row: Row, settings: Source) -> tuple[str, tuple[str, str], dict[str, Any]] | None:
    """Return what `read_plain` does, None where the settings say what a row is."""
    return None if row.problem or settings.text or settings.shape not in CUTS else read_plain(row.value)


def _facts(shape: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"shape": shape, "source": fields} if fields else {"shape": shape}


def understand_any(row: Row, file: Opened, settings: Source) -> Understood:
    """Return and raise what `understand` does, plain row or not: the long way."""
    if row.problem:
        raise BadRow(row.problem)
    value = row.value
    shape: str = settings.shape
    if value.keys() >= _OWN:
        shape = "records"
    elif settings.text and shape not in TOOLS:
        shape = recognise_task(value) or "posts"
    if shape in CUTS:
        found = recognise(value)
        if found is None and len(value) == 1 and file.kind in ("jsonl", "json", "parquet"):
            found = "posts" if isinstance(next(iter(value.values())), str) else None
        if found is None:
            raise BadRow(_unknown(value))
        shape = found
    if shape == "records":
        reading = _own(value)
        understood = Understood(shape, reading, reading.fields, value)
    else:
        reading = read(value, shape, settings.text)
        understood = Understood(shape, reading, _facts(shape, reading.fields))
    try:
        checks.carried(understood.facts)
    except checks.BadCheck as bad:
        raise BadRow(Problem("bad check", bad.message, bad.mend, bad.field, bad.values)) from None
    return understood


def place_of(row: Row, file: Opened, problem: Problem) -> str:
    """Return `file:line:field`."""
    return ":".join(part for part in (row.uri or file.uri, row.place, problem.field) if part)


class Table:
    """Records under way to a table, column by column."""

    def __init__(self, settings: Source) -> None:
        self.tally = Tally()
        self._settings = settings
        self._ids: list[str] = []
        self._counts: list[int] = []
        self._roles: list[str] = []
        self._texts: list[str] = []
        self._laid = pl.Series(dtype=pl.String)  # the texts before those
        self._uris: list[str] = []
        self._rows: list[int] = []
        self._licences: list[str | None] = []
        self._parents: dict[int, list[str]] = {}  # of most rows there are none, and empty lists are dear to lay out
        self._families: list[str | None] = []
        self._facts: list[str] = []
        self._events: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return self.tally.kept + self.tally.refused.total()

    def add(self, row: Row, file: Opened) -> None:
        """Take a row in: as a record, or as an event."""
        uri, page = row.uri or file.uri, file.collected
        plain = None if page else _plain(row, self._settings)
        own = _NONE
        if plain:  # as most rows are: there is nothing in it to be checked
            shape, contents, fields = plain
            roles = _ASKED
            facts = _json(_facts(shape, fields)) if fields else _SHAPE[shape]
        else:
            try:
                found = understand_any(row, file, self._settings)
            except BadRow as bad:
                self._refuse(row, file, bad.problem)
                return
            own = found.own or _NONE
            if page and page.time and not own:
                found.facts["source"] = {**found.facts.get("source", {}), "collected": page.time, "file": file.uri}
            shape, facts = found.shape, _json(found.facts)
            roles, contents = zip(*found.reading.messages, strict=True)
        origin = own.get("origin") or _NONE
        self._ids.append(own["id"] if own else record.record_id(uri, row.number, row.raw))
        self._counts.append(len(roles))
        self._roles += roles
        self._texts += contents
        if len(self._texts) > _HELD:
            self._lay()
        licence = row.licence or (page and page.licence) or self._settings.licence or None
        self._licences.append(origin.get("licence") or licence)
        self._uris.append(origin.get("uri") or row.address or (page.address if page else uri))
        self._rows.append(origin.get("row") or row.number)
        if parents := own.get("parents"):
            self._parents[self.tally.kept] = parents
        self._families.append(own.get("family"))
        self._facts.append(facts)
        self.tally.kept += 1
        self.tally.shapes[shape] += 1

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the records and the events."""
        return self._records(), ledger.events(pl.DataFrame(self._events)) if self._events else ledger.empty()

    def _lay(self) -> None:
        self._laid.append(pl.Series(self._texts, dtype=pl.String))
        self._texts.clear()

    def _records(self) -> pl.DataFrame:
        # From flat columns: building lists of structs from Python objects takes twenty times as long.
        self._lay()
        owner = pl.int_range(len(self._counts), dtype=pl.UInt32, eager=True)
        turns = pl.DataFrame(
            {
                "row": owner.repeat_by(pl.Series(self._counts, dtype=pl.UInt32)).explode(),
                "role": self._roles,
                "content": self._laid,
            },
            schema={"row": pl.UInt32, "role": pl.String, "content": pl.String},
        )
        messages = turns.group_by("row", maintain_order=True).agg(pl.struct("role", "content").alias("messages"))
        origin = {"uri": self._uris, "row": self._rows, "licence": self._licences}
        parents = pl.repeat([], len(owner), dtype=pl.List(pl.String), eager=True)
        if self._parents:
            parents = pl.Series([self._parents.get(row, []) for row in owner], dtype=pl.List(pl.String))
        return pl.DataFrame(
            {
                "id": self._ids,
                "messages": messages["messages"],
                "origin": pl.DataFrame(
                    origin, schema=dict(zip(origin, (pl.String, pl.Int64, pl.String), strict=True))
                ).to_struct(),
                "parents": parents,
                "family": self._families,
                "facts": self._facts,
            },
            schema=record.SCHEMA,
        )

    def _refuse(self, row: Row, file: Opened, problem: Problem) -> None:
        place = place_of(row, file, problem)
        self.tally.refused[problem.reason] += 1
        if problem.reason not in NO_FAULT:
            self.tally.wrong.add(place, problem)
        self._events.append(
            {
                "id": record.record_id(row.uri or file.uri, row.number, row.raw),
                "step": "source",
                "action": "skipped",
                "reason": problem.reason,
                "before": row.raw[: 4 * SHOWN].decode("utf-8", "replace")[:SHOWN],
                "detail": _json({"place": place, "problem": problem.english()}),
            }
        )


def _json(value: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a whole number beyond 64 bits
        return json.dumps(value, ensure_ascii=False, default=str)


def _unknown(value: Mapping[str, Any]) -> Problem:
    if not value:
        return Problem(EMPTY, "it says nothing")
    columns = ", ".join(str(key)[:40] for key in list(value)[:20]) or "-"
    return Problem(
        "unknown shape",
        "no known shape of question, answer or post; it has the columns: {columns}",
        "Name the column that holds the text: `text: COLUMN`, --text COLUMN; a table starts with a row of names",
        values={"columns": columns},
    )


def _own(value: Mapping[str, Any]) -> Reading:
    """Check a record of ours that comes back in; `facts` may be an object, or JSON text as in Parquet."""
    facts = value.get("facts") or {}
    if isinstance(facts, str):
        try:
            facts = orjson.loads(facts)
        except orjson.JSONDecodeError:
            facts = None
    origin = value.get("origin") or {}
    parents = value.get("parents") or []
    checked: list[tuple[str, Any, type, str]] = [("id", value.get("id"), str, "a text")]
    checked.append(("origin", origin, dict, "an object"))
    if isinstance(origin, dict):
        checked += [(f"origin.{name}", origin.get(name) or "", str, "a text") for name in ("uri", "licence")]
        checked.append(("origin.row", origin.get("row") or 0, int, "a number"))
    checked.append(("parents", parents, list, "a list"))
    if isinstance(parents, list):
        checked += [(f"parents[{index}]", parent, str, "a text") for index, parent in enumerate(parents)]
    family = "" if value.get("family") is None else value["family"]
    checked += [("family", family, str, "a text"), ("facts", facts, dict, "an object")]
    for name, found, kind, wanted in checked:
        if not isinstance(found, kind):
            raise BadRow(Problem("wrong type", "it is not {wanted}", "Make it {wanted}", name, {"wanted": wanted}))
    return Reading(read({"messages": value.get("messages")}, "openai").messages, facts or {})
