"""What is measured on each pair of answers, and what can be said of all of them together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from sacrebleu.metrics.chrf import CHRF

from weitiao.record import parted

Verdict = Literal["win", "loss", "tie"]
MEASURES = ("likelihood", "overlap", "stopped", "tokens", "characters")
JUDGED = ("likelihood", "overlap")  # higher is better, and each pair gets a verdict by it

# Numbers drawn at a time: bounds the memory of the bootstrap to some 100 MB, whatever the number of questions.
_BLOCK = 4_000_000

# With fewer families not even a sign test on wins alone reaches the 5 % level: 2 * 0.5 ** 5 = 0.0625.
FEWEST = 6


@dataclass(frozen=True)
class Said:
    """One model on one question: its own answer, and how it sees the reference answer."""

    text: str
    tokens: int
    stopped: bool
    loss: float  # of the reference, summed over its tokens, in nats
    loss_tokens: int
    thinking: str = ""  # what it thought before; no part of the answer, but of its tokens

    def measured(self, reference: str, by_token: bool) -> dict[str, float]:
        """Return the value of each of `MEASURES`; the likelihood is per token, or per character of the reference."""
        size = self.loss_tokens if by_token else len(reference)
        return {
            "likelihood": -self.loss / max(1, size),
            "overlap": overlap(self.text, parted(reference)[1]),
            "stopped": float(self.stopped),
            "tokens": float(self.tokens),
            "characters": float(len(self.text)),
        }


def overlap(text: str, reference: str) -> float:
    """Return chrF2, the overlap in character n-grams, from 0 to 100 (https://aclanthology.org/W15-3049)."""
    return float(_chrf().sentence_score(text, [reference]).score)


def verdict(difference: float, band: float) -> Verdict:
    """Return what a difference means; at most `band` either way is a tie."""
    if abs(difference) <= band:
        return "tie"
    return "win" if difference > 0 else "loss"


@dataclass(frozen=True)
class Difference:
    """The mean of a measure before and after, and their difference with its 95 % interval."""

    name: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    families: int

    @property
    def shown(self) -> Literal["higher", "lower", "none"]:
        """Tell whether the interval leaves a doubt which way it went."""
        if self.families < FEWEST:
            return "none"
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "none"


def differences(
    before: Sequence[dict[str, float]],
    after: Sequence[dict[str, float]],
    families: Sequence[str],
    *,
    samples: int,
    seed: int,
) -> list[Difference]:
    """Return each measure's means and their paired difference."""
    first, second = (np.array([[row[name] for name in MEASURES] for row in side]) for side in (before, after))
    low, high = bootstrap(second - first, families, samples=samples, seed=seed)
    count = len(set(families))
    columns = zip(MEASURES, first.mean(0), second.mean(0), (second - first).mean(0), low, high, strict=True)
    return [
        Difference(name, float(before), float(after), float(change), float(least), float(most), count)
        for name, before, after, change, least, most in columns
    ]


def bootstrap(values: np.ndarray, families: Sequence[str], *, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % intervals of the column means of `values` [questions, measures].

    Whole families are drawn with replacement, since near-duplicates are not independent of each other.
    """
    _, place = np.unique(np.array(families), return_inverse=True)
    count = int(place.max()) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, place, values)
    sizes = np.bincount(place, minlength=count)
    draw = np.random.default_rng(seed)
    block = max(1, _BLOCK // count)
    means = []
    for start in range(0, samples, block):
        picked = draw.integers(0, count, size=(min(block, samples - start), count))
        totals = np.stack([column[picked].sum(1) for column in sums.T], axis=1)
        means.append(totals / sizes[picked].sum(1)[:, None])
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975), axis=0)
    return low, high


def tally(verdicts: Sequence[Verdict], families: Sequence[str], *, samples: int, seed: int) -> dict[str, Any]:
    """Return wins, losses, ties, and the share of wins less that of losses with its 95 % interval."""
    points = np.array([{"win": 1.0, "loss": -1.0, "tie": 0.0}[item] for item in verdicts])
    net = float(points.mean())
    low, high = (float(end[0]) for end in bootstrap(points[:, None], families, samples=samples, seed=seed))
    if low == high:
        # All verdicts are the same, and drawing from them again shows no doubt. The exact bound: with n families alike,
        # 1 - 0.025 ** (1 / n) of all questions may still be of another kind (Clopper and Pearson, 1934).
        other = 1 - 0.025 ** (1 / len(set(families)))
        low, high = net - other * (net + 1), net + other * (1 - net)
    counts = {name: sum(item == single for item in verdicts) for name, single in _PLURAL.items()}
    return {**counts, "net": net, "low": low, "high": high}


def as_facts(items: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return the differences as plain data."""
    return [{**asdict(item), "shown": item.shown} for item in items]


_PLURAL = {"wins": "win", "losses": "loss", "ties": "tie"}


@cache
def _chrf() -> CHRF:
    return CHRF()
