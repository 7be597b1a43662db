"""Of each kind at most so many stay, whatever the order."""

from collections import Counter

import orjson
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from weitiao import record
from weitiao.prepare.cap import Cap
from weitiao.record import Record, record_id
from weitiao.step import Batch


def batch(kinds: list[tuple[str, str]]) -> Batch:
    made = [
        Record(record_id(uri, row, b""), (("user", "问"),), uri, row, facts={"source": {"tag": tag}} if tag else {})
        for row, (uri, tag) in enumerate(kinds)
    ]
    return Batch.of(record.to_frame(made))


def dropped(step: Cap, columns: pl.DataFrame) -> pl.DataFrame:
    return step.noted(step.judge(columns)).filter(pl.col("action") == "dropped")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", ""])), max_size=30), st.integers(1, 5))
def test_no_kind_has_more_and_the_order_does_not_matter(kinds: list[tuple[str, str]], most: int) -> None:
    for per, at in (("origin", 0), ("source.tag", 1)):
        step, made = Cap(per=per, most=most), batch(kinds)
        columns = step.columns(made)
        gone, other = (dropped(step, columns), dropped(step, columns.reverse()))
        assert set(gone["id"]) == set(other["id"])
        before = Counter(kind[at] for kind in kinds)
        after = before - Counter(dict(columns.join(gone, on="id")["kind"].value_counts().rows()))
        assert all(after[kind] == (min(count, most) if kind else count) for kind, count in before.items())


def test_the_ledger_says_of_how_many() -> None:
    step = Cap(most=2)
    (detail,) = dropped(step, step.columns(batch([("a", "")] * 3)))["detail"]
    score = {"setting": "most", "score": 3, "goes": ">", "threshold": 2, "noted_to": 1.0}
    assert orjson.loads(detail) == score | {"kind": "a", "records": 3}
