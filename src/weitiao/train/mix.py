"""General records mixed into the training rows, so that what the model could do before is not forgotten."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from weitiao.errors import UserError
from weitiao.formats import BadRow, read, recognise
from weitiao.record import Record, record_id
from weitiao.talk import problem_of, t


@dataclass(frozen=True)
class Mixed:
    """The records drawn, and for each file how many it has, how many may be drawn, and how many were."""

    records: list[Record] = field(default_factory=list)
    files: dict[str, dict[str, int]] = field(default_factory=dict)


def draw(mix: dict[str, float], wanted: int, folder: Path, seed: int, held: Collection[str]) -> Mixed:
    """Draw from each file `ratio` times `wanted` records, in the file's order; all of them where it has fewer.

    A record whose question is one of `held`, those set aside for judging, is never drawn. Raises UserError with
    `file:line` for what is no conversation.
    """
    found = Mixed()
    for name, ratio in mix.items():
        everything = list(_records(folder / Path(name).expanduser(), name))
        free = [record for record in everything if question(record) not in held]
        count = min(len(free), round(ratio * wanted))
        places = sorted(random.Random(f"{seed}/{name}").sample(range(len(free)), count))
        found.records.extend(free[place] for place in places)
        found.files[name] = {"records": len(everything), "free": len(free), "drawn": count}
    return found


def question(record: Record) -> str:
    """Return what the user says first, without blanks."""
    return "".join(next((text for role, text in record.messages if role == "user"), "").split())


def _records(path: Path, name: str) -> Iterator[Record]:
    for number, line in enumerate(_lines(path, name), 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            row: Any = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UserError(t("{place}: not JSON: {error}", place=place, error=error)) from None
        shape = recognise(row) if isinstance(row, dict) else None
        if shape is None:
            raise UserError(t("{place}: no conversation", place=place), _hint())
        try:
            messages = row["messages"] if shape == "records" else read(row, shape).messages
        except BadRow as bad:
            raise UserError(f"{place}: {bad.problem.said()}", _hint()) from None
        pairs = tuple((one["role"], one["content"]) if isinstance(one, dict) else one for one in messages)
        yield Record(record_id(name, number, line), pairs, name, number)


def _lines(path: Path, name: str) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(t("Cannot read {path}: {error}", path=name, error=problem_of(error)), _hint()) from None


def _hint() -> str:
    return t("`mix` takes JSON Lines; `weitiao export` writes them from anything")
