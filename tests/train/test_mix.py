import json
from collections.abc import Callable
from pathlib import Path

import pytest

from weitiao.errors import UserError
from weitiao.stage import Job
from weitiao.store import Stored
from weitiao.train import STAGE
from weitiao.train.mix import draw
from weitiao.train.run import run


def general(path: Path, count: int) -> Path:
    rows = [{"instruction": f"题目{number}", "output": f"答{number}"} for number in range(count)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_draw(tmp_path: Path) -> None:
    general(tmp_path / "a.jsonl", 20)
    general(tmp_path / "b.jsonl", 3)
    found = draw({"a.jsonl": 0.5, "b.jsonl": 1}, 10, tmp_path, 7, {"题目1"})
    assert found.files == {
        "a.jsonl": {"records": 20, "free": 19, "drawn": 5},
        "b.jsonl": {"records": 3, "free": 2, "drawn": 2},
    }
    rows = [(record.uri, record.row) for record in found.records]
    assert len(set(rows)) == 7
    assert rows == sorted(rows)
    assert ("a.jsonl", 2) not in rows
    assert found.records[-1].messages == (("user", "题目2"), ("assistant", "答2"))
    assert draw({"a.jsonl": 0.5, "b.jsonl": 1}, 10, tmp_path, 7, {"题目1"}) == found
    assert draw({"a.jsonl": 0.5}, 10, tmp_path, 8, set()).records != found.records[:5]


@pytest.mark.parametrize(("line", "message"), [
    ("{", "m.jsonl:2: not JSON"),
    ("[1]", "m.jsonl:2: no conversation"),
    ('{"messages": [{"role": "user", "content": 3}]}', "m.jsonl:2: "),
])  # fmt: skip
def test_what_is_no_conversation_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "m.jsonl").write_text('{"instruction": "a", "output": "b"}\n' + line)
    with pytest.raises(UserError, match=message):
        draw({"m.jsonl": 1}, 1, tmp_path, 0, set())
    with pytest.raises(UserError, match="Cannot read none"):
        draw({"none": 1}, 1, tmp_path, 0, set())


def test_mixed_records_are_trained_on_and_in_the_ledger(make_job: Callable[..., Job], tmp_path: Path) -> None:
    path = general(tmp_path / "general.jsonl", 9)
    with path.open("a", encoding="utf-8") as file:  # the question held out, and the one never read: not to be drawn
        for question in ("一光年等于几个普通年？", "Can you hear silence?"):
            file.write(json.dumps({"instruction": question, "output": "x"}) + "\n")
    settings = {"mix": {"general.jsonl": 2.0}, "epochs": 1}
    job = make_job(**settings)
    outcome = run(job)
    assert (outcome.total, outcome.kept) == (15, 15)  # 6 of its own, all 9 that are free
    assert outcome.facts["mix"] == {"general.jsonl": {"records": 11, "free": 9, "drawn": 9}}
    ledger = Stored(job.folder).ledger()
    mixed = ledger.filter(ledger["reason"] == "mixed in")
    trained = ledger.filter(ledger["action"] == "trained")
    assert (mixed["action"].unique().to_list(), len(mixed), len(trained)) == (["assigned"], 9, 15)
    assert set(mixed["id"]) <= set(trained["id"])
    digest = STAGE.outside
    assert digest is not None
    before = digest(job.recipe)
    general(path, 8)
    assert digest(job.recipe) != before
