"""Out to other tools and back in, and the commands that do it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from weitiao.cli.review import app
from weitiao.errors import UserError
from weitiao.review import exchange
from weitiao.review.decision import Decision
from weitiao.review.desk import Desk

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def full(sqlite_desk: Desk, queue_rows: Rows) -> Desk:
    sqlite_desk.draw("d", queue_rows(6, planted=1))
    return sqlite_desk


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def dump(path: Path, rows: Sequence[Any]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def verdicts(desk: Desk) -> dict[str, str]:
    return {key: final.verdict for key, (final, _) in desk.decided().items()}


def test_our_own_file_goes_round(full: Desk, tmp_path: Path) -> None:
    alice = full.whoami(full.invite("alice"))
    assert alice
    full.next(alice)
    full.decide(alice, "k0", Decision(verdict="reject", comment="no", scores={"honest": 2}, seconds=3.5))
    path = tmp_path / "queue.jsonl"
    assert exchange.write(full, path, "jsonl") == 6
    rows = lines(path)
    said = {"by": "alice", "verdict": "reject", "scores": {"honest": 2}, "comment": "no", "seconds": 3.5}
    assert rows[0]["decisions"] == [said]
    assert not [row for row in rows if "planted" in orjson.dumps(row).decode() or "swapped" in str(row)]
    assert exchange.read(full, path) == (0, 1, [])
    assert full.progress(alice)["mine"] == 1
    better = [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "better"}]
    rows[1]["decisions"] = [{"by": "bob", "verdict": "edit", "messages": better}]
    rows[2] = {"record": "r2", "decisions": [{"by": "bob", "verdict": "accept", "tags": ["good"]}]}
    assert exchange.read(full, dump(path, rows)) == (2, 1, [])
    assert exchange.read(full, path) == (0, 3, [])
    assert verdicts(full) == {"k0": "reject", "k1": "edit", "k2": "accept"}
    assert [one.name for one in full.people()] == ["alice", "bob"]


def test_label_studio(full: Desk, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    assert exchange.write(full, path, "labelstudio") == 6
    tasks = orjson.loads(path.read_bytes())
    assert tasks[0]["data"] | {"question": "q0", "answer_shown": "a0", "item": "k0"} == tasks[0]["data"]

    def result(name: str, kind: str, **value: Any) -> dict[str, Any]:
        return {"from_name": name, "to_name": "text", "type": kind, "value": value}

    results = [
        [result("verdict", "choices", choices=["accept"]), result("honest", "rating", rating=4)],
        [result("answer", "textarea", text=["better"]), result("comment", "textarea", text=["short"])],
        [result("verdict", "choices", choices=["拒绝"]), result("tags", "choices", choices=["a", "b"])],
    ]
    done = [
        {**task, "annotations": [{"completed_by": {"email": "a@x"}, "lead_time": 7.5, "result": one}]}
        for task, one in zip(tasks, results, strict=False)
    ]
    done.append({**tasks[3], "annotations": []})
    done.append({**tasks[4], "annotations": [{"completed_by": 7, "was_cancelled": True, "result": []}]})
    path.write_bytes(orjson.dumps(done))
    assert exchange.read(full, path) == (4, 0, [])
    assert verdicts(full) == {"k0": "accept", "k1": "edit", "k2": "reject"}
    said = full.decided()
    assert said["k0"][0].said == {"scores": {"honest": 4}}
    assert said["k0"][0].seconds == 7.5
    assert said["k1"][0].said["messages"][1] == {"role": "assistant", "content": "better"}
    assert said["k1"][0].said["comment"] == "short"
    assert said["k2"][0].said["tags"] == ["a", "b"]
    assert full.progress()["skipped"] == 1


def test_doccano_and_argilla(full: Desk, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    exchange.write(full, path, "doccano")
    rows = lines(path)
    assert rows[0]["text"] == "q0\n\na0"
    rows[0] |= {"label": ["reject", "honest 2", "ad"], "Comments": ["bad"]}
    with pytest.raises(UserError, match=r"d.jsonl:1: it does not say who decided\nSay it with --by NAME"):
        exchange.read(full, dump(path, rows[:2]))
    assert exchange.read(full, path, "carol") == (1, 0, [])
    assert full.decided()["k0"][0].said == {"scores": {"honest": 2}, "tags": ["ad"], "comment": "bad"}
    assert exchange.write(full, path, "argilla") == 5
    rows = lines(path)
    rows[0]["responses"] = {"verdict": [{"value": "accept", "user_id": "u1", "status": "submitted"}]}
    rows[1]["responses"] = {
        "answer": [{"value": "new", "user_id": "u1", "status": "submitted"}],
        "helpful": [{"value": 5, "user_id": "u1", "status": "submitted"}],
    }
    rows[2]["responses"] = {"verdict": [{"value": "accept", "user_id": "u2", "status": "draft"}]}
    assert exchange.read(full, dump(path, rows)) == (2, 0, [])
    assert verdicts(full) == {"k0": "reject", "k1": "accept", "k2": "edit"}
    assert full.decided()["k2"][0].said["scores"] == {"helpful": 5}


def test_what_is_wrong_is_named_and_the_rest_noted(full: Desk, tmp_path: Path) -> None:
    ok = {"record": "r0", "decisions": [{"by": "a", "verdict": "accept"}]}
    rows: list[Any] = [
        ok,
        {"record": "r77", "decisions": []},
        {"record": "r1", "item": "other", "decisions": []},
        {"decisions": []},
        {"record": "r1", "decisions": [{"verdict": "accept"}]},
        {"record": "r1", "decisions": [{"by": "a", "verdict": "good"}]},
        {"record": "r1", "decisions": [{"by": "a", "verdict": "accept", "scores": {"honest": 9}}]},
        {"record": "r1", "decisions": "accept"},
        {"record": "r0", "decisions": [{"by": "b", "verdict": "reject"}]},
        {"x": 1},
        [1],
        {"id": 1, "text": "q1", "label": ["ad"], "record": "r1"},
    ]
    path = dump(tmp_path / "f.jsonl", rows)
    path.write_bytes(path.read_bytes() + b"{broken\n")
    noted, known, wrong = exchange.read(full, path)
    assert (noted, known) == (1, 0)
    assert wrong[0].endswith("f.jsonl:13: not JSON from character 2 on")
    assert wrong[5].endswith("f.jsonl:6:decisions[0].verdict: it must be one of accept, edit, reject, skip")
    places = [re.sub(r"^.*f\.jsonl:(\d+):?(\S*?):? .*$", r"\1 \2", one) for one in wrong]
    assert sorted(places, key=lambda one: int(one.split()[0])) == [
        "2 record",
        "3 record",
        "4 record",
        "5 decisions[0].by",
        "6 decisions[0].verdict",
        "7 decisions[0]",
        "8 decisions",
        "9 ",
        "10 ",
        "11 ",
        "12 verdict",
        "13 ",
    ]
    with pytest.raises(UserError, match=r"^1 noted; these rows were not:\n  "):
        exchange.complain("1 noted", wrong)
    assert verdicts(full) == {"k0": "accept"}
    with pytest.raises(UserError, match="Cannot read"):
        exchange.read(full, tmp_path / "none.jsonl")


def test_the_commands(project: Callable[..., Any], tmp_path: Path) -> None:
    project(20)
    recipe = Path("recipe.yaml")
    recipe.write_text("source: {inputs: [data.jsonl]}\nreview: {queue: all, double: 0.5, controls: 0.1}\n")
    from weitiao import pipeline
    from weitiao.recipe import load

    runner = CliRunner()

    def weitiao(*words: str) -> str:
        done = runner.invoke(app, ["review", *words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    with pytest.raises(UserError, match="No queue has been drawn"):
        weitiao("status", "recipe.yaml")
    pipeline.run(load(recipe, pipeline.SETTINGS))
    token = weitiao("invite", "recipe.yaml", "alice", "--adjudicator").strip()
    assert len(token) == 32
    again = runner.invoke(app, ["review", "invite", "recipe.yaml", "alice", "--json"], catch_exceptions=False)
    assert orjson.loads(again.stdout)["again"] is True
    assert "alice had a token already: it has ended" in again.stderr
    weitiao("export", "recipe.yaml", "-o", "q.jsonl")
    rows = lines(Path("q.jsonl"))
    assert len(rows) == 22
    for row in rows:
        fine = row["messages"][1]["content"].endswith("不会，鱼用鳃呼吸。")
        said = {"verdict": "accept" if fine else "reject", "scores": {"honest": 5 if fine else 1}, "seconds": 5.0}
        row["decisions"] = [{"by": name, **said} for name in ("alice", "bob")][: 1 + ("alice" in row["decisions"])]
    dump(Path("q.jsonl"), rows)
    assert orjson.loads(weitiao("import", "recipe.yaml", "q.jsonl", "--json")) == {
        "noted": 22, "known": 0, "wrong": [],
    }  # fmt: skip
    done = runner.invoke(app, ["review", "import", "recipe.yaml", "q.jsonl"], catch_exceptions=False)
    assert "0 decisions noted, 22 were there already" in done.stderr
    for row in rows:
        row["decisions"] = [{**row["decisions"][0], "by": "bob"}]
    with pytest.raises(UserError, match="decided already"):
        weitiao("import", "recipe.yaml", str(dump(Path("q2.jsonl"), rows)))
    text = weitiao("status", "recipe.yaml")
    found = orjson.loads(weitiao("status", "recipe.yaml", "--json"))
    assert found["decided"] == found["queued"] == 20
    assert text.startswith("20 records are queued (all records 20), and 2 bad answers are planted among them\n")
    share = "100.0 % (83.2 % to 100.0 %); with a certainty of 95 % at least 86.1 % are good"
    assert f"Accepted 20 of 20 drawn at random: {share}\n" in text
    mine = "100.0 % of them accepted, 5 s in the median, caught 2 of 2 planted (15.8 % to 100.0 %)"
    assert f"alice: 20 decided, {mine}\n" in text
