"""The folder that `weitiao collect` fills: its pages, and the index that says where each comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

INDEX = "collected.jsonl"


@dataclass(frozen=True)
class Collected:
    """Where a page of the folder comes from: its address on the web, when it was had, its licence and charset."""

    address: str
    time: str
    licence: str = ""
    charset: str = ""


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the folder's index, an address a row; a last line that a crash has cut is left out."""
    path = folder / INDEX
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [orjson.loads(line) for line in lines if line]


def pages(folder: Path) -> dict[str, Collected]:
    """Return where the files of a folder come from, by their path in it; none for a folder that was not collected."""
    return {
        row["file"]: Collected(row["final"], row["time"], row.get("licence") or "", row.get("charset") or "")
        for row in entries(folder)
        if row.get("file")
    }
