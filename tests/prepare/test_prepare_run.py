"""The stage as a whole: passes over parts, a funnel that adds up, and the same bytes however it ran."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from weitiao import record
from weitiao.errors import UserError
from weitiao.prepare import Prepare
from weitiao.prepare.run import prepare, run
from weitiao.recipe import bind, load
from weitiao.record import Record, record_id
from weitiao.stage import Job, Silent
from weitiao.store import Draft, Stored, write_parquet, write_whole

TEXTS = [
    "<p>一个女孩子有两个男朋友</p><p>她选谁 &amp; 为什么</p>",
    "　　浓硫酸里９８％是酸，　那水呢？",
    "三字",
    "咖啡严格来说是不是也可以叫豆浆？",
    "咖啡严格来说是不是也可以叫豆浆？ ",
    "咖啡严格来说是不是可以叫豆浆",
    "天下没有不散的筵席\u200b，那么相聚的意义是什么",
    "",
    "浓硫酸里98％是酸， 那水呢",
]


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")


def source(folder: Path, texts: list[str], size: int = 4) -> Stored:
    folder.mkdir()
    records = [Record(record_id("f", n, b""), (("passage", text),), "f", n) for n, text in enumerate(texts, 1)]
    for start in range(0, len(records), size):
        write_parquet(Draft(folder).part(start // size), record.to_frame(records[start : start + size]))
    write_whole(folder / "manifest.json", b'{"kept": %d}' % len(texts))
    return Stored(folder)


def job(folder: Path, stored: Stored, settings: Any = None) -> Job:
    folder.mkdir(exist_ok=True)
    recipe = bind({"prepare": settings or {}}, {"prepare": Prepare}, folder)
    return Job(recipe, "prepare", Draft(folder), {"records": stored})


def content(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))}


def test_each_record_goes_on_or_has_its_reason(tmp_path: Path) -> None:
    outcome = run(job(tmp_path / "out", source(tmp_path / "in", TEXTS)))
    assert (outcome.total, outcome.kept) == (9, 4)
    assert outcome.refused == {"too short": 2, "exact duplicate": 1, "near-duplicate": 2}
    assert outcome.facts["funnel"] == [
        {"step": "strip_html", "in": 9, "changed": 1, "dropped": {}, "out": 9},
        {"step": "fold_width", "in": 9, "changed": 1, "dropped": {}, "out": 9},
        {"step": "tidy_whitespace", "in": 9, "changed": 3, "dropped": {}, "out": 9},
        {"step": "drop_short", "in": 9, "changed": 0, "dropped": {"too short": 2}, "out": 7},
        {"step": "drop_long", "in": 7, "changed": 0, "dropped": {}, "out": 7},
        {"step": "drop_exact_duplicates", "in": 7, "changed": 0, "dropped": {"exact duplicate": 1}, "out": 6},
        {"step": "drop_near_duplicates", "in": 6, "changed": 0, "dropped": {"near-duplicate": 2}, "out": 4},
    ]
    out = Stored(tmp_path / "out")
    assert [message[0]["content"] for message in out.records()["messages"]] == [
        "一个女孩子有两个男朋友\n\n她选谁 & 为什么",
        "浓硫酸里98％是酸， 那水呢？",
        "咖啡严格来说是不是也可以叫豆浆？",
        "天下没有不散的筵席，那么相聚的意义是什么",
    ]
    ids = [record_id("f", n, b"") for n in range(1, 10)]
    noted = out.ledger().filter(pl.col("action") != "spared")
    assert noted.select("id", "step", "action").rows() == [
        (ids[0], "strip_html", "changed"),
        (ids[1], "fold_width", "changed"),
        (ids[1], "tidy_whitespace", "changed"),
        (ids[2], "drop_short", "dropped"),
        (ids[4], "tidy_whitespace", "changed"),
        (ids[6], "tidy_whitespace", "changed"),
        (ids[7], "drop_short", "dropped"),
        (ids[4], "drop_exact_duplicates", "dropped"),
        (ids[5], "drop_near_duplicates", "dropped"),
        (ids[8], "drop_near_duplicates", "dropped"),
    ]
    assert noted["before"][1] == TEXTS[1]
    told = orjson.loads(noted["detail"][-1])
    assert (told["score"], told["threshold"], told["of"]) == (1.0, None, ids[1])
    said = [message["content"] for text in noted["before"][7:] if text for message in orjson.loads(text)["messages"]]
    assert said == ["咖啡严格来说是不是也可以叫豆浆？"], "what was changed before it was dropped stands nowhere else"


@pytest.mark.parametrize(
    "steps",
    [[], ["drop_exact_duplicates"], ["drop_near_duplicates", "strip_html", "drop_short", "drop_exact_duplicates"]],
)
def test_steps_run_in_any_order(tmp_path: Path, steps: list[str]) -> None:
    outcome = run(job(tmp_path / "out", source(tmp_path / "in", TEXTS), {"steps": steps}))
    assert [row["step"] for row in outcome.facts["funnel"]] == steps
    assert outcome.total == 9
    assert outcome.kept == len(Stored(tmp_path / "out").records()) == 9 - sum(outcome.refused.values())


def test_the_result_does_not_depend_on_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = source(tmp_path / "in", TEXTS, size=2)
    outcomes = []
    for workers in ("1", "2"):
        monkeypatch.setenv("WEITIAO_WORKERS", workers)
        outcomes.append(run(job(tmp_path / workers, stored)))
    assert outcomes[0] == outcomes[1]
    assert content(tmp_path / "1") == content(tmp_path / "2")
    assert len(content(tmp_path / "1")) == 10


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    outcome = run(job(tmp_path / "out", source(tmp_path / "in", [])))
    assert (outcome.total, outcome.kept, outcome.refused) == (0, 0, {})


KILLED = """
import os, signal, sys
from pathlib import Path
import polars as pl
from weitiao.prepare.drop_near_duplicates import DropNearDuplicates
from weitiao.prepare.drop_short import DropShort
from weitiao.prepare.run import prepare
from weitiao.stage import Silent
from weitiao.step import RewriteSelected
from weitiao.store import Draft, Stored

