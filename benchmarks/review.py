"""Measure the Review page: from a key to the next record on the screen, with a long queue and others at work.

    python benchmarks/review.py [--records 100000] [--keys 200] [--others 7] [--think 0.5] [--write]

The queue is drawn once into SQLite. Others are processes of their own on the same database, who decide, think for
`--think` seconds, and go on; the page is Chromium's, and its keys are real ones. Measured in the page by its clock:
from the key until the next record's text stands in the document (`shown`), until the frame after it is painted
(`painted`), and until the server has said that the decision is noted (`noted`). `--write` puts the table into
benchmarks/results/review.md.
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from playwright.sync_api import Page, sync_playwright

from weitiao.review.decision import Decision
from weitiao.review.desk import Desk
from weitiao.review.tables import file_url

HERE = Path(__file__).parent
RESULT = HERE / "results" / "review.md"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
# In the page: when a key came, when the text after it stood there and was painted, when nothing was under way any more.
WATCH = """() => {
  window.times = [];
  let now = null;
  addEventListener("keydown", () => { now = { key: performance.now() }; times.push(now); }, true);
  new MutationObserver(() => {
    const key = document.querySelector("article[data-key]")?.dataset.key;
    if (!now || now.shown || !key || key === window.lastKey) return;
    window.lastKey = key;
    const mine = now;
    mine.shown = performance.now() - mine.key;
    requestAnimationFrame(() => setTimeout(() => { mine.painted = performance.now() - mine.key; }));
    const wait = setInterval(() => {
      if (!JSON.parse(Object.entries(localStorage).find(([name]) => name.endsWith("/pending"))?.[1] ?? "[]").length) {
        mine.noted = performance.now() - mine.key;
        clearInterval(wait);
      }
    }, 2);
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  window.lastKey = document.querySelector("article[data-key]").dataset.key;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--others", type=int, default=7)
    parser.add_argument("--think", type=float, default=0.5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        address = draw(Path(folder), given.records)
        with serving(Path(folder)) as url, others(address, given.others, given.think) as decided:
            with closing(Desk.open(address, "recipe")) as desk:
                token = desk.invite("who is measured")
            before = os.getloadavg()[0]
            times = keys(url, token, given.keys, given.think)
            load = max(before, os.getloadavg()[0])
            text = table(times, load, decided.value)
    print(text)
    if given.write:
        RESULT.write_text(page(given, text), encoding="utf-8")


def draw(folder: Path, count: int) -> str:
    """Draw a queue of so many records; return the database's address."""
    recipe = "model: nano\nsource: {inputs: [data.jsonl]}\nreview: {queue: all}\n"
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (folder / "data.jsonl").write_text('{"instruction": "?", "output": "!"}\n', encoding="utf-8")
    home = folder / "runs" / "recipe"
    home.mkdir(parents=True)
    rows = (HERE.parent / "examples" / "ruozhiba" / "questions_zh.jsonl").read_bytes().splitlines()
    known = [orjson.loads(row) for row in rows]
    address = file_url(home / "review.db")
    with closing(Desk.open(address, "recipe")) as desk:
        desk.draw("benchmark", (_row(n, known[n % len(known)]) for n in range(count)))
    return address


def _row(number: int, said: dict[str, str]) -> dict[str, Any]:
    turns = [("user", f"{said['instruction']} ({number})"), ("assistant", said["output"])]
    messages = [{"role": role, "content": content} for role, content in turns]
    facts = {"judge": {"harmless": 5, "honest": 4, "helpful": 3, "reason": "so", "sure": False}}
    body = {"id": f"r{number}", "messages": messages, "origin": {"uri": "x", "row": number + 1}, "facts": facts}
    return {
        "key": f"k{number:020}", "record": f"r{number}", "source": f"r{number}", "rank": number, "planted": "",
        "reasons": '["judge unsure"]', "audited": True, "doubled": number % 10 == 0,
        "body": orjson.dumps(body).decode(),
    }  # fmt: skip


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    words = [
        sys.executable,
        "-m",
        "weitiao",
        "--lang",
        "en",
        "review",
        str(folder / "recipe.yaml"),
        "--port",
        "0",
        "--json",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["review"]
        finally:
            process.terminate()


@contextmanager
def others(address: str, count: int, think: float) -> Iterator[Any]:
    """Let so many people work meanwhile, each a process; yield how many decisions they made."""
    context = multiprocessing.get_context("spawn")
    decided = context.Value("i", 0)
    people = [context.Process(target=work, args=(address, n, think, decided), daemon=True) for n in range(count)]
    for one in people:
        one.start()
    while decided.value < count:
        time.sleep(0.1)
    yield decided
    for one in people:
        one.terminate()


def work(address: str, number: int, think: float, decided: Any) -> None:
    desk = Desk.open(address, "recipe")
    person = desk.whoami(desk.invite(f"person {number}"))
    assert person
    while True:
        desk.decide(person, desk.next(person)[0].key, Decision(verdict="accept"))
        with decided.get_lock():
            decided.value += 1
        time.sleep(think)


def keys(url: str, token: str, count: int, think: float) -> list[dict[str, float]]:
    """Press keys in a browser, at the pace of the others; return what each took, in milliseconds."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        shown = browser.new_page()
        log_in(shown, url, token)
        shown.evaluate(WATCH)
        for number in range(count):
            shown.keyboard.press("arsa"[number % 4])
            shown.wait_for_timeout(1000 * think)
        found: list[dict[str, float]] = shown.evaluate("times")
        browser.close()
    return found


def log_in(page: Page, url: str, token: str) -> None:
    page.goto(url)
    page.locator("#given").fill(token)
    page.keyboard.press("Enter")
    page.locator("article[data-key]").wait_for()


def table(times: list[dict[str, float]], load: float, decided: int) -> str:
    lines = ["| from a key until | p50 | p95 | worst |", "|---|---|---|---|"]
    words = {"shown": "the next record's text is there", "painted": "it is painted", "noted": "the decision is noted"}
    for name, what in words.items():
        found = [one[name] for one in times if name in one]
        assert len(found) >= 0.98 * len(times), f"{name} is missing"
        p50, p95 = np.percentile(found, [50, 95])
        lines.append(f"| {what} | {p50:.0f} ms | {p95:.0f} ms | {max(found):.0f} ms |")
    lines.append("")
    lines.append(f"{len(times)} keys; the others made {decided:,} decisions; load average {load:.1f}.")
    return "\n".join(lines)


def page(given: argparse.Namespace, text: str) -> str:
    return (
        "# The Review page\n\n"
        f"    python benchmarks/review.py --records {given.records} --keys {given.keys} --write\n\n"
        f"{given.records:,} records in the queue, {given.others} others who decide and think for {given.think} s, "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, SQLite.\n\n{text}\n"
    )


if __name__ == "__main__":
    main()
