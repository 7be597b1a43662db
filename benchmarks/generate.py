"""Compare our batch generation with transformers' `generate`, one question after another: tokens a CPU second.

    python benchmarks/generate.py [--questions 48] [--tokens 96] [--rounds 3]

Both answer the questions of the Ruozhiba example greedily with the same Llama of 26 million parameters (random weights,
made on the spot, float32) and must say the same. Answers end early where the model says one of a few tokens, so they
differ in length. Each measurement is a process of its own, in turns; the table gives medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

EXAMPLE = Path(__file__).parents[1] / "examples" / "ruozhiba"
WAYS = ("ours", "one by one")
WORDS = 16_000
BATCH_TOKENS = 8192  # what `compare` takes by default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=96, help="longest answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="measure once in this process, print JSON")
    chosen = parser.parse_args()
    if chosen.way:
        print(json.dumps(measure(chosen.way, chosen.questions, chosen.tokens)))
        return
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    sizes = ["--questions", str(chosen.questions), "--tokens", str(chosen.tokens)]
    for _ in range(chosen.rounds):
        for way in WAYS:  # in turns, so that another load on the machine meets both
            command = [sys.executable, __file__, "--way", way, *sizes]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment()).stdout
            found[way].append(json.loads(output.splitlines()[-1]))
    said = [run.pop("answers") for runs in found.values() for run in runs]
    assert all(answers == said[0] for answers in said), "the answers differ"
    table(found)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "HF_HUB_OFFLINE": "1"}


def table(found: dict[str, list[dict[str, Any]]]) -> None:
    keys = list(found["ours"][0])
    print("| | " + " | ".join(keys) + " |")
    print("|---" * (len(keys) + 1) + "|")
    medians = {way: {key: statistics.median(run[key] for run in runs) for key in keys} for way, runs in found.items()}
    for way, values in medians.items():
        print(f"| {way} | " + " | ".join(f"{values[key]:,.4g}" for key in keys) + " |")
    ratio = medians["ours"]["tokens/CPU s"] / medians["one by one"]["tokens/CPU s"]
    print(f"ours / one by one: {ratio:.2f} times the tokens a CPU second, the same answers")


def measure(way: str, count: int, tokens: int) -> dict[str, Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from weitiao.model import tiny
    from weitiao.model.load import load_tokenizer
    from weitiao.model.template import Template

    rows = [orjson.loads(line) for path in sorted(EXAMPLE.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        tiny.build([row["instruction"] + row["output"] for row in rows], Path(folder), 0)
        tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"<{number}>" for number in range(len(tokenizer), WORDS)])  # so that texts show all tokens
    template = Template(tokenizer)
    template.stop_ids = (*template.stop_ids, *range(300, 360))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=2048,
        initializer_range=0.2,  # wide, so that no two tokens are as good as equally likely
    )
    model = LlamaForCausalLM(config).eval()
    prompts = [[("user", row["instruction"])] for row in rows[:: max(1, len(rows) // count)][:count]]
    answers: Callable[..., list[tuple[str, int]]] = ours if way == "ours" else one_by_one
    answers(model, template, prompts[:2], 4)  # what is set up once is no part of it
    start, wall = time.process_time(), time.monotonic()
    said = answers(model, template, prompts, tokens)
    seconds, wall = time.process_time() - start, time.monotonic() - wall
    total = sum(count for _, count in said)
    return {"tokens/CPU s": total / seconds, "tokens/s": total / wall, "tokens": total, "answers": said}


def ours(model: Any, template: Any, prompts: list[Any], tokens: int) -> list[tuple[str, int]]:
    from weitiao.model.generate import Sampling, answer

    said = answer(model, template, prompts, Sampling(max_new_tokens=tokens), batch_tokens=BATCH_TOKENS)
    return [(one.text, one.tokens + one.stopped) for one in said]


def one_by_one(model: Any, template: Any, prompts: list[Any], tokens: int) -> list[tuple[str, int]]:
    import torch

    said = []
    for messages in prompts:
        ids = torch.tensor([template.prompt(messages)])
        with torch.no_grad():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=tokens,
                eos_token_id=list(template.stop_ids),
                pad_token_id=0,
            )
        spoken = out[0, ids.shape[1] :].tolist()
        text = spoken[:-1] if spoken[-1] in template.stop_ids else spoken
        said.append((template.tokenizer.decode(text, skip_special_tokens=True), len(spoken)))
    return said


if __name__ == "__main__":
    main()
