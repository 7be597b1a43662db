"""What a training takes in memory, by arithmetic on the model's shape, and what fits into a machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig

from weitiao.model import internlm2
from weitiao.model.loss import chunk_rows
from weitiao.train import Chosen, Train, narrow
from weitiao.train.machine import BLOCK

# Python, torch, transformers, PEFT and the records, with no model loaded. [measured: 0.56 GB on Linux, CPU build]
LIBRARIES = 0.57e9
# What a first step takes beside: code that is read, buffers of the products. [measured, on a CPU]
_STARTED = 25e6
# How much of the heap a kept byte takes on a CPU: what is freed between the kept tensors leaves holes. By the bytes of
# a number, and for full fine-tuning, which makes no copies for adapters. [measured; a GPU's allocator leaves none, and
# blocks of machine.BLOCK bytes and more are not in the heap]
_HEAP = {2: 2.0, 4: 3.4}
_HEAP_FULL = 2.2
# With activations computed twice, the heap that one layer's come and go in, in tensors of the hidden width: the same
# holes, again by the bytes of a number. Products in int8 leave larger ones.
_COMING = {2: 70, 4: 165}
_COMING_INT8 = 110
_COMING_EXPERTS = 285
# Bytes a weight in 4 bits, with the scales of its blocks of 64: in float32, or quantised again in blocks of 256.
_NF4 = {False: 0.5 + 4 / 64, True: 0.5 + 1 / 64 + 4 / 64 / 256}


@dataclass(frozen=True)
class Linear:
    """One linear layer but the head."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Shape:
    """What of a model its memory depends on."""

    parameters: int
    linears: tuple[Linear, ...]  # all but the head
    layers: int
    hidden: int
    inner: int  # of all experts that see a token
    experts: bool
    query: int
    key_value: int
    vocabulary: int


