"""What is measured and tallied, against figures worked out otherwise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.compare.ask import Side
from weitiao.compare.measures import FEWEST, MEASURES, Said, Verdict, bootstrap, differences, overlap, tally, verdict
from weitiao.model.load import load_tokenizer
from weitiao.model.pair import Place
from weitiao.model.template import Template


def test_overlap_is_chrf() -> None:
    assert overlap("水不能兑水", "水不能兑水") == 100
    assert overlap("", "水不能兑水") == 0
    assert overlap("水山", "水火") == pytest.approx(25)  # half of the single characters, none of the pairs


def test_likelihood_is_the_mean_log_probability() -> None:
    said = Said("水", 1, stopped=True, loss=6.0, loss_tokens=3)
    by_token, by_character = said.measured("兑了还是", by_token=True), said.measured("兑了还是", by_token=False)
    assert by_token["likelihood"] == -2.0
    assert by_character["likelihood"] == -1.5
    assert by_token["stopped"] == 1
    assert by_token["tokens"] == by_token["characters"] == 1


@pytest.mark.parametrize(
    ("difference", "said"), [(0.02, "win"), (0.01, "tie"), (-0.01, "tie"), (-0.5, "loss"), (0.0, "tie")]
)
def test_a_small_difference_is_a_tie(difference: float, said: str) -> None:
    assert verdict(difference, 0.01) == said


def test_the_interval_is_that_of_the_normal_law_where_it_holds() -> None:
    values = np.random.default_rng(0).normal(0.5, 2.0, size=(400, 1))
    low, high = bootstrap(values, [str(i) for i in range(400)], samples=10_000, seed=1)
    width = 1.96 * values.std() / 20
    assert low[0] == pytest.approx(values.mean() - width, abs=0.02)
    assert high[0] == pytest.approx(values.mean() + width, abs=0.02)


def test_near_duplicates_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=(50, 1))
    names = [str(i) for i in range(50)]
    alone = bootstrap(values, names, samples=2000, seed=1)
    tenfold = bootstrap(np.repeat(values, 10, axis=0), list(np.repeat(names, 10)), samples=2000, seed=1)
    believed = bootstrap(np.repeat(values, 10, axis=0), [str(i) for i in range(500)], samples=2000, seed=1)
    assert np.allclose(alone, tenfold)
    assert believed[1][0] - believed[0][0] < 0.5 * (alone[1][0] - alone[0][0])


def test_the_seed_decides_the_interval() -> None:
    values, names = np.arange(12.0)[:, None], list("abcdefghijkl")
    first, again, other = (bootstrap(values, names, samples=500, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_large_sets_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values, names = np.arange(12.0)[:, None], list("abcdefghijkl")
    whole = bootstrap(values, names, samples=500, seed=1)
    monkeypatch.setattr("weitiao.compare.measures._BLOCK", 100)
    assert np.allclose(bootstrap(values, names, samples=500, seed=1), whole)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_the_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = bootstrap(np.array(values)[:, None], [str(i) for i in range(len(values))], samples=200, seed=0)
    assert min(values) - 1e-9 <= low[0] <= high[0] <= max(values) + 1e-9


def row(likelihood: float) -> dict[str, float]:
    return dict.fromkeys(MEASURES, 0.0) | {"likelihood": likelihood}


def test_a_difference_is_shown_only_where_the_interval_leaves_nought_out() -> None:
    names = [str(i) for i in range(20)]
    better = differences([row(-3)] * 20, [row(-2)] * 20, names, samples=200, seed=0)[0]
    mixed = differences([row(-3)] * 20, [row(-2), row(-4)] * 10, names, samples=200, seed=0)[0]
    worse = differences([row(-3)] * 20, [row(-4)] * 20, names, samples=200, seed=0)[0]
    assert [item.shown for item in (better, mixed, worse)] == ["higher", "none", "lower"]
    assert (better.before, better.after, better.difference, better.low, better.high) == (-3, -2, 1, 1, 1)


def test_a_handful_of_wins_shows_nothing() -> None:
    few = [str(i) for i in range(FEWEST - 1)]
    assert differences([row(-3)] * len(few), [row(-2)] * len(few), few, samples=200, seed=0)[0].shown == "none"


def test_the_tally_adds_up() -> None:
    found = tally(["win", "win", "loss", "tie"], list("abcd"), samples=500, seed=0)
    assert {name: found[name] for name in ("wins", "losses", "ties", "net")} == {
        "wins": 2,
        "losses": 1,
        "ties": 1,
        "net": 0.25,
    }
    assert -1 <= found["low"] <= 0.25 <= found["high"] <= 1


@pytest.mark.parametrize(
    ("same", "low", "high"), [("win", 0.7532, 1.0), ("tie", -0.1234, 0.1234), ("loss", -1.0, -0.7532)]
)
def test_verdicts_that_are_all_the_same_leave_the_doubt_that_their_number_leaves(
    same: Verdict, low: float, high: float
) -> None:
    found = tally([same] * 28, [str(n) for n in range(28)], samples=100, seed=0)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-4)


def test_what_was_thought_is_no_part_of_the_answer(tiny_llama: Path, tmp_path: Path) -> None:
    side = Side("after", Place(str(tiny_llama)), Template(load_tokenizer(str(tiny_llama))), tmp_path)
    told = side._parted({"text": "<think>\n\n</think>\n\n水", "tokens": 3, "stopped": True})
    assert told == {"text": "水", "thinking": "", "tokens": 3, "stopped": True}
    said = Said(**told, loss=1.0, loss_tokens=1)
    assert said.measured("<think>slow</think>水", by_token=True)["overlap"] == 100
