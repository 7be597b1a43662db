"""Compare training with weitiao, with TRL's SFTTrainer and with the stock Trainer; or measure it on a GPU.

    python -m benchmarks.train [--rounds 3] [--sets 26M/tutorial …]      on a CPU, against the others
    python -m benchmarks.train --gpu                                      on a GPU: speed, MFU, memory

Each measurement is a process of its own; the ways take turns, so that another load on the machine meets all of them.
What is compared and how is told in `results/README.md`. The results go to `benchmarks/results/`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

RESULTS = Path(__file__).parent / "results"
HELD_OUT = 32


@dataclass(frozen=True)
class Set:
    """One comparison: a model's shape, a distribution of lengths, how many records."""

    shape: str
    lengths: str
    records: int


SETS = {
    "26M/tutorial": Set("26M", "tutorial", 64),
    "26M/long-tailed": Set("26M", "long-tailed", 64),
    "135M/tutorial": Set("135M", "tutorial", 24),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--threads", type=int, default=1, help="more than one only on a machine that is otherwise idle")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--gpu", action="store_true", help="measure on a GPU instead")
    parser.add_argument("--once", nargs=3, metavar=("SET", "WAY", "MODEL"), help="measure once, print JSON")
    chosen = parser.parse_args()
    if chosen.once:
        name, way, model = chosen.once
        print(orjson.dumps(measure(SETS[name], way, Path(model))).decode())
        return
    if chosen.gpu:
        from benchmarks.gpu import main as measure_on_gpu

        measure_on_gpu(chosen.results)
        return
    compare(chosen.sets, chosen.rounds, chosen.threads, chosen.results)


def compare(names: list[str], rounds: int, threads: int, results: Path) -> None:
    """Measure all ways of the sets named, in turns, and write the results."""
    from benchmarks import material, report
    from benchmarks.ways import WAYS

    parts = ["# Training: weitiao, TRL, the stock Trainer", "", f"Medians of {rounds} runs on {threads} thread(s).", ""]
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            material.write_model(SETS[name].shape, Path(folder))
            runs[name] = {way: [] for way in WAYS}
            for number in range(rounds):
                for way in WAYS:
                    print(f"{name}: {way}, {number + 1} of {rounds}", file=sys.stderr)
                    runs[name][way].append(_apart(name, way, folder, threads))
        curves = {way: some[0]["curve"] for way, some in runs[name].items()}
        picture = f"train-{name.replace('/', '-')}.svg"
        results.mkdir(parents=True, exist_ok=True)
        (results / picture).write_text(report.drawing(curves, f"{name}: training loss"), encoding="utf-8")
        parts += [f"## {name}", "", report.table(runs[name]), "", f"![training loss]({picture})", ""]
    facts = report.machine()
    parts += ["## Machine", "", *(f"* {key}: {value}" for key, value in facts.items() if value is not None), ""]
    report.write(results, "train", "\n".join(parts), {"machine": facts, "threads": threads, "runs": runs})
    print("\n".join(parts))


def _apart(name: str, way: str, model: str, threads: int) -> dict[str, Any]:
    """Measure once in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.train", "--once", name, way, model]
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
    environment = {**os.environ, **quiet, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[1])
    found: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def measure(one: Set, way: str, model: Path) -> Mapping[str, Any]:
    """Train once; return speed, peak memory, held-out loss and the curve."""
    from benchmarks import material
    from benchmarks.ways import PACK, WAYS, Work
    from weitiao.model.processor import cpu_has_bfloat16
    from weitiao.model.score import losses

    rows = material.records(one.lengths, one.records + HELD_OUT, material.SHAPES[one.shape].vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        dtype = "bfloat16" if cpu_has_bfloat16() else "float32"
        trained = WAYS[way](Work(model, rows[: one.records], dtype, Path(folder)))
    found = losses(trained.model, rows[one.records :], PACK)
    cpu, wall = trained.clock.speed()
    return {
        "cpu": cpu,
        "wall": wall,
        "memory": trained.memory,
        "held_out": sum(loss for loss, _ in found) / sum(count for _, count in found),
        "steps": len(trained.clock.ends),
        "tokens": sum(len(row.ids) for row in rows[: one.records]),
        "supervised": trained.clock.curve()[-1][0],
        "curve": trained.clock.curve(),
    }


if __name__ == "__main__":
    main()
