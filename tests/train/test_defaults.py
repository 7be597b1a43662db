"""What is left at auto is chosen by size, and what is set stays."""

from pathlib import Path
from typing import Any

import pytest

from weitiao.errors import UserError
from weitiao.recipe import bind
from weitiao.train import Train
from weitiao.train.defaults import choose, longest

NANO, SMALL, LARGE = 5_700_000, 1_900_000_000, 32_000_000_000


@pytest.mark.parametrize(("settings", "parameters", "lengths", "wanted"), [
    # The tutorial's 168 rows: short packs, so that it takes 20 steps or more.
    ({}, NANO, [60] * 168, (2e-3, 3, 1024, 1)),
    ({"method": "full"}, NANO, [60] * 168, (2e-4, 3, 1024, 1)),
    ({}, SMALL, [60] * 168, (2e-4, 3, 1024, 1)),
    ({"method": "full"}, SMALL, [60] * 168, (2e-5, 3, 1024, 1)),
    ({}, LARGE, [200] * 52_000, (1e-4, 3, 2048, 16)),
    ({"method": "full"}, LARGE, [200] * 52_000, (1e-5, 3, 2048, 16)),
    ({}, SMALL, [200] * 100_000, (2e-4, 1, 2048, 16)),
    ({}, SMALL, [200] * 6_000, (2e-4, 3, 2048, 8)),
    ({}, SMALL, [700] * 4, (2e-4, 3, 1024, 1)),
    ({"packing": False}, SMALL, [60] * 168, (2e-4, 3, 2048, 2)),
    ({"max_steps": 3}, SMALL, [60] * 168, (2e-4, 3, 2048, 1)),
])  # fmt: skip
def test_by_the_size_of_model_and_data(
    settings: dict[str, Any], parameters: int, lengths: list[int], wanted: tuple[float, ...]
) -> None:
    found = choose(Train.model_validate(settings), parameters, lengths)
    assert [choice.name for choice in found] == ["learning_rate", "epochs", "max_length", "accumulate"]
    assert tuple(choice.value for choice in found) == wanted


@pytest.mark.parametrize(("reads", "lengths", "wanted"), [
    (512, [60] * 6_000, (512, "the model reads no more")),
    (500, [60] * 6_000, (500, "the model reads no more")),
    (500, [60] * 50, (256, "longer packs would leave fewer than 20 steps")),
    (512, [600] * 60, (512, "the model reads no more")),  # such records were refused, or cut
    (32_768, [60] * 6_000, (2048, "as much as is quick")),
    (None, [60] * 6_000, (2048, "as much as is quick")),
])  # fmt: skip
def test_a_pack_is_no_longer_than_what_the_model_reads(
    reads: int | None, lengths: list[int], wanted: tuple[int, str]
) -> None:
    found = next(one for one in choose(Train(), NANO, lengths, reads=reads) if one.name == "max_length")
    assert (found.value, found.reason) == wanted
    assert longest(Train(), reads) == {"max_length": min(2048, reads or 2048)}
    assert longest(Train(max_length=4096), reads) == {}


def test_what_is_set_stays() -> None:
    settings = Train(learning_rate=1e-3, epochs=2, max_length=512, accumulate=4)
    assert choose(settings, SMALL, [60] * 168) == []
    assert [one.name for one in choose(Train(epochs=20, accumulate=1), SMALL, [60] * 168)] == [
        "learning_rate",
        "max_length",
    ]


@pytest.mark.parametrize(("name", "value"), [
    ("epochs", 0), ("learning_rate", "fast"), ("max_length", 1.5), ("accumulate", 0),
])  # fmt: skip
def test_a_wrong_value_is_named(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        bind({"train": {name: value}}, {"train": Train}, tmp_path)
    assert caught.value.message.startswith(f"train.{name} is ")
