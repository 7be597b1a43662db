"""Another `forward` for modules of the model library, where it computes the same and keeps less for the way back."""

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

import torch
from torch import Tensor

Forward = Callable[[Any, Tensor], Tensor]


def stand_in(modules: Iterable[Any], forward: Forward, width: Callable[[Any], int], dtype: torch.dtype) -> None:
    """Give `forward` to the modules whose own gives the same numbers; each class is tried once.

    `width` tells how wide a module's input is, `dtype` is the number format of the model.
    """
    known: dict[type, bool] = {}
    for module in modules:
        kind = type(module)
        if kind not in known:
            known[kind] = _same(module, forward, width, dtype)
        if known[kind]:
            module.forward = MethodType(forward, module)


def _same(module: Any, forward: Forward, width: Callable[[Any], int], dtype: torch.dtype) -> bool:
    try:
        x = torch.randn(1, 4, width(module), generator=torch.Generator().manual_seed(0))
        x = x.to(next(module.parameters()).device, dtype)
        with torch.no_grad():
            own, other = module(x), forward(module, x)
    except (AttributeError, TypeError):  # it has other names, or wants more than x
        return False
    return own.dtype == other.dtype and torch.equal(own, other)
