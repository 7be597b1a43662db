"""Compare our training loop with the stock Trainer: useful tokens a CPU second, peak memory, held-out loss.

    python benchmarks/train.py [--samples 96] [--rounds 3] [--dtype auto]

Both train the same LoRA on the same Llama of 26 million parameters (random weights, made on the spot) for one epoch of
the same records, whose lengths are spread like those of the Ruozhiba answers. Each measurement is a process of its own;
the table gives medians. Padding is not counted as tokens.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WAYS = ("ours", "stock")
WORDS, LENGTH = 16_000, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="auto", help="auto: bfloat16 where the CPU has it")
    parser.add_argument("--way", choices=WAYS, help="measure once in this process, print JSON")
    chosen = parser.parse_args()
    if chosen.way:
        print(json.dumps(measure(chosen.way, chosen.samples, chosen.dtype)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(chosen.rounds):
        for way in WAYS:  # in turns, so that another load on the machine meets both
            command = [
                sys.executable,
                __file__,
                "--way",
                way,
                "--samples",
                str(chosen.samples),
                "--dtype",
                chosen.dtype,
            ]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment()).stdout
            found[way].append(json.loads(output.splitlines()[-1]))
    table(found)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "HF_HUB_OFFLINE": "1"}


def table(found: dict[str, list[dict[str, float]]]) -> None:
    keys = list(found["ours"][0])
    print("| | " + " | ".join(keys) + " |")
    print("|---" * (len(keys) + 1) + "|")
    medians = {way: {key: statistics.median(run[key] for run in runs) for key in keys} for way, runs in found.items()}
    for way, values in medians.items():
        print(f"| {way} | " + " | ".join(f"{values[key]:,.4g}" for key in keys) + " |")
    ratio = medians["ours"]["tokens/CPU s"] / medians["stock"]["tokens/CPU s"]
    memory = medians["ours"]["peak MB"] / medians["stock"]["peak MB"]
    print(f"ours / stock: {ratio:.2f} times the tokens, {memory:.2f} of the memory")


def measure(way: str, samples: int, dtype: str) -> dict[str, float]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from weitiao.model.load import cpu_has_bfloat16
    from weitiao.model.score import losses
    from weitiao.train import Train, adapter

    kind = ("bfloat16" if cpu_has_bfloat16() else "float32") if dtype == "auto" else dtype
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=2048,
        use_cache=False,
    )
    settings = Train(epochs=1, max_length=LENGTH, learning_rate=1e-3, record_losses=False)
    model = adapter.lay(LlamaForCausalLM(config).to(torch.__dict__[kind]), settings, "base", 0)
    rows = records(samples + 16)
    rows, held = rows[:samples], rows[samples:]
    with tempfile.TemporaryDirectory() as folder:
        start, wall = time.process_time(), time.monotonic()
        (ours if way == "ours" else stock)(model, rows, settings, Path(folder))
        seconds, wall = time.process_time() - start, time.monotonic() - wall
    from weitiao.train.loop import peak_memory

    memory = peak_memory()
    tokens = sum(len(row.ids) for row in rows)
    after = losses(model, held, LENGTH)
    return {
        "tokens/CPU s": tokens / seconds,
        "tokens/s": tokens / wall,
        "peak MB": memory * 1000,
        "held-out loss": sum(loss for loss, _ in after) / sum(count for _, count in after),
        "tokens": tokens,
    }


def records(count: int) -> list[Any]:
    """Make records of Zipf-drawn tokens, log-normal in length with a mean of about 200, 80 % of them supervised."""
    from weitiao.model.template import Encoded

    draw = random.Random(0)
    made = []
    for _ in range(count):
        length = min(LENGTH, max(20, round(draw.lognormvariate(5.1, 0.65))))
        ids = [min(WORDS - 1, int(math.exp(draw.random() * math.log(WORDS)))) for _ in range(length)]
        made.append(Encoded(ids, [place >= length // 5 for place in range(length)], 1, 1))
    return made


def ours(model: Any, rows: Sequence[Any], settings: Any, folder: Path) -> None:
    from weitiao.stage import Silent
    from weitiao.train import order
    from weitiao.train.loop import Loop, Task
    from weitiao.train.rows import Row, Rows

    data = Rows([Row(str(index), f"made:{index}", row) for index, row in enumerate(rows)], [], {})
    steps = order.steps([len(row.ids) for row in rows], settings, 0)
    Loop(Task(model, None, data, steps, settings, folder), Silent()).run()  # type: ignore[arg-type]


def stock(model: Any, rows: Sequence[Any], settings: Any, folder: Path) -> None:
    """Train with transformers' Trainer: padded batches of 6 records, about as many tokens as a pack of ours."""
    import torch
    from transformers import Trainer, TrainingArguments

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        width = max(len(one["input_ids"]) for one in batch)
        fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
        return {
            key: torch.tensor([one[key] + [value] * (width - len(one[key])) for one in batch])
            for key, value in fill.items()
        }

    dataset = [
        {
            "input_ids": row.ids,
            "attention_mask": [1] * len(row.ids),
            "labels": [token if carries else -100 for token, carries in zip(row.ids, row.mask, strict=True)],
        }
        for row in rows
    ]
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=6,
        num_train_epochs=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        logging_steps=1,
        save_strategy="epoch",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
    )
    Trainer(model=model, args=arguments, train_dataset=dataset, data_collator=collate).train()


if __name__ == "__main__":
    main()
