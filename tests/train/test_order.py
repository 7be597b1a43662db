from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.train import Chosen
from weitiao.train.order import best_fit, rate, steps


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(50, 120), st.integers(1, 4), st.integers(0, 9)
)
def test_each_record_stands_once_in_each_epoch(lengths: list[int], room: int, accumulate: int, seed: int) -> None:
    found = steps(lengths, Chosen(epochs=3, max_length=room, accumulate=accumulate), seed)
    epochs: list[Counter[int]] = [Counter()]
    for step in found:
        assert 1 <= len(step.packs) <= accumulate
        for pack in step.packs:
            assert sum(lengths[index] for index in pack) <= room
            epochs[-1].update(pack)
        if step.ends_epoch:
            epochs.append(Counter())
    assert epochs == [Counter(range(len(lengths)))] * 3 + [Counter()]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=60))
def test_no_two_packs_could_be_one(lengths: list[int]) -> None:
    sums = sorted(sum(lengths[i] for i in pack) for pack in best_fit(lengths, range(len(lengths)), 100))
    assert len(sums) < 2 or sums[0] + sums[1] > 100 or len(sums) <= 2 * sum(sums) / 100 + 1


def test_best_fit_takes_the_fullest_pack_with_room() -> None:
    assert best_fit([6, 5, 4, 5, 3], range(5), 10) == [[0, 2], [1, 3], [4]]


def test_order_depends_on_seed_and_epoch_alone() -> None:
    lengths, settings = [3] * 40, Chosen(epochs=2, max_length=9)
    assert steps(lengths, settings, 1) == steps(lengths, settings, 1)
    assert steps(lengths, settings, 1) != steps(lengths, settings, 2)
    first, second = steps(lengths, settings, 1)[:14], steps(lengths, settings, 1)[14:]
    assert [step.packs for step in first] != [step.packs for step in second]


@pytest.mark.parametrize(("settings", "count", "epoch"), [
    ({"epochs": 0.5}, 5, 0.5),
    ({"epochs": 2.2}, 22, 2.2),
    ({"epochs": 9, "max_steps": 4}, 4, 0.4),
    ({"packing": False}, 120, 3.0),
])  # fmt: skip
def test_how_many_steps(settings: dict[str, float], count: int, epoch: float) -> None:
    found = steps([5] * 40, Chosen(**{"max_length": 20, **settings}), 0)  # type: ignore[arg-type]
    assert len(found) == count
    assert found[-1].epoch == pytest.approx(epoch)


def test_rate_rises_and_falls_to_zero() -> None:
    settings = Chosen(learning_rate=1.0, warmup=0.1)
    found = [rate(step, 20, settings) for step in range(20)]
    assert found[:3] == [0.5, 1.0, 1.0]
    assert found[2:] == sorted(found[2:], reverse=True)
    assert found[-1] == pytest.approx(0.0076, abs=1e-4)
    assert rate(0, 1, Chosen(learning_rate=1.0)) == 1.0
