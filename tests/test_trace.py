"""trace: finds a record by id or by what it says, and tells its life in order."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from weitiao import ledger
from weitiao.errors import UserError
from weitiao.record import Record, to_frame
from weitiao.stage import Silent
from weitiao.store import Run
from weitiao.trace import Life, difference, find, find_runs, tell

ACID, TWIN, OTHER = "aa11" * 5, "aa22" * 5, "bb33" * 5
ASKED = "浓硫酸里有2%的水，为什么不会自己稀释自己？"


def chat(key: str, row: int, asked: str, said: str, part: str | None = None) -> Record:
    facts = {"shape": "qa"} | ({"split": {"part": part}} if part else {})
    turns = (("user", asked), ("assistant", said))
    return Record(key, turns, "raw.jsonl", row, "MIT", family="f1" if part else None, facts=facts)


def write(run: Run, stage: str, records: list[Record], events: list[dict[str, Any]]) -> None:
    draft = run.draft(stage, "key")
    rows = [{name: event.get(name) for name in ledger.SCHEMA} for event in events]
    frame = pl.DataFrame(rows, schema=ledger.SCHEMA, orient="row")
    draft.write(0, to_frame(records) if records else None, frame)
    run.finish(stage, {"stage": stage})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "runs"
    run = Run(folder / "acid")
    acid, twin = chat(ACID, 180, f" {ASKED}", "有水。  "), chat(TWIN, 181, f"{ASKED}!", "有水。")
    other = chat(OTHER, 182, "水兑水", "还是水。")
    bad = {"id": "cc44" * 5, "step": "source", "action": "skipped", "reason": "not JSON", "before": '{"坏掉的行'}
    bad["detail"] = '{"place":"posts/bad.jsonl:22:text"}'
    write(run, "source", [acid, twin, other], [bad])
    changes: list[dict[str, Any]] = [
        {"id": ACID, "step": "tidy", "action": "changed", "reason": "rewritten", "turn": 0, "before": f" {ASKED}"},
        {"id": ACID, "step": "tidy", "action": "changed", "reason": "rewritten", "turn": 1, "before": "有水。  "},
        {"id": ACID, "step": "full_stop", "action": "changed", "reason": "rewritten", "turn": 1, "before": "有水。"},
        {
            "id": TWIN,
            "step": "near_duplicate",
            "action": "dropped",
            "reason": "near-duplicate",
            "detail": f'{{"twin":"{ACID}"}}',
        },
    ]
    write(run, "prepare", [chat(ACID, 180, ASKED, "有水"), other], changes)
    kept = [chat(ACID, 180, ASKED, "有水", "train"), chat(OTHER, 182, "水兑水", "还是水。", "test")]
    write(run, "split", kept, [])
    write(run, "export", kept, [])
    trained = {"tokens": 40, "supervised": 9, "loss_before": 5.5, "loss": 2.25}
    write(run, "train", [], [{"id": ACID, "step": "train", "action": "trained", "detail": json.dumps(trained)}])
    side: dict[str, Any] = {"text": "水", "tokens": 1, "stopped": False, "loss": 3.0, "loss_tokens": 2}
    answered: dict[str, Any] = {
        "before": side,
        "after": side | {"text": "还是水", "stopped": True},
        "change": {"likelihood": 0.5, "overlap": -0.2},
        "verdict": {"likelihood": "win", "overlap": "tie"},
    }
    answer = {"id": OTHER, "step": "compare", "action": "answered", "reason": "win", "detail": json.dumps(answered)}
    write(run, "compare", [], [answer])
    return folder


def life(runs: Path, wanted: str) -> Life:
    (match,) = find(find_runs(None, runs), wanted)
    return tell(match)


def test_a_trained_record_is_told_from_its_row_to_its_loss(runs: Path) -> None:
    told = life(runs, ACID)
    assert [(event.stage, event.action) for event in told.events] == [
        ("source", "kept"),
        ("prepare", "changed"),
        ("prepare", "changed"),
        ("prepare", "changed"),
        ("split", "kept"),
        ("export", "kept"),
        ("train", "trained"),
    ]
    assert [(event.before, event.after) for event in told.events[1:4]] == [
        (f" {ASKED}", ASKED),
        ("有水。  ", "有水。"),
        ("有水。", "有水"),
    ]
    assert told.origin == {"uri": "raw.jsonl", "row": 180, "licence": "MIT"}
    assert (told.part, told.family, told.members) == ("train", "f1", [(OTHER, "水兑水")])
    assert told.events[-1].detail["loss"] == 2.25


def test_a_dropped_record_ends_with_the_reason(runs: Path) -> None:
    told = life(runs, TWIN)
    assert (told.events[-1].action, told.events[-1].reason) == ("dropped", "near-duplicate")
    assert told.events[-1].detail == {"twin": ACID}
    assert told.part is None


@pytest.mark.parametrize("wanted", [ACID[:6], "自己稀释自己？", "有水。  "])
def test_it_is_found_by_the_beginning_of_its_id_or_by_what_it_says_or_said(runs: Path, wanted: str) -> None:
    assert ACID in [match.id for match in find(find_runs(None, runs), wanted)]


def test_a_row_that_became_no_record_is_found_too(runs: Path) -> None:
    (match,) = find(find_runs(None, runs), "坏掉的行")
    told = tell(match)
    assert [(event.stage, event.reason) for event in told.events] == [("source", "not JSON")]
    assert told.messages == []


def test_several_matches_are_listed_once_each_in_order(runs: Path) -> None:
    assert [match.id for match in find(find_runs(runs / "acid", None), "2%的水")] == [ACID, TWIN]


def test_what_is_not_there_is_the_users_mistake(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Nothing in acid"):
        find(find_runs(None, runs), "没有这句话")
    with pytest.raises(UserError, match="No run in"):
        find_runs(None, tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("水  兑水", "水 兑水", "水[-␣-] 兑水"),
        ("水\n\u200b", "水。\n", "水{+。+}⏎[-\\u200b-]"),
        ("abc", "abcd", "abc{+d+}"),
        ("a" * 50 + "x" + "b" * 50, "a" * 50 + "y" + "b" * 50, "…" + "a" * 12 + "[-x-]{+y+}" + "b" * 12 + "…"),
        ("", "a", "{+a+}"),
    ],
)
def test_a_difference_shows_what_changed(before: str, after: str, shown: str) -> None:
    assert difference(before, after) == shown


def test_runs_of_one_name_are_told_by_their_folders(tmp_path: Path) -> None:
    for folder, key in (("one", ACID), ("two", TWIN)):
        write(Run(tmp_path / folder / "runs" / "r"), "source", [chat(key, 1, "a", "b")], [])
    write(Run(tmp_path / "runs" / "s"), "source", [chat(ACID, 1, "a", "b")], [])
    assert [line.split()[:2] for line in command("raw.jsonl:1", folder=tmp_path).stdout.splitlines()] == [
        [ACID, "s"],
        [ACID, str(tmp_path / "one" / "runs" / "r")],
        [TWIN, str(tmp_path / "two" / "runs" / "r")],
    ]
    told = command(TWIN, folder=tmp_path).stdout.splitlines()
    assert told[1] == f"{TWIN} in the run {tmp_path / 'two' / 'runs' / 'r'}"


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "weitiao", "--lang", "en", "trace", *arguments]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_tells_lists_and_refuses(runs: Path) -> None:
    told = command(ACID, folder=runs.parent)
    assert told.returncode == 0
    assert [line.rstrip() for line in told.stdout.splitlines()] == [
        ASKED,
        f"{ACID} in the run acid",
        "",
        "source    read from raw.jsonl, row 180 (MIT)",
        "prepare   rewritten, turn 1  [tidy]",
        f"            [-␣-]{ASKED[:12]}…",
        "          rewritten, turn 2  [tidy]",
        "            有水。[-␣␣-]",
        "          rewritten, turn 2  [full_stop]",
        "            有水[-。-]",
        "split     in the part `train`",
        "          with 1 of its family f1:",
        f"            {OTHER}  水兑水",
        "export    nothing changed",
        "train     trained on: 40 tokens, 9 of them with loss",
        "          loss 5.500 before, 2.250 after",
    ]
    answered = command("水兑水", "--run", "acid", folder=runs).stdout
    assert "compare   likelihood of the reference +0.500: win" in answered
    assert "before: 水 (did not end by itself)" in answered
    assert len(command("2%的水", folder=runs.parent).stdout.splitlines()) == 2
    wrong = command("没有这句话", folder=runs.parent)
    assert wrong.returncode == 2
    assert "hint: " in wrong.stderr
    found = json.loads(command(OTHER, "--json", folder=runs.parent).stdout)
    assert found["lives"][0]["events"][-1]["detail"]["verdict"]["likelihood"] == "win"


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ("raw.jsonl:180", ACID),
        ("./posts/raw.jsonl:180", ACID),
        ("posts/bad.jsonl:22", "cc44" * 5),
        ("bad.jsonl:22", "cc44" * 5),
        ("posts/bad.jsonl:22:text", "cc44" * 5),  # as the message says it
        ("../project/posts/bad.jsonl:22", "cc44" * 5),
    ],
)
def test_a_row_is_found_by_file_and_row(runs: Path, wanted: str, key: str) -> None:
    assert [match.id for match in find(find_runs(None, runs), wanted)] == [key]
    with pytest.raises(UserError, match="Nothing in"):
        find(find_runs(None, runs), wanted.replace("8", "9").replace("22", "2"))


class Noting(Silent):
    """A reporter that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("name", ["part-00000.parquet", "ledger-00000.parquet"])
def test_a_damaged_run_is_passed_by_and_alone_it_is_named(tmp_path: Path, name: str) -> None:
    for run in ("sound", "torn"):
        write(Run(tmp_path / run), "source", [chat(ACID, 180, ASKED, "有水。")], [])
    broken, heard = tmp_path / "torn/source" / name, Noting()
    broken.write_bytes(b"PAR1 torn")
    found = find(find_runs(None, tmp_path), ASKED, heard)
    assert [(match.run.name, match.id) for match in found] == [("sound", ACID)]
    assert heard.said == [f"{broken} is damaged, or was changed: the run torn is passed by"]
    with pytest.raises(UserError, match=f"{name} is damaged, or was changed"):
        find([tmp_path / "torn"], ASKED)
