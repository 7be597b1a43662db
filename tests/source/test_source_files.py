"""Inputs: files, folders and patterns, once each and in order; what is not there is named with what is near."""

import os
from pathlib import Path
from typing import Any

import pytest

from weitiao.errors import UserError
from weitiao.source import files
from weitiao.source.files import digests, find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.csv", "sub/c.json.gz", ".hidden.jsonl", ".git/d.jsonl", "logo.png", "README.md"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def uris(folder: Path, *inputs: str) -> list[str]:
    return [item.uri for item in find(inputs, folder).files]


def test_folders_are_walked_in_order_without_hidden_files(folder: Path) -> None:
    found = find(["in"], folder)
    assert [item.uri for item in found.files] == ["in/a.csv", "in/b.jsonl", "in/sub/c.json.gz"]
    assert found.left == ["in/README.md", "in/logo.png"]


def test_each_file_is_read_once_in_the_order_of_the_inputs(folder: Path) -> None:
    assert uris(folder, "in/b.jsonl", "in/*.csv", "in/../in", "in/README.md") == [
        "in/b.jsonl",
        "in/a.csv",
        "in/sub/c.json.gz",
        "in/README.md",
    ]
    assert uris(folder / "in", "../in/**/*.gz", str(folder / "in/a.csv")) == ["sub/c.json.gz", "a.csv"]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("in/b.json", "No file at", "Did you mean `b.jsonl`?"),
        ("in/nothing/like/it", "No file at", "Paths start from"),
        ("in/nope.jsonl", "No file at", "Paths start from"),  # b.jsonl is like it by its ending alone
        ("in/*.tsv", "Nothing matches in/*.tsv", "Patterns start from"),
        ("in/.git", "Nothing readable in", "The folder is empty"),
    ],
)
def test_what_is_not_there_is_named(folder: Path, name: str, message: str, hint: str) -> None:
    (folder / "in/.git/d.jsonl").unlink()
    with pytest.raises(UserError) as caught:
        find([name], folder)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_name_that_is_no_utf8_is_told(folder: Path) -> None:
    (folder / os.fsdecode(b"in/\xc4\xe3.doc")).touch()
    assert find(["in"], folder).left == ["in/README.md", "in/logo.png", "in/\\xc4\\xe3.doc"]
    (folder / os.fsdecode(b"in/\xc4\xe3.jsonl")).touch()
    for named in ("in", "in/*.jsonl"):
        with pytest.raises(UserError) as caught:
            find([named], folder)
        assert caught.value.message == f"The name {folder}/in/\\xc4\\xe3.jsonl is not UTF-8"
        assert caught.value.hint == "Rename it"


def test_what_office_leaves_beside_an_open_file_is_not_read(folder: Path) -> None:
    for name in ("real.xlsx", "~$real.xlsx"):
        (folder / "in" / name).touch()
    for named, left in (("in", ["in/README.md", "in/logo.png"]), ("in/*.xlsx", [])):
        found = find([named], folder)
        assert "in/real.xlsx" in [item.uri for item in found.files]
        assert found.left == [*left, "in/~$real.xlsx"]
    assert uris(folder, "in/~$real.xlsx") == ["in/~$real.xlsx"]


def test_digests_follow_the_content(folder: Path) -> None:
    before = digests(["in"], folder)
    assert [uri for uri, _ in before] == ["in/a.csv", "in/b.jsonl", "in/sub/c.json.gz"]
    (folder / "in/a.csv").write_text("y")
    after = digests(["in"], folder)
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]


def test_digests_of_many_files_are_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LISTED", 1)
    before = digests(["in"], folder)
    assert [count for count, _ in before] == [str(len(find(["in"], folder).files))]
    (folder / "in" / "new.jsonl").write_text("{}")
    assert digests(["in"], folder) != before


@pytest.mark.parametrize("named", ["in", "in/a.csv", "in/*.csv"])
def test_a_file_that_may_not_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    may = os.access  # who is root may read everything: here a.csv may not be read
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("a.csv") and may(path, mode))
    with pytest.raises(UserError, match=r"a\.csv may not be read"):
        find([named], folder)


def test_what_a_folder_holds_beside_is_said(read: Any) -> None:
    read.write("in/a.jsonl", '{"text": "a"}')
    read.write("in/logo.png", b"\x89PNG")
    read.write("in/note.md", "# n")
    read.write("in/empty.txt", "")
    said = read("in", skip_bad=True).said
    assert "Not read, by their names: in/logo.png (1)" in said
    assert "Texts read whole, a record each: 1; `shape: lines` makes one of each line" in said


def test_remarks_on_many_files_are_counted(read: Any) -> None:
    for number in range(13):
        read.write(f"in/{number:02}.csv", "text\n这是一个问题\n".encode("gb18030"))
    said = read("in").said
    assert said[9:11] == ["in/09.csv: GB18030, judged by its text", "and others: 3"]


@pytest.mark.parametrize("named", ["in", "in/*.jsonl", "in/b.jsonl"])
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, named: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "in" / "b.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(UserError, match=r"b\.jsonl is a link that leads nowhere"):
        find([named], tmp_path)
