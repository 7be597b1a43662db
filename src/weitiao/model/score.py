"""Losses of given texts: held-out loss, the loss of each record, the likelihood of a reference answer."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from weitiao.model.batch import evaluating
from weitiao.model.loss import PackedLoss, pack
from weitiao.model.template import Encoded, Messages, Template


def losses(model: Any, encoded: Sequence[Encoded], batch_tokens: int) -> list[tuple[float, int]]:
    """Return, a record, the loss summed over its supervised tokens in nats, and their number.

    Records of like length are packed into rows of at most `batch_tokens`; each sees only itself.
    """
    return [(math.fsum(each), len(each)) for each in token_losses(model, encoded, batch_tokens)]


def token_losses(model: Any, encoded: Sequence[Encoded], batch_tokens: int) -> list[list[float]]:
    """Return, a record, the loss of each of its supervised tokens in nats."""
    found: list[list[float]] = [[] for _ in encoded]
    measure = PackedLoss(model)
    for rows in rows_of(encoded, batch_tokens):
        item = pack(encoded, rows).to(model.device)
        with evaluating(measure):
            each = measure(item).double().tolist()
        for owner, loss in zip(item.owners.tolist(), each, strict=True):
            found[rows[owner]].append(loss)
    return found


def row_losses(
    measure: Any, encoded: Sequence[Encoded], rows: Sequence[int], device: torch.device
) -> list[tuple[int, float, int]]:
    """Return (record, loss, supervised tokens) for each of `rows` of `encoded`, packed into one row."""
    item = pack(encoded, rows).to(device)
    with evaluating(measure):
        each = measure(item).double()
    sums = torch.zeros(len(rows), dtype=torch.float64, device=each.device).index_add_(0, item.owners, each)
    counts = torch.bincount(item.owners, minlength=len(rows))
    return list(zip(rows, sums.tolist(), counts.tolist(), strict=True))


def answer_only(template: Template, messages: Messages) -> Encoded:
    """Return the tokens of a conversation with loss on its last answer alone."""
    return template.encode(messages, "last")


def rows_of(encoded: Sequence[Encoded], batch_tokens: int) -> list[list[int]]:
    """Return indices, row by row, the longest first, each row within `batch_tokens` if it holds more than one."""
    lengths = [len(item.ids) for item in encoded]
    rows: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not rows or lengths[index] > room:
            rows.append([])
            room = batch_tokens
        rows[-1].append(index)
        room -= lengths[index]
    return rows
