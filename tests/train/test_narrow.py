from pathlib import Path
from typing import Any

import pytest
import torch

from weitiao.model.load import load_model
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
