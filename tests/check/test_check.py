"""check: every file ends in a verdict, what is broken is never called fine, and the mend is named."""

from pathlib import Path

import pytest
from rich.console import Console

from weitiao.check import Measuring, Report, Spread, check, measure
from weitiao.cli.check import show
from weitiao.errors import UserError
from weitiao.source import Source
from weitiao.source.files import Input, find
from weitiao.source.opened import open_file

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}")

QWEN = Path(__file__).parents[3] / "shared" / "data" / "tokenizers" / "qwen2"


def reports(*inputs: str | Path, folder: Path = DATA) -> list[Report]:
    settings = Source(inputs=[str(path) for path in inputs])
    return list(check(find(settings.inputs, folder), settings))


def everything(*folders: str) -> list[Path]:
    return [path for name in folders for path in sorted((DATA / name).rglob("*")) if path.is_file()]


@needs_data
def test_every_file_ends_in_a_verdict() -> None:
    files = everything("malformed", "formats", "web", "text", "ruozhiba", "cqia")
    assert len(files) > 500
    verdicts = reports(*files)
    assert len(verdicts) == len(files)
    for report in verdicts:
        assert report.total == report.good + report.empty + report.left.total() + len(report.bad) > 0, report.file.uri
        for place, problem in report.bad:
            assert place.startswith(report.file.uri)
            assert problem.said()
            assert "{" not in problem.mended().replace('{"', "")


@needs_data
def test_json_that_must_be_refused_is_never_called_fine() -> None:
    refused = reports(*everything("malformed/jsontestsuite/parsing"))
    assert sum(report.file.uri.rpartition("/")[2].startswith("n_") for report in refused) > 150
    for report in refused:
        name = report.file.uri.rpartition("/")[2]
        reasons = {problem.reason for _, problem in report.bad}
        broken = reasons & {"not JSON", "wrong encoding", "nested too deep", "empty file", "NUL byte", "not text"}
        if name.startswith("n_"):
            assert broken, name
            assert not report.is_fine
        if name.startswith("y_"):
            assert not broken, (name, reasons)


@needs_data
@pytest.mark.parametrize(
    ("name", "shapes", "good", "duplicates"),
    [
        ("alpaca/alpaca_zh_1000.json", {"alpaca": 1000}, 1000, 8),
        ("alpaca/seed_tasks_zh.json", {"alpaca": 175}, 175, 0),
        ("alpaca/with_system.csv", {"alpaca": 3}, 3, 0),
        ("sharegpt/conversation.json", {"sharegpt": 1}, 1, 0),
        ("sharegpt/firefly_multi_turn.jsonl", {"pairs": 33}, 33, 0),
        ("sharegpt/toolcall_zh_300.json", {"sharegpt": 300}, 300, 43),
        ("openai/typed_content_500.jsonl", {"openai": 500}, 500, 1),
        ("query_response/swift_multi.json", {"qa": 3}, 3, 0),
        ("query_response/swift_pre.csv", {"posts": 3}, 3, 0),
        ("eval_samples/qa.jsonl", {"qa": 12, "openai": 1}, 13, 0),
        ("doccano/example.utf16.csv", {"posts": 3}, 3, 0),
        ("xlsx/medqa_2019.xlsx", {"qa": 690}, 690, 1),
        ("table/six_rows.parquet", {"posts": 6}, 6, 0),
        ("table/six_rows.tsv", {"posts": 6}, 6, 0),
    ],
)
def test_formats_are_known_by_what_they_hold(name: str, shapes: dict[str, int], good: int, duplicates: int) -> None:
    (report,) = reports(DATA / "formats" / name)
    assert (dict(report.shapes), report.good, report.duplicates, report.bad) == (shapes, good, duplicates, [])


def test_lengths_are_by_nearest_rank() -> None:
    assert Spread.of(range(1, 101)) == Spread(1, 50, 95, 100)
    assert Spread.of([7]) == Spread(7, 7, 7, 7)
    assert Spread.of([]) is None


