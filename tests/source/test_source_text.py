"""Encodings and whole files: recognised, said when guessed, and what is no text is named as what it is."""

import io
import zipfile
from typing import Any

import pytest

from weitiao.errors import UserError
from weitiao.source.text import detect, named

SIMPLE = '{"text": "只剩一个心脏了还能活吗？这是一个问题，我们来看看答案。"}\n'
TRADITIONAL = '{"text": "只剩一個心臟了還能活嗎？這是一個問題，我們來看看答案。"}\n'


@pytest.mark.parametrize(
    ("text", "encoding", "name", "guessed"),
    [
        (SIMPLE, "utf-8", "utf-8", False),
        (SIMPLE, "utf-8-sig", "utf-8", False),
        (SIMPLE, "gb18030", "gb18030", True),
        (TRADITIONAL, "gb18030", "gb18030", True),
        (TRADITIONAL, "big5", "big5", True),
        (SIMPLE, "utf-16", "utf-16-le", False),
        (SIMPLE, "utf-16-be", "utf-16-be", True),
        ('{"text": "ASCII"}\n', "ascii", "utf-8", False),
    ],
)
def test_encodings_are_recognised(read: Any, text: str, encoding: str, name: str, guessed: bool) -> None:
    path = read.write("a.jsonl", (text * 3).encode(encoding))
    found = detect(path)
    assert (found.name, found.guessed) == (name, guessed)
    result = read("a.jsonl")
    assert f'{{"text": "{result.texts[0]}"}}\n' == text
    assert result.manifest["facts"]["encodings_guessed"] == ({"a.jsonl": name} if guessed else {})
    assert result.said[:1] == ([f"a.jsonl: {name.upper()}, judged by its text"] if guessed else result.said[:1])


def test_the_first_text_that_is_not_ascii_tells_wherever_it_stands(read: Any) -> None:
    read.write("a.jsonl", b'{"text": "x"}\n' * 60_000 + SIMPLE.encode("gb18030"))
    assert read("a.jsonl").texts[-1].startswith("只剩一个心脏")


def test_one_broken_line_does_not_make_the_file_another_encoding(read: Any) -> None:
    read.write("a.jsonl", SIMPLE.encode() * 3 + '{"text": "半'.encode()[:-1] + b'"}\n' + SIMPLE.encode())
    with pytest.raises(UserError, match=r"1 of 5 rows cannot be read\n  a.jsonl:4: not UTF-8: byte 0xe5 at byte 11"):
        read("a.jsonl")


def test_what_no_encoding_fits_is_not_said_to_be_judged(read: Any) -> None:
    read.write("a.csv", "質問,答え\n魚は溺れますか,はい\n".encode("shift_jis"))
    with pytest.raises(UserError) as caught:
        read("a.csv")
    assert caught.value.message.split("\n")[1:] == [
        "  a.csv:1: not UTF-8: byte 0x8e at character 1. Save the file as UTF-8, or set `encoding:` to what it is: "
        "gb18030, big5, shift_jis, cp1252 …"
    ]
    assert not detect(read.folder / "a.csv").guessed
    assert read("a.csv", encoding="shift_jis", text="質問").texts == ["魚は溺れますか"]


def test_the_setting_wins_and_a_wrong_one_is_named(read: Any) -> None:
    read.write("a.txt", "é".encode("cp1252"))
    assert read("a.txt", encoding="cp1252").texts == ["é"]
    read.write("w.jsonl", SIMPLE.encode("utf-16-be"))
    assert read("w.jsonl", encoding="utf-16").texts[0].startswith("只剩")
    assert named("GB2312").name == "gb18030"
    with pytest.raises(UserError, match="No encoding is called `gbk3`"):
        read("a.txt", encoding="gbk3")
    with pytest.raises(UserError, match=r"a.txt:1: not GB18030"):
        read("a.txt", encoding="gb18030")


def archive(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped:
        for name in names:
            zipped.writestr(name, "x")
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"", "the file holds nothing"),
        ("a.jsonl", b"\xef\xbb\xbf \n", "the file holds nothing"),
        (
            "a.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a Git LFS pointer, not the file itself",
        ),
        ("a.jsonl", b"<!DOCTYPE html><title>404 Not Found</title>", "a web page instead of data: 404 Not Found"),
        ("a.jsonl", archive("x.txt"), "a ZIP archive"),
        ("a.docx", archive("ppt/presentation.xml"), "a ZIP archive"),
        ("a.pdf", b"<html>", "a web page instead of data: -"),
        ("a.pdf", b"\x00\x01" * 20, "the file is not PDF. Get it again"),
        ("a.bin", bytes(range(32)) * 9, "the file is binary, or full of NUL bytes"),
        ("a.pkl", b"\x80\x04K\x01.", "the file is a Python pickle"),
        (
            "a.xlsx",
            "问题,答案\n一,二\n".encode("gb18030"),
            "the file is not XLSX but text: 问题,答案. Give it the ending of",
        ),
        ("a.parquet", b"text,label\n", "the file is not PARQUET but text: text,label"),
        ("a.parquet", b"PAR1 and no more", "a damaged Parquet file"),
        ("a.xml", b"<?xml version='1.0'?><row/>", "its name and content do not tell what it is"),
    ],
)
def test_a_file_that_is_no_data_is_named_as_what_it_is(read: Any, name: str, content: bytes, said: str) -> None:
    read.write(name, content)
    with pytest.raises(UserError) as caught:
        read(name)
    assert f"{name}: {said}" in caught.value.message
    read.write("good.jsonl", '{"text": "g"}')
    assert read("good.jsonl", name, skip_bad=True).texts == ["g"]
