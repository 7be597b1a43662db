"""Splitting: families stay whole, the shares are met, and nothing near crosses over."""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weitiao import record
from weitiao.errors import UserError
from weitiao.recipe import bind
from weitiao.record import Record, fact, record_id
from weitiao.split import Split, run
from weitiao.stage import Job, Outcome
from weitiao.store import Draft, Stored, write_parquet

RUOZHIBA = Path(__file__).parents[3] / "shared" / "data" / "ruozhiba" / "ruozhiba_format.jsonl"


def asked(*questions: str) -> list[Record]:
    talks = [(("user", text), ("assistant", f"答{n}")) for n, text in enumerate(questions)]
    return [Record(record_id("f", n, b""), talk, "f", n + 1) for n, talk in enumerate(talks)]


def unlike(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return ["".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(12)) for _ in range(count)]


def split(folder: Path, records: list[Record], size: int = 50, seed: int = 42, **keys: Any) -> tuple[Outcome, Stored]:
    source, out = folder / "in", folder / "out"
    source.mkdir(parents=True)
    out.mkdir()
    for start in range(0, len(records), size):
        write_parquet(Draft(source).part(start // size), record.to_frame(records[start : start + size]))
    recipe = bind({"seed": seed, "split": keys}, {"split": Split}, folder)
    return run(Job(recipe, "split", Draft(out), {"records": Stored(source)})), Stored(out)


def parts(stored: Stored) -> list[str]:
    return stored.records().select(fact("split", "part")).to_series().to_list()


@pytest.mark.skipif(not RUOZHIBA.exists(), reason=f"no {RUOZHIBA}")
def test_the_240_questions_in_order_give_168_and_72(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in RUOZHIBA.read_text(encoding="utf-8").splitlines()]
    records = [
        Record(record_id("f", n, b""), tuple((m["role"], m["content"]) for m in row["messages"]), "f", n)
        for n, row in enumerate(rows, 1)
    ]
    outcome, stored = split(tmp_path, records, ratios={"train": 0.7, "test": 0.3}, in_order=True)
    assert parts(stored) == ["train"] * 168 + ["test"] * 72
    assert stored.records()["id"].to_list() == [item.id for item in records]
    assert outcome.facts["families"] == 240


def test_everything_about_a_record_is_kept_and_its_family_and_part_are_set(tmp_path: Path) -> None:
    questions = unlike(3)
    records = asked(questions[0], questions[1], questions[0] + "？", questions[2])
    outcome, stored = split(tmp_path, records, ratios={"a": 0.5, "b": 0.5}, in_order=True, size=3)
    first = [records[n].id for n in (0, 1, 0, 3)]
    assert parts(stored) == ["a", "b", "a", "b"]
    assert stored.records()["family"].to_list() == first
    assert stored.records().drop("family", "facts").equals(record.to_frame(records).drop("family", "facts"))
    assert stored.ledger().select("id", "step", "action", "reason", "detail").rows() == [
        (item.id, "split", "assigned", part, json.dumps({"family": family, "size": size}, separators=(",", ":")))
        for item, part, family, size in zip(records, "abab", first, (2, 1, 2, 1), strict=True)
    ]
    assert outcome.facts["parts"] == {"a": 2, "b": 2}
    assert outcome.facts["near_duplicate_pairs"] == 1
    # Two of four rows are in different parts in 2 * 2 * 2 of 4 * 3 ordered pairs.
    assert outcome.facts["expected_leaks_of_a_random_split"] == pytest.approx(0.7)
    assert outcome.facts["leaks"] == 0


def test_parents_children_siblings_and_old_families_stay_together(tmp_path: Path) -> None:
    q = unlike(40)
    records = asked(*q)
    child = Record("child", (("user", "孩子的问题完全不同"),), "g", 1, parents=(records[0].id,))
    orphans = [
        Record(f"orphan{n}", (("user", text),), "g", n, parents=("gone",)) for n, text in enumerate(unlike(2, 7))
    ]
    old = [Record(f"old{n}", (("user", text),), "g", n, family="before") for n, text in enumerate(unlike(2, 8))]
    _, stored = split(tmp_path, [*records, child, *orphans, *old], ratios={"train": 0.5, "test": 0.5})
    rows = stored.records().with_columns(fact("split", "part").alias("part"))
    where = dict(rows.select("id", "part").rows())
    family = dict(rows.select("id", "family").rows())
    assert where["child"] == where[records[0].id]
    assert family["child"] == records[0].id
    assert family["orphan0"] == family["orphan1"] == "orphan0"
    assert family["old0"] == family["old1"] == "old0"


@pytest.mark.parametrize("ratios", [{"train": 0.7, "test": 0.3}, {"a": 0.333, "b": 0.333, "c": 0.334}, {"only": 1.0}])
@pytest.mark.parametrize("in_order", [True, False])
def test_single_rows_meet_the_shares_to_the_row(tmp_path: Path, ratios: dict[str, float], in_order: bool) -> None:
    outcome, _ = split(tmp_path, asked(*unlike(240)), ratios=ratios, in_order=in_order)
    assert list(outcome.facts["parts"].values()) == [round(240 * share) for share in ratios.values()]


FAMILIES = st.lists(st.integers(1, 6), min_size=6, max_size=25)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=FAMILIES, seed=st.integers(0, 3), in_order=st.booleans(), shuffled=st.randoms(use_true_random=False))
def test_families_never_straddle_and_do_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int, in_order: bool, shuffled: random.Random
) -> None:
    stems = unlike(len(sizes), seed)
    questions = [stem + "？" * n for stem, size in zip(stems, sizes, strict=True) for n in range(size)]
    records = asked(*questions)
    families: list[set[frozenset[str]]] = []
    drawn: list[dict[str, str]] = []
    for again in range(2):
        keys = {"ratios": {"x": 0.6, "y": 0.4}, "in_order": in_order}
        outcome, stored = split(tmp_path_factory.mktemp("split"), records, size=7, seed=seed, **keys)
        rows = stored.records().with_columns(fact("split", "part").alias("part"))
        assert rows.group_by("family").agg(pl.col("part").n_unique())["part"].to_list() == [1] * len(sizes)
        families.append({frozenset(ids) for ids in rows.group_by("family").agg("id")["id"].to_list()})
        drawn.append(dict(rows.select("id", "part").rows()))
        slack = max(sizes)
        assert abs(outcome.facts["parts"]["x"] - 0.6 * len(records)) <= slack
        if not again:
            shuffled.shuffle(records)
    assert families[0] == families[1]
    assert in_order or drawn[0] == drawn[1]


