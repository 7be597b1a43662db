from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from weitiao.model.load import load_model
from weitiao.train import Train, adapter, norms

torch.set_num_threads(1)


def frozen(kind: type[Any], dtype: torch.dtype) -> Any:
    module = kind(24).requires_grad_(False)
    with torch.no_grad():
        module.weight.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
    return module.to(dtype)


@pytest.mark.parametrize("cached", [1, 100, 2**17])
def test_out_and_back_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch, cached: int) -> None:
    monkeypatch.setattr(norms, "_CACHED", cached)
    ours, theirs = frozen(LlamaRMSNorm, torch.bfloat16), frozen(LlamaRMSNorm, torch.float32)
    norms.slim(nn.ModuleList([ours]), torch.bfloat16)
    assert "forward" in vars(ours)
    x = torch.randn(2, 5, 3, 24, dtype=torch.bfloat16).transpose(1, 2)  # not contiguous, as the norms of queries see it
    found: list[torch.Tensor] = []
    wanted: list[torch.Tensor] = []
    for module, into, values in ((ours, found, x), (theirs, wanted, x.float())):
        one = values.clone().requires_grad_()
        out = module(one)
        into += [out.float(), *torch.autograd.grad(out.float().sin().sum(), one)]
    for mine, other in zip(found, wanted, strict=True):
        assert (mine.float() - other).norm() < 0.01 * other.norm()


def test_what_computes_something_else_or_is_trained_stays() -> None:
    trained = frozen(LlamaRMSNorm, torch.bfloat16).requires_grad_(True)
    other = frozen(Gemma3RMSNorm, torch.bfloat16)  # multiplies by 1 + weight
    wide = frozen(LlamaRMSNorm, torch.float32)  # its weight makes the states of a bfloat16 model float32
    for one in (trained, other, wide):  # each alone: a class is tried once
        norms.slim(nn.ModuleList([one]), torch.bfloat16)
        assert "forward" not in vars(one)


def test_no_norm_of_a_model_keeps_a_float32_copy(tiny_llama: Path) -> None:
    kept = []

    def note(value: torch.Tensor) -> torch.Tensor:
        kept.append(value)
        return value

    model = adapter.lay(load_model(str(tiny_llama), dtype="bfloat16", device="cpu"), Train(r=4), "base", 0)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        model.get_decoder()(input_ids=torch.arange(9)[None], use_cache=False)
    weights = {value.data_ptr() for value in model.parameters()}
    wide = [value for value in kept if value.dtype == torch.float32 and value.data_ptr() not in weights]
    assert model.config.hidden_size not in {value.shape[-1] for value in wide}
