"""InternLM2 checkpoints in the original layout: loaded, computed, trained on and saved right, without remote code."""

import math
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from makers import DIM, HEADS, LAYERS, POSITIONS, WORDS, Tensors, internlm2_weights
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM

from weitiao.model.internlm2 import fuse_wqkv, register, split_wqkv


def rotate(x: torch.Tensor, length: int, dynamic: bool) -> torch.Tensor:
    """Rotate by position; beyond the trained length the base grows (dynamic NTK, factor 2)."""
    base = 10000.0
    if dynamic and length > POSITIONS:
        base *= (2.0 * length / POSITIONS - 1.0) ** (DIM / (DIM - 2))
    angle = torch.outer(torch.arange(length).float(), base ** (-torch.arange(0, DIM, 2).float() / DIM))
    angle = torch.cat([angle, angle], -1)
    half = torch.cat([-x[..., DIM // 2 :], x[..., : DIM // 2]], -1)
    return x * angle.cos() + half * angle.sin()


def reference(t: Tensors, ids: torch.Tensor, kv_heads: int, dynamic: bool) -> torch.Tensor:
    """Compute logits (length, words) in plain torch from the original tensors, head by head."""

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * t[name]

    length, group = len(ids), HEADS // kv_heads
    mask = torch.full((length, length), -math.inf).triu(1)
    x = t["model.tok_embeddings.weight"][ids]
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        fused = F.linear(norm(x, f"{at}.attention_norm.weight"), t[f"{at}.attention.wqkv.weight"])
        fused = fused + t.get(f"{at}.attention.wqkv.bias", torch.zeros(1))
        outputs = []
        for kv in range(kv_heads):
            rows = fused[:, kv * (group + 2) * DIM : (kv + 1) * (group + 2) * DIM].chunk(group + 2, -1)
            key, value = rotate(rows[group], length, dynamic), rows[group + 1]
            for q in rows[:group]:
                scores = rotate(q, length, dynamic) @ key.T / math.sqrt(DIM) + mask
                outputs.append(scores.softmax(-1) @ value)
        x = x + F.linear(torch.cat(outputs, -1), t[f"{at}.attention.wo.weight"], t.get(f"{at}.attention.wo.bias"))
        h = norm(x, f"{at}.ffn_norm.weight")
        gate, up = (F.linear(h, t[f"{at}.feed_forward.w{n}.weight"]) for n in (1, 3))
        x = x + F.linear(F.silu(gate) * up, t[f"{at}.feed_forward.w2.weight"])
    return F.linear(norm(x, "model.norm.weight"), t.get("output.weight", t["model.tok_embeddings.weight"]))


def load(folder: Path) -> Any:
    register()
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    return model.eval()


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("rest", [(), (3,)])
def test_fuse_is_the_inverse_of_split(kv_heads: int, rest: tuple[int, ...]) -> None:
    fused = torch.randn((HEADS + 2 * kv_heads) * DIM, *rest)
    q, k, v = split_wqkv(fused, HEADS, kv_heads)
    assert (q.shape[0], k.shape[0], v.shape[0]) == (HEADS * DIM, kv_heads * DIM, kv_heads * DIM)
    assert torch.equal(fuse_wqkv(q, k, v, HEADS, kv_heads), fused)


@pytest.mark.parametrize("length", [POSITIONS // 2, 2 * POSITIONS])
@pytest.mark.parametrize(
    ("bias", "kv_heads", "tied", "dynamic"),
    [(False, 2, False, True), (True, 2, False, True), (False, 4, True, False), (True, 1, False, False)],
)
def test_logits_equal_a_plain_computation(
    tmp_path: Path, length: int, bias: bool, kv_heads: int, tied: bool, dynamic: bool
) -> None:
    tensors = internlm2_weights(tmp_path, bias=bias, kv_heads=kv_heads, tied=tied, dynamic=dynamic)
    ids = torch.randint(WORDS, (length,), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = load(tmp_path)(ids[None], use_cache=False).logits[0]
    assert (logits - reference(tensors, ids, kv_heads, dynamic)).abs().max() < 1e-4


@pytest.mark.parametrize("bias", [False, True])
def test_saving_gives_the_original_layout_back(tmp_path: Path, bias: bool) -> None:
    tensors = internlm2_weights(tmp_path / "base", bias=bias)
    load(tmp_path / "base").save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == tensors.keys()
    assert all(torch.equal(saved[name], tensors[name]) for name in tensors)
    ids = torch.arange(2 * POSITIONS)[None] % WORDS
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "base")(ids).logits, load(tmp_path / "saved")(ids).logits)


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_saved_config_reads_right_for_the_original_code_and_for_us(tmp_path: Path, dynamic: bool) -> None:
    internlm2_weights(tmp_path / "base", bias=False, dynamic=dynamic)
    load(tmp_path / "base").save_pretrained(tmp_path / "saved")
    config = orjson.loads((tmp_path / "saved" / "config.json").read_bytes())
    original = orjson.loads((tmp_path / "base" / "config.json").read_bytes())
    for key in ("bias", "rope_theta", "rope_scaling", "torch_dtype", "auto_map", "model_type"):
        assert config[key] == original[key], key
    again = AutoConfig.from_pretrained(tmp_path / "saved")
    assert again.rope_parameters["rope_theta"] == 10000
    assert again.rope_parameters.get("factor") == (2.0 if dynamic else None)
    assert again.attention_bias is False
