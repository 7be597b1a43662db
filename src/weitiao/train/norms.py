"""Root mean square norms whose weight is frozen: they keep their input as it came, and no float32 copy of it.

The library's keep one, and make several on the way, whose holes the heap of a CPU seldom fills again.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from weitiao.train.stand_in import stand_in

# Numbers at a time on a CPU: in float32 they stay in the cache.
_CACHED = 2**17


def slim(model: nn.Module, dtype: torch.dtype) -> None:
    """Let the frozen norms of the model keep less, those that compute what `_norm` does."""
    norms = (one for one in model.modules() if type(one).__name__.endswith("RMSNorm"))
    frozen = (one for one in norms if not any(weight.requires_grad for weight in one.parameters()))
    stand_in(frozen, _norm, lambda norm: len(norm.weight), dtype)


def _norm(module: Any, x: Tensor) -> Tensor:
    """Return x (…, D), each row divided by the root of its mean square, times the weight."""
    found: Tensor = _Norm.apply(x, module.weight, module.variance_epsilon)  # type: ignore[no-untyped-call]
    return found


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, small: float) -> Tensor:
        out, inverse = x.new_empty(x.shape), x.new_empty(*x.shape[:-1], 1, dtype=torch.float32)
        for some, to, one in _blocks(x, out, inverse):
            wide = some.float()
            torch.rsqrt(wide.square().mean(-1, keepdim=True).add_(small), out=one)
            torch.mul(wide.mul_(one).to(x.dtype), weight, out=to)
        ctx.save_for_backward(x, weight, inverse)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        x, weight, inverse = ctx.saved_tensors
        to_x = x.new_empty(x.shape)
        for some, given, to, one in _blocks(x, gradients[0], to_x, inverse):
            normed, back = some.float().mul_(one), (given * weight).float()
            to.copy_(back.sub_(normed.mul_((back * normed).mean(-1, keepdim=True))).mul_(one))
        return to_x, None, None


def _blocks(x: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield rows of x (…, D), and the same of the others: all at once, but on a CPU as many as the cache holds."""
    flat = [one.flatten(0, -2) for one in (x, *others)]
    rows = max(1, len(flat[0]) if x.is_cuda else _CACHED // x.shape[-1])
    return zip(*(one.split(rows) for one in flat), strict=True)
