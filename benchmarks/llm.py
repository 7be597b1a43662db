"""Measure how much of what a server allows the teacher client gets, at 200 ms an answer.

    python benchmarks/llm.py [--calls 4000] [--latency 0.2] [--places 50] [--rate 100]

The server runs in a process of its own (tests/llm_server.py). Three ways of limiting: as many calls at once as we
choose; 429 without Retry-After beyond so many places, which the client has to find out; 429 with Retry-After beyond so
many calls a second. The rate counts everything from the first call to the last answer: start, 429, retries, cache.

The yardstick is the barest client there can be, at as many calls at once as there are places, on the same server just
before: on a machine where others work, it does not get all that is allowed either.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import aiohttp
import orjson

from weitiao.llm import Teacher
from weitiao.llm.cache import Cache
from weitiao.llm.call import Reply, Request
from weitiao.llm.client import ask_all

SERVER = Path(__file__).parents[1] / "tests" / "llm_server.py"


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[str]:
    """Serve in another process meanwhile; gives the address."""
    port = folder / "port"
    process = subprocess.Popen([sys.executable, str(SERVER), str(port), *flags])
    try:
        while not port.exists():
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port.read_text()}/v1"
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--places", type=int, default=50)
    parser.add_argument("--rate", type=float, default=100)
    given = parser.parse_args()
    latency = ("--latency", str(given.latency))
    for what, flags, concurrency, allowed in (
        ("chosen", (), given.places, given.places / given.latency),
        ("places", ("--slots", str(given.places)), 4 * given.places, given.places / given.latency),
        ("rate", ("--rate", str(given.rate)), 4 * given.places, given.rate),
    ):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), *latency, *flags) as address:
            bare = asyncio.run(bare_rate(address, given.calls // 4, given.places)) if what != "rate" else allowed
            before = used(address)
            rate, cpu = measure(address, Path(folder), given.calls, concurrency)
            held = (used(address) - before) / given.calls
        print(f"{what:8} {rate:7.1f} answers/s of {allowed:.0f} allowed: {rate / allowed:.1%}", end="")
        print(f" (bare client {bare / allowed:.1%}, ratio {rate / bare:.1%})", end="")
        print(f"; {cpu * 1000:.2f} ms CPU a call; the server held each {held * 1000:.1f} ms", flush=True)


def used(address: str) -> float:
    """Return for how many seconds calls have held the server's places so far."""
    return float(orjson.loads(urlopen(f"{address.removesuffix('/v1')}/counts").read())["used"])


async def bare_rate(address: str, calls: int, concurrency: int) -> float:
    """Return answers a second of a client that keeps, counts, repeats and checks nothing."""
    left = iter(range(calls))

    async def work(http: aiohttp.ClientSession) -> None:
        for number in left:
            body = {"model": "m", "messages": [{"role": "user", "content": f"bare {number}"}], "max_tokens": 1}
            async with http.post(f"{address}/chat/completions", data=orjson.dumps(body)) as response:
                await response.read()

    began = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(work(http) for _ in range(concurrency)))
    return calls / (time.monotonic() - began)


def measure(address: str, folder: Path, calls: int, concurrency: int) -> tuple[float, float]:
    """Return answers a second and seconds of processor time a call."""
    teacher = Teacher(endpoint=address, model="m", concurrency=concurrency)
    requests = [Request((("user", f"question {number}"),)) for number in range(calls)]
    with Cache(folder / "answers.sqlite") as cache:
        began, cpu = time.monotonic(), time.process_time()
        replies = [outcome for _, outcome in ask_all(requests, teacher, cache, "bench")]
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    assert sum(isinstance(reply, Reply) for reply in replies) == calls
    return calls / seconds, cpu / calls


if __name__ == "__main__":
    main()
