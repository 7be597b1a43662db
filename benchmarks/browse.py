"""Measure how fast the Data page answers on a run of a million records.

    python -m benchmarks.browse [--records 1000000] [--folder DIR] [--repeat 30] [--write]

The run is made up (a seed, words by Zipf's law, two thirds Chinese; some 200 characters a record) and written by the
store's own writer: source, prepare with what it changed and dropped, split, export. The census runs as it does for the
studio, in a process of its own. Each question is asked `--repeat` times, each time another page, word or record, so
that no answer is kept from before. `--write` puts the table into benchmarks/results/browse.md.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.report import machine
from weitiao import ledger, record
from weitiao.browse.catalogue import PAGE, Catalogue, Query
from weitiao.browse.census import CACHE, key, take
from weitiao.browse.visit import Browser
from weitiao.store import Run

RESULT = Path(__file__).parent / "results" / "browse.md"
PART = 20_000  # as the source stage writes
RARE = 5_000  # one record of so many holds the rare words
CHINESE, ENGLISH = 30_000, 12_000  # made-up words
LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
Table = tuple[pl.DataFrame, pl.DataFrame]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the run is made; found again there")
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = (given.folder or Path(scratch)) / f"run-{given.records}"
        if not (run / "export").exists():
            make(run, given.records)
        rows, facts = measure(run, given.records, given.repeat)
    text = table(rows, facts)
    print(text)
    if given.write:
        RESULT.write_text(text, encoding="utf-8")


def vocabulary() -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return made-up words, the frequent ones first."""
    draw = np.random.default_rng(7)
    signs = 0x4E00 + np.minimum(draw.pareto(0.6, (CHINESE, 3)).astype(int), 4_999)
    lengths = draw.choice((1, 2, 2, 2, 3), CHINESE)
    zh = ["".join(map(chr, word[:length])) for word, length in zip(signs, lengths, strict=True)]
    en = ["".join(draw.choice(list(LETTERS[:14]), draw.integers(3, 10))) for _ in range(ENGLISH)]
    return np.array(zh), np.array(en)


