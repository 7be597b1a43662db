"""The source stage: rows become records with their origin, what cannot be read is named, resume redoes nothing."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import zstandard

from weitiao.errors import UserError
from weitiao.record import record_id
from weitiao.source import reading, run

QA = '{"instruction": "鱼会淹死？", "input": "", "output": "会窒息。", "domain": ["动物"], "n": 99999999999999999999}\n'


def test_a_row_becomes_a_record_with_its_origin_and_all_its_fields(read: Any) -> None:
    read.write("a/qa.jsonl", "\n" + QA)
    (record,) = read("a", licence="CC0").records
    assert record.messages == (("user", "鱼会淹死？"), ("assistant", "会窒息。"))
    assert (record.uri, record.row, record.licence) == ("a/qa.jsonl", 2, "CC0")
    assert record.id == record_id("a/qa.jsonl", 2, QA.strip().encode())
    assert record.facts["shape"] == "cqia"
    assert record.facts["source"]["domain"] == ["动物"]


def test_whole_numbers_of_any_size_are_kept(read: Any) -> None:
    read.write("qa.jsonl", QA)
    read("qa.jsonl")
    (facts,) = pl.read_parquet(read.folder / "runs/t/source/part-00000.parquet")["facts"]
    assert json.loads(facts)["source"]["n"] == 99999999999999999999


def test_bad_rows_are_named_with_place_and_mend_and_counted(read: Any) -> None:
    rows = [
        QA.strip(),
        "{'instruction': 1}",
        '{"instruction": "q", "output": 3}',
        '{"a": 1}',
        '{"a": 2}',
        "<html>",
        "[1]",
    ]
    read.write("qa.jsonl", "\n".join([*rows, '{"instruction": "q", "outp']))
    with pytest.raises(UserError) as caught:
        read("qa.jsonl")
    assert caught.value.message.split("\n") == [
        "7 of 8 rows cannot be read",
        '  qa.jsonl:2: single quotes at character 2. JSON has double quotes: "',
        "  qa.jsonl:3:output: it is a number, not a text. Make it a text",
        "  qa.jsonl:4: no known shape of question, answer or post; it has the columns: a. Name the column that holds "
        "the text: `text: COLUMN`, --text COLUMN; a table starts with a row of names (like it: 1 more)",
        "  qa.jsonl:6: `<` cannot stand at character 1. Mend it there",
        "  qa.jsonl:7: it is a list, not an object. Write an object with fields, or a text",
        "  and others: 1",
    ]


def test_skip_bad_goes_on_and_the_ledger_has_every_row(read: Any) -> None:
    cut = '{"instruction": "q", "outp'
    read.write("qa.jsonl", "\n".join([QA.strip(), "x" * 3000, '{"text": " "}', cut]))
    result = read("qa.jsonl", skip_bad=True)
    assert len(result.records) == 1
    assert result.manifest["total"] == 4
    assert result.manifest["refused"] == {"not JSON": 2, "empty": 1}
    ids = [record_id("qa.jsonl", row, text.encode()) for row, text in ((2, "x" * 3000), (3, '{"text": " "}'), (4, cut))]
    assert [(row["id"], row["step"], row["action"], row["reason"], row["before"]) for row in result.ledger] == [
        (ids[0], "source", "skipped", "not JSON", "x" * 2000),
        (ids[1], "source", "skipped", "empty", '{"text": " "}'),
        (ids[2], "source", "skipped", "not JSON", cut),
    ]
    assert orjson.loads(result.ledger[2]["detail"]) == {
        "place": "qa.jsonl:4",
        "problem": "the line breaks off: the file was not written to its end",
    }


def test_empty_rows_need_no_skip_bad(read: Any) -> None:
    read.write("posts.jsonl", '{"text": "a"}\n{"text": null}\n{"text": ""}\n')
    result = read("posts.jsonl")
    assert (result.texts, result.manifest["refused"]) == (["a"], {"empty": 2})


def test_own_records_come_back_as_they_were(read: Any) -> None:
    record = {
        "id": "k1",
        "messages": [{"role": "passage", "content": "p"}],
        "origin": {"uri": "far.jsonl", "row": 9, "licence": None},
        "parents": ["k0"],
        "family": "f",
        "facts": {"score": {"x": 1.5}},
    }
    read.write("own.jsonl", orjson.dumps(record))
    assert read("own.jsonl").records[0].row_dict() == record
    pl.read_parquet(read.folder / "runs/t/source/part-00000.parquet").write_parquet(read.folder / "own.parquet")
    assert read("own.parquet").records[0].row_dict() == record
    with pytest.raises(UserError, match="The id k1 stands 2 times"):
        read("own.jsonl", "own.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"facts": 3}, "facts: it is not an object"),
        ({"facts": "{"}, "facts: it is not an object"),
        ({"id": None}, "id: it is not a text"),
        ({"origin": {"row": "1"}}, "origin.row: it is not a number"),
        ({"origin": []}, None),
        ({"parents": ["a", 1]}, "parents[1]: it is not a text"),
        ({"family": 1}, "family: it is not a text"),
        ({"family": 0}, "family: it is not a text"),
        ({"messages": 1}, "messages: it is a number, not a list"),
    ],
)
def test_a_record_of_ours_that_was_bent_is_named_by_field(read: Any, change: dict[str, Any], said: str | None) -> None:
    record = {"id": "k", "messages": [{"role": "user", "content": "q"}], "origin": None}
    read.write("own.jsonl", orjson.dumps({**record, **change}))
    if said is None:
        assert read("own.jsonl").texts == ["q"]
        return
    with pytest.raises(UserError) as caught:
        read("own.jsonl")
    assert f"own.jsonl:1:{said}" in caught.value.message
    assert read("own.jsonl", skip_bad=True).records == []


def test_text_names_the_column_and_shape_forces_it(read: Any) -> None:
    read.write("x.jsonl", '{"original_data": "旧", "question": "新"}\n')
    assert read("x.jsonl", text="original_data").records[0].messages == (("passage", "旧"),)
    with pytest.raises(UserError, match=r"x.jsonl:1:messages: the field `messages` is missing; it has: original_data,"):
        read("x.jsonl", shape="openai")
    with pytest.raises(UserError, match=r"x.jsonl:1:txt: the field `txt` is missing"):
        read("x.jsonl", text="txt")


def test_compressed_files_are_read_and_a_broken_one_gives_what_it_has(read: Any) -> None:
    data = b"".join(b'{"text": "%d"}\n' % i for i in range(5000))
    read.write("a.jsonl.gz", gzip.compress(data))
    read.write("b.jsonl.zst", zstandard.compress(data))
    assert len(read("a.jsonl.gz", "b.jsonl.zst").records) == 10000
    read.write("b.jsonl.zst", zstandard.compress(data) + zstandard.compress(b'{"text": "next frame"}'))
    assert read("b.jsonl.zst").texts[-1] == "next frame"
    mixed = b"".join(b'{"text": "%s"}\n' % hashlib.sha256(b"%d" % i).hexdigest().encode() for i in range(5000))
    for name, packed in (("c.jsonl.gz", gzip.compress(data)), ("d.jsonl.zst", zstandard.compress(mixed))):
        read.write(name, packed[:-3000])
        with pytest.raises(UserError, match=f"{name}: the compressed file is damaged or breaks off"):
            read(name)
        result = read(name, skip_bad=True)
        assert len(result.records) > 100
        assert result.manifest["refused"]["broken archive"] == 1


def test_many_pieces_give_the_same_records_as_one(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        read.write(f"{name}.jsonl", "".join(f'{{"text": "{name} {i}"}}\n' for i in range(200)))
    read.write("c.csv", "text\n" + "".join(f"c {i}\n" for i in range(200)))
    read.write("d.md", "# d")
    packed = gzip.compress("".join(f'{{"text": "{hash(str(i))}"}}\n' for i in range(500)).encode())
    read.write("e.jsonl.gz", packed[: len(packed) // 2])
    names = ("a.jsonl", "e.jsonl.gz", "b.jsonl", "c.csv", "d.md")
    whole = read(*names, skip_bad=True)
    monkeypatch.setattr(reading, "PIECE", 500)
    monkeypatch.setattr(run, "PART", 30)
    parts = read(*names, skip_bad=True, licence="")
    assert parts.records == whole.records
    assert parts.ledger == whole.ledger
    assert parts.manifest["refused"]["broken archive"] == 1
    assert len(list((read.folder / "runs/t/source").glob("part-*"))) > 20


def test_an_interrupted_try_goes_on_where_it_was(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 100)
    read.write("a.jsonl", "".join(f'{{"text": "{i}"}}\n' for i in range(50)))
    read.write("b.csv", "text\n" + "".join(f"c {i}\n" for i in range(50)))
    done: list[Path] = []
    write = run._write

    def stop_after_three(draft: Any, index: int, table: Any) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        write(draft, index, table)
        done.append(draft.part(index))

    monkeypatch.setattr(run, "_write", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        read("a.jsonl", "b.csv")
    before = {path.name: path.stat().st_mtime_ns for path in done}
    monkeypatch.setattr(run, "_write", write)
    result = read("a.jsonl", "b.csv")
    assert result.texts == [str(i) for i in range(50)] + [f"c {i}" for i in range(50)]
    folder = read.folder / "runs/t/source"
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


def test_two_workers_give_what_one_gives(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 4000)
    read.write("a.jsonl", "".join(f'{{"text": "{i}"}}\n' for i in range(500)))
    one = read("a.jsonl")
    monkeypatch.setenv("WEITIAO_WORKERS", "2")
    two = read("a.jsonl", licence="")
    assert [record.row_dict() for record in two.records] == [record.row_dict() for record in one.records]


def test_nothing_at_all_is_said(read: Any) -> None:
    read.write("a.json", "[]")
    with pytest.raises(UserError, match=r"a.json: no rows in it"):
        read("a.json")


def test_a_file_that_gives_no_row_is_said_and_stands_in_the_ledger(read: Any) -> None:
    read.write("in/good.jsonl", '{"text": "g"}\n')
    read.write("in/none.json", "[]")
    read.write("in/one.csv", "鱼会淹死吗,不会\n")
    with pytest.raises(UserError) as caught:
        read("in")
    assert caught.value.message.split("\n") == [
        "2 of 3 rows cannot be read",
        "  in/none.json: no rows in it. Check that it is the file you mean",
        "  in/one.csv:1: its only row was taken for the names of the columns: 鱼会淹死吗, 不会. If it is data, put a "
        "row of names above it (question,answer); else leave it out",
    ]
    result = read("in", skip_bad=True)
    assert result.texts == ["g"]
    assert [(event["reason"], event["before"]) for event in result.ledger] == [
        ("no rows", ""),
        ("no rows", "鱼会淹死吗,不会\n"),
    ]
