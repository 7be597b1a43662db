"""Measure what is hard on the data stages: many files, a line without end; and write what `tests/kill_run.py` kills.

    python -m benchmarks.robust recipe FOLDER [--rows 1500]      a recipe with every step that needs no vectors
    python -m benchmarks.robust files [--count 100000 1000000] [--kind json|txt]
    python -m benchmarks.robust line [--mb 200 2000] [--kind jsonl|json|csv|txt|…]

The last two print a line of JSON a measurement: seconds, and the most memory (MB) of one process of the run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from benchmarks import corpus
from weitiao.prepare import OTHERS, STEPS
from weitiao.source.reading import PIECE

_PARTS = 6  # of the recipe's records

_SETTINGS: dict[str, dict[str, Any]] = {
    "drop_contaminated": {"against": ["benchmark.jsonl"]},
    "cluster_topics": {"topics": 8},
    "cap": {"most": 1_000_000},
    "pick_diverse": {"keep": 0.5},
}
# What opens and what closes a text of any length; between them stands the text.
_AROUND = {
    "jsonl": (b'{"text": "a"}\n{"text": "', b'"}\n{"text": "b"}\n'),
    "json": (b'[{"text": "a"},\n{"text": "', b'"},\n{"text": "b"}]\n'),
    "object": (b'{"text": "', b'"}\n'),
    "csv": (b"question,answer\na,b\nc,", b"\nd,e\n"),
    "tsv": (b"question\tanswer\na\tb\nc\t", b"\nd\te\n"),
    "txt": (b"a\n", b"\nb\n"),
    "lines": (b"a\n", b"\nb\n"),
    "html": (b"<html><body><p>a", b"</p></body></html>\n"),
    "xml": (b'<?xml version="1.0"?>\n<posts>\n<row Id="1" PostTypeId="1" Body="', b'" />\n</posts>\n'),
}
_NAMES = {"object": "big.json", "lines": "big.txt", "xml": "Posts.xml"}


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    made = ways.add_parser("recipe")
    made.add_argument("folder", type=Path)
    made.add_argument("--rows", type=int, default=1_500)
    files = ways.add_parser("files")
    files.add_argument("--count", type=int, nargs="+", default=[100_000, 1_000_000])
    files.add_argument("--kind", choices=["json", "txt"], default="json")
    line = ways.add_parser("line")
    line.add_argument("--mb", type=int, nargs="+", default=[200, 2000])
    line.add_argument("--kind", nargs="+", choices=_AROUND, default=list(_AROUND))
    for way in (files, line):
        way.add_argument("--folder", type=Path, help="where it is written; a temporary folder")
    chosen = parser.parse_args()
    if chosen.way == "recipe":
        write_recipe(chosen.folder, chosen.rows)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        if chosen.way == "files":
            measure_files(Path(folder), chosen.count, chosen.kind)
        else:
            measure_lines(Path(folder), chosen.mb, chosen.kind)


def write_recipe(folder: Path, rows: int) -> None:
    """Write a corpus, a benchmark and a recipe that takes the one through every step against the other."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus.write(folder / "posts.jsonl", rows)
    lines = (folder / "posts.jsonl").read_bytes().splitlines()
    (folder / "benchmark.jsonl").write_bytes(b"\n".join(lines[:: max(1, rows // 50)]))
    blank = b"\n" + b" " * PIECE + b"\n"  # so long that the lines around it come to lie in parts of their own
    size = max(1, rows // _PARTS)
    chunks = [b"\n".join(lines[at : at + size]) for at in range(0, rows, size)]
    (folder / "posts.jsonl").write_bytes(blank.join(chunks))
    names = [step.step_name() for step in (*OTHERS[:11], *STEPS, *OTHERS[11:])]
    steps = [{name: _SETTINGS[name]} if name in _SETTINGS else name for name in names]
    beside = Path(__file__).parents[1] / "examples" / "ruozhiba"
    inputs = ["posts.jsonl", *(str(beside / name) for name in ("posts", "questions_zh.jsonl", "questions_en.jsonl"))]
    recipe = {"source": {"inputs": inputs, "skip_bad": True}, "prepare": {"steps": steps}}
    (folder / "recipe.yaml").write_bytes(orjson.dumps(recipe, option=orjson.OPT_INDENT_2))


def measure_files(folder: Path, counts: list[int], kind: str) -> None:
    """Read a folder of so many files, ten thousand in each of its own."""
    there = 0
    for count in sorted(counts):
        for number in range(there, count):
            place = folder / "many" / f"{number // 10_000:03d}"
            if number % 10_000 == 0:
                place.mkdir(parents=True)
            text = f"第{number}篇：水能不能兑水？"
            content = json.dumps({"text": text}, ensure_ascii=False) if kind == "json" else text
            (place / f"{number:07d}.{kind}").write_text(content)
        there = count
        _say(_run(folder, "many"), files=count, kind=kind)


def measure_lines(folder: Path, sizes: list[int], kinds: list[str]) -> None:
    """Read files one line of which is so many MB long."""
    for kind in kinds:
        for size in sizes:
            path = folder / _NAMES.get(kind, f"big.{kind}")
            opening, closing = _AROUND[kind]
            with path.open("wb") as file:
                file.write(opening)
                for _ in range(size):
                    file.write(b"x" * (1 << 20))
                file.write(closing)
            _say(_run(folder, path.name, *(["--shape", "lines"] if kind == "lines" else [])), mb=size, kind=kind)
            path.unlink()


def _run(folder: Path, name: str, *more: str) -> dict[str, Any]:
    """Run the source stage; return what came of it, its seconds and its memory."""
    command = [sys.executable, "-m", "weitiao", "source", name, "-o", "out.parquet", "--skip-bad", "--json", *more]
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as talk:
        inside = {**os.environ, "TMPDIR": str(folder)}
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=talk, env=inside)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        talk.seek(0)
        told, ended = said.read(), talk.read().strip()[-300:]
    answer = json.loads(told) if told.startswith("{") else {}
    source = answer.get("stages", {}).get("source", {})
    kept = {name: source.get(name) for name in ("total", "kept", "refused")} if answer else {"said": ended}
    return {
        "status": process.returncode,
        **kept,
        "seconds": round(time.monotonic() - start, 1),
        "memory_mb": usage.ru_maxrss >> 10,
    }


def _say(measured: dict[str, Any], **what: Any) -> None:
    print(json.dumps(what | measured, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
