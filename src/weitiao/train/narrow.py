"""LoRA layers that multiply in the number format of the model, as it is usual under autocast.

PEFT multiplies in the format of the matrices A and B, which are trained and therefore float32: beside a bfloat16 model
that took half of the time of a step on a CPU, and a float32 copy of the input of every layer.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import Tensor, nn

from weitiao.train import Train


def suits(settings: Train) -> bool:
    """Tell whether these layers compute what is wanted: plain LoRA without dropout."""
    return settings.method in ("lora", "rslora") and not settings.dropout


def register(config: LoraConfig, settings: Train) -> None:
    """Let PEFT lay these layers instead of its own, where they suit."""
    if not suits(settings):
        return
    kinds: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: _Narrow}
    if settings.bits in (4, 8):
        from bitsandbytes.nn import Linear4bit, Linear8bitLt

        kinds = {Linear4bit: _Narrow, Linear8bitLt: _Narrow, **kinds}
    config._register_custom_module(kinds)


class _Narrow(Linear):
    """A linear layer with its adapter; where the input is float32 already, PEFT's own."""

    def forward(self, x: Tensor, *args: Any, **rest: Any) -> Tensor:
        """Return (…, outputs) for x (…, inputs)."""
        plain = self.disable_adapters or self.merged or len(self.active_adapters) != 1 or args or rest
        if plain or x.dtype == torch.float32:
            result: Tensor = super().forward(x, *args, **rest)
            return result
        (name,) = self.active_adapters
        a, b = self.lora_A[name].weight, self.lora_B[name].weight
        if not a.numel():  # under ZeRO-3 a weight is there only while its own layer runs
            found: Tensor = super().forward(x)
            return found
        whole = self.base_layer(x)
        result = _LowRank.apply(whole, x, a, b, self.scaling[name])  # type: ignore[no-untyped-call]
        return result


class _LowRank(torch.autograd.Function):
    """whole + scale * x A^T B^T, with products in the format of x and gradients to A and B in their own."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        rows = x.flatten(0, -2)
        inner = rows @ a.to(x.dtype).T
        ctx.save_for_backward(x, inner, a, b)
        ctx.scale = scale
        return whole.flatten(0, -2).addmm(inner, b.to(x.dtype).T, alpha=scale).view_as(whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor, None]:
        x, inner, a, b = ctx.saved_tensors
        (gradient,) = gradients
        out = gradient.flatten(0, -2)
        back = (out @ b.to(out.dtype)) * ctx.scale
        to_x = (back @ a.to(out.dtype)).view_as(x) if ctx.needs_input_grad[1] else None
        to_a = (back.T @ x.flatten(0, -2)).to(a.dtype)
        to_b = ((out.T @ inner) * ctx.scale).to(b.dtype)
        return gradient, to_x, to_a, to_b, None