def test_the_seed_decides_who_is_drawn(tmp_path: Path) -> None:
    records = asked(*unlike(60))
    drawn = [
        parts(split(tmp_path / f"{n}", records, seed=seed, ratios={"a": 0.5, "b": 0.5})[1])
        for n, seed in enumerate((1, 1, 2))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_strata_are_spread_evenly(tmp_path: Path) -> None:
    kinds = ["问答"] * 60 + ["写作"] * 30 + ["代码"] * 10
    records = [
        Record(item.id, item.messages, "f", item.row, facts={"source": {"task_type": kind}} if kind != "代码" else {})
        for item, kind in zip(asked(*unlike(100)), kinds, strict=True)
    ]
    _, stored = split(tmp_path, records, ratios={"train": 0.8, "test": 0.2}, stratify="source.task_type")
    counts = pl.DataFrame({"kind": kinds, "part": parts(stored)}).group_by("kind", "part").len()
    assert set(counts.rows()) == {
        ("问答", "train", 48), ("问答", "test", 12), ("写作", "train", 24), ("写作", "test", 6),
        ("代码", "train", 8), ("代码", "test", 2),
    }  # fmt: skip


PASSAGE = "".join(chr(0x4E00 + n * 13 % 5000) for n in range(300))


def test_questions_about_a_passage_stay_together_and_uses_of_a_prompt_do_not(tmp_path: Path) -> None:
    few = asked(*(PASSAGE + text for text in unlike(3)), *unlike(20, 1))
    assert split(tmp_path / "few", few, ratios={"a": 0.5, "b": 0.5})[0].facts["largest_family"] == 3
    many = asked(*(PASSAGE + text for text in unlike(60)))
    assert split(tmp_path / "many", many, ratios={"a": 0.5, "b": 0.5})[0].facts["largest_family"] == 1


def test_splitting_again_replaces_the_part_and_keeps_the_families(tmp_path: Path) -> None:
    _, once = split(tmp_path / "1", asked(*unlike(10)), ratios={"a": 0.5, "b": 0.5}, in_order=True)
    _, twice = split(tmp_path / "2", record.to_records(once.records()), ratios={"c": 1.0})
    assert twice.records()["facts"].to_list() == ['{"split":{"part":"c"}}'] * 10


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"train": 0.7, "test": 0.2}, "the shares must sum to 1, not to 0.9"),
        ({"train": 1.2, "test": -0.2}, "the share of `test` must be greater than 0"),
        ({"train": 1.0, "../x": 0.0}, "`../x` is no name for a part"),
        ({"a": 0.5, "A": 0.5}, "two parts have the same name"),
        ({}, "the shares must sum to 1, not to 0"),
        ({"train": float("nan")}, "split.ratios"),
    ],
)
def test_shares_that_cannot_be_are_refused(tmp_path: Path, ratios: dict[str, float], message: str) -> None:
    with pytest.raises(UserError) as caught:
        split(tmp_path, asked("一"), ratios=ratios)
    assert message in caught.value.message


def test_a_part_that_would_stay_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`test` would get none of 3 records"):
        split(
            tmp_path / "1",
            asked("同一个问题是什么", "同一个问题是什么？", "同一个问题是什么！"),
            ratios={"train": 0.5, "test": 0.5},
        )
    with pytest.raises(UserError, match="`test` would get none of 4 records"):
        split(tmp_path / "2", asked(*unlike(4)), ratios={"train": 0.95, "test": 0.05})


def test_what_cannot_be_asked_at_once_or_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose one"):
        split(tmp_path / "1", asked(*unlike(4)), in_order=True, stratify="source.kind", ratios={"a": 1.0})
    with pytest.raises(UserError, match="no record has the fact"):
        split(tmp_path / "2", asked(*unlike(4)), stratify="source.kind", ratios={"a": 1.0})
