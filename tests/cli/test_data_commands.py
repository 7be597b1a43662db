"""The data commands on plain files: the tutorial's steps byte for byte, nothing overwritten, both languages."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

RUOZHIBA = Path(__file__).parents[3] / "shared" / "data" / "ruozhiba"
ROW = '{"instruction": "鱼会不会淹死？", "input": "", "output": "会窒息。", "score": 3}\n'

Weitiao = Callable[..., Any]


@pytest.mark.skipif(not RUOZHIBA.exists(), reason=f"no {RUOZHIBA}")
def test_the_tutorials_files_come_out_byte_for_byte(weitiao: Weitiao, tmp_path: Path) -> None:
    assert weitiao("export", str(RUOZHIBA / "ruozhiba_raw.jsonl"), "-o", "f.jsonl", "--format", "openai").status == 0
    assert (tmp_path / "f.jsonl").read_bytes() == (RUOZHIBA / "ruozhiba_format.jsonl").read_bytes()
    assert weitiao("split", "f.jsonl", "-o", "d", "--ratios", "train=0.7,test=0.3", "--in-order").status == 0
    for name in ("train.jsonl", "test.jsonl"):
        assert (tmp_path / "d" / name).read_bytes() == (RUOZHIBA / name).read_bytes()


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_source_writes_records_that_come_back(weitiao: Weitiao, tmp_path: Path, ending: str) -> None:
    (tmp_path / "a.jsonl").write_text(ROW * 2)
    ended = weitiao("source", "a.jsonl", "-o", f"r.{ending}", "--licence", "CC0", "--json")
    result = orjson.loads(ended.out)
    assert (ended.status, result["out"], result["stages"]["source"]["kept"]) == (0, f"r.{ending}", 2)
    assert "Read 2 of 2 rows in " in ended.err
    read = pl.read_parquet if ending == "parquet" else pl.read_ndjson
    assert read(tmp_path / f"r.{ending}")["id"].n_unique() == 2
    assert weitiao("source", f"r.{ending}", "-o", "again.jsonl").status == 0
    first, again = (orjson.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines())
    assert (first["origin"], again["origin"]["row"]) == ({"uri": "a.jsonl", "row": 1, "licence": "CC0"}, 2)
    assert first["facts"] == {"shape": "alpaca", "source": {"score": 3}}


def test_split_writes_rows_as_they_stood(weitiao: Weitiao, tmp_path: Path) -> None:
    lines = [f'{{"question":"问题第{i}个是什么","answer" : "{i}", "extra": [{i}]}}' for i in range(10)]
    (tmp_path / "a.jsonl").write_text("\r\n".join(lines))
    (tmp_path / "b.csv").write_text("提问,回答,来源\n乙,丙,丁\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/validation.jsonl").write_text("old")
    ended = weitiao("split", "a.jsonl", "b.csv", "-o", "d", "--ratios", "train=0.8,test=0.2", "--seed", "1", "--json")
    assert ended.status == 0, ended.err
    files = orjson.loads(ended.out)["files"]
    assert sum(files.values()) == 11
    written = [line for name in files for line in (tmp_path / "d" / name).read_text().splitlines()]
    assert sorted(written) == sorted([*lines, '{"提问": "乙", "回答": "丙", "来源": "丁"}'])
    assert "Older files in d are no part of this split: validation.jsonl" in ended.err
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["test.jsonl", "train.jsonl", "validation.jsonl"]


def test_prepare_gives_records_and_the_ledger(weitiao: Weitiao, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(ROW + '{"text": ""}\n' + "broken\n")
    ended = weitiao("prepare", "a.jsonl", "-o", "p.jsonl", "--ledger", "l.jsonl", "--skip-bad")
    assert ended.status == 0, ended.err
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == 1
    reasons = [orjson.loads(line)["reason"] for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert reasons[:2] == ["empty", "not JSON"]


def test_export_of_several_parts_needs_a_folder(weitiao: Weitiao, tmp_path: Path) -> None:
    rows = [
        {
            "id": part,
            "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "origin": {"uri": "x", "row": 1, "licence": None},
            "facts": {"split": {"part": part}},
        }
        for part in ("train", "test")
    ]
    (tmp_path / "r.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    ended = weitiao("export", "r.jsonl", "-o", "f.jsonl")
    assert (ended.status, ended.err.splitlines()[-2:]) == (
        2,
        ["error: There are several parts: test.jsonl, train.jsonl", "hint: Give -o a folder"],
    )
    assert weitiao("export", "r.jsonl", "-o", "lf", "--format", "llamafactory").status == 0
    assert sorted(path.name for path in (tmp_path / "lf").iterdir()) == [
        "dataset_info.json",
        "test.jsonl",
        "train.jsonl",
    ]
    assert weitiao("export", "r.jsonl", "-o", "hf", "--format", "hf").status == 0
    assert pl.read_parquet(tmp_path / "hf/data/train.parquet").height == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["source", "a.jsonl", "-o", "a.jsonl"], "a.jsonl is one of the inputs"),
        (["source", "a.jsonl", "-o", "./x/../a.jsonl"], "is one of the inputs"),
        (
            ["source", "a.jsonl", "-o", "a.txt"],
            "Cannot write a.txt: no records are written as `.txt`\nhint: It can be a.jsonl | a.parquet",
        ),
        (["source", "b.jsonl", "-o", "c.jsonl"], "No file at"),
        (["source", "a.jsonl", "-o", "c.jsonl", "--shape", "alpacca"], "command line: source.shape is `alpacca`"),
        (["split", "a.jsonl", "-o", "d", "--ratios", "train"], "--ratios train: write it as train=0.7,test=0.3"),
        (["export", "posts.jsonl", "-o", "c.jsonl"], "No record can be trained on: passage, not a conversation 1"),
        (["export", "a.jsonl", "-o", "c.jsonl", "--format", "docx"], "export.format is `docx`"),
        (["export", "a.jsonl", "-o", "c.jsonl", "--format", "hf"], "Cannot write c.jsonl"),
    ],
)
def test_a_mistake_ends_with_status_2_and_no_file(
    weitiao: Weitiao, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "a.jsonl").write_text(ROW)
    (tmp_path / "posts.jsonl").write_text('{"text": "帖子"}\n')
    ended = weitiao(*arguments)
    assert ended.status == 2, ended
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "posts.jsonl"]
    assert (tmp_path / "a.jsonl").read_text() == ROW


def test_an_output_that_was_there_stays_when_the_command_fails(weitiao: Weitiao, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(ROW + "broken")
    (tmp_path / "out.jsonl").write_text("before")
    assert weitiao("source", "a.jsonl", "-o", "out.jsonl").status == 2
    assert (tmp_path / "out.jsonl").read_text() == "before"


def test_check_prints_its_verdict_and_the_mend_in_both_languages(weitiao: Weitiao, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(ROW + "{'text': 1}\n" + '{"text": 5}\n')
    ended = weitiao("check", "a.jsonl")
    assert ended == (
        2,
        "a.jsonl: JSON Lines, UTF-8, alpaca\n"
        "  rows: 3; 1 good, 2 bad, 0 empty\n"
        '  a.jsonl:2: single quotes at character 2. JSON has double quotes: "\n'
        "  a.jsonl:3:text: it is a number, not a text. Make it a text\n"
        "  turns: user 1, assistant 1\n"
        "  questions and posts: min 7, median 7, 95 % up to 7, max 7 characters\n"
        "  answers: min 4, median 4, 95 % up to 4, max 4 characters\n",
        "",
    )
    chinese = weitiao("check", "a.jsonl", "--lang", "zh")
    assert "  a.jsonl:3:text: 它是数字，不是文本。改成文本\n" in chinese.out
    plain = orjson.loads(weitiao("check", "a.jsonl", "--json").out)
    assert (plain["fine"], [item["place"] for item in plain["files"][0]["wrong"]]) == (
        False,
        ["a.jsonl:2", "a.jsonl:3:text"],
    )
    (tmp_path / "b.jsonl").write_text(ROW)
    assert weitiao("check", "b.jsonl").status == 0


def test_check_says_what_it_leaves_out_and_where_rows_are_empty(weitiao: Weitiao, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("question,answer\nq,a\n,\n" + ",\n" * 3)
    (tmp_path / "in" / "old.doc").write_text("x")
    ended = weitiao("check", "in")
    assert ended.status == 0
    assert ended.out.split("\n")[1:3] == [
        "  rows: 5; 1 good, 0 bad, 4 empty",
        "  empty: in/a.csv:3, in/a.csv:4, in/a.csv:5 …",
    ]
    assert ended.out.endswith("\nNot read, by their names: in/old.doc (1)\n")
    assert orjson.loads(weitiao("check", "in", "--json").out)["not_read"] == ["in/old.doc"]


def test_an_argument_that_is_no_utf8_is_told(weitiao: Weitiao, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xc4\xe3.jsonl")
    (tmp_path / name).write_text(ROW)
    assert weitiao("check", name) == (2, "", "error: The name \\xc4\\xe3.jsonl is not UTF-8\nhint: Rename it\n")


def test_records_and_ledger_do_not_go_into_one_file(weitiao: Weitiao, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text('{"question": "水能喝吗？", "answer": "能。"}\n', encoding="utf-8")
    ended = weitiao("prepare", "posts.jsonl", "-o", "out.jsonl", "--ledger", "./out.jsonl")
    assert ended.status == 2
    assert "out.jsonl cannot hold both the records and the ledger" in ended.err
    assert not (tmp_path / "out.jsonl").exists()
