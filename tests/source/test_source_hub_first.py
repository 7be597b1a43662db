"""The first rows of data sets by name: exactly these, and of the files only what they need is fetched."""

import datetime
import decimal
import gzip
import io
import json
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hub_server import SHA, DataHub

from weitiao.check import check
from weitiao.errors import UserError
from weitiao.source import Source
from weitiao.source import hub as source_hub
from weitiao.source.files import digests, find

pytest.importorskip("huggingface_hub")
pytest.importorskip("pyarrow")
needs_modelscope = pytest.mark.skipif(find_spec("modelscope_hub") is None, reason="modelscope is not installed")

COUNT = 8_000
MIXED = random.Random(0)
# A kilobyte each that does not pack well; the fields hold commas, quotes and line ends.
ROWS = [{"text": f'第{n}行, "so"\n{MIXED.randbytes(384).hex()}，完'} for n in range(COUNT)]
TEXTS = [row["text"] for row in ROWS]


def lines(rows: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def table(rows: list[dict[str, str]], mark: str) -> bytes:
    return pl.DataFrame(rows).write_csv(separator=mark, quote_style="always").encode()


def parquet(rows: list[dict[str, str]], group: int) -> bytes:
    target = io.BytesIO()
    pl.DataFrame(rows).write_parquet(target, row_group_size=group, compression="uncompressed", data_page_size=1 << 16)
    return target.getvalue()


def workbook(texts: list[str]) -> bytes:
    import openpyxl

    book, target = openpyxl.Workbook(), io.BytesIO()
    for text in ["text", *texts]:
        book.active.append([text])
    book.save(target)
    return target.getvalue()


KINDS = {
    "train.jsonl": lines(ROWS),
    "train.json": lines(ROWS),
    "train.csv": table(ROWS, ","),
    "train.tsv": table(ROWS, "\t"),
    "train.jsonl.gz": gzip.compress(lines(ROWS), 1),
    "train.csv.zst": zstandard.ZstdCompressor().compress(table(ROWS, ",")),
    "train.parquet": parquet(ROWS, 100),
    "one_group.parquet": parquet(ROWS, COUNT),
}
ARRAY = json.dumps(ROWS, ensure_ascii=False).encode()  # on one line


def gets(hub: DataHub, name: str) -> list[str]:
    """Return the ranges that were asked for of a file."""
    return [asked for method, path, asked in hub.asked if method == "GET" and path.endswith("/" + name)]


@pytest.mark.parametrize("name", [*KINDS, "array.json"])
def test_the_first_rows_are_exact_and_little_is_fetched(name: str, hub: DataHub, read: Any) -> None:
    content = KINDS.get(name, ARRAY)
    hub.files = {name: content}
    found = read("hf:owner/name:train[:10]")
    assert found.texts == TEXTS[:10]
    assert [(r.uri, r.row) for r in found.records] == [(f"hf:owner/name@{SHA}/{name}", n) for n in range(1, 11)]
    assert found.manifest["facts"]["revisions"] == {"hf:owner/name": SHA}
    assert hub.sent[name] < len(content) * (0.09 if name.endswith(("gz", "zst")) else 0.05)


@pytest.mark.parametrize("name", [*KINDS, "array.json"])
def test_the_records_are_those_of_the_whole(name: str, hub: DataHub, read: Any, tmp_path: Path) -> None:
    hub.files = {name: KINDS.get(name, ARRAY)}
    first = read("hf:owner/name[:1234]").records
    assert len(hub.asked) > 1
    assert read("hf:owner/name").records[:1234] == first
    assert [record.messages[0][1] for record in first] == TEXTS[:1234]


@pytest.mark.parametrize("name", ["train.jsonl", "train.csv", "train.parquet"])
def test_a_beginning_that_is_large_is_read_in_parts(
    name: str, hub: DataHub, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weitiao.source.reading.PIECE", 1 << 14)
    monkeypatch.setattr("weitiao.source.run.PART", 100)
    hub.files = {name: KINDS[name]}
    found = read("hf:owner/name[:1234]")
    assert found.texts == TEXTS[:1234]
    assert [record.row for record in found.records] == [*range(1, 1235)]


@pytest.mark.parametrize("name", list(KINDS))
def test_more_rows_than_there_are_is_all_of_them(name: str, hub: DataHub, read: Any) -> None:
    hub.files = {name: {"train.jsonl": lines(ROWS[:5]), "train.parquet": parquet(ROWS[:5], 2)}.get(name, KINDS[name])}
    count = 5 if name in ("train.jsonl", "train.parquet") else COUNT
    assert read(f"hf:owner/name[:{COUNT + 1}]").texts == TEXTS[:count]


def test_files_after_the_last_row_are_left_alone(hub: DataHub, read: Any) -> None:
    hub.files = {f"train-{n}.jsonl": lines(ROWS[n * 10 : n * 10 + 10]) for n in range(4)}
    found = read("hf:owner/name:train[:15]")
    assert found.texts == TEXTS[:15]
    assert [found.records[n].uri[-13:] for n in (9, 10)] == ["train-0.jsonl", "train-1.jsonl"]
    assert not [path for _, path, _ in hub.asked if path.endswith(("train-2.jsonl", "train-3.jsonl"))]
    assert read("hf:owner/name:train[:20]").texts == TEXTS[:20]
    assert not [path for _, path, _ in hub.asked if path.endswith(("train-2.jsonl", "train-3.jsonl"))]


def test_two_inputs_are_each_counted(hub: DataHub, read: Any) -> None:
    hub.files = {"train.jsonl": lines(ROWS[:9]), "test.jsonl": lines(ROWS[20:29])}
    assert read("hf:owner/name:train[:2]", "hf:owner/name:test[:3]").texts == TEXTS[:2] + TEXTS[20:23]
    with pytest.raises(UserError) as caught:
        read("hf:owner/name:train[:2]", "hf:owner/name:train")
    assert caught.value.message.endswith("/train.jsonl is in two inputs, and not all of it is wanted")


@pytest.mark.parametrize("name", ["train.jsonl", "train.csv.zst", "train.parquet"])
def test_the_next_run_asks_nothing(name: str, hub: DataHub, read: Any) -> None:
    hub.files = {name: KINDS[name]}
    first = read("hf:owner/name[:10]").records
    source_hub._listing.cache_clear()
    hub.status = 503
    assert read("hf:owner/name[:10]", skip_bad=True).records == first  # another setting: it is read anew


def test_what_is_there_whole_is_not_asked_for_again(hub: DataHub, read: Any) -> None:
    hub.files = {"train.csv": KINDS["train.csv"]}
    read("hf:owner/name")
    hub.asked.clear()
    assert read("hf:owner/name[:10]").texts == TEXTS[:10]
    assert hub.asked == []


@pytest.mark.parametrize("name", ["train.jsonl", "train.csv.zst", "train.parquet"])
def test_a_range_that_breaks_off_goes_on_where_it_was(name: str, hub: DataHub, read: Any) -> None:
    hub.files, hub.cut = {name: KINDS[name]}, 2
    assert read("hf:owner/name[:10]").texts == TEXTS[:10]
    starts = [int(asked[6:].partition("-")[0]) for asked in gets(hub, name)]
    assert len(set(starts)) == len(starts) or name.endswith("parquet")  # nothing comes twice


def test_a_server_that_goes_away_is_told_and_nothing_half_is_kept(
    hub: DataHub, read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weitiao.source.ranges._TRIES", 2)
    hub.files, hub.cut = {"train.jsonl": KINDS["train.jsonl"]}, 100
    with pytest.raises(UserError) as caught:
        read("hf:owner/name[:10]")
    assert caught.value.message.startswith(f"hf:owner/name@{SHA}/train.jsonl could not be fetched: ")
    assert [*(tmp_path / "kept/weitiao/hub/first").iterdir()] == []
    hub.cut = 0
    assert read("hf:owner/name[:10]").texts == TEXTS[:10]


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz", "train.parquet"])
def test_a_server_without_ranges_gives_the_whole_file(name: str, hub: DataHub, read: Any) -> None:
    hub.files, hub.ranges = {name: KINDS[name]}, False
    assert read("hf:owner/name[:10]").texts == TEXTS[:10]


def test_a_bad_row_in_the_beginning_is_told_and_counts(hub: DataHub, read: Any) -> None:
    hub.files = {"train.jsonl": lines(ROWS[:2]) + b"\n{no\n" + lines(ROWS[2:])}
    with pytest.raises(UserError) as caught:
        read("hf:owner/name[:4]")
    assert caught.value.message.startswith("1 of 4 rows cannot be read\n  hf:owner/name/train.jsonl:4: ")
    assert read("hf:owner/name[:4]", skip_bad=True).texts == TEXTS[:3]
    assert read("hf:owner/name[:2]").texts == TEXTS[:2]
    assert hub.sent["train.jsonl"] <= 1 << 19


@pytest.mark.parametrize("name", ["train.jsonl.gz", "train.parquet"])
def test_a_damaged_file_is_named_as_ever(name: str, hub: DataHub, read: Any) -> None:
    hub.files = {name: KINDS[name][:9] + b"broken" * 9}
    said = []
    for asked in ("hf:owner/name", "hf:owner/name[:10]"):
        with pytest.raises(UserError) as caught:
            read(asked)
        said.append(caught.value.message)
    assert said[0] == said[1]


def test_values_of_all_types_of_parquet_stay_what_they_are(hub: DataHub, read: Any) -> None:
    import pyarrow
    from pyarrow import parquet

    count, now = 40, datetime.datetime(2026, 5, 4, 3, 2, 1, 987_654)
    columns = {
        "text": pyarrow.array(TEXTS[:count]).dictionary_encode(),
        "when": pyarrow.array([now] * count, pyarrow.timestamp("ns")),
        "zone": pyarrow.array([now] * count, pyarrow.timestamp("us", "Asia/Shanghai")),
        "day": pyarrow.array([now.date()] * count),
        "price": pyarrow.array([decimal.Decimal("1.50")] * count),
        "half": pyarrow.array([0.1] * count, pyarrow.float32()),
        "none": pyarrow.nulls(count),
        "tags": pyarrow.array([[{"名": "a", "n": [1, None]}], None] * (count // 2)),
        "raw": pyarrow.array([b"\xff"] * count),
    }
    for old in (False, True):
        target = io.BytesIO()
        parquet.write_table(pyarrow.table(columns), target, use_deprecated_int96_timestamps=old, row_group_size=30)
        hub.sha = str(int(old)) * 40
        hub.files = {"train.parquet": target.getvalue()}
        source_hub._listing.cache_clear()
        first = read("hf:owner/name[:35]").records  # whose ids are made of all values
        assert len(first) == 35
        assert read("hf:owner/name").records[:35] == first


def test_a_data_set_that_is_not_given_to_everyone_says_so(hub: DataHub, read: Any, tmp_path: Path) -> None:
    find(["hf:owner/name[:10]"], tmp_path)
    hub.status, hub.headers = 403, {"X-Error-Code": "GatedRepo"}
    with pytest.raises(UserError) as caught:
        read("hf:owner/name[:10]")
    assert caught.value.message.startswith("The data set hf:owner/name is given only to those")


def test_documents_and_workbooks_come_whole(hub: DataHub, read: Any) -> None:
    hub.files = {"a.json": json.dumps({"data": ROWS[:600]}).encode(), "b.xlsx": workbook(TEXTS[:9])}
    assert read("hf:owner/name[:605]").texts == TEXTS[:600] + TEXTS[:5]


def test_other_encodings_are_judged_as_ever(hub: DataHub, read: Any) -> None:
    for name, encoding in (("a.csv", "gb18030"), ("b.jsonl", "utf-16"), ("c.tsv", "utf-16-le")):
        plain = {"a.csv": KINDS["train.csv"], "b.jsonl": KINDS["train.jsonl"], "c.tsv": KINDS["train.tsv"]}[name]
        hub.files = {name: plain.decode().encode(encoding)}
        source_hub._listing.cache_clear()
        assert read("hf:owner/name[:10]").texts == TEXTS[:10]
        assert hub.sent[name] <= 1 << 20


def test_an_empty_file_gives_way_to_the_next(hub: DataHub, read: Any) -> None:
    hub.files = {"train-0.jsonl": b"", "train-1.jsonl": lines(ROWS[:9])}
    with pytest.raises(UserError) as caught:
        read("hf:owner/name[:3]")
    assert "the file holds nothing" in caught.value.message
    assert read("hf:owner/name[:3]", skip_bad=True).texts == TEXTS[:3]


@needs_modelscope
def test_modelscope_gives_files_whole_and_leaves_the_others_alone(hub: DataHub, read: Any) -> None:
    hub.files = {f"train-{n}.jsonl": lines(ROWS[n * 10 : n * 10 + 10]) for n in range(3)}
    assert read("modelscope:owner/name:train[:15]").texts == TEXTS[:15]
    assert hub.sent["repo"] == sum(len(hub.files[f"train-{n}.jsonl"]) for n in range(2))


def test_check_reads_only_the_first_rows(hub: DataHub, tmp_path: Path) -> None:
    hub.files = {"train-0.jsonl": KINDS["train.jsonl"], "train-1.jsonl": KINDS["train.jsonl"]}
    inputs = ["hf:owner/name:train[:7]"]
    (report,) = check(find(inputs, tmp_path), Source(inputs=inputs))
    assert (report.total, report.good) == (7, 7)
    assert sum(hub.sent.values()) < 1 << 19


def test_another_number_is_another_input(hub: DataHub, tmp_path: Path) -> None:
    asked = ["hf:owner/name", "hf:owner/name[:1]", "hf:owner/name[:2]"]
    found = [digests([one], tmp_path) for one in asked]
    assert [len(one) for one in found] == [1, 1, 1]
    assert len({str(one) for one in found}) == 3
    assert len({one[0][0] for one in found}) == 1


@pytest.mark.parametrize("part", ["0", ":0", ":x", "5:10", ":-1", ":10%", "", ":"])
def test_other_parts_are_refused(part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find([f"hf:owner/name:train[{part}]"], tmp_path)
    assert caught.value.message == f"hf:owner/name:train[{part}]: [{part}] is no beginning of a data set"
    assert caught.value.hint.startswith("Write hf:owner/name:train[:1000] for its first 1000 rows")
