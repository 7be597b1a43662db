"""Kill a process that asks a teacher at random instants, and see that no answer that had arrived is asked for again.

    python tests/kill_teacher.py [--calls 10000] [--kills 20] [--seed 0] [--latency 0.02] [--places 64]

A faulty server (tests/llm_server.py) in a process of its own counts what it was asked and what surely arrived. One row
in ten meets a fault; one in two asks for data. After the kills the work runs to its end: each row must have ended as
its fault says. Then one row is added to those that were answered: the server must see one call.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
from llm_ask import Verdict
from llm_server import FAULTS

from weitiao.llm import Teacher
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Request
from weitiao.llm.client import ask_all
from weitiao.llm.pace import Patience

SERVER = Path(__file__).parent / "llm_server.py"


def rows(count: int) -> list[tuple[Request, str]]:
    """Return the requests, each with the reason with which it should fail, empty where it should be answered."""
    made = []
    names = list(FAULTS)
    for number in range(count):
        fault = names[number // 10 % len(names)] if number % 10 == 0 else ""
        schema = Verdict if number // 7 % 2 else None
        ends = FAULTS[fault] if fault else None
        reason = "" if ends is None else ends.plain if schema is None or ends.shaped == "as plain" else ends.shaped
        made.append((Request((("user", f"[{fault}] {number}"),), schema=schema), reason))
    return made


def teacher(address: str) -> Teacher:
    """Return the teacher's settings: short waits, since the faults are many."""
    return Teacher(endpoint=address, model="m", concurrency=128, timeout=2, attempts=3)


def work(address: str, cache: Path, count: int) -> None:
    """Ask everything; the process that is killed."""
    with Cache(cache) as kept:
        print("go", flush=True)
        for _ in ask_all([row for row, _ in rows(count)], teacher(address), kept, "kill", patience=Patience(0.05, 0.5)):
            pass


def counts(address: str) -> dict[str, Any]:
    """Return what the server has counted."""
    found: dict[str, Any] = orjson.loads(urlopen(f"{address.removesuffix('/v1')}/counts").read())
    return found


def main(arguments: list[str] | None = None) -> None:
    """Kill, finish, check; end with status 1 at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--places", type=int, default=64)
    parser.add_argument("--longest", type=float, default=1.0, help="seconds until a kill, at most")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.work:
        work(given.work[0], Path(given.work[1]), given.calls)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = ["--latency", str(given.latency), "--slots", str(given.places)]
        server = subprocess.Popen([sys.executable, str(SERVER), str(folder / "port"), *flags])
        try:
            while not (folder / "port").exists():
                time.sleep(0.02)
            prove(f"http://127.0.0.1:{(folder / 'port').read_text()}/v1", folder / "answers.sqlite", given)
        finally:
            server.kill()
            server.wait()


def prove(address: str, cache: Path, given: argparse.Namespace) -> None:
    """Kill the work, finish it, check what came of it."""
    draw = random.Random(given.seed)
    command = [sys.executable, __file__, "--calls", str(given.calls), "--work", address, str(cache)]
    for number in range(given.kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        try:
            process.wait(draw.uniform(0, given.longest))
            state = "had ended"
        except subprocess.TimeoutExpired:
            state = "killed"
        process.kill()
        process.communicate()
        print(f"{number + 1:3} {state}, {len(counts(address)['answered']):,} questions answered so far", flush=True)
    asked = [row for row, _ in rows(given.calls)]
    began = time.monotonic()
    with Cache(cache) as kept:
        before = sum(
            kept.find(key, row) is not None for key, row in zip(keys(teacher(address), asked), asked, strict=True)
        )
        ended = dict(ask_all(asked, teacher(address), kept, "kill", patience=Patience(0.05, 0.5)))
    print(f"    ran to the end in {time.monotonic() - began:.1f} s with {before:,} answers from the cache", flush=True)
    found = {index: str(outcome.reason) if isinstance(outcome, Failure) else "" for index, outcome in ended.items()}
    wanted = {index: reason for index, (_, reason) in enumerate(rows(given.calls))}
    differ = [index for index in wanted if found.get(index) != wanted[index]]
    print(f"    {len(found):,} rows ended: {dict(Counter(reason or 'answered' for reason in found.values()))}")
    seen = counts(address)
    wrong = sum(times for question, times in seen["again"].items() if question.startswith("[]"))
    twice = sum(times - 1 for question, times in seen["answered"].items() if question.startswith("[]"))
    print(f"    asked again though the answer had arrived: {wrong}; lost on their way at a kill: {twice}")
    known = [row for index, row in enumerate(asked) if not found[index]]
    calls = sum(counts(address)["asked"].values())
    with Cache(cache) as kept:
        list(ask_all([*known, Request((("user", "[] one more"),))], teacher(address), kept, "kill"))
    more = sum(counts(address)["asked"].values()) - calls
    print(f"    one row added to {len(known):,}: {more} call")
    if differ or wrong or more != 1:
        raise SystemExit(f"wrong: {[(index, wanted[index], found.get(index)) for index in differ[:5]]}")


if __name__ == "__main__":
    main()
