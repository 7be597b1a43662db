"""Adapters of InternLM2 under its original names, and the same adapters under Llama's; exact both ways."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from weitiao.errors import UserError
from weitiao.model.internlm2 import fuse_wqkv, split_wqkv
from weitiao.talk import t

Tensors = dict[str, torch.Tensor]

_TO_LLAMA = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "output": "lm_head",
}
_KEY = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")


@dataclass(frozen=True)
class Heads:
    """How many query and key/value heads the model has."""

    query: int
    key_value: int


def from_xtuner(state: Mapping[str, torch.Tensor]) -> Tensors:
    """Return the adapter in an XTuner checkpoint under PEFT's names; all other tensors are left out.

    `llm.base_model.model.….lora_A.default.weight` becomes `base_model.model.….lora_A.weight`.
    Raises UserError if there is none.
    """
    found = {
        name.removeprefix("llm.").replace(".default.weight", ".weight"): tensor
        for name, tensor in state.items()
        if ".lora_" in name
    }
    if not found:
        raise UserError(t("The checkpoint holds no LoRA weights"), t("A full fine-tune has no adapter to convert"))
    return found


def to_llama(adapter: Mapping[str, torch.Tensor], heads: Heads) -> Tensors:
    """Rename an adapter made on the original layout; that of `wqkv` becomes one each on q, k and v.

    A is shared by the three; the rows of B are split as the weight's rows are. The product is unchanged to the bit.
    """
    out: Tensors = {}
    for name, tensor in adapter.items():
        module, side = _parse(name)
        if module.endswith("attention.wqkv"):
            parts = (tensor,) * 3 if side == "A" else split_wqkv(tensor, heads.query, heads.key_value)
            for letter, part in zip("qkv", parts, strict=True):
                target = module.replace("attention.wqkv", f"self_attn.{letter}_proj")
                out[_name(target, side)] = part.clone()
        else:
            out[_name(_renamed(module, _TO_LLAMA), side)] = tensor
    return out


def to_internlm2(adapter: Mapping[str, torch.Tensor], heads: Heads) -> tuple[Tensors, int]:
    """Rename an adapter for tools that know the original layout; return it with the factor of rank and alpha.

    q, k and v have three different A, which one A of the same rank cannot hold: the three are stacked, and each B gets
    columns of its own. So where q, k or v are adapted, every module's rank and alpha are to be multiplied by 3, and the
    other modules are padded with zeros.
    """
    back = {new: old for old, new in _TO_LLAMA.items()}
    fused: dict[str, dict[str, torch.Tensor]] = {}
    out: Tensors = {}
    for name, tensor in adapter.items():
        module, side = _parse(name)
        if match := re.search(r"self_attn\.([qkv])_proj$", module):
            target = module[: match.start()] + "attention.wqkv"
            fused.setdefault(target, {})[match[1] + side] = tensor
        else:
            out[_name(_renamed(module, back), side)] = tensor
    factor = 3 if fused else 1
    out = {name: _padded(tensor, _parse(name)[1], factor) for name, tensor in out.items()}
    for module, sides in fused.items():
        out[_name(module, "A")], out[_name(module, "B")] = _fused(sides, heads)
    return out, factor


def _fused(sides: Mapping[str, torch.Tensor], heads: Heads) -> tuple[torch.Tensor, torch.Tensor]:
    some_a = next(tensor for name, tensor in sides.items() if name.endswith("A"))
    rank = some_a.shape[0]
    some = next((name, tensor) for name, tensor in sides.items() if name.endswith("B"))
    dim = some[1].shape[0] // (heads.query if some[0] == "qB" else heads.key_value)
    rows = {"q": heads.query * dim, "k": heads.key_value * dim, "v": heads.key_value * dim}
    a = torch.cat([sides.get(f"{letter}A", torch.zeros_like(some_a)) for letter in "qkv"])
    blocks = []
    for place, letter in enumerate("qkv"):
        block = some[1].new_zeros(rows[letter], 3 * rank)
        if f"{letter}B" in sides:
            block[:, place * rank : (place + 1) * rank] = sides[f"{letter}B"]
        blocks.append(block)
    q, k, v = blocks
    return a, fuse_wqkv(q, k, v, heads.query, heads.key_value)


def _padded(tensor: torch.Tensor, side: str, factor: int) -> torch.Tensor:
    if factor == 1:
        return tensor
    rank_axis = 0 if side == "A" else 1
    zeros = torch.zeros_like(tensor)
    return torch.cat([tensor, *[zeros] * (factor - 1)], dim=rank_axis)


def _renamed(module: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if module == old or module.endswith(f".{old}"):
            return module.removesuffix(old) + new
    return module


def _parse(name: str) -> tuple[str, str]:
    match = _KEY.match(name)
    if match is None:
        raise UserError(t("`{name}` is no LoRA weight under PEFT's names", name=name))
    return match["module"], match["side"]


def _name(module: str, side: str) -> str:
    return f"base_model.model.{module}.lora_{side}.weight"
