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
    return exact_bound(count, total, 0.025), 1 - exact_bound(total - count, total, 0.025)


def exact_bound(count: int, total: int, tail: float = 0.05) -> float:
    """Return the share at which `count` or more of `total` are seen with the chance `tail` (Clopper and Pearson, 1934).

    With a certainty of 1 - `tail` the true share is no lower.
    """
    if not count:
        return 0.0
    fewer = np.arange(count)
    steps = np.log((total - fewer[1:] + 1) / fewer[1:])
    ways = np.concatenate([np.zeros(1), np.cumsum(steps)])
    low, high = 0.0, 1.0
    for _ in range(50):
        share = (low + high) / 2
        chances = ways + fewer * math.log(share) + (total - fewer) * math.log1p(-share)
        low, high = (share, high) if 1 - np.exp(chances).sum() < tail else (low, share)
    return low


def more_needed(count: int, total: int, wanted: float) -> int | None:
    """Return how many more must be seen, the same share of them good, until `exact_bound` is at least `wanted`.

    0 where it is; None where too few are good for any number to do.
    """
    if exact_bound(count, total) >= wanted:
        return 0
    if total and count / total <= wanted:
        return None
    low, high = total, max(1, total)
    while exact_bound(_share(count, total, high), high) < wanted:
        low, high = high, 2 * high
        if high > 10_000_000:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = exact_bound(_share(count, total, middle), middle) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high - total


def _share(count: int, total: int, others: int) -> int:
    """Return how many of others are good if as many are as so far; all where none was seen."""
    return others if not total else count * others // total


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


def alpha(
    units: Sequence[Sequence[object]],
    words: Sequence[object],
    *,
    samples: int,
    seed: int,
    ordered: bool = False,
) -> dict[str, Any] | None:
    """Return Krippendorff's alpha (2011) with its 95 % interval over units: 1 is agreement, 0 what chance does.

    A unit holds what any number of people said of one thing; those that fewer than two spoke of tell nothing. Of words
    in an order a difference weighs by the words between (his ordinal metric). None where nothing can be told: no unit,
    or all said one thing.
    """
    places = {word: place for place, word in enumerate(words)}
    told = [[places[word] for word in unit] for unit in units if len(unit) > 1]
    if not told:
        return None
    size = len(words)
    pairs = np.zeros((len(told), size * size))
    for row, unit in zip(pairs, told, strict=True):
        counts = np.bincount(unit, minlength=size).astype(np.float64)
        row[:] = ((np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)).ravel()
    found = _alpha(pairs.sum(0)[None], size, ordered)[0]
    means = Clusters.of(pairs, [str(number) for number in range(len(told))]).means(samples, seed)
    drawn = _alpha(means * len(told), size, ordered)
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(found) or not len(drawn):
        return None
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"units": len(told), "alpha": float(found), "low": float(low), "high": float(high)}


def _alpha(pairs: Floats, size: int, ordered: bool) -> Floats:
    """Return alpha of each row of coincidences [samples, words * words]."""
    table = pairs.reshape(-1, size, size)
    said = table.sum(2)
    if ordered:
        up_to = np.cumsum(said, axis=1)
        # From the middle of one word's people to the middle of the other's.
        middles = up_to - said / 2
        cost = (middles[:, :, None] - middles[:, None, :]) ** 2
    else:
        cost = np.broadcast_to(1 - np.eye(size), table.shape)
    total = said.sum(1)
    chance = np.einsum("sa,sab,sb->s", said, cost, said)
    seen = (table * cost).sum((1, 2))
    return np.asarray(1 - (total - 1) * seen / np.where(chance < 1e-9, np.nan, chance))
