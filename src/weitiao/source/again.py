"""Input rows once more, as they stand in their files: for what sorts rows without changing them."""

import json
from collections.abc import Iterator
from pathlib import Path

from weitiao.record import record_id
from weitiao.source import Source
from weitiao.source.files import find
from weitiao.source.first_rows import open_all
from weitiao.source.reading import rows


def lines(settings: Source, folder: Path, aside: Path) -> Iterator[tuple[str, bytes]]:
    """Yield id and text of each row that can be read: its own line of a JSON Lines file, else its fields as JSON.

    The ids are those that the source stage gives. `aside` is a folder for unpacked copies.
    """
    for file in open_all(find(settings.inputs, folder).files, settings, aside):
        for row in rows(file, settings.shape):
            if row.problem:
                continue
            own = "origin" in row.value and "messages" in row.value and isinstance(row.value.get("id"), str)
            key = row.value["id"] if own else record_id(row.uri or file.uri, row.number, row.raw)
            text = row.raw if file.kind == "jsonl" else json.dumps(row.value, ensure_ascii=False, default=str).encode()
            yield key, text
