"""Agreement beyond chance: against figures worked by hand, and what holds of any two who judge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.intervals import agreement, exact_interval

PAIRS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=40)
ALONE = [str(number) for number in range(100)]


def kappa(pairs: list[tuple[int, int]], *, ordered: bool = False) -> float | None:
    found = agreement(pairs, ALONE[: len(pairs)], range(1, 6), samples=50, seed=1, ordered=ordered)
    assert found
    value: float | None = found["kappa"]
    return value


def test_by_hand() -> None:
    # 2 raters, 50 answers, 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreement 0.7, by chance 0.5 (Cohen's kappa 0.4).
    table = [(1, 1)] * 20 + [(1, 2)] * 5 + [(2, 1)] * 10 + [(2, 2)] * 15
    assert kappa(table) == pytest.approx(0.4)
    assert kappa(table, ordered=True) == pytest.approx(0.4)  # two words have no order
    # A difference of one mark weighs 1, of four 16: the mean cost is 1/6, by chance 39/36 of six.
    marks = [(5, 5), (5, 5), (1, 1), (1, 1), (3, 4), (5, 5)]
    assert kappa(marks, ordered=True) == pytest.approx(1 - 1 / 39)


@given(PAIRS)
@settings(max_examples=50)
def test_laws(pairs: list[tuple[int, int]]) -> None:
    for ordered in (False, True):
        value = kappa(pairs, ordered=ordered)
        turned = kappa([(other, one) for one, other in pairs], ordered=ordered)
        assert turned == (value if value is None else pytest.approx(value))
        assert value is None or value <= 1
        same = kappa([(one, one) for one, _ in pairs], ordered=ordered)
        assert same is None or same == pytest.approx(1)


def test_nothing_to_compare() -> None:
    assert agreement([], [], (1, 2), samples=50, seed=1) is None
    assert kappa([(1, 1)] * 5) is None
    assert exact_interval(15, 15) == pytest.approx((0.782, 1.0), abs=1e-3)
