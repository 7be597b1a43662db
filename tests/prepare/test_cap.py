"""Of each kind at most so many stay, whatever the order."""

from collections import Counter

import orjson
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


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", ""])), max_size=30), st.integers(1, 5))
def test_no_kind_has_more_and_the_order_does_not_matter(kinds: list[tuple[str, str]], most: int) -> None:
    for per, at in (("origin", 0), ("source.tag", 1)):
        step, made = Cap(per=per, most=most), batch(kinds)
        columns = step.columns(made)
        gone = step.judge(columns)
        assert set(gone["id"]) == set(step.judge(columns.reverse())["id"])
        before = Counter(kind[at] for kind in kinds)
        after = before - Counter(dict(columns.join(gone, on="id")["kind"].value_counts().rows()))
        assert all(after[kind] == (min(count, most) if kind else count) for kind, count in before.items())


def test_the_ledger_says_of_how_many() -> None:
    step = Cap(most=2)
    (row,) = step.judge(step.columns(batch([("a", "")] * 3))).rows()
    assert orjson.loads(row[1]) == {"of": "a", "records": 3, "place": 3}
