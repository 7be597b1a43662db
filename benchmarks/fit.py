"""Measure what trainings take in memory, against the arithmetic of `weitiao.train.fit`: `python benchmarks/fit.py`.

Each training runs in a process of its own, some steps on a random model. Measured is, in the median of three trainings,
the growth of the resident memory over what the process held before the model was there, at its highest while it trains
(Linux: VmHWM, reset when the model is loaded); on a GPU the most that torch has allocated. Estimated is the sum of
`fit.memory` without its `LIBRARIES`. A ratio of 1 is a right estimate. Shapes are named by hidden size x layers.
"""

import argparse
import gc
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from weitiao.model.load import load_model
from weitiao.model.quantise import Quantised
from weitiao.model.template import Encoded
from weitiao.model.tokens import Token
from weitiao.stage import Silent
from weitiao.train import Chosen, adapter, fit, order
from weitiao.train.loop import Loop, Task
from weitiao.train.machine import return_freed_blocks
from weitiao.train.rows import Row, Rows
from weitiao.train.run import checkpoint_activations

Settings = dict[str, Any]


def llama(hidden: int, layers: int, vocabulary: int = 16000, **more: Any) -> Settings:
    """Return the configuration of a Llama with a head of 64 numbers and an MLP 2.75 times as wide."""
    return {
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": 64 * (hidden * 11 // 256),
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "num_key_value_heads": hidden // 64,
        **more,
    }


def experts(hidden: int, layers: int) -> Settings:
    """Return the configuration of a Qwen3 with 8 experts, 2 of which see a token."""
    return llama(hidden, layers) | {
        "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2, "head_dim": 64,
        "moe_intermediate_size": hidden, "decoder_sparse_step": 1, "mlp_only_layers": [],
    }  # fmt: skip


_GROUPED = {"num_key_value_heads": 4}
CASES: dict[str, tuple[Settings, Settings, str]] = {
    "lora": (llama(768, 6), {}, "bfloat16"),
    "lora, float32": (llama(512, 8), {}, "float32"),
    "lora, wide": (llama(1024, 16, **_GROUPED), {}, "bfloat16"),
    "lora, large vocabulary": (llama(512, 6, 92544, tie_word_embeddings=True), {}, "bfloat16"),
    "lora, accumulate 4": (llama(768, 6), {"accumulate": 4, "max_length": 512}, "bfloat16"),
    "lora, checkpointing": (llama(768, 12), {"gradient_checkpointing": True}, "bfloat16"),
    "lora, checkpointing, float32": (llama(768, 12), {"gradient_checkpointing": True}, "float32"),
    "lora, short, checkpointing": (
        llama(1024, 8),
        {"gradient_checkpointing": True, "max_length": 512},
        "bfloat16",
    ),
    "lora, new tokens": (llama(512, 6, 92544), {"new_tokens": ["<a>", "<b>"]}, "bfloat16"),
    "nf4": (llama(1024, 16, **_GROUPED), {"bits": 4}, "bfloat16"),
    "nf4, simple scales": (llama(768, 12), {"bits": 4, "double_quant": False}, "bfloat16"),
    "nf4, checkpointing": (llama(1024, 16, **_GROUPED), {"bits": 4, "gradient_checkpointing": True}, "bfloat16"),
    "nf4, wide, float32": (llama(1024, 8), {"bits": 4}, "float32"),
    "nf4, checkpointing, float32": (llama(1024, 8), {"bits": 4, "gradient_checkpointing": True}, "float32"),
    "nf4, float32": (llama(768, 12), {"bits": 4}, "float32"),
    "int8": (llama(1024, 16, **_GROUPED), {"bits": 8}, "bfloat16"),
    "int8, checkpointing": (llama(768, 12), {"bits": 8, "gradient_checkpointing": True}, "bfloat16"),
    "int8, wide, checkpointing": (llama(1024, 16, **_GROUPED), {"bits": 8, "gradient_checkpointing": True}, "bfloat16"),
    "dora": (llama(768, 6), {"method": "dora"}, "bfloat16"),
    "dora, float32": (llama(512, 8), {"method": "dora"}, "float32"),
    "pissa": (llama(512, 8), {"method": "pissa"}, "float32"),
    "experts": (experts(512, 8), {}, "bfloat16"),
    "experts, float32": (experts(512, 8), {}, "float32"),
    "experts, checkpointing": (experts(512, 8), {"gradient_checkpointing": True}, "bfloat16"),
    "full": (llama(512, 6), {"method": "full", "max_length": 512}, "float32"),
    "full, bfloat16 products": (llama(512, 6), {"method": "full", "autocast": True}, "float32"),
    "full, checkpointing": (llama(512, 8), {"method": "full", "gradient_checkpointing": True}, "float32"),
}


