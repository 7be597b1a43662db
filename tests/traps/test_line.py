"""The line gives every clean record back, and drops every other row for the reason for which it was planted."""

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from weitiao import pipeline
from weitiao.model.hub import resolve
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load
from weitiao.record import to_records
from weitiao.store import Stored
from weitiao.traps import Experiment, experiment, write
from weitiao.traps.posts import KEPT

EXAMPLE = Path(__file__).parents[2] / "examples" / "traps"


@pytest.fixture(scope="module")
def made() -> Experiment:
    return experiment(42)


@pytest.fixture(scope="module")
def stages(made: Experiment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stored]:
    folder = tmp_path_factory.mktemp("traps")
    write(folder, made, 42)
    (folder / "recipe.yaml").write_bytes((EXAMPLE / "recipe.yaml").read_bytes())
    done = pipeline.run(load(folder / "recipe.yaml", SETTINGS), folder / "runs", last="export")
    return {item.stage.name: item.stored for item in done}


def records(stored: Stored) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(item.uri, item.row): tuple(text for _, text in item.messages) for item in to_records(stored.records())}


def test_the_line_gives_back_every_clean_record_word_for_word(made: Experiment, stages: dict[str, Stored]) -> None:
    planted = {
        (f"posts/{file.name}", number): (row.question, row.answer)
        for file in made.files
        for number, row in enumerate(file.rows, 1)
        if row.fate == KEPT
    }
    assert len(planted) == len(made.tuned) > 1000
    assert records(stages["export"]) == planted


def test_the_line_drops_every_other_row_for_its_reason(made: Experiment, stages: dict[str, Stored]) -> None:
    places = {item.id: (item.uri, item.row) for item in to_records(stages["source"].records())}
    ledger = pl.concat(stored.ledger() for stored in stages.values())
    gone = ledger.filter(pl.col("action").is_in(["dropped", "refused"]))
    found = {places[key]: reason for key, reason in gone.select("id", "reason").iter_rows()}
    skipped = ledger.filter(pl.col("action") == "skipped")["reason"].to_list()
    fates = {
        (f"posts/{file.name}", number): row.fate
        for file in made.files
        for number, row in enumerate(file.rows, 1)
        if row.fate != KEPT
    }
    readable = set(places.values())
    assert found == {place: fate for place, fate in fates.items() if place in readable}
    assert sorted(skipped) == sorted(fate for place, fate in fates.items() if place not in readable)
    assert set(fates.values()) == {
        "not JSON", "not an object", "unknown shape", "wrong encoding", "unequal columns", "empty", "too short",
        "exact duplicate", "near-duplicate", "no answer", "passage, not a conversation",
    }  # fmt: skip


def test_nano_is_trained_on_the_corpus_that_the_generator_makes(tmp_path: Path) -> None:
    write(tmp_path, experiment(42), 42)
    note = json.loads((Path(resolve("nano", tmp_path)) / "training.json").read_bytes())
    assert note["corpus"]["sha256"] == hashlib.sha256((tmp_path / "corpus.jsonl").read_bytes()).hexdigest()


def test_the_example_is_what_the_generator_makes(tmp_path: Path) -> None:
    write(tmp_path, experiment(42), 42)
    (tmp_path / "corpus.jsonl").unlink()
    names = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(names) == 8
    for name in names:
        assert (EXAMPLE / name).read_bytes() == (tmp_path / name).read_bytes(), name
