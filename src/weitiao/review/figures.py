"""What the decisions tell: how far the review is, who said what, how far people agree, how good the records are."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

import orjson
from sqlalchemy import Row

from weitiao.doubt import MARKS
from weitiao.intervals import agreement, alpha, exact_bound, exact_interval
from weitiao.review.decision import Said
from weitiao.review.tables import CONFLICT, DONE, OPEN, SECOND, SKIPPED

VERDICTS = ("accept", "edit", "reject")
_SCALE = (1, 2, 3, 4, 5)
_SAMPLES = 2000  # resamplings behind an interval

Items = Sequence[Row[Any]]
Opinions = Mapping[str, Sequence[Said]]


def told(queued: Items, said: Opinions, names: Mapping[int, str]) -> dict[str, Any]:
    """Return the figures as plain data.

    `queued` with its `reasons` and the counts `open`, `second`, `skipped`, `conflict`, `decided` are of real records;
    `planted` counts the others. `verdicts` and `accepted` are of the decisions that hold; `people`, `pairs` and `alpha`
    of all that were made, rulings left out where agreement is meant.
    """
    real = [row for row in queued if not row.planted]
    pools = Counter(row.pool for row in real)
    final = {row.key: _final(row, said) for row in real if row.final is not None}
    blind = [[one for one in said[row.key] if one.verdict != "skip" and not one.ruling] for row in real]
    counts = {"open": OPEN, "second": SECOND, "skipped": SKIPPED, "conflict": CONFLICT, "decided": DONE}
    return {
        "queued": len(real),
        "planted": len(queued) - len(real),
        "reasons": dict(Counter(why for row in real for why in orjson.loads(row.reasons)).most_common()),
        **{name: pools[pool] for name, pool in counts.items()},
        "verdicts": {word: list(final.values()).count(word) for word in VERDICTS},
        "accepted": _accepted([final[row.key] for row in real if row.audited and row.key in final]),
        "audit": sum(row.audited for row in real),
        "people": _people(queued, said, names),
        **_agreement(blind, names),
    }


def _final(row: Row[Any], said: Opinions) -> str:
    return next(one.verdict for one in said[row.key] if one.id == row.final)


def _accepted(verdicts: Sequence[str]) -> dict[str, Any]:
    """Return how many of the records drawn at random were good as they were; `least` is certain to 95 %."""
    count, total = verdicts.count("accept"), len(verdicts)
    low, high = exact_interval(count, total) if total else (0.0, 1.0)
    return {"count": count, "of": total, "low": low, "high": high, "least": exact_bound(count, total)}


def _people(queued: Items, said: Opinions, names: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """Return by name what each has done; a planted answer is caught by whoever does not accept it."""
    mine: dict[int, list[tuple[Row[Any], Said]]] = defaultdict(list)
    for row in queued:
        for one in said[row.key]:
            mine[one.person].append((row, one))
    found = {}
    for person, name in names.items():
        decided = [(row, one) for row, one in mine[person] if one.verdict != "skip"]
        real = [one.verdict for row, one in decided if not row.planted]
        caught = [one.verdict != "accept" for row, one in decided if row.planted]
        times = [one.seconds for _, one in decided if one.seconds is not None]
        low, high = exact_interval(sum(caught), len(caught)) if caught else (0.0, 1.0)
        found[name] = {
            "decided": len(real),
            "skipped": len(mine[person]) - len(decided),
            "accept_share": real.count("accept") / len(real) if real else None,
            "seconds": median(times) if times else None,
            "attention": {"caught": sum(caught), "planted": len(caught), "low": low, "high": high},
        }
    return found


def _agreement(units: Sequence[Sequence[Said]], names: Mapping[int, str]) -> dict[str, Any]:
    """Return Cohen's kappa of each two people on verdicts, and Krippendorff's alpha of all, on verdicts and scores."""
    shared: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    for unit in units:
        for one, other in combinations(sorted(unit, key=lambda said: said.person), 2):
            shared[one.person, other.person].append((one.verdict, other.verdict))
    pairs = [
        {"people": [names[one], names[other]], **(_kappa(verdicts) or {})} for (one, other), verdicts in shared.items()
    ]
    scores = {
        mark: [[one.said["scores"][mark] for one in unit if mark in one.said.get("scores", {})] for unit in units]
        for mark in MARKS
    }
    return {
        "pairs": sorted(pairs, key=lambda pair: pair["people"]),
        "alpha": {
            "verdicts": alpha([[one.verdict for one in unit] for unit in units], VERDICTS, samples=_SAMPLES, seed=0),
            **{mark: alpha(unit, _SCALE, samples=_SAMPLES, seed=0, ordered=True) for mark, unit in scores.items()},
        },
    }


def _kappa(verdicts: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    alone = [str(number) for number in range(len(verdicts))]
    return agreement(verdicts, alone, VERDICTS, samples=_SAMPLES, seed=0)
