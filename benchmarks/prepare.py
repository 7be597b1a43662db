"""Measure the prepare line, source to Parquet with the ledger on, in CPU seconds and memory by the number of rows.

    python -m benchmarks.prepare [--rows 100000 1000000]
    python -m benchmarks.prepare --peers PYTHON [--peer-rows 100000] [--slow-rows 2000]

`--peers` names an interpreter that has what `requirements-prepare.txt` lists; datatrove and Data-Juicer are given
`--slow-rows`. A wall clock would tell of the machine's other load: CPU seconds are those of all processes of a way,
read from /proc every tenth of a second; of the parse-and-dump they are the median of three runs. Results go to
`benchmarks/results/prepare.*`.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks import corpus

RESULTS = Path(__file__).parent / "results"
STEPS = (
    "strip_html", "fold_width", "tidy_whitespace", "to_simplified", "drop_short", "drop_long", "drop_exact_duplicates",
    "drop_near_duplicates",
)  # fmt: skip
SLOW = ("datatrove", "juicer")
FLOOR = "orjson"


@dataclass(frozen=True)
class Measured:
    """What one way took: rows in and out, CPU and wall seconds, most memory (MB) of one process and of all together."""

    way: str
    rows: int
    kept: int
    cpu: float
    wall: float
    process: int
    together: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--peers", help="the interpreter of the other libraries")
    parser.add_argument("--peer-rows", type=int, default=100_000)
    parser.add_argument("--slow-rows", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="where corpora and runs are written; a temporary one")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--once", nargs=3, metavar=("WAY", "FILE", "FOLDER"), help="run once, print the rows kept")
    chosen = parser.parse_args()
    if chosen.once:
        way, source, target = chosen.once
        print(parse_and_dump(Path(source), Path(target)) if way == FLOOR else ours(Path(source), Path(target)))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        found = measured(chosen, Path(folder))
    write(chosen.results, found)


def measured(chosen: argparse.Namespace, folder: Path) -> list[Measured]:
    """Measure ours at each number of rows, and the peers at theirs, beside ours and the parse-and-dump each time."""
    wanted: list[tuple[int, tuple[str, ...]]] = [(rows, (FLOOR, "weitiao")) for rows in chosen.rows]
    if chosen.peers:
        wanted.append((chosen.peer_rows, (FLOOR, "weitiao", "daft", "ray")))
        wanted.append((chosen.slow_rows, (FLOOR, "weitiao", *SLOW)))
    found = []
    for rows, ways in wanted:
        source = folder / "corpus.jsonl"
        corpus.write(source, rows)
        for way in ways:
            inside = way in (FLOOR, "weitiao")
            command = [sys.executable, "-m", "benchmarks.prepare", "--once"]
            command = command if inside else [chosen.peers, str(Path(__file__).with_name("prepare_others.py"))]
            tries = []
            for _ in range(3 if way == FLOOR else 1):  # the first one may pay for memory that nobody has touched yet
                with tempfile.TemporaryDirectory(dir=folder) as target:
                    tries.append(watched([*command, way, str(source), target], way, rows))
                print(tries[-1], file=sys.stderr)
            found.append(sorted(tries, key=lambda one: one.cpu)[len(tries) // 2])
    return found


def watched(command: list[str], way: str, rows: int) -> Measured:
    """Run a command and watch all its processes."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    seen: dict[int, float] = {}
    process = together = 0.0
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, cwd=root) as running:
        while running.poll() is None:
            memory = []
            for pid, (cpu, resident) in _family(running.pid, set(seen)).items():
                seen[pid] = cpu
                memory.append(resident)
            process, together = max([process, *memory]), max(together, sum(memory))
            time.sleep(0.1)
        assert running.stdout
        said = running.stdout.read().split()
    if running.returncode:
        raise SystemExit(f"{way}: status {running.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of processes that were waited for the system knows to the end, of the others what was seen last.
    waited = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cpu, wall = max(waited, sum(seen.values())), time.monotonic() - start
    return Measured(way, rows, int(said[-1]), round(cpu, 2), round(wall, 2), round(process), round(together))


def _family(leader: int, known: set[int]) -> dict[int, tuple[float, float]]:
    """Return CPU seconds and resident MB of the processes of a session and of their children."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") / 1e6
    found: dict[int, tuple[float, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        pid, parent, session = int(folder.name), int(fields[1]), int(fields[3])
        if session == leader or parent in known or pid in known:
            found[pid] = (int(fields[11]) + int(fields[12])) / tick, int(fields[21]) * page
    return found


def parse_and_dump(source: Path, target: Path) -> int:
    """Parse each line and write it again."""
    count = 0
    with source.open("rb") as file, (target / "out.jsonl").open("wb") as out:
        for line in file:
            out.write(orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def ours(source: Path, target: Path) -> int:
    """Run source and prepare as `weitiao run` does."""
    from weitiao import pipeline
    from weitiao.recipe import bind

    data = {"name": "bench", "source": {"inputs": [str(source)]}, "prepare": {"steps": list(STEPS)}}
    done = pipeline.run(bind(data, pipeline.SETTINGS, target), target / "runs")
    kept: int = done[-1].manifest["kept"]
    return kept


def write(folder: Path, found: list[Measured]) -> None:
    """Write table, drawing and figures."""
    from benchmarks import report

    floors = {one.rows: one.cpu for one in found if one.way == FLOOR}
    own = {one.rows: one.cpu for one in found if one.way == "weitiao"}
    lines = [
        "# Preparing: weitiao and others",
        "",
        "| way | rows | kept | CPU s | times parse-and-dump | of weitiao's CPU s | peak MB, one process | all |",
        "|---" * 8 + "|",
    ]
    for one in found:
        ratios = f"{one.cpu / floors[one.rows]:.1f} | {one.cpu / own[one.rows]:.2f}"
        memory = f"{one.process:,.0f} | {one.together:,.0f}"
        lines.append(f"| {one.way} | {one.rows:,} | {one.kept:,} | {one.cpu:,.1f} | {ratios} | {memory} |")
    # Of fewer rows the start of processes is all there is to see.
    curve = sorted((float(rows), cpu / rows * 1e6) for rows, cpu in own.items() if rows >= 10_000)
    picture = report.drawing({"weitiao": curve}, "CPU microseconds a row, by rows", "rows")
    (folder / "prepare.svg").write_text(picture, encoding="utf-8")
    facts: dict[str, Any] = report.machine(("weitiao", "polars", "numba", "orjson"))
    lines += ["", "![CPU microseconds a row, by rows](prepare.svg)", "", "## Machine", ""]
    lines += [*(f"* {key}: {value}" for key, value in facts.items() if value is not None), ""]
    report.write(folder, "prepare", "\n".join(lines), {"machine": facts, "runs": [asdict(one) for one in found]})
    print("\n".join(lines))


if __name__ == "__main__":
    main()
