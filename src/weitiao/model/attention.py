"""Attention for packed rows: each record sees only itself, whatever mask or cache the model library has in mind."""

from itertools import pairwise
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from weitiao.errors import UserError
from weitiao.model.segments import attend
from weitiao.talk import t

NAME = "weitiao_packed"


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally inside each segment of a row; (1, heads, T, width) in, (1, T, heads, width) out.

    `cu_seq_lens_q` holds where segments begin and end. Without it, or with a mask, this is plain attention, as
    generating needs. The library's own way to keep segments apart is lost, silently, as soon as somebody passes a mask
    of ones or leaves the cache on (transformers 5.17 and 5.23). The mask of a sliding window holds the segments too.
    Raises UserError for what this does not compute.
    """
    if odd := [name for name in ("softcap", "s_aux", "position_bias") if rest.get(name) is not None]:
        raise UserError(
            t("The attention of this model has `{name}`, which training does not know", name=odd[0]),
            t("Its architecture is not supported yet"),
        )
    borders = rest.pop("cu_seq_lens_q", None)
    if borders is None or attention_mask is not None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
        return output, None
    if query.is_cuda and query.dtype != torch.float32 and not rest.get("dropout"):
        groups = query.shape[1] // key.shape[1]
        wide = (query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1))
        q, k, v = (states[0].transpose(0, 1) for states in wide)  # (T, heads, width)
        longest = rest["max_length_q"]
        found = varlen_attn(q, k, v, borders, borders, longest, longest, scale=rest.get("scaling"), window_size=(-1, 0))
        assert isinstance(found, torch.Tensor)
        return found[None], None
    ends = borders.tolist()
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and not rest.get("dropout"):
        scale = rest.get("scaling") or query.shape[-1] ** -0.5
        return attend(query, key, value, ends, scale).transpose(1, 2), None
    pieces = [
        sdpa_attention_forward(module, query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], None, **rest)[0]
        for a, b in pairwise(ends)
    ]
    return torch.cat(pieces, dim=1), None


def packed_mask(*args: Any, **rest: Any) -> torch.Tensor | None:
    """Return no mask where `packed_attention` needs none: no padding, no cache, no window shorter than the row."""
    plain = rest.get("attention_mask") is None and rest["q_length"] == rest["kv_length"]
    window = rest.get("local_size")
    if plain and (window is None or window >= rest["q_length"]):
        return None
    mask: torch.Tensor | None = sdpa_mask(*args, **rest)
    return mask


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, packed_mask)
