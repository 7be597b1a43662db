"""LoRA layers that multiply in the number format of the model, as it is usual under autocast, and keep little.

PEFT multiplies in the format of the matrices A and B, which are trained and therefore float32: beside a bfloat16 model
that took half of the time of a step on a CPU, and a float32 copy of the input of every layer. And of a gated MLP only
its two halves are kept for the way back; their product is made again there, which is little work.
"""

from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.nn import functional

from weitiao.train import Train
from weitiao.train.stand_in import stand_in

Gate = Callable[[Tensor], Tensor]


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


def gate(model: nn.Module, dtype: torch.dtype) -> None:
    """Let each gated MLP whose last layer is ours hand it the two halves instead of their product.

    An MLP is known by the names of its layers and by what comes out of it: whatever computes something else stays.
    """
    gated = (one for one in model.modules() if {"gate_proj", "up_proj", "down_proj"} <= one._modules.keys())
    ours = (one for one in gated if isinstance(one.down_proj, _Narrow))
    stand_in(ours, _gated, lambda mlp: mlp.up_proj.in_features, dtype)


def _gated(mlp: Any, x: Tensor) -> Tensor:
    halves = mlp.gate_proj(x), mlp.up_proj(x)
    found: Tensor = mlp.down_proj.gated(*halves, mlp.act_fn)
    return found


class _Narrow(Linear):
    """A linear layer with its adapter; where the input is float32 already, PEFT's own."""

    def forward(self, x: Tensor, *args: Any, **rest: Any) -> Tensor:
        """Return (…, outputs) for x (…, inputs)."""
        if args or rest or self._is_for_peft(x):
            result: Tensor = super().forward(x, *args, **rest)
            return result
        return self._multiply(x)

    def gated(self, one: Tensor, other: Tensor, act: Gate) -> Tensor:
        """Return (…, outputs) for act(one) * other, both (…, inputs)."""
        if self._is_for_peft(one):
            found: Tensor = self(act(one) * other)
            return found
        return self._multiply(one, other, act)

    def _is_for_peft(self, x: Tensor) -> bool:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1 or x.dtype == torch.float32:
            return True
        # Under ZeRO-3 a weight is there only while its own layer runs.
        return not self.lora_A[self.active_adapters[0]].weight.numel()

    def _multiply(self, x: Tensor, other: Tensor | None = None, act: Gate | None = None) -> Tensor:
        (name,) = self.active_adapters
        a = self.lora_A[name].weight.to(x.dtype)
        b = (self.lora_B[name].weight * self.scaling[name]).to(x.dtype)
        base: Any = self.base_layer
        if (type(base) is nn.Linear or type(base).__name__ == "Linear4bit") and not base.weight.requires_grad:
            found: Tensor = _LowRank.apply(x, other, a, b, (base, act))  # type: ignore[no-untyped-call]
            return found
        if act is not None and other is not None:
            x = act(x) * other
        whole: Tensor = base(x)
        return whole + functional.linear(functional.linear(x, a), b)


class _LowRank(torch.autograd.Function):
    """y W^T + y A^T B^T + bias of a frozen layer, where y is x, or act(x) * other; W may be held in 4 bits."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, other: Tensor | None, a: Tensor, b: Tensor, around: tuple[Any, Gate | None]
    ) -> Tensor:
        base, ctx.act = around
        ctx.state = base.weight.quant_state if type(base).__name__ == "Linear4bit" else None
        y = x if ctx.act is None else ctx.act(x) * other
        inner = y.flatten(0, -2) @ a.T
        ctx.save_for_backward(x, other, inner, a, b, base.weight)
        bias = None if base.bias is None else base.bias.to(x.dtype)
        whole = functional.linear(y, _whole(base.weight, ctx.state, x.dtype), bias)
        whole.flatten(0, -2).addmm_(inner, b.T)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, other, inner, a, b, weight = ctx.saved_tensors
        out = gradients[0].flatten(0, -2)
        back = out @ b
        if ctx.act is None:
            y = x
        else:
            with torch.enable_grad():
                halves = x.detach().requires_grad_(), other.detach().requires_grad_()
                y = ctx.act(halves[0]) * halves[1]
        to_a, to_b = back.T @ y.detach().flatten(0, -2), out.T @ inner
        to_x: Tensor | None = None
        to_other: Tensor | None = None
        if ctx.needs_input_grad[0]:
            to_x = (out @ _whole(weight, ctx.state, x.dtype)).addmm_(back, a).view_as(x)
            if ctx.act is not None:
                to_x, to_other = torch.autograd.grad(y, halves, to_x)
        return to_x, to_other, to_a, to_b, None


def _whole(weight: Tensor, state: Any, dtype: torch.dtype) -> Tensor:
    """Return the weight (outputs, inputs), made whole where it is held in 4 bits."""
    if state is None:
        return weight
    from bitsandbytes.functional import dequantize_4bit

    found: Tensor = dequantize_4bit(weight, state).to(dtype)
    return found
