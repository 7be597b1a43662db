from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import Linear
from transformers.models.llama.modeling_llama import LlamaMLP

from weitiao.model.load import load_model
from weitiao.model.quantise import Quantised
from weitiao.train import Train, adapter, narrow

torch.set_num_threads(1)


def laid(base: Path, settings: Train, dtype: str) -> Any:
    model = adapter.lay(load_model(str(base), dtype=dtype, device="cpu"), settings, "base", 0)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, value in adapter.trained(model):
            value.normal_(0, 0.05, generator=draw)
    return model.get_submodule("base_model.model.model.layers.0.mlp.up_proj")


@pytest.mark.parametrize("method", ["lora", "rslora"])
def test_products_in_the_format_of_the_model_are_those_of_peft(tiny_llama: Path, method: str) -> None:
    settings = Train.model_validate({"method": method, "r": 4, "alpha": 8})
    ours, exact = laid(tiny_llama, settings, "bfloat16"), laid(tiny_llama, settings, "float32")
    x = torch.randn(2, 7, exact.base_layer.in_features)
    results = []
    for module, dtype in ((ours, torch.bfloat16), (exact, torch.float32)):
        one = x.to(dtype).requires_grad_()
        out = module(one)
        assert out.dtype == dtype
        weights = [module.lora_A["default"].weight, module.lora_B["default"].weight]
        assert all(weight.dtype == torch.float32 for weight in weights)
        results.append([out, *torch.autograd.grad(out.float().square().sum(), [one, *weights])])
    for mine, wanted in zip(*results, strict=True):
        assert (mine.float() - wanted).norm() < 0.02 * wanted.norm()


def test_what_is_more_than_plain_lora_is_left_to_peft(tiny_llama: Path) -> None:
    assert type(laid(tiny_llama, Train(r=4), "bfloat16")).__module__ == narrow.__name__
    for other in ({"method": "dora"}, {"method": "pissa"}, {"dropout": 0.1}, {"deepspeed": "deepspeed_zero3"}):
        settings = Train.model_validate({"r": 4, "bits": None, **other})
        assert not narrow.suits(settings)
        assert type(laid(tiny_llama, settings, "bfloat16")).__module__.startswith("peft.")


@pytest.mark.parametrize("bits", [None, 4])
def test_a_gated_mlp_keeps_its_halves_and_gives_what_pefts_gives(tiny_llama: Path, bits: int | None) -> None:
    if bits:
        pytest.importorskip("bitsandbytes")
    how = Quantised(4) if bits else None
    model = load_model(str(tiny_llama), dtype="bfloat16", device="cpu", quantised=how)
    model = adapter.lay(model, Train(r=4, alpha=8), "base", 0)
    draw = torch.Generator().manual_seed(1)
    block = model.get_submodule("base_model.model.model.layers.0.mlp")
    weights = [value for value in block.parameters() if value.requires_grad]
    with torch.no_grad():
        for value in weights:
            value.normal_(0, 0.05, generator=draw)
    width, inner = (getattr(block.up_proj.base_layer, name) for name in ("in_features", "out_features"))
    values = torch.randn(1, 7, width, generator=draw).bfloat16()
    kept: list[torch.Tensor] = []

    def note(value: torch.Tensor) -> torch.Tensor:
        kept.append(value)
        return value

    def results() -> list[torch.Tensor]:
        x = values.clone().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
            out = block(x)
        return [out, *torch.autograd.grad(out.float().square().sum(), [x, *weights])]

    ours = results()
    assert len({value.data_ptr() for value in kept if value.shape == (1, 7, inner)}) == 2
    del block.forward
    for layer in (block.gate_proj, block.up_proj, block.down_proj):
        layer.__class__ = Linear  # PEFT's own
    for mine, wanted in zip(ours, results(), strict=True):
        assert (mine.float() - wanted.float()).norm() < 0.02 * wanted.float().norm()


def test_an_mlp_that_computes_something_else_stays(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(self: Any, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.down_proj(self.act_fn(self.gate_proj(x)) * (1 + self.up_proj(x)))
        return found

    monkeypatch.setattr(LlamaMLP, "forward", other)
    model = adapter.lay(load_model(str(tiny_llama), dtype="bfloat16", device="cpu"), Train(r=4), "base", 0)
    assert "forward" not in vars(model.get_submodule("base_model.model.model.layers.0.mlp"))
