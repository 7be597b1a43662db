"""Tables: CSV as RFC 4180 has it, XLSX with dates, formulas and merged cells, Parquet; unequal rows are named."""

import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from weitiao.errors import UserError
from weitiao.source.tables import read_csv


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('a,b\n1,"x,""y"""\n', [{"a": "1", "b": 'x,"y"'}]),
        ('a,b\r\n1,"x\r\ny"\r\n\r\n2,z', [{"a": "1", "b": "x\r\ny"}, {"a": "2", "b": "z"}]),
        ("a;b\n1;2\n", [{"a": "1", "b": "2"}]),
        ("a\tb\n1\t2\n", [{"a": "1", "b": "2"}]),
        ("\ufeffa,b\n,\n", [{"a": "", "b": ""}]),
        ("a,\n1,2\n3,\n", [{"a": "1", "#2": "2"}, {"a": "3"}]),
        ("", []),
    ],
)
def test_csv_is_read_as_the_rfc_has_it(tmp_path: Path, text: str, rows: list[dict[str, str]]) -> None:
    (tmp_path / "a.csv").write_text(text, newline="")
    assert [row.value for row in read_csv(tmp_path / "a.csv", "utf-8", ",")] == rows


def test_csv_rows_are_named_by_their_physical_line(read: Any) -> None:
    read.write("a.csv", 'text,label\n"two\nlines",1\nx,y,z\n"a"b,c\ngood,1\n"open,1\nlost,1\n')
    with pytest.raises(UserError) as caught:
        read("a.csv")
    assert caught.value.message.split("\n") == [
        "3 of 5 rows cannot be read",
        "  a.csv:4: 3 cells under 2 columns. Set texts that hold a comma or line break in double quotes",
        "  a.csv:5: a quote inside a quoted text. Write it twice",
        "  a.csv:7: a quote that opens here is never closed: it swallows the rest of the file. Close it, or write two "
        "quotes for one inside a text",
    ]
    result = read("a.csv", skip_bad=True)
    assert [(record.row, text) for record, text in zip(result.records, result.texts, strict=True)] == [
        (1, "two\nlines"),
        (4, "good"),
    ]


def test_a_table_needs_names_that_differ(read: Any) -> None:
    read.write("a.csv", "text,text\n1,2\n")
    with pytest.raises(UserError, match=r"a.csv:1: two columns are called text"):
        read("a.csv")


def test_a_bad_byte_and_a_nul_are_named_by_row(read: Any) -> None:
    read.write("a.csv", "text,n\n好,1\n好,2\n好,3\n".encode() + b"\xff,4\nx\0,5\n")
    with pytest.raises(UserError) as caught:
        read("a.csv")
    assert "a.csv:5: not UTF-8: byte 0xff at character 1" in caught.value.message
    assert "a.csv:6: a NUL byte in a cell" in caught.value.message


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook as people make them: a title row below nothing, merged cells, dates, numbers, formulas, empty rows."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "问答"
    sheet.append([])
    sheet.append(["问题", "回答", "日期", "分", "对"])
    sheet.append(["一加一？", 2, datetime.datetime(2024, 5, 1), 3.0, True])
    sheet.append([])
    sheet.append(["合并", "上面的", datetime.datetime(2024, 5, 1, 8, 30), 3.25, False])
    sheet.append([None, "下面的", None, None, None])
    sheet.merge_cells("A5:A6")
    sheet.append(["公式", "=1+1", None, None, None])
    sheet.append(["多一格", "x", None, None, None, "外面"])
    workbook.create_sheet("空")
    workbook.save(tmp_path / "b.xlsx")
    return tmp_path / "b.xlsx"


def test_xlsx_with_all_its_oddities(read: Any, book: Path) -> None:
    with pytest.raises(UserError) as caught:
        read("b.xlsx")
    assert caught.value.message.split("\n") == [
        "1 of 5 rows cannot be read",
        "  b.xlsx:7:回答: the formula =1+1 has no stored value. Open the file in a spreadsheet program and save it",
    ]
    result = read("b.xlsx", skip_bad=True)
    assert result.texts == ["一加一？|2", "合并|上面的", "|下面的", "多一格|x"]
    assert result.records[3].facts["source"]["#6"] == "外面"
    assert [record.facts["source"] for record in result.records[:2]] == [
        {"日期": "2024-05-01", "分": "3", "对": "TRUE"},
        {"日期": "2024-05-01T08:30:00", "分": "3.25", "对": "FALSE"},
    ]
    assert [(record.uri, record.row) for record in result.records] == [("b.xlsx", row) for row in (1, 2, 3, 5)]


