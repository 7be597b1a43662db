"""The record: one conversation or passage with its origin, and the columns in which records travel."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl

ROLES = ("system", "user", "assistant", "tool", "passage")

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "messages": MESSAGES,
    "origin": pl.Struct({"uri": pl.String, "row": pl.Int64, "licence": pl.String}),
    "parents": pl.List(pl.String),
    "family": pl.String(),
    # A JSON object as text: tags and scores under the name of the step that wrote them. Its keys differ from
    # record to record, which Parquet columns cannot hold.
    "facts": pl.String(),
}


@dataclass(frozen=True)
class Record:
    """One conversation or passage (a single message with role `passage`).

    `row` counts from 1: the line of a line-based file, the item of an array, the post of a page.
    """

    id: str
    messages: tuple[tuple[str, str], ...]
    uri: str
    row: int
    licence: str | None = None
    parents: tuple[str, ...] = ()
    family: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def row_dict(self) -> dict[str, Any]:
        """Return the record with the keys of its JSONL form."""
        return {
            "id": self.id,
            "messages": [{"role": role, "content": content} for role, content in self.messages],
            "origin": {"uri": self.uri, "row": self.row, "licence": self.licence},
            "parents": list(self.parents),
            "family": self.family,
            "facts": self.facts,
        }


THINK, _END = "<think>", "</think>"
THINKING = rf"(?s)^\s*{THINK}.*?{_END}\s*"  # at the beginning of an answer


def parted(text: str, *, opened: bool = False) -> tuple[str, str]:
    """Part an answer into what was thought and what was said; after a prompt that ends in `<think>` it is `opened`."""
    head = text.lstrip()
    if not opened and not head.startswith(THINK):
        return "", text
    thought, _, said = head.removeprefix(THINK).partition(_END)
    return thought.strip(), said.lstrip()


def record_id(uri: str, row: int, content: bytes) -> str:
    """Return the stable id of the record that stands at `row` of `uri` with this raw content: 20 hex digits."""
    digest = hashlib.blake2b(digest_size=10)
    digest.update(f"{uri}\n{row}\n".encode())
    digest.update(content)
    return digest.hexdigest()


def without_rejected(facts: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the facts of a record without its rejected answer, made by label or come with the row, and that answer."""
    source = facts.get("source") or {}
    worse = facts["rejected"]["text"] if "rejected" in facts else source.get("rejected")
    if not isinstance(worse, str):
        return facts, None
    left = {name: value for name, value in facts.items() if name != "rejected"}
    if "rejected" in source:
        left["source"] = {name: value for name, value in source.items() if name != "rejected"}
    return left, worse


def to_frame(records: list[Record]) -> pl.DataFrame:
    """Lay records out as a table with the columns of `SCHEMA`."""
    rows = [record.row_dict() for record in records]
    for row in rows:
        row["facts"] = orjson.dumps(row["facts"]).decode()
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def to_records(frame: pl.DataFrame) -> list[Record]:
    """Read a table with the columns of `SCHEMA` back into records."""
    return [
        Record(
            id=row["id"],
            messages=tuple((message["role"], message["content"]) for message in row["messages"]),
            uri=row["origin"]["uri"],
            row=row["origin"]["row"],
            licence=row["origin"]["licence"],
            parents=tuple(row["parents"]),
            family=row["family"],
            facts=orjson.loads(row["facts"]),
        )
        for row in frame.iter_rows(named=True)
    ]


def with_fact(name: str, value: pl.Expr) -> pl.Expr:
    """Return the `facts` column with `value` (an expression that gives JSON text) set under a new `name`."""
    facts = pl.col("facts")
    entry = pl.concat_str(pl.lit(orjson.dumps(name).decode() + ":"), value, pl.lit("}"))
    start = pl.when(facts == "{}").then(pl.lit("{")).otherwise(pl.concat_str(facts.str.head(-1), pl.lit(",")))
    return pl.concat_str(start, entry).alias("facts")


def without_fact(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the table with what an earlier run noted under `name` taken out of the facts."""
    places = frame.select(fact(name).is_not_null()).to_series().arg_true()
    if places.is_empty():
        return frame
    facts = [orjson.loads(text) for text in frame["facts"].gather(places)]
    cleared = [orjson.dumps({key: value for key, value in item.items() if key != name}).decode() for item in facts]
    return frame.with_columns(frame["facts"].clone().scatter(places, pl.Series(cleared)).alias("facts"))


def fact(*path: str) -> pl.Expr:
    """Return one text, number or flag out of `facts` as text; null where it is not there."""
    return pl.col("facts").str.json_path_match("$" + "".join(f"['{name}']" for name in path))
