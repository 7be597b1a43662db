"""Adapters change names between InternLM2's layout and Llama's without changing what they compute."""

import pytest
import torch

from weitiao.errors import UserError
from weitiao.model.adapters import Heads, from_xtuner, to_internlm2, to_llama
from weitiao.model.internlm2 import fuse_wqkv, split_wqkv

HEADS = Heads(query=4, key_value=2)
DIM, HIDDEN, RANK = 8, 32, 4
AT = "base_model.model.model.layers.0"


def lora(module: str, rows: int, columns: int = HIDDEN) -> dict[str, torch.Tensor]:
    return {f"{module}.lora_A.weight": torch.randn(RANK, columns), f"{module}.lora_B.weight": torch.randn(rows, RANK)}


def change(adapter: dict[str, torch.Tensor], module: str) -> torch.Tensor:
    return adapter[f"{module}.lora_B.weight"] @ adapter[f"{module}.lora_A.weight"]


def original() -> dict[str, torch.Tensor]:
    return {
        **lora(f"{AT}.attention.wqkv", (HEADS.query + 2 * HEADS.key_value) * DIM),
        **lora(f"{AT}.attention.wo", HIDDEN),
        **lora(f"{AT}.feed_forward.w1", 48),
        **lora("base_model.model.output", 97),
    }


def test_wqkv_becomes_q_k_v_and_the_product_is_the_split_one() -> None:
    adapter = original()
    llama = to_llama(adapter, HEADS)
    parts = split_wqkv(change(adapter, f"{AT}.attention.wqkv"), HEADS.query, HEADS.key_value)
    for letter, part in zip("qkv", parts, strict=True):
        assert torch.allclose(change(llama, f"{AT}.self_attn.{letter}_proj"), part, atol=1e-6)
    assert {name.split(".lora_")[0] for name in llama} == {
        *(f"{AT}.self_attn.{letter}_proj" for letter in "qkvo"),
        f"{AT}.mlp.gate_proj",
        "base_model.model.lm_head",
    }


@pytest.mark.parametrize("adapted", ["qkv", "qv", "v"])
def test_q_k_v_become_wqkv_exactly_at_three_times_the_rank(adapted: str) -> None:
    rows = {"q": HEADS.query * DIM, "k": HEADS.key_value * DIM, "v": HEADS.key_value * DIM}
    adapter = lora(f"{AT}.mlp.down_proj", HIDDEN, 48)
    for letter in adapted:
        adapter |= lora(f"{AT}.self_attn.{letter}_proj", rows[letter])
    back, factor = to_internlm2(adapter, HEADS)
    assert factor == 3
    q, k, v = (
        change(adapter, f"{AT}.self_attn.{letter}_proj") if letter in adapted else torch.zeros(rows[letter], HIDDEN)
        for letter in "qkv"
    )
    fused = fuse_wqkv(q, k, v, HEADS.query, HEADS.key_value)
    assert torch.allclose(change(back, f"{AT}.attention.wqkv"), fused, atol=1e-6)
    assert torch.allclose(change(back, f"{AT}.feed_forward.w2"), change(adapter, f"{AT}.mlp.down_proj"), atol=1e-6)
    assert {tensor.shape[0] for name, tensor in back.items() if "lora_A" in name} == {3 * RANK}


def test_xtuners_names_become_pefts() -> None:
    state = {f"llm.{name.replace('.weight', '.default.weight')}": tensor for name, tensor in original().items()}
    state["llm.base_model.model.model.norm.weight"] = torch.ones(2)
    assert from_xtuner(state).keys() == original().keys()


def test_a_checkpoint_without_an_adapter_is_named() -> None:
    with pytest.raises(UserError, match="no LoRA weights"):
        from_xtuner({"llm.model.norm.weight": torch.ones(2)})
    with pytest.raises(UserError, match="no LoRA weight under PEFT's names"):
        to_llama({"x": torch.ones(2)}, HEADS)
