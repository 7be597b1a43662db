"""The store: a stage is there whole or not at all."""

import os
from pathlib import Path

import polars as pl
import pytest

from weitiao import ledger, record
from weitiao.errors import UserError
from weitiao.record import Record, to_frame
from weitiao.store import Run, add_line, make_room, sizes

RECORDS = to_frame([Record("a", (("user", "问"), ("assistant", "答")), "x.jsonl", 1)])
EVENTS = ledger.events(pl.DataFrame({"id": ["b"], "step": ["drop"], "action": ["dropped"], "reason": ["too short"]}))


def test_a_stage_appears_when_it_is_finished(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    draft = run.draft("prepare", "k1")
    draft.write(0, RECORDS, EVENTS)
    (draft.scratch("pass") / "x").write_text("on the way")
    assert run.stored("prepare") is None
    stored = run.finish("prepare", {"key": "k1"})
    assert stored.manifest == {"key": "k1"}
    assert stored.records().equals(RECORDS)
    assert stored.ledger().equals(EVENTS)
    assert sorted(path.name for path in stored.folder.iterdir()) == [
        "ledger-00000.parquet",
        "manifest.json",
        "part-00000.parquet",
    ]


def test_a_draft_with_the_same_key_goes_on_and_another_starts_anew(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.draft("prepare", "k1").write(0, RECORDS, EVENTS)
    assert run.draft("prepare", "k1").part(0).exists()
    assert not run.draft("prepare", "k2").part(0).exists()


def test_a_new_result_replaces_the_old_one(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.draft("split", "k1").write(0, RECORDS, EVENTS)
    run.finish("split", {"key": "k1"})
    run.draft("split", "k2").write(0, RECORDS.clear(), ledger.empty())
    assert run.stored("split") is not None
    stored = run.finish("split", {"key": "k2"})
    assert stored.records().is_empty()
    assert sorted(path.name for path in run.folder.iterdir()) == ["split"]


def test_scratch_is_there_until_the_stage_is_whole(tmp_path: Path) -> None:
    run = Run(tmp_path)
    draft = run.draft("export", "k1")
    (draft.scratch("texts") / "x").write_text("still needed")
    assert run.stored("export") is None
    assert (run.draft("export", "k1").scratch("texts") / "x").exists()
    (draft.folder / "manifest.json").write_text('{"key": "k1"}')  # the process ends right here
    stored = Run(tmp_path).stored("export")
    assert stored is not None
    assert [path.name for path in stored.folder.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("crash", ["before", "between", "after"])
def test_a_crash_while_renaming_is_mended(tmp_path: Path, crash: str) -> None:
    run = Run(tmp_path / "run")
    for key in ("k1", "k2"):
        run.draft("split", key).write(0, RECORDS, EVENTS)
        if key == "k1":
            run.finish("split", {"key": key})
    aside, folder, old = tmp_path / "run/.split.part", tmp_path / "run/split", tmp_path / "run/.split.old"
    (aside / "manifest.json").write_text('{"key": "k2"}')
    if crash != "before":
        folder.rename(old)
    if crash == "after":
        aside.rename(folder)
    stored = Run(tmp_path / "run").stored("split")
    assert stored is not None
    assert stored.manifest == {"key": "k2"}
    assert sorted(path.name for path in run.folder.iterdir()) == ["split"]


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    with Run(tmp_path).locked(), pytest.raises(UserError, match="Another weitiao"), Run(tmp_path).locked():
        pass


def test_who_writes_a_run_is_known(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.writer() is None
    with run.locked():
        assert run.writer() == os.getpid()
    assert run.writer() is None
    (tmp_path / ".lock").write_text("1")  # of one who was killed
    assert run.writer() is None


def test_facts_are_set_and_read_as_columns() -> None:
    frame = RECORDS.with_columns(record.with_fact("split", pl.lit('{"part":"train"}')))
    frame = frame.with_columns(record.with_fact("tag", pl.lit('"逻辑"')))
    assert frame["facts"].to_list() == ['{"split":{"part":"train"},"tag":"逻辑"}']
    assert frame.select(record.fact("split", "part").alias("a"), record.fact("tag").alias("b")).rows() == [
        ("train", "逻辑")
    ]
    assert record.to_records(frame)[0].facts == {"split": {"part": "train"}, "tag": "逻辑"}


def test_a_line_is_added_whole_whatever_a_crash_has_left(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    seen: list[list[bytes]] = []

    def add(row: object) -> None:
        add_line(file, lambda lines: seen.append(lines) or row)  # type: ignore[func-returns-value]

    add({"a": 1})
    with file.open("ab") as torn:
        torn.write(b'{"b"')
    add({"c": 2})
    assert file.read_bytes() == b'{"a":1}\n{"c":2}\n'
    file.write_bytes(b'{"a":1}\n{"by":"hand"}')
    add(None)
    assert file.read_bytes() == b'{"a":1}\n{"by":"hand"}'
    add({"d": 3})
    assert file.read_bytes() == b'{"a":1}\n{"by":"hand"}\n{"d":3}\n'
    assert seen[-1] == [b'{"a":1}', b'{"by":"hand"}']


def test_what_may_be_cleared_away_or_written_on_is_not_held(tmp_path: Path) -> None:
    for name in (
        "part-00000.parquet",
        "data/train.jsonl",
        "model/README.md",
        "metrics.jsonl",
        "checkpoint-3/a.safetensors",
        ".x/y.jsonl",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("four")
    assert sizes(tmp_path) == {"data/train.jsonl": 4, "part-00000.parquet": 4}


def test_where_no_file_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, said in (
        ("file/x/a", "Not a directory"),
        ("file/a", "File exists"),
        ("", "is a folder, a file is needed"),
    ):
        with pytest.raises(UserError, match=said):
            make_room(tmp_path / name)
    make_room(tmp_path / "new/a")
    assert (tmp_path / "new").is_dir()
