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


def rate(step: int, total: int, settings: Chosen) -> float:
    """Return the learning rate of `step` (from 0): a linear rise, then a cosine to zero."""
    rise = round(settings.warmup * total)
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