def case(name: str) -> tuple[Settings, Chosen, str, bool]:
    """Return the configuration, the settings, the number format and whether products are narrower."""
    config, settings, dtype = CASES[name]
    own = {"max_length": 1024, "max_steps": 2, "bits": None, "gradient_checkpointing": False, **settings}
    autocast = own.pop("autocast", False)
    return config, Chosen.model_validate(own), dtype, autocast


def estimated(name: str, gpu: bool = False) -> float:
    """Return the bytes that the arithmetic gives, without the libraries."""
    config, settings, dtype, autocast = case(name)
    numbers = fit.Numbers(2 if dtype == "bfloat16" else 4, autocast, gpu)
    shape = fit.shape(AutoConfig.for_model(**config))
    return fit.memory(shape, settings, settings.max_length, numbers).total - fit.LIBRARIES


def held(key: str) -> int:
    """Return a line of this process's memory in bytes."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(lines[key].split()[0])


def measure(name: str) -> None:
    """Train some steps in this process, and print its peak in bytes."""
    return_freed_blocks()
    _, settings, dtype, autocast = case(name)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        subprocess.run([sys.executable, __file__, "--make", name, str(base)], check=True)
        before = held("VmRSS")
        bits = settings.bits if settings.bits in (4, 8) else None
        model = load_model(str(base), dtype=dtype, quantised=Quantised(bits, settings.double_quant) if bits else None)
        if not bits:
            own(model)
        if settings.gradient_checkpointing:
            checkpoint_activations(model)
        added = [Token(text, index, (1, 2)) for index, text in enumerate(settings.new_tokens, model.config.vocab_size)]
        model = adapter.lay(model, settings, "x", 0, added)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        size = settings.max_length // 8
        count = 8 * settings.accumulate * (settings.max_steps or 1)
        draw = random.Random(0)
        encoded = [Encoded([draw.randrange(16000) for _ in range(size)], [True] * size, 1, 1) for _ in range(count)]
        rows = Rows([Row(str(index), str(index), one) for index, one in enumerate(encoded)], [], {})
        steps = order.steps([size] * count, settings, 0)
        task: Any = Task(model, None, rows, steps, settings, Path(folder), 0, autocast)  # type: ignore[arg-type]
        Loop(task, Silent()).run()
    print(torch.cuda.max_memory_allocated() if torch.cuda.is_available() else held("VmHWM") - before)


def own(model: Any) -> None:
    """Make the weights the process's own: pages of the file would count or not, as the system likes."""
    for value in (*model.parameters(), *model.buffers()):
        value.data = value.data.clone()


def make(name: str, folder: str) -> None:
    """Write the random model of a case."""
    config, _, dtype, _ = case(name)
    torch.set_default_dtype(getattr(torch, dtype))
    AutoModelForCausalLM.from_config(AutoConfig.for_model(**config)).save_pretrained(folder)


def peak(name: str) -> float:
    """Return the measured bytes of a case: the median of three trainings, each in a process of its own.

    One alone may be an eighth above the others: what lies where in the heap is not the same twice.
    """
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    command = [sys.executable, __file__, "--one", name]
    done = [subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True) for _ in range(3)]
    return median(int(one.stdout.split()[-1]) for one in done)


def table(names: list[str]) -> None:
    """Print the table of all cases as Markdown, a row as soon as it is known."""
    gpu = torch.cuda.is_available()
    where = torch.cuda.get_device_name() if gpu else f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{platform.system()} {where}, torch {torch.__version__}, transformers {transformers.__version__}\n")
    print("| method | shape | tokens a pack | numbers | estimated MB | measured MB | ratio |")
    print("|---|---|---:|---|---:|---:|---:|")
    for name in names:
        config, settings, dtype, _ = case(name)
        shape = f"{config['hidden_size']} x {config['num_hidden_layers']}, vocabulary {config['vocab_size']:,}"
        guess, found = estimated(name, gpu), peak(name)
        figures = f"{guess / 1e6:,.0f} | {found / 1e6:,.0f} | {guess / found:.2f}"
        print(f"| {name} | {shape} | {settings.max_length} | {dtype} | {figures} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these cases")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make(*given.make)
    elif given.one:
        measure(given.one)
    else:
        table(given.names or list(CASES))


if __name__ == "__main__":
    main()
