"""What verdicts of a judge and of people amount to: who won, whether order or length decided, who agrees, who harms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from weitiao.compare import Compare
from weitiao.compare.judge import HUMAN, SIDES
from weitiao.compare.statistics import LEVEL, Difference, Verdict, bounds, differences, tally
from weitiao.compare.votes import WINNERS
from weitiao.doubt import MARKS
from weitiao.intervals import Floats, agreement

PREFERRED, VOTED = "preferred", "voted"
HARMFUL = 2  # a mark for harmless of at most this, in either order, is shown first of all
_REACH = 4.0  # from mark 1 to mark 5
_POINTS = {"win": 1.0, "tie": 0.5, "loss": 0.0}

Rows = Sequence[Mapping[str, Any]]


def judged(rows: Rows) -> list[Mapping[str, Any]]:
    """Return the rows on which the judge gave a verdict in both orders."""
    return [row for row in rows if "verdict" in row.get("judge", {})]


def measures(rows: Rows, settings: Compare, seed: int) -> list[Difference]:
    """Return the judge's own measures, to be tested together with all others: who is preferred, and the marks."""
    some = judged(rows)
    if not some:
        return []
    before, after = (
        [{PREFERRED: point, **row["judge"][side]} for row, point in zip(some, won, strict=True)]
        for side, won in zip(SIDES, _won(some, "judge"), strict=True)
    )
    families = [row["family"] for row in some]
    # The exact test of right and wrong is here the sign test: of the answers not tied, how many won.
    found = differences(before, after, families, samples=settings.samples, seed=seed, claims=(PREFERRED,))
    return [_doubted(item, reach) for item, reach in zip(found, (1.0, *[_REACH] * len(MARKS)), strict=True)]


def voted(rows: Rows, settings: Compare, seed: int) -> list[Difference]:
    """Return whom people prefer who voted blind, to be tested together with all other measures."""
    some = [row for row in rows if "people" in row]
    if not some:
        return []
    before, after = ([{VOTED: point} for point in won] for won in _won(some, "people"))
    families = [row["family"] for row in some]
    found = differences(before, after, families, samples=settings.samples, seed=seed, claims=(VOTED,))
    return [_doubted(item, 1.0) for item in found]


def people(rows: Rows, told: Mapping[str, Any] | None, settings: Compare, seed: int) -> dict[str, Any] | None:
    """Return how people voted: who they were, as `told`, and who won."""
    some = [row for row in rows if "people" in row]
    if told is None:
        return None
    verdicts, families = [row["people"]["verdict"] for row in some], [row["family"] for row in some]
    return {**told, "verdicts": tally(verdicts, families, samples=settings.samples, seed=seed)}


def _won(rows: Rows, who: str) -> tuple[list[float], list[float]]:
    """Return the points of the answers before, and of those after, by the verdicts of `who`."""
    points = [_POINTS[row[who]["verdict"]] for row in rows]
    return [1 - point for point in points], points


def _doubted(item: Difference, reach: float) -> Difference:
    """Give an interval to marks that differ by the same everywhere: drawing from them again would show no doubt."""
    if item.low < item.high:
        return item
    low, high = bounds(item.difference, item.families, reach)
    return replace(item, low=low, high=high)


def put_beside(rows: Sequence[dict[str, Any]], own: Mapping[str, str]) -> None:
    """Set what people said beside each verdict of the judge: their blind votes, else the record's `own` by its id."""
    for row in judged(rows):
        said = WINNERS[row["people"]["verdict"]] if "people" in row else own.get(row["id"])
        row["judge"].pop("human", None)
        row["judge"].update({"human": said} if said else {})


def summary(rows: Rows, settings: Compare, seed: int) -> dict[str, Any]:
    """Return how the judge ruled, and what speaks against it."""
    some = judged(rows)

    def count(items: Rows, verdict: Callable[[Mapping[str, Any]], Verdict]) -> dict[str, Any] | None:
        families = [row["family"] for row in items]
        return tally([verdict(row) for row in items], families, samples=settings.samples, seed=seed) if items else None

    split = [row for row in some if not row["judge"]["agreed"]]
    decided = [row for row in some if row["judge"]["verdict"] != "tie" and _longer(row)]
    return {
        "judged": len(some),
        "verdicts": count(some, lambda row: row["judge"]["verdict"]),
        "order": _leaning(count(split, _by_place)),
        "length": _leaning(count(decided, lambda row: "win" if _longer(row) == row["judge"]["winner"] else "loss")),
        "length_correlation": rank_correlation(
            np.array([float(len(row["after"]["text"]) - len(row["before"]["text"])) for row in some]),
            np.array([_POINTS[row["judge"]["verdict"]] for row in some]),
        ),
        "people": _agreement([row for row in some if "human" in row["judge"]], settings.samples, seed),
        "harmful": _harmful(some, rows),
    }


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Return Spearman's correlation, ties at their mean rank; None where either says the same of all."""
    if len(one) < 3 or one.min() == one.max() or other.min() == other.max():
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _agreement(rows: Rows, samples: int, seed: int) -> dict[str, Any] | None:
    """Return how often judge and people name the same winner."""
    pairs = [(row["judge"]["winner"], row["judge"]["human"]) for row in rows]
    return agreement(pairs, [row["family"] for row in rows], HUMAN, samples=samples, seed=seed)


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def _leaning(counts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Turn a tally of `win` (the first, the longer) and `loss` into a share with its interval."""
    if counts is None:
        return None
    return {
        "count": counts["wins"] + counts["losses"],
        "yes": counts["wins"],
        **{name: (1 + counts[key]) / 2 for name, key in (("share", "net"), ("low", "low"), ("high", "high"))},
        "p": counts["p"],
        "shown": counts["p"] < LEVEL,
    }


def _by_place(row: Mapping[str, Any]) -> Verdict:
    """Tell which place won where the orders disagree: one names a side, the other the other side or none."""
    order = next(order for order in row["judge"]["orders"] if order["winner"] != "tie")
    return "win" if order["winner"] == order["first"] else "loss"


def _longer(row: Mapping[str, Any]) -> str:
    """Return the side whose answer is longer in characters, empty where neither is."""
    before, after = (len(row[side]["text"]) for side in SIDES)
    return "" if before == after else SIDES[after > before]


def _harmful(some: Rows, rows: Rows) -> list[dict[str, Any]]:
    """Return the answers that the judge calls harmful: those after first, the worst first."""
    places = {row["id"]: place for place, row in enumerate(rows, start=1)}
    found = []
    for row in some:
        for side in SIDES:
            worst = min((order[side] for order in row["judge"]["orders"]), key=lambda marks: int(marks["harmless"]))
            if worst["harmless"] <= HARMFUL:
                said = {"mark": worst["harmless"], "reason": worst["reason"]}
                found.append({"row": places[row["id"]], "id": row["id"], "side": side, **said})
    return sorted(found, key=lambda one: (one["side"] != "after", one["mark"], one["row"]))
