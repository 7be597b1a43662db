"""Agreement beyond chance: against figures worked by hand, and what holds of any two who judge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.intervals import agreement, alpha, exact_bound, exact_interval, more_needed

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


def test_kappa_of_a_published_table() -> None:
    # Fleiss, Cohen and Everitt (1969), "Large sample standard errors of kappa and weighted kappa": kappa 0.429.
    table = [[106, 10, 4], [22, 28, 10], [2, 12, 6]]
    pairs = [(a + 1, b + 1) for a in range(3) for b in range(3) for _ in range(table[a][b])]
    found = agreement(pairs, [str(number) for number in range(200)], (1, 2, 3), samples=500, seed=1)
    assert found
    assert found["kappa"] == pytest.approx(0.429, abs=5e-4)
    # Their standard error is 0.054 where the true value is not zero.
    assert (found["low"], found["high"]) == pytest.approx((0.429 - 0.105, 0.429 + 0.105), abs=0.03)


def test_alpha_of_a_published_example() -> None:
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units, data
    # missing; nominal 0.743, ordinal 0.815.
    observers = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    units = [[int(row[place]) for row in observers if row[place] != "."] for place in range(12)]
    nominal = alpha(units, range(1, 6), samples=200, seed=1)
    ordinal = alpha(units, range(1, 6), samples=200, seed=1, ordered=True)
    assert nominal
    assert ordinal
    assert nominal["units"] == 11
    assert nominal["alpha"] == pytest.approx(0.743, abs=5e-4)
    assert ordinal["alpha"] == pytest.approx(0.815, abs=5e-4)
    assert ordinal["low"] < ordinal["alpha"] < ordinal["high"] <= 1
    assert alpha([[1], []], (1, 2), samples=50, seed=1) is None
    assert alpha([[1, 1], [1, 1]], (1, 2), samples=50, seed=1) is None


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.5, 0.99))
@settings(max_examples=60)
def test_bounds(count: int, more: int, wanted: float) -> None:
    total = count + more
    low, high = exact_interval(count, total)
    assert 0 <= low <= count / total <= high <= 1
    assert low <= exact_bound(count, total) <= count / total
    needed = more_needed(count, total, wanted)
    assert (needed == 0) == (exact_bound(count, total) >= wanted)


def test_how_many_more() -> None:
    # 59 of 59 is what makes 95 % certain to 95 %, as in sampling plans by attributes.
    assert exact_bound(59, 59) == pytest.approx(0.95049, abs=1e-5)
    assert exact_bound(58, 58) < 0.95
    assert more_needed(0, 0, 0.95) == 59
    assert more_needed(20, 20, 0.95) == 39
    assert more_needed(9, 10, 0.95) is None
    assert exact_interval(95_000, 100_000) == pytest.approx((0.94863, 0.95134), abs=1e-5)
