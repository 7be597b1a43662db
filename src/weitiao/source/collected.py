"""The folder that `weitiao collect` fills: its pages, and the index that says where each comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from weitiao.errors import UserError
from weitiao.talk import t

INDEX = "collected.jsonl"


@dataclass(frozen=True, slots=True)
class Collected:
    """Where a page of the folder comes from: its address on the web, when it was had, its licence and charset."""

    address: str
    time: str
    licence: str = ""
    charset: str = ""


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the folder's index, an address a row; a last line that a crash has cut is left out.

    Raises UserError where a file of this name is no such index.
    """
    path = folder / INDEX
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_entry(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line]


def _entry(line: bytes, place: str) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    wanted = ("address", "time", *(("final",) if isinstance(row, dict) and row.get("file") else ()))
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in wanted):
        raise UserError(
            t("{place} is no row of an index of collected pages", place=place),
            t("Give a file of your own another name than {name}", name=INDEX),
        )
    return row


def pages(folder: Path) -> dict[str, Collected]:
    """Return where the files of a folder come from, by their path in it; none for a folder that was not collected."""
    return {
        row["file"]: Collected(row["final"], row["time"], row.get("licence") or "", row.get("charset") or "")
        for row in entries(folder)
        if row.get("file")
    }
