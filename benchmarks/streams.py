"""Measure the studio with a crowd: streams of the API at once, chat pages at once, and how soon a page stands.

    python benchmarks/streams.py [--streams 200] [--pages 16] [--tokens 64] [--write]

A project with nano alone is served by `weitiao serve RECIPE`, a process of its own. Each stream is a connection of its
own; each page is one of Chromium's, with its websocket, which types a question and waits for the whole answer. A page
stands when its head, its menu and its content are drawn: cold in a browser that was never there, warm with what the
browser keeps. `--write` puts the table into benchmarks/results/streams.md.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from playwright.async_api import Browser, async_playwright

HERE = Path(__file__).parent
RESULT = HERE / "results" / "streams.md"
RECIPE = "model: nano\ntrain: {}\n"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
DRAWN = "() => document.querySelector('.top nav a[aria-current]') && document.querySelector('.composer textarea')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--pages", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64, help="longest answer of a stream")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        with serving(Path(folder) / "recipe.yaml") as (url, process):
            rows += asyncio.run(measured(url, process, given))
    text = "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)])
    print(text)
    if given.write:
        RESULT.write_text(page(given, text), encoding="utf-8")


@contextmanager
def serving(recipe: Path) -> Iterator[tuple[str, int]]:
    """Serve the studio meanwhile; gives its address and the process."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-m", "weitiao", "serve", str(recipe), "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["studio"], process.pid
        finally:
            process.terminate()


async def measured(url: str, process: int, given: argparse.Namespace) -> list[tuple[str, str]]:
    asked = questions(given.streams)
    await streams(url, asked[:1], 4)  # loads the model
    idle, began, spent = memory(process), time.monotonic(), cpu_seconds(process)
    said = await streams(url, asked, given.tokens)
    wall, spent = time.monotonic() - began, cpu_seconds(process) - spent
    rows = told(said, wall, spent)
    rows.append(("memory of the server: model loaded, at the most", f"{idle:,.0f} MB, {most(process):,.0f} MB"))
    rows.append(("load of the machine meanwhile (1 minute)", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        rows += await stands(browser, url)
        rows += await crowd(browser, url, given.pages)
        await browser.close()
    return rows


def questions(count: int) -> list[str]:
    rows = (HERE.parent / "examples" / "ruozhiba" / "questions_zh.jsonl").read_bytes().splitlines()
    return [orjson.loads(rows[number % len(rows)])["instruction"] for number in range(count)]


async def streams(url: str, asked: list[str], tokens: int) -> list[tuple[str, int, float]]:
    """Ask all at once; returns of each how it failed or nothing, its tokens, and the seconds to its first."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        return await asyncio.gather(*(stream(http, url, question, tokens) for question in asked))


async def stream(http: aiohttp.ClientSession, url: str, question: str, tokens: int) -> tuple[str, int, float]:
    body = {
        "model": "base",
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    used, first, finish, start = 0, 0.0, None, time.monotonic()
    try:
        async with http.post(f"{url}/v1/chat/completions", json=body) as response:
            if response.status != 200:
                return f"status {response.status}", 0, 0.0
            async for line in response.content:
                if line.startswith(b"data: {"):
                    event = orjson.loads(line[6:])
                    if "error" in event:
                        return event["error"]["message"], used, first
                    for choice in event["choices"]:
                        first = first or (time.monotonic() - start if choice["delta"].get("content") else 0.0)
                        finish = choice["finish_reason"] or finish
                    used = (event.get("usage") or {}).get("completion_tokens", used)
    except aiohttp.ClientError as error:
        return type(error).__name__, used, first
    return "" if finish in ("stop", "length") else "no end", used, first


def told(said: list[tuple[str, int, float]], wall: float, spent: float) -> list[tuple[str, str]]:
    first = sorted(seconds for *_, seconds in said if seconds)
    total = sum(count for _, count, _ in said)
    return [
        ("streams at once, and errors among them", f"{len(said)}, {sum(bool(error) for error, *_ in said)}"),
        ("first token, median and 95th percentile", f"{share(first, 0.5):.2f} s, {share(first, 0.95):.2f} s"),
        ("tokens a second, and a CPU second of the server", f"{total / wall:,.0f}, {total / spent:,.0f}"),
    ]


async def stands(browser: Browser, url: str, times: int = 5) -> list[tuple[str, str]]:
    """Open the chat page cold and warm, and each time see when it stands."""
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(times):
        context = await browser.new_context()
        tab = await context.new_page()
        for seconds in (cold, warm):
            start = time.monotonic()
            await tab.goto(f"{url}/chat", wait_until="commit")
            await tab.wait_for_function(DRAWN)
            seconds.append(time.monotonic() - start)
        await context.close()
    return [
        (f"a page stands, cold: median and longest of {times}", f"{statistics.median(cold):.2f} s, {max(cold):.2f} s"),
        (f"a page stands, warm: median and longest of {times}", f"{statistics.median(warm):.2f} s, {max(warm):.2f} s"),
    ]


async def crowd(browser: Browser, url: str, count: int) -> list[tuple[str, str]]:
    """Ask on many pages at once; each is a visitor of its own."""
    tabs = []
    for _ in range(count):
        tabs.append(await (await browser.new_context()).new_page())
        await tabs[-1].goto(f"{url}/chat")
        await tabs[-1].wait_for_function(DRAWN)
    asked = questions(count)
    start = time.monotonic()

    async def one(tab: Any, question: str) -> bool:
        field = tab.get_by_label("Your question")
        await field.fill(question)
        await field.press("Enter")
        note = tab.locator(".answer [role=status]")
        await note.filter(has_text=re.compile(r"\d s")).wait_for(timeout=120_000)
        return bool(await tab.locator(".answer .said").inner_text())

    done = await asyncio.gather(*(one(tab, question) for tab, question in zip(tabs, asked, strict=True)))
    wall = time.monotonic() - start
    return [("chat pages that ask at once, answered, the last after", f"{count}, {sum(done)}, {wall:.1f} s")]


def share(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))]


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int, key: str = "VmRSS") -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def most(process: int) -> float:
    return memory(process, "VmHWM")


def page(given: argparse.Namespace, text: str) -> str:
    return f"""# The studio with a crowd

`python benchmarks/streams.py --write`: {given.streams} streamed questions of the Ruozhiba example to weitiao-nano (5.2
million parameters, float32) over as many connections, at most {given.tokens} tokens an answer, greedily; then pages in
Chromium, on the same {os.cpu_count()} cores ({platform.machine()}), which others used too. One thread for torch.

{text}
"""


if __name__ == "__main__":
    main()
