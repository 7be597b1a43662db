"""LoRA layers that multiply in the number format of the model, as it is usual under autocast.

PEFT multiplies in the format of the matrices A and B, which are trained and therefore float32: beside a bfloat16 model
that took half of the time of a step on a CPU, and a float32 copy of the input of every layer.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.nn import functional

from weitiao.train import Train


def suits(settings: Train) -> bool:
    """Tell whether these layers compute what is wanted: plain LoRA without dropout.

    DeepSpeed gathers split weights where PEFT's layers are called, and nowhere else.
    """
    return settings.method in ("lora", "rslora") and not settings.dropout and not settings.deepspeed


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
        if not self.lora_A[name].weight.numel():  # under ZeRO-3 a weight is there only while its own layer runs
            found: Tensor = super().forward(x)
            return found
        base, weight = self.base_layer, None
        a = self.lora_A[name].weight.to(x.dtype)
        b = (self.lora_B[name].weight * self.scaling[name]).to(x.dtype)
        if type(base) is nn.Linear and not base.weight.requires_grad:
            weight, whole = base.weight, functional.linear(x.detach(), base.weight, base.bias)
        else:
            whole = base(x)
        result = _LowRank.apply(whole, x, a, b, weight)  # type: ignore[no-untyped-call]
        return result


class _LowRank(torch.autograd.Function):
    """whole + x A^T B^T; where `whole` is x times a frozen `weight`, its gradient goes to x here, in the same sum."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, x: Tensor, a: Tensor, b: Tensor, weight: Tensor | None) -> Tensor:
        inner = x.flatten(0, -2) @ a.T
        ctx.save_for_backward(x, inner, a, b, weight)
        rows = whole.flatten(0, -2)
        add = rows.addmm if weight is None else rows.addmm_  # what was made for this alone may be changed
        return add(inner, b.T).view_as(whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, inner, a, b, weight = ctx.saved_tensors
        out = gradients[0].flatten(0, -2)
        back = out @ b
        to_a, to_b, to_x = back.T @ x.flatten(0, -2), out.T @ inner, None
        if ctx.needs_input_grad[1]:
            to_x = (back @ a if weight is None else (out @ weight).addmm_(back, a)).view_as(x)
        return gradients[0] if weight is None else None, to_x, to_a, to_b, None
