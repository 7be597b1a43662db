"""What can be said of all pairs together: paired intervals, exact tests, the smallest effect that could be shown."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from weitiao.intervals import Clusters, Floats

Verdict = Literal["win", "loss", "tie"]

LEVEL = 0.05
# With fewer families not even a sign test on wins alone reaches the 5 % level: 2 * 0.5 ** 5 = 0.0625.
FEWEST = 6
# The standard normal's 97.5 % and 80 % points: an effect of so many standard errors is found 80 times in 100 at 5 %.
_POWER = 1.959964 + 0.841621


@dataclass(frozen=True)
class Difference:
    """The mean of a measure before and after, their difference with its 95 % interval, and the test of no difference.

    `p` is two-sided; `adjusted` is Holm's, among all measures that were tested together, None for one that was not.
    `detectable` is the smallest true difference that so many questions show 80 times in 100 (None: no spread to tell).
    """

    name: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    families: int
    p: float
    test: str
    detectable: float | None
    adjusted: float | None = None
    better: Literal["higher", "lower", "neither"] = "higher"

    @property
    def shown(self) -> Literal["higher", "lower", "none"]:
        """Tell which way it went, if the test, corrected for its companions, leaves no doubt at the 5 % level.

        The interval is drawn, not turned from the test: where it holds 0, nothing is shown either.
        """
        if self.families < FEWEST or (self.p if self.adjusted is None else self.adjusted) >= LEVEL:
            return "none"
        if self.low <= 0 <= self.high:
            return "none"
        return "higher" if self.difference > 0 else "lower"

    @property
    def verdict(self) -> Literal["better", "worse", "none"]:
        """Tell whether what is shown is good."""
        if self.shown == "none" or self.better == "neither":
            return "none"
        return "better" if self.shown == self.better else "worse"


def differences(
    before: Sequence[Mapping[str, float]],
    after: Sequence[Mapping[str, float]],
    families: Sequence[str],
    *,
    samples: int,
    seed: int,
    claims: Collection[str] = (),
) -> list[Difference]:
    """Return each measure's means and their paired difference; the rows of `before` name the measures.

    The `claims` are measures that are 0 or 1, right or wrong: on questions that have no families they are tested by
    McNemar's exact test; all others by turning the signs of the families' differences.
    """
    names = list(before[0])
    first, second = (np.array([[row[name] for name in names] for row in side]) for side in (before, after))
    gathered = Clusters.of(second - first, families)
    means, flipped = gathered.means(samples, seed), gathered.flips(samples, seed)
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    spread, count = means.std(0), len(gathered.sizes)
    found = []
    for column, name in enumerate(names):
        one, other = first[:, column], second[:, column]
        binary = name in claims and count == len(families)
        p = mcnemar(one, other) if binary else float(flipped[column])
        ends = float(low[column]), float(high[column])
        change = float((other - one).mean())
        found.append(
            Difference(
                name,
                float(one.mean()),
                float(other.mean()),
                change,
                *(bounds(change, count) if binary and ends[0] == ends[1] else ends),
                count,
                p,
                "McNemar, exact" if binary else "paired permutation",
                float(_POWER * spread[column]) if spread[column] > 1e-12 else None,
            )
        )
    return found


def mcnemar(before: Floats, after: Floats) -> float:
    """Return the two-sided p of McNemar's exact test: of the answers that changed, how likely so uneven a split is."""
    return sign_test(int((after > before).sum()), int((after < before).sum()))


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p that a fair coin splits `wins + losses` so unevenly or more; ties say nothing."""
    total = wins + losses
    tail = sum(math.comb(total, k) for k in range(min(wins, losses) + 1))
    return min(1.0, float(2 * tail / 2**total))


def holm(values: Sequence[float]) -> list[float]:
    """Return the p values corrected for being tested together, in the same order (Holm, 1979)."""
    adjusted, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = least
    return adjusted


def corrected(items: Sequence[Difference], better: Mapping[str, Literal["higher", "lower"]]) -> list[Difference]:
    """Return the differences, those of the measures in `better` corrected for being tested together.

    `better` says which way is good; a measure that is not in it is neither good nor bad, and not tested.
    """
    tested = [item for item in items if item.name in better]
    adjusted = dict(zip((id(item) for item in tested), holm([item.p for item in tested]), strict=True))
    return [
        replace(item, adjusted=adjusted[id(item)], better=better[item.name])
        if item.name in better
        else replace(item, better="neither")
        for item in items
    ]


def tally(verdicts: Sequence[Verdict], families: Sequence[str], *, samples: int, seed: int) -> dict[str, Any]:
    """Return wins, losses, ties, the share of wins less that of losses with its 95 % interval, and the sign test's p.

    Where questions have families, their verdicts are not independent coins, and the signs of whole families are turned.
    """
    points = np.array([{"win": 1.0, "loss": -1.0, "tie": 0.0}[item] for item in verdicts])
    net, gathered = float(points.mean()), Clusters.of(points[:, None], families)
    low, high = (float(end) for end in np.quantile(gathered.means(samples, seed), (0.025, 0.975)))
    count = len(gathered.sizes)
    if low == high:
        low, high = bounds(net, count)
    wins, losses, ties = (sum(item == single for item in verdicts) for single in ("win", "loss", "tie"))
    alone = count == len(verdicts)
    p = sign_test(wins, losses) if alone else float(gathered.flips(samples, seed)[0])
    test = "sign test" if alone else "paired permutation"
    return {"wins": wins, "losses": losses, "ties": ties, "net": net, "low": low, "high": high, "p": p, "test": test}


def bounds(same: float, families: int, reach: float = 1.0) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values from -`reach` to `reach` that are all the `same`.

    Drawing from them again shows no doubt. The exact bound does: with n families alike, 1 - 0.025 ** (1 / n) of all
    questions may still be of another kind (Clopper and Pearson, 1934).
    """
    other = 1 - 0.025 ** (1 / families)
    return same - other * (same + reach), same + other * (reach - same)


def as_facts(items: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return the differences as plain data."""
    return [{**asdict(item), "shown": item.shown, "verdict": item.verdict} for item in items]