class Lethal(RewriteSelected):
    def selects(self, text):
        return text.str.contains("散")
    def rewrite_one(self, text):
        if sys.argv[3] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return text + "。"

steps = [Lethal(), DropShort(), DropNearDuplicates()]
steps = steps if sys.argv[4] == "first" else steps[1:] + steps[:1]
prepare(steps, Stored(Path(sys.argv[1])).parts(), Draft(Path(sys.argv[2])), Silent())
"""


@pytest.mark.parametrize("when", ["first", "last"])
def test_killed_at_any_part_it_goes_on_to_the_same_bytes(tmp_path: Path, when: str) -> None:
    stored = source(tmp_path / "in", TEXTS, size=2)

    def attempt(out: str, fate: str) -> int:
        (tmp_path / out).mkdir(exist_ok=True)
        arguments = [sys.executable, "-c", KILLED, str(stored.folder), str(tmp_path / out), fate, when]
        return subprocess.run(arguments, env={**os.environ, "WEITIAO_WORKERS": "1"}, check=False).returncode

    assert attempt("whole", "live") == 0
    assert attempt("killed", "die") == -signal.SIGKILL
    parts = (tmp_path / "killed").rglob("part-*.parquet")
    counts = [path.parent / ".counts" / f"{path.stem.removeprefix('part-')}.json" for path in parts]
    finished = {path: path.stat().st_mtime_ns for path in counts}  # parts are emptied once nobody reads them
    assert len(finished) >= 3
    assert attempt("killed", "live") == 0
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "finished parts are not done again"
    asides = [path.stat().st_size for path in (tmp_path / "whole").glob(".pass-*/*.parquet")]
    assert asides
    assert not sum(asides)


def test_a_record_that_vanishes_is_a_bug(tmp_path: Path) -> None:
    from weitiao.step import Batch, RowStep

    class Lose(RowStep):
        def apply(self, batch: Batch) -> Batch:
            return Batch(batch.records.head(1), batch.turns, batch.events)

    (tmp_path / "out").mkdir()
    with pytest.raises(AssertionError, match="records lost"):
        prepare([Lose()], source(tmp_path / "in", TEXTS).parts(), Draft(tmp_path / "out"), Silent())


def test_a_wrong_setting_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("prepare:\n  steps:\n    - strip_html\n    - drop_short: {min_char: 3}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(path, {"prepare": Prepare})
    assert caught.value.message == f"{path}:4: prepare.steps[1].drop_short.min_char: no such key"
    assert "`min_chars`" in caught.value.hint
    path.write_text("prepare: {steps: [striphtml]}\n", encoding="utf-8")
    with pytest.raises(UserError, match="strip_html"):
        load(path, {"prepare": Prepare})


def test_the_text_of_a_step_stays_text(tmp_path: Path) -> None:
    """Hold that the columns which parts have are those of the contract after every step."""
    run(job(tmp_path / "out", source(tmp_path / "in", TEXTS)))
    for path in Stored(tmp_path / "out").parts():
        assert pl.read_parquet_schema(path) == record.SCHEMA
