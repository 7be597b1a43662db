"""The order of training: which records are packed together, in which step, in each epoch."""

import bisect
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from weitiao.train import Chosen


@dataclass(frozen=True)
class Step:
    """One optimizer step: its packs of records, and where in the epochs it ends."""

    packs: tuple[tuple[int, ...], ...]
    epoch: float
    ends_epoch: bool


def best_fit(lengths: Sequence[int], order: Sequence[int], room: int) -> list[list[int]]:
    """Pack records whole, in `order`, each into the fullest pack that still has room for it."""
    packs: list[list[int]] = []
    free: list[tuple[int, int]] = []  # room left, pack; sorted
    for index in order:
        at = bisect.bisect_left(free, (lengths[index], -1))
        left, pack = free.pop(at) if at < len(free) else (room, len(packs))
        if pack == len(packs):
            packs.append([])
        packs[pack].append(index)
        bisect.insort(free, (left - lengths[index], pack))
    return packs


def steps(lengths: Sequence[int], settings: Chosen, seed: int) -> list[Step]:
    """Return all steps of the training; in a whole epoch each record stands exactly once.

    Records and packs are shuffled anew in each epoch, by `seed` and nothing else.
    """
    found: list[Step] = []
    for epoch in range(math.ceil(settings.epochs)):
        shuffle = random.Random(f"{seed}/{epoch}")
        order = list(range(len(lengths)))
        shuffle.shuffle(order)
        packs = best_fit(lengths, order, settings.max_length) if settings.packing else [[index] for index in order]
        shuffle.shuffle(packs)
        found += _group(packs, settings.accumulate, epoch, min(1.0, settings.epochs - epoch))
    return found[: settings.max_steps]


def _group(packs: list[list[int]], size: int, epoch: int, share: float) -> list[Step]:
    groups = [tuple(map(tuple, packs[start : start + size])) for start in range(0, len(packs), size)]
    count = math.ceil(round(len(groups) * share, 6))  # 2.2 - 2 is a little more than 0.2
    return [
        Step(group, epoch + (index + 1) / len(groups), ends_epoch=index == count - 1)
        for index, group in enumerate(groups[:count])
    ]


def shares(packs: Sequence[Sequence[int]], lengths: Sequence[int], count: int) -> list[list[tuple[int, ...]]]:
    """Deal the packs of a step to `count` processes, as many to each; passes at the same time are of like size.

    The order of training does not know who trains: where packs are too few, they are split between records, the
    fullest first. An empty pack is one for which there is nothing left.
    """
    parts = [tuple(records) for records in packs]

    def tokens(records: Sequence[int]) -> int:
        return sum(lengths[index] for index in records)

    while len(parts) % count:
        fullest = max((records for records in parts if len(records) > 1), key=tokens, default=())
        if fullest:
            parts.remove(fullest)
            parts += _halves(fullest, lengths)
        else:
            parts.append(())
    if count > 1:
        parts.sort(key=tokens, reverse=True)
    return [parts[rank::count] for rank in range(count)]


def _halves(records: Sequence[int], lengths: Sequence[int]) -> list[tuple[int, ...]]:
    halves: list[list[int]] = [[], []]
    for index in sorted(records, key=lambda index: -lengths[index]):
        min(halves, key=lambda half: sum(lengths[other] for other in half)).append(index)
    return [tuple(half) for half in halves]


def rate(step: int, total: int, settings: Chosen) -> float:
    """Return the learning rate of `step` (from 0): a linear rise, then a cosine to zero."""
    rise = round(settings.warmup * total)
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
