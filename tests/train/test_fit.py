"""The arithmetic of memory, against peaks measured in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weitiao.train import Chosen, Train
from weitiao.train.fit import KNOWN, Numbers, Shape, adapter_size, choose, memory, shape

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "fit.py"


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are reset through /proc")
@pytest.mark.parametrize("case", ["lora", "nf4", "dora, float32"])
def test_the_peak_is_within_15_percent(case: str) -> None:
    done = subprocess.run([sys.executable, BENCHMARK, case], stdout=subprocess.PIPE, check=True, text=True)
    row = done.stdout.splitlines()[-1]
    assert row.startswith(f"| {case} |")
    assert float(row.split("|")[-2]) == pytest.approx(1, abs=0.15)


def test_the_shape_of_internlm2() -> None:
    found = shape(KNOWN["1.8B"])
    assert found.parameters == 1_889_110_016
    assert (found.layers, found.hidden, found.inner, found.query, found.key_value) == (24, 2048, 8192, 2048, 1024)
    assert adapter_size(found, Chosen()) == 17_301_504
    assert adapter_size(found, Chosen(targets=["q_proj", "v_proj"], r=8)) == 24 * 8 * (4096 + 3072)


def test_four_bits_and_checkpointing_take_less() -> None:
    model = shape(KNOWN["1.8B"])

    def taken(**settings: Any) -> float:
        return memory(model, Chosen.model_validate(settings), 1024, Numbers(2)).total / 1e9

    assert taken(bits=4) < taken(bits=8) < taken() < taken(method="full")
    assert taken(bits=4, gradient_checkpointing=True) < taken(bits=4)
    assert taken(bits=4) < taken(bits=4, double_quant=False)


@pytest.mark.parametrize(("free", "bits", "twice", "fits"), [
    (64, None, False, True),
    (9.5, None, False, True),
    (6, None, True, True),
    (4.5, 4, False, True),
    (3.2, 4, True, True),
    (1, 4, True, False),
])  # fmt: skip
def test_what_is_auto_is_chosen_by_what_fits(free: float, bits: int | None, twice: bool, fits: bool) -> None:
    model: Shape = shape(KNOWN["1.8B"])
    found = choose(model, Train(), 512, Numbers(2), free * 1e9)
    assert (found.bits, found.gradient_checkpointing, found.fits) == (bits, twice, fits)
    set_ = choose(model, Train(bits=4, gradient_checkpointing=False), 512, Numbers(2), 1e9)
    assert (set_.bits, set_.gradient_checkpointing, set_.reason) == (4, False, "as set")
    assert choose(model, Train(method="full"), 512, Numbers(4), 1e9).bits is None


@pytest.mark.parametrize(("settings", "reason"), [
    ({}, "all fits as it is"),
    ({"bits": 4}, "as set"),
    ({"bits": None}, "all fits as it is"),
    ({"gradient_checkpointing": True}, "as set"),
    ({"bits": None, "gradient_checkpointing": True}, "as set"),
])  # fmt: skip
def test_what_was_set_is_not_said_to_be_chosen(settings: dict[str, Any], reason: str) -> None:
    assert choose(shape(KNOWN["1.8B"]), Train(**settings), 512, Numbers(2), 64e9).reason == reason
