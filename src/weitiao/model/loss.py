"""The loss of packed records: logits only where a token carries loss, cross-entropy in chunks, one loss a token."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from peft.utils import TrainableTokensWrapper
from torch import Tensor, nn
from torch.nn import functional

from weitiao.model import attention
from weitiao.model.load import base_of
from weitiao.model.template import Encoded

# Logits of a chunk: 32 MB in bfloat16. With 92,544 words all at once would be 185 KB a token.
CHUNK = 2**24
# Logits of which the softmax is computed at a time on a CPU, in float32: 2 MB.
_CACHED = 2**19
# Tokens of a chunk: enough to keep the head's product busy; more of a small vocabulary would only leave the cache.
_ROWS = 256


@dataclass(frozen=True)
class Pack:
    """Records laid end to end in one row of T tokens, N records, S tokens that carry loss."""

    records: tuple[int, ...]  # which records, N
    ids: Tensor  # (1, T)
    positions: Tensor  # (1, T), from 0 in each record
    borders: Tensor  # (N + 1) where records begin and end, int32
    longest: int
    places: Tensor  # (S) the token before each one that carries loss
    targets: Tensor  # (S) the token that carries loss
    owners: Tensor  # (S) which of the N records it belongs to

    @property
    def tokens(self) -> int:
        """How many tokens the row has."""
        return self.ids.shape[1]

    @property
    def supervised(self) -> int:
        """How many of them carry loss."""
        return self.targets.shape[0]

    def to(self, device: torch.device | str) -> "Pack":
        """Return the pack on `device`."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Pack(self.records, longest=self.longest, **moved)


def pack(encoded: Sequence[Encoded], records: Sequence[int]) -> Pack:
    """Lay the `records` of `encoded` end to end.

    The first token of a record has nothing before it that could predict it: it never carries loss.
    """
    chosen = [encoded[index] for index in records]
    borders = [0]
    for item in chosen:
        borders.append(borders[-1] + len(item.ids))
    ids = [token for item in chosen for token in item.ids]
    marks = [
        (start + place, owner)
        for owner, (start, item) in enumerate(zip(borders, chosen, strict=False))
        for place in range(1, len(item.ids))
        if item.mask[place]
    ]
    return Pack(
        records=tuple(records),
        ids=torch.tensor([ids]),
        positions=torch.tensor([[place for item in chosen for place in range(len(item.ids))]]),
        borders=torch.tensor(borders, dtype=torch.int32),
        longest=max(len(item.ids) for item in chosen),
        places=torch.tensor([place - 1 for place, _ in marks], dtype=torch.long),
        targets=torch.tensor([ids[place] for place, _ in marks], dtype=torch.long),
        owners=torch.tensor([owner for _, owner in marks], dtype=torch.long),
    )


@dataclass(frozen=True)
class Noise:
    """NEFTune's noise on the embeddings (arXiv 2310.05914): uniform, `alpha` / sqrt(tokens x width) at most.

    It depends on `seed`, on the record's number and on nothing else: packing and resuming change nothing.
    """

    alpha: float
    seed: str

    def on(self, states: Tensor, item: Pack) -> Tensor:
        """Return the embeddings (1, T, D) of a pack with the noise of each of its records on them."""
        made = []
        for record, (start, end) in zip(item.records, pairwise(item.borders.tolist()), strict=True):
            digest = hashlib.blake2b(f"{self.seed}/{record}".encode(), digest_size=7).digest()
            draw = torch.Generator(states.device).manual_seed(int.from_bytes(digest))
            one = torch.rand(end - start, states.shape[2], generator=draw, device=states.device)
            made.append((one * 2 - 1) * (self.alpha / (one.numel() ** 0.5)))
        return states + torch.cat(made)[None].to(states.dtype)


