"""The table: a plain row goes its own short way, and comes to the same record as on the long one."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.formats import BadRow
from weitiao.record import record_id
from weitiao.source import Source
from weitiao.source.collected import Collected
from weitiao.source.json_rows import read_lines
from weitiao.source.opened import Opened
from weitiao.source.table import Table, understand, understand_any
from weitiao.source.text import Encoding

_FILE = Opened("a.jsonl", "a.jsonl", "jsonl", Encoding("utf-8"), "utf-8")
_PAGE = Collected("https://a.cn/1", "2026-01-02T03:04:05+00:00", "CC0-1.0")


def laid_out(data: bytes, settings: Source, file: Opened = _FILE) -> tuple[Table, pl.DataFrame, pl.DataFrame]:
    """Return the table of these lines, its records and its events."""
    table = Table(settings)
    for row in read_lines(data, file.codec, 1):
        table.add(row, file)
    return table, *table.frames()


def understood(data: bytes, settings: Source) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records and the events of these lines, one after the other."""
    records: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for row in read_lines(data, "utf-8", 1):
        mark = record_id(_FILE.uri, row.number, row.raw)
        try:
            found = understand_any(row, _FILE, settings)
            assert understand(row, _FILE, settings) == found
        except BadRow as bad:
            events.append({"id": mark, "reason": bad.problem.reason, "row": row.number})
            continue
        records.append(
            {
                "id": mark,
                "messages": [{"role": role, "content": content} for role, content in found.reading.messages],
                "origin": {"uri": _FILE.uri, "row": row.number, "licence": settings.licence},
                "parents": [],
                "family": None,
                "facts": found.facts,
            }
        )
    return records, events


_KEYS = [
    ("instruction", "input", "output"),
    ("output", "instruction"),
    ("问题", "答案"),
    ("query", " Context ", "answer"),
]
_KEYS += [("input", "output"), ("text",), ("instruction", "output", "check"), ("instruction", "input", "output", "id")]
_TEXTS = st.one_of(
    st.sampled_from(["", " ", "问\n", "\u2028", "\0", "\ufeff", "[]", "😀", "1" * 20]), st.text(max_size=9)
)
_VALUES = st.one_of(_TEXTS, _TEXTS, st.sampled_from([None, 0, True, 2**70, 1.5, [], ["a"], {}, {"exact": "a"}]))
_OBJECTS = st.builds(
    lambda keys, values, plain: json.dumps(dict(zip(keys, values, strict=False)), ensure_ascii=plain),
    st.sampled_from(_KEYS),
    st.tuples(_VALUES, _VALUES, _VALUES, _VALUES),
    st.booleans(),
).map(str.encode)
_ODD = [
    *(b"", b" \t\r", b"null", b"1", b'"post"', b"[]", b"{}", b"\xff", b'{"instruction": "a"', b"[" * 2000),
    b'{"instruction": "a\\ud800", "output": "b"}',
    b'{"instruction": "\\ud83d\\ude00", "output": "b"}',
    b'{"instruction": "a\tb", "output": "c"}',
    b'{"instruction": "a\xff", "output": "c"}',
    b'{"instruction": 1, "output": "b", "instruction": "a"}',
    b'{"instruction": "a", "output": "b", "output": null}',
    b'{"instruct\\u0069on": "a", "output": "b"}',
    b'{"instruction": ' + b"9" * 5000 + b', "instruction": "a", "output": "b"}',
    b'{"instruction": "a", "output": "b"} \x0c',
    b'\xef\xbb\xbf{"instruction": "a", "output": "b"}',
]
_LINES = st.lists(
    st.tuples(
        st.one_of(_OBJECTS, _OBJECTS, st.sampled_from(_ODD), st.binary(max_size=20)),
        st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r"]),
    ).map(b"".join),
    max_size=8,
).map(b"".join)


@given(
    _LINES,
    st.sampled_from(["auto", "lines", "alpaca"]),
    st.sampled_from([None, None, "output"]),
    st.sampled_from([None, "MIT"]),
)
def test_the_table_holds_what_is_understood_of_each_row(
    data: bytes, shape: Any, text: str | None, licence: str | None
) -> None:
    settings = Source(inputs=["a.jsonl"], shape=shape, text=text, licence=licence)
    table, records, events = laid_out(data, settings)
    wanted, refused = understood(data, settings)
    assert [{**row, "facts": json.loads(row["facts"])} for row in records.to_dicts()] == wanted
    assert events.select("id", "reason").rows() == [(event["id"], event["reason"]) for event in refused]
    assert (table.tally.kept, table.tally.refused.total()) == (len(wanted), len(refused))
    assert table.tally.shapes.total() == len(wanted)


@given(_LINES)
def test_each_line_that_is_not_blank_is_a_row(data: bytes) -> None:
    lines = enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    wanted = [(number, held) for number, line in lines if (held := line.strip(b" \t\r"))]
    assert [(row.number, row.raw) for row in read_lines(data, "utf-8", 1)] == wanted


def test_rows_stay_in_their_order_however_many_there_are() -> None:
    rows: list[dict[str, Any]] = []
    for n in range(1_200):
        rows.append({"instruction": f"q{n}", "input": "c" if n % 3 == 0 else "", "output": f"a{n}"})
        if n % 100 == 0:
            rows.append({"messages": [{"role": "user", "content": f"m{n}"}]})
    data = b"\n".join(json.dumps(row).encode() for row in rows)
    table, records, _ = laid_out(data, Source(inputs=["a.jsonl"]))
    texts = [[message["content"] for message in messages] for messages in records["messages"]]
    assert texts[:4] == [["q0\nc", "a0"], ["m0"], ["q1", "a1"], ["q2", "a2"]]
    assert texts[-1] == ["q1199", "a1199"]
    assert records["origin"].struct.field("row").to_list() == list(range(1, 1_213))
    assert table.tally.shapes == {"alpaca": 1_200, "openai": 12}
    assert records["facts"][:3].to_list() == [
        '{"shape":"alpaca","source":{"input":"c"}}',
        '{"shape":"openai"}',
        '{"shape":"alpaca"}',
    ]


@pytest.mark.parametrize("context", ["", "c"])
def test_a_collected_file_says_of_each_row_when_and_where_it_was_had(context: str) -> None:
    file = Opened("d/1.jsonl", "d/1.jsonl", "jsonl", Encoding("utf-8"), "utf-8", collected=_PAGE)
    row = json.dumps({"instruction": "q", "input": context, "output": "a"}).encode()
    _, records, _ = laid_out(row, Source(inputs=["d"]), file)
    assert records["origin"][0] == {"uri": _PAGE.address, "row": 1, "licence": "CC0-1.0"}
    said = {"collected": _PAGE.time, "file": "d/1.jsonl"}
    assert json.loads(records["facts"][0])["source"] == ({"input": context, **said} if context else said)
