"""InternLM2 without remote code: its original checkpoints load as a Llama, and save in their own layout.

Sources: the tensor layout of InternLM's `tools/convert2llama.py` and LMDeploy's `_split_qkv_gqa`. The model's own
remote code computes wrong values under transformers 5 without a warning (its rotary buffers stay uninitialised), so it
is never a fallback.
"""

import os
from pathlib import Path
from typing import Any

import orjson
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import ConversionOps, WeightConverter, WeightRenaming

STOP_TOKEN = "<|im_end|>"


def split_wqkv(wqkv: torch.Tensor, heads: int, kv_heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split a fused weight or bias into q, k and v.

    Its rows are ordered per key/value head: `[q0 … q(G-1) k v]` with G = heads / kv_heads, each block head_dim rows.
    `wqkv` is ((heads + 2 * kv_heads) * head_dim, …). Cutting it into three contiguous slices, as a known converter did,
    gives a model that answers noise.
    """
    group = heads // kv_heads
    rest = wqkv.shape[1:]
    blocks = wqkv.reshape(kv_heads, group + 2, -1, *rest)
    q, k, v = blocks[:, :group], blocks[:, group], blocks[:, group + 1]
    return q.reshape(-1, *rest).contiguous(), k.reshape(-1, *rest).contiguous(), v.reshape(-1, *rest).contiguous()


def fuse_wqkv(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, kv_heads: int) -> torch.Tensor:
    """Fuse q, k and v into one tensor, the exact inverse of `split_wqkv`."""
    rest = q.shape[1:]
    dim = q.shape[0] // heads
    blocks = [
        q.reshape(kv_heads, heads // kv_heads, dim, *rest),
        k.reshape(kv_heads, 1, dim, *rest),
        v.reshape(kv_heads, 1, dim, *rest),
    ]
    return torch.cat(blocks, dim=1).reshape(-1, *rest).contiguous()


class InternLM2Config(LlamaConfig):
    """Llama's configuration under InternLM2's names."""

    model_type = "internlm2"
    attribute_map = {"bias": "attention_bias"}  # noqa: RUF012  transformers reads it from the class

    def to_json_file(self, json_file_path: str | os.PathLike[str], use_diff: bool = True) -> None:
        """Write the configuration so that the original code reads it right too.

        What transformers 5 writes lacks `bias`, `rope_theta` and `rope_scaling`; the original class then takes its own
        defaults for them, and its logits are off by 12.
        """
        data = orjson.loads(self.to_json_string(use_diff=use_diff))
        rope = dict(self.rope_parameters)
        kind = rope.get("rope_type", "default")
        data |= {
            "bias": self.attention_bias,
            "rope_theta": rope["rope_theta"],
            "rope_scaling": None if kind == "default" else {"type": kind, "factor": rope["factor"]},
            "torch_dtype": data.get("dtype"),
        }
        Path(json_file_path).write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


class InternLM2ForCausalLM(LlamaForCausalLM):
    """InternLM2 computes what Llama computes; only names and the layout of wqkv differ."""

    config_class = InternLM2Config


class _Split(ConversionOps):
    """Checkpoint to model: wqkv to q, k, v."""

    @torch.no_grad()
    def convert(
        self, input_dict: dict[str, Any], source_patterns: Any, target_patterns: list[str], config: Any, **_: Any
    ) -> dict[str, torch.Tensor]:
        """Split the one tensor of `input_dict` onto the three targets."""
        (tensor,) = input_dict.values()
        fused = tensor[0] if isinstance(tensor, list) else tensor
        parts = split_wqkv(fused, config.num_attention_heads, config.num_key_value_heads)
        return dict(zip(target_patterns, parts, strict=True))

    @property
    def reverse_op(self) -> "ConversionOps":
        """Return what saving does."""
        return _Fuse()


class _Fuse(ConversionOps):
    """Model to checkpoint: q, k, v to wqkv."""

    @torch.no_grad()
    def convert(
        self,
        input_dict: dict[str, Any],
        source_patterns: list[str],
        target_patterns: list[str],
        config: Any,
        **_: Any,
    ) -> dict[str, torch.Tensor]:
        """Fuse the three tensors of `input_dict` into the one target."""
        found = [input_dict[pattern] for pattern in source_patterns]
        q, k, v = (tensor[0] if isinstance(tensor, list) else tensor for tensor in found)
        return {target_patterns[0]: fuse_wqkv(q, k, v, config.num_attention_heads, config.num_key_value_heads)}

    @property
    def reverse_op(self) -> "ConversionOps":
        """Return what loading does."""
        return _Split()


_RENAMED = {
    "model.tok_embeddings": "model.embed_tokens",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    r"^output\.": "lm_head.",
}


def register() -> None:
    """Teach transformers the model type `internlm2`; calling it twice does no harm."""
    AutoConfig.register("internlm2", InternLM2Config, exist_ok=True)
    AutoModelForCausalLM.register(InternLM2Config, InternLM2ForCausalLM, exist_ok=True)
    projections = [f"self_attn.{name}_proj" for name in "qkv"]
    mapping = [WeightRenaming(old, new) for old, new in _RENAMED.items()]
    mapping += [
        WeightConverter(f"attention.wqkv.{kind}", [f"{name}.{kind}" for name in projections], operations=[_Split()])
        for kind in ("weight", "bias")
    ]
    register_checkpoint_conversion_mapping("internlm2", mapping, overwrite=True)