class PackedLoss(nn.Module):
    """A model that gives the loss of each supervised token of a pack."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        base: Any = base_of(model)
        base.set_attn_implementation(attention.NAME)
        stated = base.config.get_text_config().to_dict()
        # Cohere multiplies its logits by a number, Granite divides, Gemma bends them: https://arxiv.org/abs/2408.00118
        self.scale = float(stated.get("logit_scale") or 1) / float(stated.get("logits_scaling") or 1)
        self.cap: float | None = stated.get("final_logit_softcapping")

    def forward(self, item: Pack, noise: Noise | None = None) -> Tensor:
        """Return the (S) losses in float32."""
        base: Any = base_of(self.model)
        tokens = {"input_ids": item.ids}
        if noise is not None:
            tokens = {"inputs_embeds": noise.on(base.get_input_embeddings()(item.ids), item)}
        hidden = base.get_decoder()(
            **tokens,
            position_ids=item.positions,
            use_cache=False,
            cu_seq_lens_q=item.borders,
            max_length_q=item.longest,
        ).last_hidden_state[0, item.places]
        head = base.get_output_embeddings()
        weight = head.weight if torch.is_grad_enabled() else head.weight.detach()
        bias = None if isinstance(head, TrainableTokensWrapper) else head.bias
        return cross_entropy(hidden * self.scale, weight, bias, item.targets, self.cap)


def deviation(model: Any, some: Sequence[Encoded]) -> float:
    """Return how far the losses of records in one pack are at most from those of each alone, by the model's own head.

    It is rounding, unless the model's attention does not heed the borders, or its head does more than multiply.
    """
    training = model.training
    model.eval()
    found = [0.0]
    with torch.no_grad():
        base_of(model).set_attn_implementation("eager")  # the library's plainest: whatever the model has, it computes
        alone = [_alone(model, one) for one in some]
        item = pack(some, range(len(some))).to(model.device)
        together = PackedLoss(model)(item)
        for owner, losses in enumerate(alone):
            found.append((losses - together[item.owners == owner]).abs().max().item())
    model.train(training)
    return max(found)


def _alone(model: Any, one: Encoded) -> Tensor:
    ids = torch.tensor(one.ids, device=model.device)
    logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0].float()
    return functional.cross_entropy(logits, ids[1:], reduction="none")[torch.tensor(one.mask[1:], device=ids.device)]


def cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, cap: float | None = None
) -> Tensor:
    """Return the (S) cross-entropies of `targets` (S) under the logits hidden (S, D) x weight (V, D) + bias.

    With `cap` the logits z are bent to cap * tanh(z / cap).

    Chunk by chunk, so that no (S, V) logits stand in memory. Where the head is frozen, the gradient to `hidden` is made
    in the same pass; where it is trained, the backward pass computes the logits once more.
    """
    losses: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, cap)  # type: ignore[no-untyped-call]
    return losses


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, cap: float | None
    ) -> Tensor:
        ctx.trained, ctx.cap = any(ctx.needs_input_grad[1:3]), cap
        needed = ctx.needs_input_grad[0] and not ctx.trained
        states, matrix = hidden.to(_format(hidden)), weight.to(_format(hidden))
        losses = hidden.new_empty(len(targets), dtype=torch.float32)
        gradient = torch.empty_like(states) if needed else None
        for rows, logits in _logits(states, matrix, bias):
            losses[rows] = _softmax(logits, targets[rows], cap)
            if gradient is not None:
                torch.mm(logits, matrix, out=gradient[rows])
        if ctx.trained:
            ctx.save_for_backward(states, weight, bias, targets)
        else:
            ctx.save_for_backward(gradient)
        ctx.format = hidden.dtype
        return losses

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        if ctx.trained:
            states, weight, bias, targets = ctx.saved_tensors
            back, to_weight, to_bias = _all_gradients(states, weight, bias, targets, outputs[0], ctx.cap)
            return back.to(ctx.format), to_weight, to_bias, None, None
        (gradient,) = ctx.saved_tensors
        return (gradient * outputs[0][:, None]).to(ctx.format), None, None, None, None


def _format(hidden: Tensor) -> torch.dtype:
    """Return the number format of the products: that of the states, or autocast's."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def _all_gradients(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, shares: Tensor, cap: float | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients to `states`, `weight` and `bias`; `shares` (S) is the gradient to each loss."""
    matrix, to_states = weight.to(states.dtype), torch.empty_like(states)
    to_weight = torch.zeros_like(weight, dtype=torch.float32)
    to_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
    for rows, logits in _logits(states, matrix, bias):
        _softmax(logits, targets[rows], cap, shares[rows])
        torch.mm(logits, matrix, out=to_states[rows])
        to_weight += logits.T @ states[rows]
        if to_bias is not None:
            to_bias += logits.sum(0, dtype=torch.float32)
    return to_states, to_weight.to(weight.dtype), to_bias


def chunk_rows(vocabulary: int) -> int:
    """Return how many tokens' logits are computed at a time."""
    return max(1, min(_ROWS, CHUNK // vocabulary))


def _logits(states: Tensor, matrix: Tensor, bias: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Yield which rows, and their logits (C, V): in memory that the next chunk takes over."""
    size = min(chunk_rows(len(matrix)), len(states))
    buffer = states.new_empty(size, len(matrix))
    for start in range(0, len(states), size or 1):
        rows = slice(start, min(start + size, len(states)))
        logits = torch.mm(states[rows], matrix.T, out=buffer[: rows.stop - start])
        yield rows, logits if bias is None else logits.add_(bias)


def _softmax(logits: Tensor, targets: Tensor, cap: float | None, shares: Tensor | None = None) -> Tensor:
    """Return the losses (C) in float32, and turn the logits, in place, into the gradient to them.

    The gradient is the softmax less one at the target, times `shares` (C). On a CPU it is computed for so few tokens
    at a time that their numbers stay in the cache.
    """
    block = len(logits) if logits.is_cuda else max(1, _CACHED // logits.shape[1])
    losses = []
    for start in range(0, len(logits), block):
        some = slice(start, start + block)
        wide, target = logits[some].float(), targets[some, None]
        bent = None
        if cap:
            bent = wide.div_(cap).tanh_()
            wide = bent * cap
        top = wide.amax(-1, keepdim=True)
        wide.sub_(top)
        chosen = wide.gather(1, target)
        total = wide.exp_().sum(-1, keepdim=True)
        losses.append((total.log() - chosen)[:, 0])
        wide.div_(total).scatter_add_(1, target, torch.full_like(chosen, -1))
        if bent is not None:
            wide *= 1 - bent**2
        if shares is not None:
            wide *= shares[some, None]
        logits[some] = wide
    return torch.cat(losses)