def test_every_sheet_with_rows_is_read_under_its_name(read: Any, book: Path) -> None:
    workbook = openpyxl.load_workbook(book)
    workbook["空"].append(["text"])
    workbook["空"].append(["帖子"])
    workbook.save(book)
    result = read("b.xlsx", skip_bad=True)
    assert [(record.uri, record.row) for record in result.records][-2:] == [("b.xlsx#问答", 5), ("b.xlsx#空", 1)]


def test_a_sheet_of_one_row_is_named(read: Any, book: Path) -> None:
    workbook = openpyxl.load_workbook(book)
    workbook["空"].append(["鱼会淹死吗", "不会"])
    workbook.save(book)
    with pytest.raises(UserError, match=r"b.xlsx#空:1: its only row was taken for the names .*: 鱼会淹死吗, 不会"):
        read("b.xlsx")


def test_a_cell_under_no_name_stands_under_the_number_of_its_column(read: Any) -> None:
    read.write("a.csv", ",question,answer,\n0,q,a,beside\n,q,a,\n")
    workbook = openpyxl.Workbook()
    for row in ([None, "question", "answer"], [0, "q", "a", "beside"], [None, "q", "a"]):
        workbook.active.append(row)
    workbook.save(read.folder / "a.xlsx")
    for name in ("a.csv", "a.xlsx"):
        result = read(name)
        assert result.texts == ["q|a"] * 2
        assert [record.facts.get("source") for record in result.records] == [{"#1": "0", "#4": "beside"}, None]


def test_a_name_that_is_the_number_of_another_column_is_refused(read: Any) -> None:
    read.write("a.csv", "#2,\n1,2\n")
    with pytest.raises(UserError, match=r"a.csv:1: two columns are called #2"):
        read("a.csv")
    workbook = openpyxl.Workbook()
    for row in (["text", "#3"], ["a", "b"], ["a", "b", "c"]):
        workbook.active.append(row)
    workbook.save(read.folder / "a.xlsx")
    with pytest.raises(UserError, match=r"1 of 2 rows cannot be read\n  a.xlsx:3: two columns are called #3"):
        read("a.xlsx")


def test_a_sheet_without_names_is_not_guessed(read: Any) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["AAA"])
    workbook.active.append(["BBB"])
    workbook.save(read.folder / "a.xlsx")
    with pytest.raises(UserError, match=r"a.xlsx:2: no known shape.*columns: AAA"):
        read("a.xlsx")
    assert read("a.xlsx", text="AAA").texts == ["BBB"]


def test_a_cut_workbook_is_named(read: Any, book: Path) -> None:
    book.write_bytes(book.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"b.xlsx: a damaged ZIP or Office file"):
        read("b.xlsx")


def test_a_workbook_damaged_inside_is_named(read: Any, book: Path) -> None:
    bent = io.BytesIO()
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(bent, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content[:-200] if name.endswith("sheet1.xml") else content)
    book.write_bytes(bent.getvalue())
    with pytest.raises(UserError, match=r"b.xlsx: a damaged XLSX file: .*Error"):
        read("b.xlsx")


def test_parquet_keeps_nested_columns(read: Any) -> None:
    frame = pl.DataFrame(
        {
            "messages": [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], []],
            "day": [datetime.date(2024, 5, 1), None],
        }
    )
    frame.write_parquet(read.folder / "a.parquet")
    result = read("a.parquet")
    assert result.texts == ["q|a"]
    assert result.records[0].facts["source"] == {"day": "2024-05-01"}
    assert result.manifest["refused"] == {"empty": 1}


def test_the_text_after_an_open_quote_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('q,a\n1,2\n"unclosed,b\nmore,rows\n', encoding="utf-8")
    good, bad = read_csv(path, "utf-8", ",")
    assert good.value == {"q": "1", "a": "2"}
    assert (bad.number, bad.place, bad.raw) == (2, "3", b'"unclosed,b\nmore,rows\n')
