from typing import Literal
from xml.etree import ElementTree

import pytest
import torch
from transformers import LlamaConfig

from benchmarks import gpu, material, report
from benchmarks.ways import Clock
from weitiao.errors import UserError
from weitiao.model.loss import pack
from weitiao.model.template import Encoded

torch.set_num_threads(1)
TINY = LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, max_position_embeddings=256,
)  # fmt: skip


@pytest.mark.parametrize(("lengths", "mean", "fill"), [("tutorial", 240, 0.66), ("long-tailed", 245, 0.35)])
def test_lengths_are_what_the_page_says(lengths: str, mean: float, fill: float) -> None:
    sizes = [len(row.ids) for row in material.records(lengths, 4000, 16_000)]
    assert max(sizes) <= material.LONGEST
    assert sum(sizes) / len(sizes) == pytest.approx(mean, rel=0.05)
    padded = sum(8 * max(sizes[start : start + 8]) for start in range(0, len(sizes), 8))
    assert sum(sizes) / padded == pytest.approx(fill, abs=0.04)


def test_the_clock_leaves_the_first_step_out() -> None:
    clock = Clock(ends=[(9.0, 90.0), (10.0, 92.0), (11.0, 94.0)], tokens=[5, 30, 50, 70], supervised=[4, 6, 8, 9])
    clock.losses = [3.0, 2.0, 1.0]
    assert clock.speed() == (40, 20)  # the fourth batch was fetched ahead and never trained on
    assert clock.curve() == [(4, 3.0), (10, 2.0), (18, 1.0)]


def test_table_and_drawing() -> None:
    run = {"cpu": 100.0, "wall": 90.0, "memory": 2.0, "held_out": 3.0, "steps": 5}
    runs = {"weitiao": [{**run, "cpu": cpu, "memory": 1.0} for cpu in (300.0, 500.0, 400.0)], "TRL, defaults": [run]}
    assert report.table(runs).splitlines()[2] == "| weitiao | 400 | 90 | 1 | 3 | 5 | 4.00 | 0.50 |"
    drawn = ElementTree.fromstring(report.drawing({"a": [(1, 3.0), (2, 1.0)], "b": [(2, 2.0)]}, "loss"))
    lines = [one.get("points") for one in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    assert lines == ["340.0,30.0 630.0,265.0", "630.0,147.5"]


def test_flops_are_counted_by_hand() -> None:
    item = pack([Encoded([1] * 10, [False] * 2 + [True] * 8, 1, 1)] * 3, range(3))
    linear = 2 * (32 * 32 + 2 * 16 * 32 + 32 * 32 + 3 * 32 * 64)
    attention = 2 * 3 * (2 * 2 * 32 * 100 / 2) * 3
    assert gpu.flops(TINY, item) == 4 * linear * 30 + attention + 4 * 64 * 32 * 24


@pytest.mark.parametrize("bits", [None, 4])
def test_what_is_measured_on_a_gpu_runs_on_a_tiny_model(bits: Literal[4] | None) -> None:
    if bits:
        pytest.importorskip("bitsandbytes")
    found = gpu.measure(TINY, gpu.Case("tiny", bits, False), "cpu", steps=2, tokens=64)
    assert found["tokens_per_second"] > 0
    assert found["mfu"] is None
    assert found["loss"][1] < found["loss"][0] < 6
    assert found["grad_norm"][1] > 0
    assert "| tiny |" in gpu.table([found])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path: object) -> None:
    with pytest.raises(UserError, match="no GPU"):
        gpu.main(tmp_path)  # type: ignore[arg-type]
