"""Rows that meet in a shuffle give what one machine finds in memory, however the parts are cut."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from similar.test_large import LETTERS, made_up, on_disk
from weitiao.engine import Meeting, local
from weitiao.similar import Likeness
from weitiao.similar.firsts import first_rows
from weitiao.similar.large import twins_on_disk
from weitiao.similar.spread import twins_apart


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")


def shuffled(
    emit: Callable[[Any], pl.DataFrame], chunks: Sequence[Any], meetings: Sequence[Meeting], schema: Mapping[str, Any]
) -> pl.DataFrame:
    """Shuffle in this process, in a drawn order: what meets may come in any."""
    rows = pl.concat(emit(chunk) for chunk in chunks)
    for column, function in meetings:
        groups = rows.sample(fraction=1, shuffle=True, seed=7).partition_by(column)
        met = [function(group) for group in groups]
        rows = pl.concat(met) if met else rows.clear()
    return pl.concat([pl.DataFrame(schema=schema), rows.select(*schema)]) if len(rows) else pl.DataFrame(schema=schema)


def texts(seed: int) -> list[str]:
    """Return texts of all lengths with their copies, and a crowd that shares most bands."""
    rng = random.Random(seed)
    crowd = "".join(rng.choices(LETTERS, k=300))
    made = made_up(seed) + [crowd[:at] + rng.choice(LETTERS) + crowd[at + 1 :] for at in range(150)]
    rng.shuffle(made)
    return made


@pytest.mark.parametrize("size", [17, 1000])
def test_twins_are_those_found_on_one_machine(tmp_path: Path, size: int) -> None:
    columns = pl.DataFrame({"text": texts(size)}).with_row_index("id").cast({"id": pl.String})
    likeness = Likeness(margin=0.05)
    first, twins = twins_on_disk(on_disk(columns, tmp_path / "one", size), likeness)
    there, found = twins_apart(on_disk(columns, tmp_path / "many", size), likeness, local, shuffled)
    assert len(twins) > 200
    assert there.tolist() == first.tolist()
    assert found.rows() == twins.rows()


def test_the_first_of_equal_hashes_is_found_over_all_parts(tmp_path: Path) -> None:
    hashes = pl.Series("hash", [5, None, 7, 5, None, 7, 7, 9], dtype=pl.UInt64)
    gathered = on_disk(pl.DataFrame({"id": list("abcdefgh")}).with_columns(hashes), tmp_path, 3)
    assert first_rows(gathered, "hash", local, shuffled).tolist() == [0, 1, 2, 0, 4, 2, 2, 7]
