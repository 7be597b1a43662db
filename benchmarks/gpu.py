"""Training on a GPU: tokens a second, model FLOPs utilisation, peak memory, loss and gradient norm.

The FLOPs of a token, forward and backward, with frozen weights (a product forward, one backward to its input) and with
what is not counted said: lookups, norms, softmax, the recomputed half of gradient checkpointing, and the adapter's own
products, which are below one in a hundred.

    linear layers      2 x 2 x their parameters
    attention          2 x 2 x 2 x T/2 x heads x width a layer forward (scores and values, half of them masked), and
                       twice as much backward; T is the length of a record
    head               2 x 2 x words x width, at supervised tokens alone
"""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks import report
from weitiao.errors import UserError
from weitiao.model.loss import Pack, PackedLoss, pack
from weitiao.model.quantise import Quantised
from weitiao.model.template import Encoded
from weitiao.talk import t
from weitiao.train import Chosen, adapter, fit
from weitiao.train.loop import peak_memory

TOKENS, RECORD, WARM, STEPS = 4096, 512, 5, 20
# Dense bfloat16 FLOPs a second at the peak, from the makers' data sheets.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12, "3090": 71e12}


@dataclass(frozen=True)
class Case:
    """One measurement: a model's shape, the bits of its frozen weights, whether layers are compiled."""

    shape: str  # of `weitiao.train.fit.KNOWN`
    bits: Literal[4] | None
    compiled: bool


CASES = tuple(
    Case(shape, bits, compiled) for shape in ("1.8B", "8B") for bits in (None, 4) for compiled in (False, True)
)


def main(results: Path) -> None:
    """Measure all cases and write the results; UserError where there is no GPU."""
    if not torch.cuda.is_available():
        raise UserError(t("There is no GPU that torch can use"))
    found = []
    for case in CASES:
        torch.cuda.reset_peak_memory_stats()
        found.append(measure(fit.KNOWN[case.shape], case, "cuda", steps=STEPS))
        gc.collect()
        torch.cuda.empty_cache()
    text = "\n".join(["# Training on a GPU", "", table(found), ""])
    report.write(results, "train-gpu", text, {"machine": report.machine(), "cases": found})
    print(text)


def measure(config: LlamaConfig, case: Case, device: str, *, steps: int, tokens: int = TOKENS) -> dict[str, Any]:
    """Train a model of that shape, its weights random, on full packs; return the figures of the last `steps`."""
    settings = Chosen(max_length=tokens, bits=case.bits)
    model = _model(config, case, settings, device)
    items = [_pack(config.vocab_size, tokens, seed).to(device) for seed in range(2)]
    parameters = [value for _, value in adapter.trained(model)]
    optimizer = torch.optim.AdamW(parameters, settings.learning_rate, fused=device == "cuda")
    loss = PackedLoss(model).train()
    said = []
    start = time.monotonic()
    for step in range(WARM + steps):
        if step == WARM:
            _wait(device)
            start = time.monotonic()
        value = loss(items[step % 2]).mean()
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        said.append((value.detach(), norm.detach()))
    _wait(device)
    seconds = time.monotonic() - start
    done = [items[step % 2] for step in range(WARM, WARM + steps)]
    work = sum(flops(config, item) for item in done)
    peak = next(
        (value for name, value in PEAKS.items() if device == "cuda" and name in torch.cuda.get_device_name()), None
    )
    return {
        "shape": case.shape,
        "bits": case.bits or 16,
        "compiled": case.compiled,
        "tokens_per_second": sum(item.tokens for item in done) / seconds,
        "flops_per_token": work / sum(item.tokens for item in done),
        "mfu": work / seconds / peak if peak else None,
        "peak_gb": peak_memory(),
        "loss": [said[0][0].item(), said[-1][0].item()],
        "grad_norm": [said[0][1].item(), said[-1][1].item()],
    }


def flops(config: LlamaConfig, item: Pack) -> float:
    """Return the FLOPs of one pack, forward and backward, by the count at the head of this file."""
    linear = sum(one.inputs * one.outputs for one in fit.shape(config).linears)
    squares = float((item.borders.diff().double() ** 2).sum())
    attention = config.num_hidden_layers * 3 * 2 * 2 * config.hidden_size * squares / 2
    head = 4 * config.vocab_size * config.hidden_size * item.supervised
    return float(4 * linear * item.tokens + attention + head)


def table(found: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table of the measurements."""
    lines = [
        "| shape | bits | compiled | tokens/s | GFLOPs a token | MFU | peak GB | loss | gradient norm |",
        "|---" * 9 + "|",
    ]
    for one in found:
        mfu = "?" if one["mfu"] is None else f"{one['mfu']:.1%}"
        compiled = "yes" if one["compiled"] else "no"
        losses, norms = one["loss"], one["grad_norm"]
        lines.append(
            f"| {one['shape']} | {one['bits']} | {compiled} | {one['tokens_per_second']:,.0f} "
            f"| {one['flops_per_token'] / 1e9:.2f} | {mfu} | {one['peak_gb']:.1f} "
            f"| {losses[0]:.2f} → {losses[1]:.2f} | {norms[0]:.3f} → {norms[1]:.3f} |"
        )
    return "\n".join(lines)


def _model(config: LlamaConfig, case: Case, settings: Chosen, device: str) -> Any:
    """Make the model with its adapter; with 4 bits its layers are quantised one after the other."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model: Any = AutoModelForCausalLM.from_config(config)
    finally:
        torch.set_default_dtype(torch.float32)
    if case.bits:
        _quantise(model, device)
    tuned = adapter.lay(model, settings, "made", 0)
    if case.compiled:
        for layer in model.model.layers:  # attention breaks the graph, as it must: it reads where records end
            layer.mlp.compile()
            layer.input_layernorm.compile()
            layer.post_attention_layernorm.compile()
    return tuned


def _quantise(model: Any, device: str) -> None:
    """Put NF4 layers, double quantised as `Quantised` does, in the places of all linear layers but the head."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    kind = Quantised(4).config(torch.bfloat16)
    head = model.get_output_embeddings()
    for name, old in list(model.named_modules()):
        if isinstance(old, torch.nn.Linear) and old is not head:
            new = Linear4bit(
                old.in_features, old.out_features, False, torch.bfloat16, kind.bnb_4bit_use_double_quant, "nf4", "meta"
            )
            new.weight = Params4bit(
                old.weight.data.cpu(), False, quant_type="nf4", compress_statistics=kind.bnb_4bit_use_double_quant,
                module=new,
            )  # fmt: skip
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, new.to(device))
    model.is_loaded_in_4bit = True


def _pack(words: int, tokens: int, seed: int) -> Pack:
    """Lay records of equal length, four fifths of which carry loss, into one full row."""
    size = min(RECORD, tokens)
    draw = torch.Generator().manual_seed(seed)
    rows = [
        Encoded(
            torch.randint(words, (size,), generator=draw).tolist(), [place >= size // 5 for place in range(size)], 1, 1
        )
        for _ in range(tokens // size)
    ]
    return pack(rows, range(len(rows)))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
