"""Measure `weitiao serve`: tokens a second of nano with many streams at once, against transformers one by one.

    python benchmarks/serve.py [--requests 200] [--tokens 64] [--at-once 1 8 32 200] [--write]

The questions are those of the Ruozhiba example, answered greedily; every answer must be the one that transformers'
`generate` gives alone, and no stream may fail. Server, clients and `generate` are processes of their own. CPU seconds
are those of the server alone, and change little with what else the machine does. `--write` puts the table into
benchmarks/results/serve.md.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

HERE = Path(__file__).parent
RESULT = HERE / "results" / "serve.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8, 32, 200])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--alone", action="store_true", help="measure transformers in this process, print JSON")
    given = parser.parse_args()
    asked = questions(given.requests)
    if given.alone:
        print(json.dumps(one_by_one(asked, given.tokens)))
        return
    words = [sys.executable, __file__, "--alone", "--requests", str(given.requests), "--tokens", str(given.tokens)]
    alone = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, env=environment()).stdout)
    rows = [("transformers `generate`, one by one", alone)]
    for count in given.at_once:
        with serving() as (url, process):
            asyncio.run(streams(url, asked[:8], 4, 4))  # what is set up once is no part of it
            rows.append((f"weitiao serve, {count} at once", round_of(url, process, asked, given.tokens, count)))
        assert rows[-1][1].pop("answers") == alone["answers"], "the answers differ"
    text = table(rows)
    print(text)
    if given.write:
        RESULT.write_text(page(given, text), encoding="utf-8")


def questions(count: int) -> list[str]:
    rows = (HERE.parent / "examples" / "ruozhiba" / "questions_zh.jsonl").read_bytes().splitlines()
    return [orjson.loads(rows[number % len(rows)])["instruction"] for number in range(count)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "HF_HUB_OFFLINE": "1"}


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """Serve nano meanwhile; gives the address and the process."""
    words = [sys.executable, "-m", "weitiao", "serve", "--model", "nano", "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["url"], process.pid
        finally:
            process.terminate()


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def round_of(url: str, process: int, asked: list[str], tokens: int, at_once: int) -> dict[str, Any]:
    spent, start = cpu_seconds(process), time.monotonic()
    said = asyncio.run(streams(url, asked, tokens, at_once))
    wall, spent = time.monotonic() - start, cpu_seconds(process) - spent
    total = sum(count for _, count, _ in said)
    first = sorted(seconds for *_, seconds in said)
    return {
        "tokens": total,
        "tokens/s": total / wall,
        "tokens/CPU s": total / spent,
        "first token, median s": first[len(first) // 2],
        "answers": [text for text, *_ in said],
    }


async def streams(url: str, asked: list[str], tokens: int, at_once: int) -> list[tuple[str, int, float]]:
    """Ask all, so many at once; returns text, tokens and seconds to the first token of each."""
    turns = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def one(question: str) -> tuple[str, int, float]:
            body = {
                "model": "nano",
                "messages": [{"role": "user", "content": question}],
                "temperature": 0,
                "max_tokens": tokens,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            text, used, first, start = "", 0, 0.0, 0.0
            async with turns:
                start = time.monotonic()
                async with http.post(f"{url}/chat/completions", json=body) as response:
                    assert response.status == 200, await response.text()
                    async for line in response.content:
                        if not line.startswith(b"data: {"):
                            continue
                        event = orjson.loads(line[6:])
                        for choice in event["choices"]:
                            piece = choice["delta"].get("content", "")
                            first = first or (time.monotonic() - start if piece else 0.0)
                            text += piece
                        used = (event.get("usage") or {}).get("completion_tokens", used)
            return text, used, first

        return await asyncio.gather(*(one(question) for question in asked))


def one_by_one(asked: list[str], tokens: int) -> dict[str, Any]:
    import torch

    from weitiao.model.hub import place
    from weitiao.model.load import load_model, load_tokenizer
    from weitiao.model.template import Template

    folder = str(place("nano", Path()))
    model, template = load_model(folder), Template(load_tokenizer(folder))
    said, total = [], 0
    start, spent = time.monotonic(), time.process_time()
    for question in asked:
        ids = torch.tensor([template.prompt([("user", question)])])
        with torch.no_grad():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=tokens,
                eos_token_id=list(template.stop_ids),
                pad_token_id=0,
            )
        spoken = [token for token in out[0, ids.shape[1] :].tolist() if token not in template.stop_ids]
        said.append(template.tokenizer.decode(spoken, skip_special_tokens=True))
        total += len(spoken)
    wall, spent = time.monotonic() - start, time.process_time() - spent
    return {"tokens": total, "tokens/s": total / wall, "tokens/CPU s": total / spent, "answers": said}


def table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    keys = ["tokens", "tokens/s", "tokens/CPU s", "first token, median s"]
    lines = ["| | " + " | ".join(keys) + " |", "|---" + "|---:" * len(keys) + "|"]
    for name, found in rows:
        cells = [f"{found[key]:,.4g}" if key in found else "" for key in keys]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(given: argparse.Namespace, text: str) -> str:
    return f"""# How fast `weitiao serve` is

`python benchmarks/serve.py --write`: {given.requests} questions of the Ruozhiba example to weitiao-nano (5.2 million
parameters, float32), at most {given.tokens} tokens an answer, greedily, all streamed; one thread for torch,
{os.cpu_count()} cores ({platform.machine()}) that others used too: read the CPU seconds, which are the server's own.
All answers were those that `generate` gives alone, and no stream failed.

{text}
"""


if __name__ == "__main__":
    main()
