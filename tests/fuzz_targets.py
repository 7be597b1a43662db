"""What the fuzzer feeds: bytes to each reader of the source stage, texts to each step of prepare.

Only two things may come of any input: records and a ledger that add up, or a UserError.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from weitiao.errors import UserError
from weitiao.prepare import OTHERS, STEPS
from weitiao.prepare.run import prepare
from weitiao.record import SCHEMA, Record
from weitiao.source import Source
from weitiao.source.files import Input
from weitiao.source.opened import open_file
from weitiao.source.reading import rows
from weitiao.source.table import Table
from weitiao.stage import Silent
from weitiao.step import Around, Step
from weitiao.store import Draft, Stored

# The name of the file, and the shape that is asked for.
READERS = {
    "jsonl": ("a.jsonl", "auto"),
    "json": ("a.json", "auto"),
    "csv": ("a.csv", "auto"),
    "tsv": ("a.tsv", "auto"),
    "xlsx": ("a.xlsx", "auto"),
    "parquet": ("a.parquet", "auto"),
    "html": ("a.html", "auto"),
    "thread": ("a.html", "thread"),
    "posts": ("a.html", "posts"),
    "article": ("a.html", "article"),
    "page": ("a.html", "page"),
    "text": ("a.txt", "auto"),
    "lines": ("a.txt", "lines"),
    "stack_exchange": ("Posts.xml", "auto"),
    "gzip": ("a.jsonl.gz", "auto"),
    "zstd": ("a.jsonl.zst", "auto"),
    "pdf": ("a.pdf", "auto"),
    "docx": ("a.docx", "auto"),
    "epub": ("a.epub", "auto"),
    "unnamed": ("a", "auto"),
    **{shape: ("a.json", shape) for shape in ("label_studio", "doccano", "doccano_seq2seq", "argilla")},
    **{shape: ("a.jsonl", shape) for shape in ("records", "openai", "sharegpt", "xtuner", "pairs", "cqia", "alpaca")},
    **{shape: ("a.jsonl", shape) for shape in ("alpaca_zh", "qa", "forum", "guanaco")},
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "drop_contaminated": {"against": ["b"]},
    "cluster_topics": {"topics": 2},
    "cap": {"most": 1},
    "pick_diverse": {"keep": 1},
    "redact": {"names": True},
}
BETWEEN = "\x1e"  # of the texts that a step is given


def read(name: str, shape: str, data: bytes) -> None:
    """Read a file that holds these bytes; hold that each row became a record or an event."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        table = Table(Source(inputs=[name], shape=shape))  # type: ignore[arg-type]
        file = open_file(Input(name, str(path)), "auto", Path(folder))
        for row in rows(file, shape):
            assert (row.value is None) != (row.problem is None)
            table.add(row, file)
        records, events = table.frames()
        tally = table.tally
        assert (len(records), len(events)) == (tally.kept, tally.refused.total())
        assert len(table) == len(records) + len(events)
        for problem in table.tally.wrong.kinds.values():
            assert problem[1].said()
        records.write_parquet(Path(folder) / "records.parquet")  # what is no text could not be written


def take(kind: type[Step], data: bytes) -> None:
    """Take texts through a step, as passages and as talks; hold that those that went in went on or were let go."""
    texts = data.decode("utf-8", "replace").split(BETWEEN)[:8]
    talks = [[("passage", text)] for text in texts]
    talks += [[("user", one), ("assistant", other)] for one, other in pairwise(texts)]
    made = [Record(f"{n:032x}", tuple(talk), "a.jsonl", n + 1) for n, talk in enumerate(talks)]
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        home = Path(folder)
        frame = pl.DataFrame([record.row_dict() | {"facts": "{}"} for record in made], schema=SCHEMA)
        frame.write_parquet(home / "in.parquet")
        (home / "out").mkdir()
        step = kind.model_validate(_SETTINGS.get(kind.step_name(), {}), strict=False)
        step = step.within(Around(home, {"b": (home / "in.parquet",)}))
        funnel = prepare([step], [home / "in.parquet"], Draft(home / "out"), Silent())
        stored = Stored(home / "out")
        gone = stored.ledger().filter(pl.col("action") == "dropped")["id"]
        left = stored.records()["id"]
        assert funnel[0]["in"] == len(made)
        assert sorted([*gone, *left]) == sorted(record.id for record in made)


def _of(call: Callable[..., None], *first: Any) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        with suppress(UserError):
            call(*first, data)

    return target


_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no disk, where there is such a place
TARGETS: dict[str, Callable[[bytes], None]] = {
    **{f"read_{kind}": _of(read, name, shape) for kind, (name, shape) in READERS.items()},
    **{kind.step_name(): _of(take, kind) for kind in (*STEPS, *OTHERS)},
}
