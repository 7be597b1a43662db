"""Intervals and tests, against scipy and statsmodels (values written here) and against what chance does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.compare.statistics import (
    FEWEST,
    Difference,
    Verdict,
    corrected,
    differences,
    holm,
    mcnemar,
    sign_test,
    tally,
)
from weitiao.intervals import Clusters

ALONE = [str(number) for number in range(1000)]
# numpy.round(numpy.random.default_rng(5).normal(0.35, 1, 40), 3)
FORTY = [
    -0.452, -0.974, 0.102, 0.77, 1.486, 0.46, -0.203, -0.435, 1.099, 1.985, 0.623, -0.883, -0.608, 1.95, 0.553, -1.382,
    0.266, -0.813, -0.279, -0.138, -0.363, 0.903, 0.287, -0.239, 0.76, 1.18, -1.293, 0.093, -0.631, 0.177, -0.939,
    0.371, 0.312, 0.046, -0.698, -0.046, -0.741, -1.005, 0.575, -0.759,
]  # fmt: skip


def bootstrap(values: np.ndarray, families: list[str], samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(Clusters.of(values, families).means(samples, seed), (0.025, 0.975), axis=0)
    return low, high


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        # statsmodels.stats.contingency_tables.mcnemar([[10, wins], [losses, 20]], exact=True).pvalue, which is
        # scipy.stats.binomtest(wins, wins + losses, 0.5).pvalue
        (9, 2, 0.0654296875),  # 2 * (1 + 11 + 55) / 2 ** 11
        (1, 8, 0.0390625),  # 2 * (1 + 9) / 2 ** 9
        (0, 6, 0.03125),  # 2 / 2 ** 6
        (5, 5, 1.0),
        (41, 6, 1.7716986633331544e-07),
        (0, 0, 1.0),  # nothing changed: nothing is shown
    ],
)
def test_mcnemar_and_the_sign_test_are_the_binomial_law(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p, rel=1e-12)
    before = np.array([0.0] * wins + [1.0] * losses + [1.0] * 10 + [0.0] * 20)
    after = np.array([1.0] * wins + [0.0] * losses + [1.0] * 10 + [0.0] * 20)
    assert mcnemar(before, after) == pytest.approx(p, rel=1e-12)


def test_turning_all_signs_is_exact() -> None:
    # scipy.stats.permutation_test((d,), mean, permutation_type="samples", n_resamples=inf).pvalue: 54 of 1024 ways
    values = np.array([1.2, -0.4, 0.8, 2.1, 0.3, -0.9, 1.7, 0.6, 0.2, 1.1])
    assert Clusters.of(values[:, None], ALONE[:10]).flips(100, 0)[0] == 0.052734375


def test_drawn_signs_come_near_the_exact_value() -> None:
    # The same of FORTY with a million draws: 0.83266; the t test gives 0.83346.
    found = Clusters.of(np.array(FORTY)[:, None], ALONE[:40]).flips(20_000, 1)[0]
    assert found == pytest.approx(0.8327, abs=0.01)


def test_of_right_and_wrong_all_signs_are_mcnemars_test() -> None:
    values = np.array([1.0] * 8 + [-1.0] + [0.0] * 5)
    assert Clusters.of(values[:, None], ALONE[:14]).flips(100, 0)[0] == pytest.approx(sign_test(8, 1))


def test_holm_is_that_of_statsmodels() -> None:
    # statsmodels.stats.multitest.multipletests(values, method="holm")[1]
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2, 0.001, 0.04, 0.04, 0.9]) == pytest.approx([0.4, 0.005, 0.16, 0.16, 0.9])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_nothing_and_bonferroni(values: list[float]) -> None:
    for p, adjusted in zip(values, holm(values), strict=True):
        assert p <= adjusted <= min(1, len(values) * p) + 1e-12


def test_interval_and_detectable_effect_are_scipys() -> None:
    before, after = [{"x": 0.0}] * 40, [{"x": value} for value in FORTY]
    found = differences(before, after, ALONE[:40], samples=50_000, seed=0)[0]
    # scipy.stats.bootstrap((FORTY,), mean, method="percentile", n_resamples=200_000): -0.2237 … 0.2880, spread 0.1306
    assert found.low == pytest.approx(-0.2237, abs=0.006)
    assert found.high == pytest.approx(0.2880, abs=0.006)
    # (z(0.975) + z(0.8)) * spread; by the t law (statsmodels.stats.power.TTestPower) it is 0.379
    assert found.detectable == pytest.approx(2.8016 * 0.13057, abs=0.006)
    assert (found.test, found.families) == ("paired permutation", 40)


@pytest.mark.parametrize("kind", ["scores", "right or wrong"])
def test_where_nothing_changed_five_in_a_hundred_tests_say_so_at_most(kind: str) -> None:
    draw, claims = np.random.default_rng(3), ["x"] * (kind == "right or wrong")
    alarms = 0
    for _ in range(400):
        before, after = draw.random((2, 30, 1))
        if kind == "right or wrong":
            before, after = (before > 0.6).astype(float), (after > 0.6).astype(float)
        sides = [[{"x": float(value[0])} for value in side] for side in (before, after)]
        found = differences(
            sides[0], sides[1], ALONE[:30], samples=400, seed=int(draw.integers(1 << 30)), claims=claims
        )[0]
        alarms += found.p < 0.05
    assert alarms <= 32  # of 400; 20 are expected, 32 or more have a chance of 0.7 %
    assert kind != "scores" or alarms >= 9  # and the test is not shy: 8 or fewer, 0.2 %


def test_what_is_called_detectable_is_found_four_times_in_five() -> None:
    draw = np.random.default_rng(4)
    effect = 2.8016 / 40**0.5
    found = [
        Clusters.of(draw.normal(effect, 1, (40, 1)), ALONE[:40]).flips(400, number)[0] < 0.05 for number in range(300)
    ]
    assert 0.72 < sum(found) / 300 < 0.87


def test_related_questions_do_not_make_a_test_surer() -> None:
    draw = np.random.default_rng(5)
    alarms = 0
    for _ in range(200):
        family = draw.normal(size=12)
        values = np.repeat(family, 10)[:, None] + draw.normal(0, 0.1, (120, 1))
        alarms += Clusters.of(values, list(np.repeat(ALONE[:12], 10))).flips(100, 0)[0] < 0.05
    assert alarms <= 20  # taken for 120 questions, six in ten would be alarms


def test_the_interval_is_that_of_the_normal_law_where_it_holds() -> None:
    values = np.random.default_rng(0).normal(0.5, 2.0, size=(400, 1))
    low, high = bootstrap(values, ALONE[:400], 10_000, 1)
    width = 1.96 * values.std() / 20
    assert low[0] == pytest.approx(values.mean() - width, abs=0.02)
    assert high[0] == pytest.approx(values.mean() + width, abs=0.02)


def test_near_duplicates_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=(50, 1))
    names = ALONE[:50]
    alone = bootstrap(values, names, 2000, 1)
    tenfold = bootstrap(np.repeat(values, 10, axis=0), list(np.repeat(names, 10)), 2000, 1)
    believed = bootstrap(np.repeat(values, 10, axis=0), ALONE[:500], 2000, 1)
    assert np.allclose(alone, tenfold)
    assert believed[1][0] - believed[0][0] < 0.5 * (alone[1][0] - alone[0][0])


def test_the_seed_decides_what_is_drawn() -> None:
    drawn = Clusters.of(np.arange(20.0)[:, None] - 8, ALONE[:20])
    for draws in (drawn.means, drawn.flips):
        first, again, other = (draws(500, seed) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_large_sets_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Clusters.of(np.arange(20.0)[:, None] - 8, ALONE[:20])
    whole = drawn.means(500, 1), drawn.flips(500, 1)
    monkeypatch.setattr("weitiao.intervals._BLOCK", 100)
    assert np.allclose(drawn.means(500, 1), whole[0])
    assert np.allclose(drawn.flips(500, 1), whole[1], atol=0.05)


@settings(max_examples=30)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_the_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = bootstrap(np.array(values)[:, None], ALONE[: len(values)], 200, 0)
    assert min(values) - 1e-9 <= low[0] <= high[0] <= max(values) + 1e-9


def one(before: list[float], after: list[float], *claims: str) -> Difference:
    rows = [[{"x": value} for value in side] for side in (before, after)]
    return differences(rows[0], rows[1], ALONE[: len(before)], samples=400, seed=0, claims=claims)[0]


def test_a_difference_is_shown_only_where_the_test_leaves_no_doubt() -> None:
    better, mixed, worse = (one([-3.0] * 20, after) for after in ([-2.0] * 20, [-2.0, -4.0] * 10, [-4.0] * 20))
    assert [item.shown for item in (better, mixed, worse)] == ["higher", "none", "lower"]
    assert (better.before, better.after, better.difference, better.low, better.high) == (-3, -2, 1, 1, 1)
    assert better.detectable is None  # no spread to tell it from


def test_a_handful_of_wins_shows_nothing() -> None:
    assert one([-3.0] * (FEWEST - 1), [-2.0] * (FEWEST - 1)).shown == "none"


def test_the_more_is_tested_the_more_it_takes() -> None:
    # 8 turned right and 1 wrong: p 0.039 alone, 0.078 beside another test that shows nothing.
    right = one([0.0] * 8 + [1.0], [1.0] * 8 + [0.0], "x")
    other = one([0.0, 1.0] * 5, [1.0, 0.0] * 5, "x")
    assert right.p == pytest.approx(0.0390625)
    assert (right.test, right.shown) == ("McNemar, exact", "higher")
    alone, both = corrected([right], {"x": "higher"}), corrected([right, other], {"x": "higher"})
    assert alone[0].adjusted == pytest.approx(0.0390625)
    assert both[0].adjusted == pytest.approx(0.078125)
    assert [alone[0].verdict, both[0].verdict] == ["better", "none"]


def test_claims_that_never_change_leave_the_doubt_that_their_number_leaves() -> None:
    claim, score = one([0.0] * 28, [0.0] * 28, "x"), one([0.0] * 28, [0.0] * 28)
    assert (claim.low, claim.high) == pytest.approx((-0.1234, 0.1234), abs=1e-4)
    assert (score.low, score.high, score.test) == (0, 0, "paired permutation")


def test_lower_can_be_better_and_some_measures_are_not_tested() -> None:
    less = one([0.9] * 10, [0.1] * 10)
    assert [corrected([less], way)[0].verdict for way in ({"x": "lower"}, {"x": "higher"}, {})] == [  # type: ignore[arg-type]
        "better",
        "worse",
        "none",
    ]
    assert corrected([less], {})[0].adjusted is None


def test_the_tally_adds_up() -> None:
    found = tally(["win", "win", "loss", "tie"], list("abcd"), samples=500, seed=0)
    assert {name: found[name] for name in ("wins", "losses", "ties", "net", "p", "test")} == {
        "wins": 2,
        "losses": 1,
        "ties": 1,
        "net": 0.25,
        "p": 1.0,
        "test": "sign test",
    }
    assert -1 <= found["low"] <= 0.25 <= found["high"] <= 1


def test_a_family_has_one_vote_in_the_tally() -> None:
    found = tally(["win"] * 12, list("aaaabbbbcccc"), samples=500, seed=0)
    assert (found["p"], found["test"]) == (0.25, "paired permutation")  # 2 of 2 ** 3 ways


@pytest.mark.parametrize(
    ("same", "low", "high"), [("win", 0.7532, 1.0), ("tie", -0.1234, 0.1234), ("loss", -1.0, -0.7532)]
)
def test_verdicts_that_are_all_the_same_leave_the_doubt_that_their_number_leaves(
    same: Verdict, low: float, high: float
) -> None:
    found = tally([same] * 28, ALONE[:28], samples=100, seed=0)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-4)


def test_nothing_is_shown_where_the_interval_holds_nought() -> None:
    item = one([0.0] * 20, [1.0] * 18 + [-1.0] * 2)
    assert (item.shown, item.low > 0) == ("higher", True)
    for low, high in ((-0.001, 0.9), (0.0, 0.9)):
        assert replace(item, low=low, high=high).shown == "none"
    assert replace(item, difference=-0.8, low=-0.9, high=-0.1).shown == "lower"