def texts(first: int, count: int) -> list[str]:
    """Make the texts of the records from number `first` on."""
    zh, en = vocabulary()
    draw, made = np.random.default_rng(first), []
    for number in range(first, first + count):
        english = number % 3 == 0
        words = en if english else zh
        length = int(min(400, max(6, draw.lognormal(3.4 if english else 4.1, 0.6))))
        chosen = words[(np.exp(draw.random(length) * np.log(len(words)))).astype(int) - 1].tolist()
        if number % RARE == 7:
            chosen.insert(length // 2, " Petroleum " if english else "石油")
        made.append(" ".join(chosen).capitalize() if english else "".join(chosen))
    return made


def part(first: int, count: int) -> Iterator[tuple[str, Table]]:
    """Yield records and events of each stage for the records from number `first` on."""
    said = pl.Series(texts(first, count))
    number = pl.int_range(first, first + count, eager=True)
    half = said.str.len_chars() // 4
    turns = [("user", said.str.head(half)), ("assistant", said.str.slice(half))]
    frame = pl.select(
        id=pl.lit(number).hash(seed=1).cast(pl.String).str.zfill(20),
        messages=pl.concat_list(pl.struct(role=pl.lit(role), content=pl.lit(text)) for role, text in turns),
        origin=pl.struct(
            uri=pl.format("posts/{}.jsonl", pl.lit(number) // 50_000), row=number, licence=pl.lit("CC0-1.0")
        ),
        parents=pl.lit([], dtype=pl.List(pl.String)),
        family=pl.lit(None, pl.String),
        facts=pl.struct(
            shape=pl.lit("qa"), judge=pl.struct(score=number % 97 / 10, kind=pl.format("{}", pl.lit(number) % 7))
        ).struct.json_encode(),
    ).select(list(record.SCHEMA))
    yield "source", (frame, ledger.empty())
    gone = pl.lit(number % 13 == 5)
    reason = pl.when(pl.lit(number) % 2 == 1).then(pl.lit("too short")).otherwise(pl.lit("near-duplicate"))
    name = pl.when(pl.lit(number) % 2 == 1).then(pl.lit("drop_short")).otherwise(pl.lit("drop_near_duplicates"))
    dropped = frame.with_columns(reason=reason, step=name, action=pl.lit("dropped")).filter(gone)
    changed = frame.filter(pl.lit(number % 4 == 1)).select(
        "id",
        turn=pl.lit(0),
        before=pl.concat_str(pl.lit("  "), pl.col("messages").list.first().struct.field("content")),
        reason=pl.lit("rewritten"),
        step=pl.lit("tidy_whitespace"),
        action=pl.lit("changed"),
    )
    columns = ["id", "step", "action", "reason"]
    kept = frame.filter(~gone)
    yield "prepare", (kept, pl.concat([ledger.events(changed), ledger.events(dropped.select(columns))]))
    parts = (
        pl.when(pl.col("id").str.ends_with("7")).then(pl.lit('{"part":"test"}')).otherwise(pl.lit('{"part":"train"}'))
    )
    kept = kept.with_columns(record.with_fact("split", parts), family=pl.col("id").str.head(18))
    moved = kept.select("id", step=pl.lit("split"), action=pl.lit("assigned"), reason=pl.lit("part"))
    yield "split", (kept, ledger.events(moved))
    yield "export", (kept, ledger.empty())


def make(folder: Path, records: int) -> None:
    """Write the run."""
    run = Run(folder)
    counts: dict[str, int] = {}
    drafts = {name: run.draft(name, "benchmark") for name in ("source", "prepare", "split", "export")}
    for index, first in enumerate(range(0, records, PART)):
        for name, (frame, events) in part(first, min(PART, records - first)):
            drafts[name].write(index, frame, events)
            counts[name] = counts.get(name, 0) + len(frame)
    for name in drafts:
        run.finish(
            name, {"stage": name, "key": "1", "total": records, "kept": counts[name], "refused": {}, "facts": {}}
        )


def measure(run: Path, records: int, repeat: int) -> tuple[dict[str, list[tuple[float, float]]], dict[str, float]]:
    """Return the milliseconds of each question, and what the census took."""
    facts = {"records": float(records), **census(run)}
    catalogue = Catalogue.open(run / CACHE / key(run))
    assert catalogue
    browser = Browser(run)
    zh, en = (
        [str(word) for word in words if len(word) == size] for words, size in zip(vocabulary(), (2, 6), strict=True)
    )
    last = catalogue.page(Query()).pages
    ids = [one.id for one in catalogue.page(Query(), last // 2).found]

    def fresh(number: int, text: str = "", labels: tuple[str, ...] = ()) -> Query:
        return Query(text, labels, longest=10_000 + number)  # the same answer, asked anew

    too_short = ("fate:prepare/drop_short/too short",)
    asked: dict[str, Callable[[int], object]] = {
        "first page": lambda n: catalogue.page(fresh(n)),
        f"page {min(10_000, last):,}, then the next": lambda n: catalogue.page(Query(), min(10_000, last) + n),
        "dropped for one reason": lambda n: catalogue.page(fresh(n, labels=too_short)),
        "a part and a tag, by length, longest first": lambda n: catalogue.page(
            Query(labels=("part:train", "tag:judge.kind=3"), longest=20_000 + n, sort="length", down=True)
        ),
        "all by a score": lambda n: catalogue.page(Query(longest=30_000 + n, sort="judge.score", down=True)),
        "a frequent word of two characters": lambda n: catalogue.page(fresh(n, zh[n])),
        "a rare word of two characters (石油)": lambda n: catalogue.page(fresh(n, "石油")),
        "three frequent characters": lambda n: catalogue.page(fresh(n, zh[n] + zh[n + 1][0])),
        "a frequent English word": lambda n: catalogue.page(fresh(n, en[n])),
        "a rare English word (petroleum)": lambda n: catalogue.page(fresh(n, "petroleum")),
        "one character": lambda n: catalogue.page(fresh(n, zh[n][0])),
        "the life of a record": lambda n: browser.life(ids[n % PAGE]),
    }
    rows = {name: [milliseconds(ask, n) for n in range(repeat)] for name, ask in asked.items()}
    facts["MB of the page, without mapped files"] = anonymous()
    for name, word in (("frequent", zh[0]), ("english", en[0])):
        facts[f"{name} hits"] = catalogue.page(Query(word)).total
    return rows, facts


def anonymous() -> float:
    """Return the memory of this process that no file backs, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def census(run: Path) -> dict[str, float]:
    """Take the census anew; return its seconds, peak memory and bytes."""
    for old in (run / CACHE).glob("*/*.npy"):
        old.unlink()
    for old in (run / CACHE).glob("*/facts.json"):
        old.unlink()
    for old in (run / CACHE).glob("*/"):
        old.rename(run / CACHE / ".part")
    start, ready = time.monotonic(), 0.0
    process = get_context("spawn").Process(target=take, args=(run,))
    process.start()
    while process.is_alive():
        ready = ready or ((run / CACHE / key(run)).exists() and time.monotonic() - start) or 0.0
        time.sleep(0.05)
    whole = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    sizes = {path.name: path.stat().st_size for path in (run / CACHE / key(run)).iterdir()}
    index = sum(size for name, size in sizes.items() if name.partition("-")[0] in ("keys", "starts", "records"))
    return {
        "seconds to the first page": ready,
        "seconds to the index": whole,
        "CPU seconds": usage.ru_utime + usage.ru_stime,
        "peak MB of the census": usage.ru_maxrss / 1024,
        "texts MB": sizes["texts.bin"] / 1e6,
        "index MB": index / 1e6,
        "columns MB": (sum(sizes.values()) - index - sizes["texts.bin"]) / 1e6,
    }


def milliseconds(ask: Callable[[int], object], number: int) -> tuple[float, float]:
    """Return what an answer took: by the clock, and of the processor."""
    start, spent = time.perf_counter(), time.process_time()
    ask(number)
    return 1_000 * (time.perf_counter() - start), 1_000 * (time.process_time() - spent)


def table(rows: dict[str, list[tuple[float, float]]], facts: dict[str, float]) -> str:
    cores = os.cpu_count()
    lines = [
        "# How fast the Data page answers",
        "",
        f"`python -m benchmarks.browse --write`: {facts['records']:,.0f} made-up records of some 200 characters;",
        f"{cores} cores that others used too. {json.dumps(machine(('polars', 'numpy')))}",
        "",
        "| question | p50 ms | p95 ms | p50 CPU ms | p95 CPU ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, times in rows.items():
        cuts = [statistics.quantiles(one, n=20, method="inclusive") for one in zip(*times, strict=True)]
        lines.append(f"| {name} | " + " | ".join(f"{cut[place]:.1f}" for cut in cuts for place in (9, 18)) + " |")
    lines += ["", "| census | |", "|---|---:|", *(f"| {name} | {value:,.0f} |" for name, value in facts.items()), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
