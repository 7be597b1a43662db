"""The arithmetic of memory, against peaks measured in processes of their own."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from transformers import LlamaConfig

from weitiao.train import Train
from weitiao.train.fit import KNOWN, LIBRARIES, Numbers, Shape, adapter_size, choose, memory, shape

MEASURE = """
import gc, json, random, sys, tempfile
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from weitiao.model.template import Encoded
from weitiao.stage import Silent
from weitiao.train import Train, adapter, order
from weitiao.train.loop import Loop, Task
from weitiao.train.rows import Row, Rows
from weitiao.train.run import checkpoint_activations


def held(key):
    return 1024 * int(dict(line.split(":") for line in open("/proc/self/status"))[key].split()[0])


torch.set_num_threads(1)
config, settings, dtype = json.loads(sys.argv[1])
settings = Train.model_validate(settings)
before = held("VmRSS")
torch.set_default_dtype(getattr(torch, dtype))
model = LlamaForCausalLM(LlamaConfig(**config))
torch.set_default_dtype(torch.float32)
if settings.gradient_checkpointing is True:
    checkpoint_activations(model)
model = adapter.lay(model, settings, "x", 0)
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
size = settings.max_length // 8
draw = random.Random(0)
encoded = [Encoded([draw.randrange(16000) for _ in range(size)], [True] * size, 1, 1) for _ in range(16)]
rows = Rows([Row(str(index), str(index), one) for index, one in enumerate(encoded)], [], {})
with tempfile.TemporaryDirectory() as folder:
    Loop(Task(model, None, rows, order.steps([size] * 16, settings, 0), settings, Path(folder)), Silent()).run()
print(held("VmHWM") - before)
"""


def config(hidden: int, layers: int) -> dict[str, int]:
    inner = 64 * (hidden * 11 // 256)
    heads = {"num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 64}
    return {
        "vocab_size": 16000,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        **heads,
    }


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are reset through /proc")
@pytest.mark.parametrize(("model", "settings", "dtype"), [
    (config(768, 6), {"max_length": 1024, "max_steps": 2}, "bfloat16"),
    (config(512, 8), {"max_length": 1024, "max_steps": 2}, "float32"),
    (config(512, 6), {"max_length": 512, "max_steps": 2, "method": "full"}, "float32"),
])  # fmt: skip
def test_the_peak_is_within_15_percent(model: dict[str, int], settings: dict[str, Any], dtype: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps([model, settings, dtype])],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    itemsize = 2 if dtype == "bfloat16" else 4
    tokens = settings["max_length"]
    found = (
        memory(shape(LlamaConfig(**model)), Train.model_validate(settings), tokens, Numbers(itemsize)).total - LIBRARIES
    )
    assert found == pytest.approx(int(done.stdout), rel=0.15)


def test_the_shape_of_internlm2() -> None:
    found = shape(KNOWN["1.8B"])
    assert found.parameters == 1_889_110_016
    assert (found.layers, found.hidden, found.inner, found.query, found.key_value) == (24, 2048, 8192, 2048, 1024)
    assert adapter_size(found, Train()) == 17_301_504
    assert adapter_size(found, Train(targets=["q_proj", "v_proj"], r=8)) == 24 * 8 * (4096 + 3072)


def test_four_bits_and_checkpointing_take_less() -> None:
    model = shape(KNOWN["1.8B"])

    def taken(**settings: Any) -> float:
        return memory(model, Train.model_validate(settings), 1024, Numbers(2)).total / 1e9

    assert taken(bits=4) < taken(bits=8) < taken() < taken(method="full")
    assert taken(bits=4, gradient_checkpointing=True) < taken(bits=4)
    assert taken(bits=4) < taken(bits=4, double_quant=False)


@pytest.mark.parametrize(("free", "bits", "twice", "fits"), [
    (64, None, False, True),
    (9.5, None, False, True),
    (6, None, True, True),
    (4, 4, True, True),
    (1, 4, True, False),
])  # fmt: skip
def test_what_is_auto_is_chosen_by_what_fits(free: float, bits: int | None, twice: bool, fits: bool) -> None:
    model: Shape = shape(KNOWN["1.8B"])
    found = choose(model, Train(), 512, Numbers(2), free * 1e9)
    assert (found.bits, found.gradient_checkpointing, found.fits) == (bits, twice, fits)
    set_ = choose(model, Train(bits=4, gradient_checkpointing=False), 512, Numbers(2), 1e9)
    assert (set_.bits, set_.gradient_checkpointing, set_.reason) == (4, False, "as set")
    assert choose(model, Train(method="full"), 512, Numbers(4), 1e9).bits is None
