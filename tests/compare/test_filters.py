"""What the page's pairs can be filtered by, beside their verdicts."""

from typing import Any

import pytest

from weitiao.compare.filters import Choice, became, choices


def row(before: str, after: str, *groups: str) -> dict[str, Any]:
    change = (after == "right") - (before == "right")
    verdict = {"right": {1: "win", -1: "loss", 0: "tie"}[change]}
    return {"before": {"judged": before}, "after": {"judged": after}, "verdict": verdict, "groups": groups}


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        ("wrong", "right", ["Turned right"]),
        ("fell", "right", ["Turned right"]),
        ("right", "fell", ["No longer right", "fell for it"]),
        ("right", "right", ["Right before and after"]),
        ("wrong", "wrong", ["Right neither before nor after"]),
        ("fell", "refused", ["Right neither before nor after", "refused to answer"]),
    ],
)
def test_what_became_of_a_check(before: str, after: str, texts: list[str]) -> None:
    assert became(row(before, after)) == texts


def test_a_row_without_a_check_says_nothing_of_it() -> None:
    assert became({"before": {}, "after": {}, "verdict": {}}) == []


def test_each_value_is_counted_and_each_row_bears_its_marks() -> None:
    rows = [
        row("fell", "right", "thing", "b"),
        row("right", "fell", "thing", "a"),
        row("fell", "fell", "name", "b"),
        {"before": {}, "after": {}, "verdict": {}, "groups": ["name", "right"]},
    ]
    selects, marks = choices(rows, ["part", "family"])
    assert selects == [
        Choice("part", [("0.0", "name", "name", 2), ("0.1", "thing", "thing", 2)]),
        # A value of the user's own is never translated.
        Choice("family", [("1.0", "a", "a", 1), ("1.1", "b", "b", 2), ("1.2", "right", "right", 1)]),
        Choice(
            "",
            [
                ("2.0", "Turned right", "由错变对", 1),
                ("2.1", "No longer right", "由对变错", 1),
                ("2.2", "Right neither before nor after", "前后都不对", 1),
                ("2.3", "After: fell for it", "微调后：上当", 2),
            ],
        ),
    ]
    assert marks == ["0.1 1.1 2.0", "0.1 1.0 2.1 2.3", "0.0 1.1 2.2 2.3", "0.0 1.2"]


def test_without_groups_and_checks_there_is_no_select() -> None:
    assert choices([{"before": {}, "after": {}, "verdict": {}, "groups": []}], []) == ([], [""])
