"""From what the models said to one row a question, and from the rows to the figures of the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from weitiao import checks
from weitiao.compare import Compare, verdicts
from weitiao.compare.ask import Question
from weitiao.compare.measures import BETTER, CLAIMS, JUDGED, Said, verdict
from weitiao.compare.statistics import Difference, as_facts, corrected, differences, tally
from weitiao.intervals import exact_interval

SHOWN = {
    "higher": "better on unseen questions",
    "lower": "worse on unseen questions",
    "none": "no difference shown",
}
_FIRST = ("likelihood", "right")  # the order in which measures are shown


def row(question: Question, said: Mapping[str, Said], settings: Compare, by_token: bool) -> dict[str, Any]:
    """Return a question with what each side said, its measures, and the verdicts on before and after.

    Further models stand beside the two under their names; the reader finds a side by its `measures`.
    """
    asked = question.asked[-1][1]
    sides: dict[str, dict[str, Any]] = {
        name: {**asdict(one), "measures": one.measured(asked, question.reference, by_token)}
        for name, one in said.items()
    }
    for side in sides.values() if question.checks else ():
        try:
            side["judged"] = checks.judge(question.checks, side["text"])
        except checks.BadCheck as bad:
            raise bad.at(f"{question.record.uri}:{question.record.row}") from None
        side["measures"]["right"] = float(side["judged"] == checks.RIGHT)
    change = {
        name: sides["after"]["measures"][name] - sides["before"]["measures"][name]
        for name in (*JUDGED, *(["right"] if question.checks else []))
    }
    bands = {"likelihood": settings.tie_likelihood, "overlap": settings.tie_overlap, "right": 0.0}
    return {
        "id": question.id,
        "family": question.family,
        "question": [{"role": role, "content": content} for role, content in question.asked],
        "reference": question.reference,
        **sides,
        "change": change,
        "verdict": {name: verdict(change[name], bands[name]) for name in change},
        "groups": question.groups,
    }


def figures(rows: Sequence[Mapping[str, Any]], others: Sequence[str], settings: Compare, seed: int) -> dict[str, Any]:
    """Return what can be said of all rows: measures, verdicts, and the same measures of the `others` against before.

    All tests of measures that have a good side, of all models, are corrected together.
    """
    sides = ("after", *others)
    found = {name: _differences(rows, name, settings, seed) for name in sides}
    found["judge"] = verdicts.measures(rows, settings, seed)
    found["people"] = verdicts.voted(rows, settings, seed)
    owners = [name for name in found for _ in found[name]]
    adjusted = corrected([item for name in found for item in found[name]], BETTER)
    told = {name: [item for item, owner in zip(adjusted, owners, strict=True) if owner == name] for name in found}
    tallies = {
        name: tally(
            [one["verdict"][name] for one in judged],
            [one["family"] for one in judged],
            samples=settings.samples,
            seed=seed,
        )
        for name in (*JUDGED, "right")
        if (judged := [one for one in rows if name in one["verdict"]])
    }
    return {
        "families": len({one["family"] for one in rows}),
        "shown": SHOWN[told["after"][0].shown],
        "measures": as_facts(told["after"]),
        "tested": sum(item.name in BETTER for items in told.values() for item in items),
        "by_judge": as_facts(told["judge"]),
        "by_people": as_facts(told["people"]),
        "verdicts": tallies,
        "checked": _checked(rows, ("before", *sides)),
        "groups": _grouped(rows, ("before", *sides)),
        "others": {name: as_facts(told[name]) for name in others},
    }


def _differences(rows: Sequence[Mapping[str, Any]], side: str, settings: Compare, seed: int) -> list[Difference]:
    """Return the differences of a side from before; `right` is told of the questions that carry a check."""
    found: dict[str, Difference] = {}
    checked = [one for one in rows if "judged" in one["before"]]
    for some in (rows, checked):
        if some:
            known = set.intersection(*(set(one[name]["measures"]) for one in some for name in ("before", side)))
            names = [
                name
                for name in some[0]["before"]["measures"]
                if name in known and (name == "right") == (some is checked)
            ]
            before, after = (
                [{key: one[name]["measures"][key] for key in names} for one in some] for name in ("before", side)
            )
            families = [one["family"] for one in some]
            each = differences(before, after, families, samples=settings.samples, seed=seed, claims=CLAIMS)
            found |= {item.name: item for item in each}
    order = sorted(found, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return [found[name] for name in order]


def _checked(rows: Sequence[Mapping[str, Any]], sides: Sequence[str]) -> dict[str, Any] | None:
    """Return how many questions carry a check, and how many answers of each side it calls what."""
    judged = [one for one in rows if "judged" in one["before"]]
    if not judged:
        return None
    words = {side: Counter(str(one[side]["judged"]) for one in judged) for side in sides}
    known = {word for counts in words.values() for word in counts} - {checks.RIGHT}
    return {
        "questions": len(judged),
        "words": {word: {side: words[side][word] for side in sides} for word in (checks.RIGHT, *sorted(known))},
    }


def _grouped(rows: Sequence[Mapping[str, Any]], sides: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each group, and each group within it, how many answers of each side are right, with an interval."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for one in rows:
        for depth in range(1, len(one["groups"]) + 1) if "judged" in one["before"] else ():
            groups.setdefault(tuple(one["groups"][:depth]), []).append(one)
    return [
        {"group": group, "questions": len(mine), "right": {side: _right(mine, side) for side in sides}}
        for group, mine in sorted(groups.items())
    ]


def _right(rows: Sequence[Mapping[str, Any]], side: str) -> dict[str, float]:
    count = sum(one[side]["judged"] == checks.RIGHT for one in rows)
    low, high = exact_interval(count, len(rows))
    return {"count": count, "low": low, "high": high}
