"""Repeat the experiment with other seeds: other things held out, other posts and questions; the same base and recipe.

    python examples/traps/seeds.py > table.md

Prints a Markdown table of right answers before and after, with mean and standard deviation over the seeds. A seed that
is done is not run again.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from weitiao import pipeline
from weitiao.cli.terminal import Terminal
from weitiao.recipe import load
from weitiao.traps import experiment, write

HERE = Path(__file__).parent
SEEDS = (42, 2, 3, 4, 5)  # settings were chosen on 0
PARTS = ("thing", "family", "plain")


def main() -> None:
    """Run the seeds that are not yet done, and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    print(table({seed: figures(seed) for seed in parser.parse_args().seeds}))


def figures(seed: int) -> dict[str, float]:
    """Return the figures of one seed in percent, and the seconds that the whole line took."""
    work = HERE / "work" / "seeds" / str(seed)
    kept = work / "figures.json"
    if not kept.exists():
        write(work, experiment(seed), seed)
        (work / "recipe.yaml").write_bytes((HERE / "recipe.yaml").read_bytes())
        started = time.monotonic()
        recipe = load(work / "recipe.yaml", pipeline.SETTINGS, [f"seed={seed}"])
        done = pipeline.run(recipe, work / "runs", reporter=Terminal())[-1]
        found = _read(json.loads((done.stored.folder / "report.json").read_bytes()))
        kept.write_text(json.dumps({**found, "seconds": time.monotonic() - started}), encoding="utf-8")
    known: dict[str, float] = json.loads(kept.read_bytes())
    return known


def _read(report: Mapping[str, Any]) -> dict[str, float]:
    records = report["records"]
    found = {}
    for part in PARTS:
        mine = [row for row in records if row["groups"][0] == part]
        for side in ("before", "after"):
            found[f"{part} {side}"] = 100 * mean(row[side]["judged"] == "right" for row in mine)
    return {**found, "stop": 100 * mean(row["after"]["stopped"] for row in records)}


def table(rows: Mapping[int, Mapping[str, float]]) -> str:
    """Return the figures of the seeds as a Markdown table."""
    columns = [f"{part} {side}" for part in PARTS for side in ("before", "after")] + ["stop", "seconds"]
    lines = [f"| seed | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    lines += [_line(str(seed), [row[name] for name in columns]) for seed, row in rows.items()]
    values = [[row[name] for row in rows.values()] for name in columns]
    lines.append(_line("mean", [mean(column) for column in values]))
    if len(rows) > 1:
        lines.append(_line("standard deviation", [stdev(column) for column in values]))
    return "\n".join(lines)


def _line(name: str, values: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |"


if __name__ == "__main__":
    main()
