"""Kill `weitiao run` at random instants and see that running it again ends with the same files, byte for byte.

    python tests/kill_run.py RECIPE [--kills 20] [--seed 0] [--stage prepare]... [--set key=value]...

Each round takes one stage: the stages before it are copied from an uninterrupted run, the process group gets SIGKILL at
a random instant inside the stage, the command runs again to its end, and every file of data is compared with the
uninterrupted run's: records, ledgers, exports, adapter, merged model, answers, and the training curve.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

STAGES = ("source", "prepare", "split", "export", "train", "merge", "compare")
# Clocks and machine readings differ from run to run; all else may not.
CLOCKS = {"seconds", "tokens_per_second", "memory_gb"}
NOT_DATA = ("logs", "report.html", "report.md", "plan.json")


def weitiao(recipe: Path, runs: Path, overrides: list[str]) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own."""
    sets = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "weitiao", "run", str(recipe), "--runs", str(runs), *sets]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def finish(recipe: Path, runs: Path, overrides: list[str]) -> None:
    """Run to the end."""
    process = weitiao(recipe, runs, overrides)
    _, talk = process.communicate()
    if process.returncode:
        raise SystemExit(f"weitiao run ended with {process.returncode}:\n{talk.decode()}")


def kill_in_stage(recipe: Path, runs: Path, overrides: list[str], stage: str, after: float) -> bool:
    """Send SIGKILL `after` seconds into `stage`; return whether the run was still under way then."""
    process = weitiao(recipe, runs, overrides)
    try:
        while process.poll() is None and not list(runs.glob(f"*/.{stage}.part")):
            time.sleep(0.01)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            return True
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def without_clocks(value: Any) -> Any:
    """Return plain data without what a clock or the machine wrote into it."""
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if key not in CLOCKS}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value


def content(path: Path) -> Any:
    """Return what must be the same: bytes of data files, JSON without its clocks."""
    if path.suffix == ".json":
        return without_clocks(orjson.loads(path.read_bytes()))
    if path.name in ("metrics.jsonl", "probes.jsonl"):
        return [without_clocks(orjson.loads(line)) for line in path.read_bytes().splitlines()]
    return path.read_bytes()


def files(run: Path) -> dict[str, Path]:
    """Return the files of a run that hold data, by their path in it."""
    found = {path.relative_to(run): path for path in sorted(run.rglob("*")) if path.is_file() and path.name != ".lock"}
    return {name.as_posix(): path for name, path in found.items() if not set(name.parts) & set(NOT_DATA)}


def compare(one: Path, other: Path) -> list[str]:
    """Return the names of the files that differ between two runs."""
    left, right = files(one), files(other)
    return sorted(set(left) ^ set(right)) + [
        name for name in sorted(set(left) & set(right)) if content(left[name]) != content(right[name])
    ]


def main(arguments: list[str] | None = None) -> None:
    """Kill and compare; end with status 1 at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", action="append", default=[], help="only in these stages")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args(arguments)
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        finish(given.recipe, whole, given.overrides)
        run = next(path for path in whole.iterdir() if path.is_dir())
        seconds = {
            stage: orjson.loads((run / stage / "manifest.json").read_bytes())["seconds"]
            for stage in STAGES
            if (run / stage).exists()
        }
        stages = list(seconds)
        struck = [stage for stage in stages if not given.stage or stage in given.stage]
        kills = 0
        while kills < given.kills:
            stage = struck[kills % len(struck)]
            shutil.rmtree(cut, ignore_errors=True)
            for before in stages[: stages.index(stage)]:
                shutil.copytree(run / before, cut / run.name / before)
            after = draw.uniform(0, seconds[stage])
            if not kill_in_stage(given.recipe, cut, given.overrides, stage, after):
                # The machine is less busy than it was: only a run that was struck counts.
                seconds[stage] = orjson.loads((cut / run.name / stage / "manifest.json").read_bytes())["seconds"]
                continue
            kills += 1
            finish(given.recipe, cut, given.overrides)
            differ = compare(run, cut / run.name)
            verdict = f"differ: {', '.join(differ)}" if differ else "equal"
            print(f"{kills:3} {stage:8} {after:6.2f} s  killed  {verdict}", flush=True)
            if differ:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
