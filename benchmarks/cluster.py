"""Measure the prepare line by Ray beside the same line on this machine, and what each function costs and moves.

    python -m benchmarks.cluster [--rows 300000]

The rows and the ledger that come out of both are compared, byte for byte and as sets. What each function costs, and how
much meets in it, before Ray packs it, is counted in one process. CPU seconds of a way are those of all its processes
(see `benchmarks/prepare.py`). Results go to `benchmarks/results/cluster.*`.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

from benchmarks import corpus, report
from benchmarks.prepare import FLOOR, RESULTS, STEPS, Measured, watched
from weitiao.engine import C, Meeting, R
from weitiao.store import Run

FEW = 50_000  # rows whose cost is told by function


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--folder", type=Path, help="where corpus and runs are written; a temporary one")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--once", nargs=3, metavar=("ENGINE", "FILE", "FOLDER"), help="run once, print the rows kept")
    chosen = parser.parse_args()
    if chosen.once:
        engine, source, target = chosen.once
        print(ours(engine, Path(source), Path(target)))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        source = folder / "corpus.jsonl"
        corpus.write(source, chosen.rows)
        floor = [sys.executable, "-m", "benchmarks.prepare", "--once", FLOOR, str(source), str(folder)]
        found = [watched(floor, FLOOR, chosen.rows)]
        for engine in ("local", "ray"):
            command = [sys.executable, "-m", "benchmarks.cluster", "--once", engine, str(source), str(folder)]
            found.append(watched(command, engine, chosen.rows))
            print(found[-1], file=sys.stderr)
        same = compared(*(Run(folder / engine / "bench") for engine in ("local", "ray")))
        few = min(chosen.rows, FEW)
        corpus.write(source, few)
        write(chosen.results, found, same, counted(source, folder), few)


def ours(engine: str, source: Path, target: Path) -> int:
    """Run source and prepare by an engine."""
    from weitiao import pipeline
    from weitiao.recipe import bind

    done = pipeline.run(bind(_recipe(source, engine), pipeline.SETTINGS, target), target / engine)
    for item in done:
        print(item.line(), file=sys.stderr)
    kept: int = done[-1].manifest["kept"]
    return kept


def _recipe(source: Path, engine: str) -> dict[str, Any]:
    return {"name": "bench", "engine": engine, "source": {"inputs": [str(source)]}, "prepare": {"steps": list(STEPS)}}


def compared(one: Run, other: Run) -> dict[str, bool]:
    """Say whether records and ledgers of two runs are equal, as sets and byte for byte."""
    same = {}
    for stage in ("source", "prepare"):
        a, b = one.stored(stage), other.stored(stage)
        assert a is not None
        assert b is not None
        for what, left, right in (("records", a.records(), b.records()), ("ledger", a.ledger(), b.ledger())):
            same[f"{stage}: the same {what}, as a set"] = left.sort(pl.all()).equals(right.sort(pl.all()))
        files = [{path.name: path.read_bytes() for path in place.folder.glob("*.parquet")} for place in (a, b)]
        same[f"{stage}: the same files, byte for byte"] = files[0] == files[1]
    return same


class Counting:
    """An engine in this process that counts CPU seconds by function, and bytes by the function in which they meet."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.bytes: defaultdict[str, int] = defaultdict(int)

    def check(self, paths: Sequence[Path]) -> None:
        """Hold nothing."""

    def rest(self) -> None:
        """Keep nothing."""

    def run(self, function: Callable[[C], R], chunks: Sequence[C]) -> Iterator[tuple[int, R]]:
        """Run one chunk after the other."""
        for index, chunk in enumerate(chunks):
            yield index, self._timed(function, chunk)

    def shuffled(
        self,
        emit: Callable[[Any], pl.DataFrame],
        chunks: Sequence[Any],
        meetings: Sequence[Meeting],
        schema: Mapping[str, Any],
    ) -> pl.DataFrame:
        """Let rows meet in this process."""
        tables = [self._timed(emit, chunk) for chunk in chunks]
        for column, function in meetings:
            self.bytes[_name(function)] += int(sum(table.estimated_size() for table in tables))
            tables = [self._timed(function, group) for group in pl.concat(tables).partition_by(column)]
        return pl.concat([pl.DataFrame(schema=schema), *(table.select(*schema) for table in tables)])

    def _timed(self, function: Callable[[C], R], chunk: C) -> R:
        start = time.process_time()
        result = function(chunk)
        self.seconds[_name(function)] += time.process_time() - start
        return result


def _name(function: Any) -> str:
    inner = function.func if isinstance(function, partial) else function
    return f"{inner.__module__.removeprefix('weitiao.')}.{inner.__name__}"


def counted(source: Path, folder: Path) -> Counting:
    """Run source and prepare in this process, once for what is compiled and cached, and once to be counted."""
    from weitiao import pipeline, stage
    from weitiao.recipe import bind

    recipe = bind(_recipe(source, "local"), pipeline.SETTINGS, folder)
    for turn in ("first", "second"):
        counting = Counting()
        with mock.patch.object(stage, "named", lambda _, engine=counting: engine):
            start = time.process_time()
            pipeline.run(recipe, folder / turn)
            counting.seconds["the driver itself"] = time.process_time() - start - sum(counting.seconds.values())
    return counting


def write(folder: Path, found: Sequence[Measured], same: Mapping[str, bool], costs: Counting, rows: int) -> None:
    """Write tables and figures."""
    lines = [
        "# Preparing by Ray and on one machine",
        "",
        "| way | rows | kept | CPU s | CPU µs a row | wall s | peak MB, one process | all |",
        "|---" * 8 + "|",
    ]
    for one in found:
        figures = f"{one.cpu:,.1f} | {one.cpu / one.rows * 1e6:,.0f} | {one.wall:,.0f}"
        lines.append(f"| {one.way} | {one.rows:,} | {one.kept:,} | {figures} | {one.process:,} | {one.together:,} |")
    lines += ["", *(f"* {what}: {'yes' if equal else 'no'}" for what, equal in same.items())]
    each = {name: (seconds / rows * 1e6, costs.bytes[name] / rows) for name, seconds in costs.seconds.items()}
    head = "| function | CPU µs a row | bytes a row that meet in it |"
    lines += ["", f"In one process, {rows:,} rows:", "", head, "|---|---|---|"]
    lines += [f"| `{name}` | {cpu:.1f} | {size:.0f} |" for name, (cpu, size) in each.items()]
    lines += [f"| all | {sum(cpu for cpu, _ in each.values()):.0f} | {sum(size for _, size in each.values()):.0f} |"]
    facts = report.machine(("weitiao", "polars", "numba", "ray"))
    lines += ["", "## Machine", "", *(f"* {key}: {value}" for key, value in facts.items() if value is not None), ""]
    whole = {"machine": facts, "runs": [asdict(one) for one in found], "same": dict(same), "costs": each}
    report.write(folder, "cluster", "\n".join(lines), whole)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
