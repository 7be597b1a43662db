"""How far a figure can be trusted: intervals by drawing again, exact ones of shares, and agreement beyond chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Numbers drawn at a time: bounds the memory of what is drawn to some 100 MB, whatever the number of questions.
_BLOCK = 4_000_000
# All 2 ** 14 ways to turn the signs are looked at; of more families, some are drawn.
_ALL_SIGNS = 14


@dataclass(frozen=True)
class Clusters:
    """Values of questions gathered by family: near-duplicates are not independent, so families are what is drawn."""

    sums: Floats  # [families, measures]
    sizes: Floats

    @classmethod
    def of(cls, values: Floats, families: Sequence[str]) -> "Clusters":
        """Add up the rows of `values` [questions, measures] family by family."""
        _, place = np.unique(np.array(families), return_inverse=True)
        sums = np.zeros((int(place.max()) + 1, values.shape[1]))
        np.add.at(sums, place, values)
        return cls(sums, np.bincount(place).astype(np.float64))

    def means(self, samples: int, seed: int) -> Floats:
        """Return the column means [samples, measures] of as many families drawn with replacement, `samples` times."""
        count, draw = len(self.sizes), np.random.default_rng(seed)
        block, found = max(1, _BLOCK // count), []
        for start in range(0, samples, block):
            picked = draw.integers(0, count, size=(min(block, samples - start), count))
            totals = np.stack([column[picked].sum(1) for column in self.sums.T], axis=1)
            found.append(totals / self.sizes[picked].sum(1)[:, None])
        return np.concatenate(found)

    def flips(self, samples: int, seed: int) -> Floats:
        """Return for each column how often the sum is as far from 0 when each family's sign is drawn by a coin.

        All ways are counted for up to 14 families, else `samples` are drawn and the one at hand is counted with them
        (Phipson and Smyth, 2010: a p of 0 is never found).
        """
        seen, count = np.abs(self.sums.sum(0)) - 1e-9, len(self.sums)
        if count <= _ALL_SIGNS:
            ways = np.arange(2**count)[:, None] >> np.arange(count) & 1
            return np.asarray((np.abs((2.0 * ways - 1) @ self.sums) >= seen).mean(0))
        draw, block = np.random.default_rng(seed), max(1, _BLOCK // count)
        far = np.ones(self.sums.shape[1])
        for start in range(0, samples, block):
            signs = draw.integers(0, 2, size=(min(block, samples - start), count), dtype=np.int8) * 2.0 - 1
            far += (np.abs(signs @ self.sums) >= seen).sum(0)
        return far / (samples + 1)


def exact_interval(count: int, total: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share of which `count` of `total` were seen (Clopper and Pearson, 1934)."""

    def end(least: int, tail: float) -> float:
        """Return the share at which `least` or more are seen with the chance `tail`."""
        ways = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(least)]
        low, high = 0.0, 1.0
        for _ in range(50):
            share = (low + high) / 2
            yes, no = math.log(share), math.log1p(-share)
            fewer = math.fsum(math.exp(way + k * yes + (total - k) * no) for k, way in enumerate(ways))
            low, high = (share, high) if 1 - fewer < tail else (low, share)
        return low

    return end(count, 0.025) if count else 0.0, end(count + 1, 0.975) if count < total else 1.0


def agreement(
    pairs: Sequence[tuple[object, object]],
    families: Sequence[str],
    words: Sequence[object],
    *,
    samples: int,
    seed: int,
    ordered: bool = False,
) -> dict[str, Any] | None:
    """Return how often two say the same of `words`, and Cohen's kappa (1960) with its 95 % interval over families.

    Of words in an order a difference weighs by its square (Cohen, 1968). Kappa is None where both say one thing of all,
    so that no agreement could be told from chance; all is None where there are no pairs.
    """
    if not pairs:
        return None
    said = np.array([[words.index(word) for word in pair] for pair in pairs])
    apart = np.abs(np.subtract.outer(np.arange(len(words)), np.arange(len(words))))
    cost = (apart**2 if ordered else np.minimum(apart, 1)).astype(np.float64)
    one, other = np.moveaxis(np.eye(len(words))[said], 1, 0)
    values = np.concatenate([cost[said[:, 0], said[:, 1]][:, None], one, other], axis=1)
    found = _kappa(values.mean(0)[None], cost)
    drawn = _kappa(Clusters.of(values, families).means(samples, seed), cost)
    drawn = drawn[~np.isnan(drawn)]
    known = bool(len(drawn)) and not np.isnan(found[0])
    low, high = np.quantile(drawn, (0.025, 0.975)) if known else (0.0, 0.0)
    return {
        "questions": len(pairs),
        "same": int((said[:, 0] == said[:, 1]).sum()),
        "kappa": float(found[0]) if known else None,
        "low": float(low) if known else None,
        "high": float(high) if known else None,
    }


def _kappa(means: Floats, cost: Floats) -> Floats:
    """Return kappa of each row of means [samples, 1 + words + words]: the cost, then how often each word is said."""
    one, other = means[:, 1 : 1 + len(cost)], means[:, 1 + len(cost) :]
    chance = np.einsum("sa,ab,sb->s", one, cost, other)
    return np.asarray(1 - means[:, 0] / np.where(chance < 1e-9, np.nan, chance))