def test_a_report_counts_roles_lengths_and_repeats(tmp_path: Path) -> None:
    row = '{"instruction": "问？", "output": "答案"}\n'
    (tmp_path / "a.jsonl").write_text(row * 3 + '{"text": ""}\n{"a": 1}\n')
    (report,) = reports("a.jsonl", folder=tmp_path)
    plain = report.plain()
    assert plain["rows"] == {"total": 5, "good": 3, "bad": 1, "empty": 1}
    assert plain["duplicates"] == 2
    assert plain["roles"] == {"user": 3, "assistant": 3}
    assert plain["characters"]["questions"] == {"min": 2, "median": 2, "p95": 2, "max": 2}
    assert [item["place"] for item in plain["wrong"]] == ["a.jsonl:5"]
    assert not plain["fine"]


def test_no_rows_is_not_fine(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    (report,) = reports("a.json", folder=tmp_path)
    assert [problem.reason for _, problem in report.bad] == ["no rows"]


def test_the_loss_mask_of_samples_is_shown(tiny_llama: Path) -> None:
    conversation = (("user", "为什么水不能兑水？"), ("assistant", "因为兑了还是水。"))
    tokens = measure([conversation] * 3, Measuring(str(tiny_llama)), Path())
    assert tokens is not None
    assert (tokens.counted, len(tokens.samples)) == (3, 2)
    sample = tokens.samples[0]
    assert [text for text, on in sample.pieces if on] == ["因为兑了还是水。<|im_end|>"]
    assert "".join(text for text, _ in sample.pieces).startswith("<|im_start|>user\n为什么")
    assert 0 < sample.supervised < sample.tokens
    named = measure([conversation], Measuring(str(tiny_llama), "default"), Path())
    assert named is not None
    assert "".join(text for text, _ in named.samples[0].pieces).startswith("<|User|>:为什么")
    assert measure([], Measuring(str(tiny_llama)), Path()) is None


def test_how_a_tokenizer_cuts_is_told() -> None:
    if not QWEN.exists():
        pytest.skip(f"no {QWEN}")
    conversation = (("user", "水龘"), ("assistant", "ok"))
    tokens = measure([conversation] * 3, Measuring(str(QWEN)), Path())
    assert tokens is not None
    assert (tokens.letters, tokens.unknown, tokens.over) == (12, 0, {512: 0, 1024: 0, 2048: 0, 4096: 0})
    assert tokens.p90 == tokens.p99 == tokens.spread.max == tokens.total // 3
    assert (tokens.cut, tokens.pieces) == (12, 6)  # of each: 水, 龘 in two pieces, ok


def test_a_missing_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No file at"):
        reports("nothing.jsonl", folder=tmp_path)


def test_a_look_at_a_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}')
    before = path.stat().st_mtime_ns
    assert open_file(Input("a.jsonl", str(path)), "auto", tmp_path).kind == "jsonl"
    assert path.stat().st_mtime_ns == before


def test_rows_that_export_would_refuse_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"question": "1?", "answer": "2."}\n'
        '{"messages": [{"role": "assistant", "content": "a"}]}\n'
        '{"messages": [{"role": "user", "content": "a"}]}\n'
        '{"messages": [{"role": "user", "content": "b"}]}\n'
    )
    (report,) = reports(path, folder=tmp_path)
    assert report.good == 4
    assert report.untrainable == {
        "roles do not alternate": (1, [("a.jsonl:2", 2)]),
        "no answer": (2, [("a.jsonl:3", 3), ("a.jsonl:4", 4)]),
    }
    assert report.plain()["trainable"] == 1


def test_a_row_of_several_lines_is_named_by_its_line_and_by_the_number_that_trace_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text('question,answer\n"1\n2",3\n"4\n5",\n')
    (report,) = reports(tmp_path / "a.csv", folder=tmp_path)
    assert report.plain()["untrainable"] == {"no answer": {"rows": 1, "first": ["a.csv:4"], "first_rows": [2]}}
    show(report, None, Console())
    assert "not to be trained on: 1, no answer: a.csv:4 (row 2)" in capsys.readouterr().out