# Shapes to tell what fits where no model is named.
KNOWN = {
    "0.5B": LlamaConfig(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
        num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=True),
    "1.8B": LlamaConfig(vocab_size=92544, hidden_size=2048, intermediate_size=8192, num_hidden_layers=24,
        num_attention_heads=16, num_key_value_heads=8),
    "8B": LlamaConfig(vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=8),
}  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """The numbers that are not quantised: their bytes, whether products are narrower, and where they are."""

    itemsize: int
    autocast: bool = False
    gpu: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of training."""

    weights: float
    trained: float  # adapters with their gradients and AdamW's moments; with method full the moments
    activations: float  # of one pack, kept for the backward pass
    working: float  # logits of a chunk, gradients on their way, a layer's weights made whole again

    @property
    def total(self) -> float:
        """All of it, with the libraries."""
        return self.weights + self.trained + self.activations + self.working + LIBRARIES


def shape(config: PretrainedConfig, *, code: bool = False) -> Shape:
    """Return the shape of the model that this configuration describes, by its own code or not; no weight is made."""
    internlm2.register()
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=code)
    text = config.get_text_config()
    head = model.get_output_embeddings()
    linears = [
        Linear(name, module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    ]
    known = text.to_dict()
    heads = text.num_attention_heads
    experts = known.get("moe_intermediate_size") and known.get("num_experts_per_tok")
    inner = experts * known["moe_intermediate_size"] if experts else known.get("intermediate_size")
    width = known.get("head_dim") or text.hidden_size // heads
    return Shape(
        parameters=sum(value.numel() for value in model.parameters()),
        linears=tuple(linears),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        inner=inner or 4 * text.hidden_size,
        experts=bool(experts),
        query=heads * width,
        key_value=(known.get("num_key_value_heads") or heads) * width,
        vocabulary=text.vocab_size,
    )


def memory(model: Shape, settings: Chosen, tokens: int, numbers: Numbers) -> Memory:
    """Return what training takes; `tokens` is the largest pack."""
    itemsize = numbers.itemsize
    full = settings.method == "full"
    inside = sum(one.inputs * one.outputs for one in model.linears)
    largest = max(one.inputs * one.outputs for one in model.linears)
    weights = float(model.parameters * itemsize)
    whole = 0.0  # weights made whole, or narrow, for a product
    if settings.bits:
        stored = _NF4[settings.double_quant] if settings.bits == 4 else 1.0
        weights += inside * (stored - itemsize)
        whole = float(2 * largest * itemsize)
    gradients = itemsize * model.parameters if full else 0
    trained = 2 * gradients if full else 16 * adapter_size(model, settings)
    if settings.accumulate > 1:
        trained, gradients = trained + gradients, 0
    if numbers.autocast:
        whole = 2.0 * model.parameters
    heap, coming = _heap(model, settings, numbers)

    def held(widths: Sequence[float], holes: float) -> float:
        """Return the bytes that tensors of so many bytes a token take."""
        return sum(tokens * one * (holes if tokens * one < BLOCK else 1) for one in widths)

    layer, states = _layer(model, settings, numbers), float(model.hidden * itemsize)
    kept = model.layers * held(layer, heap)
    if settings.gradient_checkpointing:
        small = tokens * states < BLOCK and not numbers.gpu
        kept = model.layers * held([states], heap) + (tokens * states * coming if small else held(layer, 1))
    if settings.bits == 8:  # bitsandbytes keeps the inputs where gradient checkpointing does not see them (0.50)
        inputs = [states, states, float(itemsize * model.query), float(itemsize * model.inner)]
        kept += model.layers * held(inputs, heap)
    back = 4 * (2 * model.inner + 2 * model.hidden)  # gradients of the MLP on their way
    logits = float((2 if numbers.autocast else itemsize) * chunk_rows(model.vocabulary) * model.vocabulary)
    head = 4.0 * model.vocabulary * model.hidden if full else 0.0
    if settings.new_tokens and not full:  # PEFT lays the trained rows on a copy, and their gradient is one of all rows
        head = (3 * itemsize + 4.0) * model.vocabulary * model.hidden
    working = tokens * back + logits + whole + head + (0 if numbers.gpu else _STARTED)
    # With method full, all gradients are there when the pack's activations no longer are.
    return Memory(weights, float(trained), kept, max(working, gradients - kept))


def _heap(model: Shape, settings: Chosen, numbers: Numbers) -> tuple[float, float]:
    """Return how much of the heap a kept byte takes, and in hidden widths what one layer computed twice does."""
    if numbers.gpu:
        return 1.0, 0.0
    size = numbers.itemsize
    coming = _COMING_INT8 if settings.bits == 8 else _COMING_EXPERTS if model.experts else _COMING[size]
    return _HEAP_FULL if settings.method == "full" else _HEAP[size], coming


def adapter_size(model: Shape, settings: Chosen) -> int:
    """Return how many parameters the adapter has."""
    wanted = settings.targets if isinstance(settings.targets, list) else [settings.targets]
    return sum(
        settings.r * (one.inputs + one.outputs)
        for one in model.linears
        if wanted == ["all-linear"] or one.name.endswith(tuple(wanted))
    )


def _layer(model: Shape, settings: Chosen, numbers: Numbers) -> list[float]:
    """Return, of each tensor that one layer keeps, the bytes for a token.

    Attention keeps its three inputs and its output, the gated MLP its two halves; where the layers are not `narrow`'s,
    the gate's activation and the product too. The norms and, in most adapters, each linear layer keep their input in
    float32: a copy of its own where the model is narrower.
    """
    h, m, q, kv = model.hidden, model.inner, model.query, model.key_value
    size = 2 if numbers.autocast else numbers.itemsize
    attention = [size * q, size * q, size * kv, size * kv]
    if settings.method != "full" and numbers.itemsize < 4 and narrow.suits(settings):
        inner = [*4 * [size * m], *4 * [size * h]] if model.experts else 2 * [size * m]
        return [*attention, *4 * [size * h], *inner, *7 * [size * settings.r]]
    kept: list[float] = [*attention, *3 * [size * m]]
    if settings.method == "full":
        return [*kept, *4 * [4 * h], *2 * [size * h], size * q, size * m]
    copies = 7 if numbers.itemsize < 4 else 4
    kept += [*copies * [4 * h], 4 * q, 4 * m, *7 * [4 * settings.r]]
    if settings.method == "dora":  # scales what the weights and what the adapter gave: both are kept
        kept += [(size + 4) * one for one in (q, kv, kv, m, m, h, h)]
    return kept


@dataclass(frozen=True)
class Choice:
    """What was chosen for the settings that were left at auto, why, and what the training then takes."""

    bits: int | None
    gradient_checkpointing: bool
    memory: Memory
    reason: str
    fits: bool


# Of the memory that is free, what training may plan with.
SHARE = 0.9
_REASONS = {
    (None, False): "all fits as it is",
    (None, True): "activations do not fit: they are computed twice",
    (4, False): "the weights do not fit: they are held in 4 bits",
    (4, True): "neither weights nor activations fit: 4 bits, and activations are computed twice",
}


def choose(model: Shape, settings: Train, tokens: int, numbers: Numbers, free: float) -> Choice:
    """Choose bits and gradient checkpointing where they are auto: the first that fits `free` bytes, else the least.

    What changes no result comes first, then what is quick.
    """
    frozen = settings.method not in ("full", "pissa") and find_spec("bitsandbytes") is not None
    bits = ([None, 4] if frozen else [None]) if settings.bits == "auto" else [settings.bits]
    again = [False, True] if settings.gradient_checkpointing == "auto" else [settings.gradient_checkpointing]
    found = []
    for some in bits:
        for twice in again:
            tried = Chosen.of(settings, {"bits": some, "gradient_checkpointing": twice})
            needed = memory(model, tried, tokens, numbers)
            fits = needed.total <= SHARE * free
            reason = _reason(settings, some, bool(twice))
            found.append(Choice(some, bool(twice), needed, reason, fits))
    return next((one for one in found if one.fits), min(found, key=lambda one: one.memory.total))


def _reason(settings: Train, bits: int | None, twice: bool) -> str:
    """Return why these; a choice is explained only where there was one."""
    bits_left, twice_left = settings.bits == "auto", settings.gradient_checkpointing == "auto"
    chosen = (bits if bits_left else None, twice and twice_left)
    if (bits_left or twice_left) and (any(chosen) or chosen == (bits, twice)):
        return _REASONS[chosen]
    return "as set"
