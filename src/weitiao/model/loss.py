"""The loss of packed records: logits only where a token carries loss, cross-entropy in chunks, one loss a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from weitiao.model import attention
from weitiao.model.load import base_of
from weitiao.model.template import Encoded

# Logits of a chunk, in float32: 64 MB. With 92,544 words all at once would be 370 KB a token.
_CHUNK = 2**24


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

    def forward(self, item: Pack) -> Tensor:
        """Return the (S) losses in float32; the head must be frozen."""
        base: Any = base_of(self.model)
        hidden = base.get_decoder()(
            input_ids=item.ids,
            position_ids=item.positions,
            use_cache=False,
            cu_seq_lens_q=item.borders,
            max_length_q=item.longest,
        ).last_hidden_state[0, item.places]
        head = base.get_output_embeddings()
        weight = head.weight if torch.is_grad_enabled() else head.weight.detach()
        return cross_entropy(hidden * self.scale, weight, head.bias, item.targets, self.cap)


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

    Chunk by chunk, so that no (S, V) logits stand in memory; the gradient to `hidden` is made in the same pass, and
    there is none to `weight`.
    """
    if weight.requires_grad and torch.is_grad_enabled():
        raise AssertionError("the chunked cross-entropy has no gradient for the head: freeze it")
    losses: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, cap)  # type: ignore[no-untyped-call]
    return losses


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, cap: float | None
    ) -> Tensor:
        needed = ctx.needs_input_grad[0]
        rows = max(1, _CHUNK // weight.shape[0])
        losses, gradients = [hidden.new_empty(0, dtype=torch.float32)], [hidden[:0]]
        for part, target in zip(hidden.split(rows), targets.split(rows), strict=True):
            if not len(target):
                break
            logits = functional.linear(part, weight, bias).float()
            bent = logits.div_(cap).tanh_() if cap else None
            logits = bent * cap if cap and bent is not None else logits  # a copy: the gradient needs both
            total = logits.logsumexp(-1, keepdim=True)
            losses.append((total - logits.gather(1, target[:, None]))[:, 0])
            if needed:
                share = logits.sub_(total).exp_()  # softmax; minus one at the target it is the gradient to the logits
                share[torch.arange(len(target), device=share.device), target] -= 1
                if bent is not None:
                    share *= 1 - bent**2
                gradients.append(share.to(weight.dtype) @ weight)
        ctx.save_for_backward(torch.cat(gradients) if needed else None)
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * outputs[0][:, None]).to(gradient.dtype), None, None, None, None
