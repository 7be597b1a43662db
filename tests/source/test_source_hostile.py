"""Files that would fill the memory or the disk, or never end: each is refused in words, and the others are read."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.errors import UserError
from weitiao.formats.nesting import DEEPEST, too_deep
from weitiao.recipe import bind
from weitiao.source import Source, json_rows, reading, stack_exchange, text
from weitiao.source import run as source_run
from weitiao.source.files import Input
from weitiao.source.opened import open_file
from weitiao.source.reading import rows
from weitiao.stage import Job, Outcome
from weitiao.store import Draft, Stored

GOOD = b'{"text": "a good row"}\n'


def read(folder: Path, **files: bytes) -> tuple[Outcome, list[str]]:
    """Read files through the stage; return what came of it and the problems of its ledger."""
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    inputs = [name.replace("_", ".") for name in files]
    recipe = bind({"source": {"inputs": inputs, "skip_bad": True}}, {"source": Source}, folder)
    (folder / "out").mkdir()
    outcome = source_run.run(Job(recipe, "source", Draft(folder / "out"), {}))
    return outcome, Stored(folder / "out").ledger()["reason"].to_list()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    monkeypatch.setattr(reading, "PIECE", 1 << 10)
    monkeypatch.setattr(reading, "LARGEST", 1 << 12)
    monkeypatch.setattr(text, "UNPACKED", 1 << 20)
    monkeypatch.setattr(text, "RATIO", 1)


@pytest.mark.parametrize("ended", [b"\n", b""])
@pytest.mark.parametrize("before", [0, 1, 30, 200])
def test_a_line_too_long_is_refused_and_its_neighbours_are_read(tmp_path: Path, before: int, ended: bytes) -> None:
    huge = b'{"text": "' + b"x" * 50_000 + b'"}' + ended
    outcome, reasons = read(tmp_path, a_jsonl=GOOD * before + huge + (GOOD * 40 if ended else b""))
    assert (outcome.kept, reasons) == (before + (40 if ended else 0), ["too large"])
    ledger = Stored(tmp_path / "out").ledger()
    assert f'"a.jsonl:{before + 1}"' in ledger["detail"][0]


def test_a_text_or_page_too_long_is_refused(tmp_path: Path) -> None:
    outcome, reasons = read(tmp_path, a_txt=b"x" * 5000, b_html=b"<p>" + b"x" * 5000, c_jsonl=GOOD)
    assert (outcome.kept, reasons) == (1, ["too large"] * 2)


@pytest.mark.parametrize("name", ["a_csv", "a_tsv"])
def test_a_row_of_a_table_too_long_is_refused_and_its_neighbours_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(text, "LONGEST", 1 << 12)
    mark = b"," if name == "a_csv" else b"\t"
    good = b"q" + mark + b"a\n"
    table = b"question" + mark + b"answer\n" + good * 3 + b"q" + mark + b"x" * 50_000 + b"\n" + good
    outcome, reasons = read(tmp_path, **{name: table + b"q" + mark + b'"' + b"y\n" * 4_000 + good})
    assert (outcome.kept, reasons) == (4, ["too large", "open quote"])
    large, unclosed = Stored(tmp_path / "out").ledger()["detail"]
    assert ':5"' in large
    assert ':7"' in unclosed
    assert "nothing after it can be read" in unclosed


def test_a_line_of_a_text_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LONGEST", 1 << 12)
    (tmp_path / "a.txt").write_bytes(b"one\n" + b"x" * 5_000 + b"\r\ntwo\n" + b"y" * 4_095 + b"\n" + b"z" * 5_000)
    found = [*rows(open_file(Input("a.txt", str(tmp_path / "a.txt")), "auto", tmp_path), "lines")]
    assert [(row.number, row.value is None, len(row.raw)) for row in found] == [
        *((1, False, 3), (2, True, 2_000), (3, False, 3)),
        *((4, False, 4_095), (5, True, 2_000)),
    ]


def test_a_document_or_a_post_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "_WHOLE", 1 << 12)
    monkeypatch.setattr(text, "LONGEST", 1 << 12)
    monkeypatch.setattr(stack_exchange, "_BLOCK", 1 << 10)
    dump = b'<posts><row Id="1" PostTypeId="1" Body="x"/>\n<row Id="2" Body="' + b"x" * 9_000 + b'"/></posts>'
    outcome, reasons = read(tmp_path, a_json=b'{"text": "' + b"x" * 5_000 + b'"}', Posts_xml=dump)
    assert (outcome.kept, reasons) == (1, ["too large"] * 2)
    assert "Posts.xml:2" in Stored(tmp_path / "out").ledger()["detail"][1]


def test_an_item_of_an_array_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "_BUFFER", 1 << 10)
    monkeypatch.setattr(json_rows, "_LARGEST", 1 << 12)
    endless = b'[{"text": "a"},\n{"text": "' + b"x" * 9_000 + b'"}]'
    slip = b'[{"text": "a"},\n{"text" "b"}, "' + b"x" * 9_000 + b'"]'
    outcome, reasons = read(tmp_path, a_json=endless, b_json=slip)
    assert (outcome.kept, reasons) == (2, ["too large", "not JSON"])


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    outcome, reasons = read(tmp_path, **{"a_jsonl_gz": packed(GOOD * 100_000), "b_jsonl": GOOD})
    assert "too large" in reasons
    assert outcome.kept >= 1
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.jsonl")) <= 1 << 20


def test_a_table_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", " " * (2 << 20))
    assert read(tmp_path, a_xlsx=packed.getvalue(), b_jsonl=GOOD)[1] == ["too large"]


LAUGHS = b'<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY lol "lol">' + b"".join(
    b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (str(n - 1).encode() if n > 1 else b"") * 10) for n in range(1, 10)
)


def test_a_billion_laughs_are_not_laughed(tmp_path: Path) -> None:
    dump = LAUGHS + b']><posts><row Id="1" PostTypeId="1" Body="&lol9;"/></posts>'
    page = LAUGHS + b"]><html><body><p>a page of laughs: &lol9; and more words here</p></body></html>"
    outcome, reasons = read(tmp_path, Posts_xml=dump, b_xhtml=page, c_jsonl=GOOD)
    assert "document type" in reasons
    assert outcome.kept >= 1
    assert sum(path.stat().st_size for path in (tmp_path / "out").glob("part-*")) < 1 << 16


def test_a_table_of_laughs_is_refused(tmp_path: Path) -> None:
    book, packed = openpyxl.Workbook(), io.BytesIO()
    book.worksheets[0].append(["text"])
    book.save(packed)
    laughing = io.BytesIO()
    with zipfile.ZipFile(packed) as whole, zipfile.ZipFile(laughing, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in whole.namelist():
            sheet = LAUGHS + b"]><worksheet><sheetData><row><c t='str'><v>&lol9;</v></c></row></sheetData></worksheet>"
            archive.writestr(name, sheet if name.startswith("xl/worksheets/") else whole.read(name))
    outcome, reasons = read(tmp_path, a_xlsx=laughing.getvalue(), b_jsonl=GOOD)
    assert (outcome.kept, reasons) == (1, ["broken table"])


def test_a_page_nested_too_deep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1 << 22)
    deep = b"<div>" * 100_000 + b"x"
    assert read(tmp_path, a_html=deep, c_jsonl=GOOD)[1] == ["nested too deep"]
    assert not too_deep("<p>a" * 2 * DEEPEST)
    assert not too_deep("<b>a</b>" * 2 * DEEPEST)


def test_a_file_that_grows_while_it_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = source_run.look

    def grow(*arguments: object) -> object:
        with (tmp_path / "a.jsonl").open("ab") as file:
            file.write(GOOD)
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(source_run, "look", grow)
    with pytest.raises(UserError, match="changed while it was read"):
        read(tmp_path, a_jsonl=GOOD)


NAMES = [
    *(f"a.{kind}" for kind in ("jsonl", "json", "csv", "txt", "html", "xlsx", "parquet", "jsonl.gz")),
    "Posts.xml",
    "a",
]
SEEDS = (
    *(b'{"text": "\xe6\xb0\xb4", "n": [1, 2]}\n{"q": 1}\n', b'[{"a": "b"}, {"a": "c"}]', b'a,b\n1,2\n"x\ny",3\n'),
    *(b"<html><title>t</title><div class=post><p>x</p>", b'<posts><row Id="1" PostTypeId="1" Body="x"/></posts>'),
    *(b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\xff\xfe\0\0", b"\xff\xfea\0b\0"),
    *(b"\xef\xbb\xbf{}", b'{"a":1e999}', b"[" * 50, b'"\\ud800"', b"\0" * 9, b"1234567890123456789012", b"NaN"),
)
# Seeds, cut and glued, with bytes between: what random bytes alone would never be.
FILES = st.lists(st.sampled_from(SEEDS) | st.binary(max_size=12), max_size=5).map(b"".join)


@settings(max_examples=150)
@given(name=st.sampled_from(NAMES), content=FILES, cut=st.integers(0, 40), shape=st.sampled_from(["auto", "lines"]))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes, cut: int, shape: str
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / name
    path.write_bytes(content[: len(content) - cut] if cut < len(content) else content)
    file = open_file(Input(name, str(path)), "auto", folder)
    for row in rows(file, shape):
        assert (row.value is None) != (row.problem is None)
        assert row.number >= 0


def test_a_header_with_a_broken_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"b,a,b,c\x1f\x8b\x08\x00")  # found by the test above
    (row,) = rows(open_file(Input("a.csv", str(path)), "auto", tmp_path), "auto")
    assert row.problem is not None
    assert row.raw.endswith(b"\\udc8b\x08\x00")
