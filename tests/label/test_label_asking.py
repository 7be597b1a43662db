"""Asked once, paid once: failures, budgets, plans, batches, and a run that was killed."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_server import FAULTS, Fault, Server, unlike

import labelling
from labelling import EN, ZH, asks, events, facts, row, step
from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.errors import UserError
from weitiao.pipeline import Done

Label = Callable[..., Done]
PRICES = {"m": {"input": 1.0, "output": 2.0}}


def faulty(prompt: str) -> Fault:
    named = prompt.partition("⟦")[2].partition("⟧")[0]
    return FAULTS[named] if named else labelling.script()(prompt)


def test_every_fault_is_told_and_the_others_go_on(label: Label, server: Server) -> None:
    server.script = faulty
    names = [name for name in FAULTS if FAULTS[name].shaped != "as plain" or FAULTS[name].plain]
    rows = [asks(unlike(number, name)) for number, name in enumerate(["", *names, ""])]
    done = label(rows, "answer", teacher_timeout=0.4, teacher_attempts=1)
    wanted = Counter(FAULTS[name].plain for name in names if FAULTS[name].plain)
    assert step(done, "answer")["failed"] == dict(wanted.most_common())
    assert Counter(reason for _, _, reason in events(done, "failed")) == wanted
    assert step(done, "answer")["written"] == len(rows) - wanted.total()
    assert (done.manifest["total"], done.manifest["kept"]) == (len(rows), len(rows))


def test_failures_are_asked_again_and_nothing_else(label: Label, server: Server) -> None:
    rows = [row(unlike(1)), row(unlike(3)), row(unlike(2, "empty"))]
    server.script = faulty
    steps = ["judge", {"decide": {"audit": 0}}]
    first = label(rows, *steps)
    # The failed record has no altered forms: 3 asked, and 5 of each of the other two.
    assert step(first, "judge")["failed"] == {"empty answer": 1}
    assert [fact and fact["why"] for fact in facts(first, "review")] == [None, None, "not judged"]
    calls = sum(server.asked.values())
    assert calls == 3 + 2 * 5
    server.script = labelling.script()
    second = label(rows, *steps)
    assert (second.fresh, facts(second, "review")) == (True, [None] * 3)
    assert sum(server.asked.values()) == calls + 1 + 5  # the record, and its altered forms
    third = label(rows, *steps)
    assert (third.fresh, sum(server.asked.values())) == (False, calls + 6)


def test_one_row_added_costs_its_own_calls(label: Label, server: Server) -> None:
    rows = [row(unlike(number)) for number in range(12)]
    steps = [{"answer": {"samples": 2, "choose": "agree"}}, {"judge": {"controls": 0.01}}, "tag", "decide"]
    label(rows, *steps)
    calls = sum(server.asked.values())
    assert calls == 12 + 5 * 5 + 12
    more = label([*rows, asks("水能不能兑水？")], *steps)
    altered = 5 if more.manifest["facts"]["controls"]["planted"] > 15 else 0
    own = step(more, "judge")["asked"] - 13 - 25
    assert sum(server.asked.values()) == calls + 2 + 1 + 1 + (altered or own)


def test_the_budget_holds_and_goes_on_from_there(label: Label, server: Server) -> None:
    rows = [row(unlike(number)) for number in range(20)]
    settings = {
        "teacher_prices": {"m": {"input": 1.0, "output": 100.0}},
        "teacher_max_tokens": 50,
        "teacher_concurrency": 1,
    }
    done = label(rows, "judge", "tag", **settings, teacher_budget=0.02)
    cost = done.manifest["facts"]["cost"]
    assert cost["money"] <= 0.02
    assert sum(one["failed"].get("no room in the budget", 0) for one in done.manifest["facts"]["steps"]) > 0
    again = label(rows, "judge", "tag", **settings, teacher_budget=10)
    assert again.manifest["facts"]["cost"]["calls"] == sum(server.asked.values()) == 20 + 25 + 20
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        (None, "`label` asks a teacher, and none is given"),
        ({"key_env": "NO_SUCH_KEY"}, "The environment variable NO_SUCH_KEY is not set"),
        ({"budget": 1.0}, "no price is known for m"),
    ],
)
def test_who_cannot_be_asked_is_told_before_anything_runs(
    teacher: dict[str, Any] | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = {} if teacher is None else {"teacher": {"endpoint": "http://localhost:9/v1", "model": "m", **teacher}}
    data = {"source": {"inputs": ["none.jsonl"]}, "label": {"steps": ["judge"], **own}}
    with pytest.raises(UserError, match=said):
        pipeline.run(plain_recipe(data, "run"), tmp_path / "runs")


def test_what_is_known_needs_no_key(label: Label, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "0123456789")
    label(ZH, "judge", teacher_key_env="TEACHER_KEY")
    monkeypatch.delenv("TEACHER_KEY")
    asked = server.asked.total()
    assert label(ZH, "judge", "decide", teacher_key_env="TEACHER_KEY").fresh
    assert server.asked.total() == asked


def test_a_budget_needs_the_price_of_every_model_that_judges(label: Label, server: Server) -> None:
    with pytest.raises(UserError, match="no price is known for n"):
        label(ZH, {"judge": {"models": ["n"]}}, teacher_prices=PRICES, teacher_budget=1.0)
    assert not server.asked


def test_a_plan_asks_nothing_and_what_it_counts_is_asked(label: Label, server: Server, tmp_path: Path) -> None:
    rows = [*ZH, *EN, asks("水能不能兑水？"), asks("Could a door sleep?")]
    steps = [{"answer": {"samples": 3}}, {"judge": {"models": ["n"]}}, "tag", "decide"]
    label(rows, "decide")
    teacher = {"endpoint": server.address, "model": "m", "prices": PRICES}
    data = {"source": {"inputs": ["data.jsonl"]}, "label": {"steps": steps, "teacher": teacher}}
    plans = pipeline.preview(plain_recipe(data, "plan"), tmp_path / "runs")
    assert not server.asked
    planned = {name.removeprefix("label/"): plan.calls for name, plan in plans.items()}
    assert planned == {
        "answer": 6,
        "answer-choose": 6,
        "judge": 7,
        "judge-n": 7,
        "judge-controls": 25,
        "tag": 7,
    }
    assert all(plan.most_cost for name, plan in plans.items() if not name.endswith("-n"))
    done = pipeline.run(plain_recipe(data, "plan"), tmp_path / "runs")[-1]
    assert step(done, "judge")["asked"] == 7 + 7 + 25
    after = pipeline.preview(plain_recipe(data, "plan"), tmp_path / "runs")
    assert sum(plan.calls for plan in after.values()) == 0


def test_an_offline_batch_goes_round_by_round(label: Label, server: Server, tmp_path: Path) -> None:
    rows = [*ZH, asks("水能不能兑水？")]
    steps = [{"answer": {"samples": 2}}, "judge"]
    folder = tmp_path / "batch"
    first = label(rows, *steps, batch="batch")
    assert step(first, "answer")["failed"] == {"waits for the batch": 2}
    for turn in range(6):
        files = sorted(folder.rglob("batch-*.jsonl"))
        if not files:
            break
        (folder / f"results_{turn}.jsonl").write_bytes(b"".join(_answered(path) for path in files))
        done = label(rows, *steps, batch="batch")
    assert not files
    assert (step(done, "answer")["written"], step(done, "judge")["judged"]) == (1, 4)
    assert not server.asked
    assert not label(rows, *steps, batch="batch").fresh


def _answered(path: Path) -> bytes:
    lines = []
    for line in path.read_bytes().splitlines():
        call = orjson.loads(line)
        texts = [message["content"] for message in call["body"]["messages"]]
        text = labelling.script()("\n".join(texts)).text
        body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        lines.append({"custom_id": call["custom_id"], "response": {"status_code": 200, "body": body}})
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def test_a_step_that_asks_needs_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").write_bytes(orjson.dumps(ZH[0]))
    data: dict[str, Any] = {"source": {"inputs": ["data.jsonl"]}, "label": {"steps": ["judge"]}}
    with pytest.raises(UserError, match="asks a teacher, and none is given"):
        pipeline.run(plain_recipe(data, "run"), tmp_path / "runs")


def test_a_copied_rubric_is_used_and_its_digest_kept(label: Label, server: Server, tmp_path: Path) -> None:
    plain = label(ZH, "judge")
    path = tmp_path / "mine" / "zh" / "score.j2"
    path.parent.mkdir(parents=True)
    parts = (
        "海盗的标准。",
        "{{ mark }} 对话",
        "{{ question[0].content }}",
        "{{ mark }} 回答",
        "{{ answer }}",
        "{{ mark }} 完",
    )
    path.write_text("\n".join([*parts, "`sure`"]))
    done = label(ZH, "judge", prompts="mine")
    assert done.fresh
    assert any("海盗" in body["messages"][0]["content"] for body in server.bodies)
    digests = [one.manifest["facts"]["prompts"] for one in (plain, done)]
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {"zh/score"}


def test_a_killed_run_asks_for_nothing_that_had_arrived(tmp_path: Path, server: Server) -> None:
    server.latency = 0.05
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(asks(unlike(n))) + b"\n" for n in range(30)))
    teacher = {"endpoint": server.address, "model": "m", "concurrency": 4}
    steps = ["answer", "judge", "tag", "decide"]
    recipe = {"source": {"inputs": ["data.jsonl"]}, "label": {"steps": steps, "teacher": teacher}}
    (tmp_path / "recipe.yaml").write_bytes(orjson.dumps(recipe))
    command = [sys.executable, "-m", "weitiao", "run", str(tmp_path / "recipe.yaml"), "--json"]
    for wanted in (15, 45):  # while it answers, and while it judges
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while sum(server.answered.values()) < wanted:
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert sum(server.answered.values()) < 115
    told_of = subprocess.run(command, capture_output=True, check=True)
    stage = orjson.loads(told_of.stdout)["stages"]["label"]
    assert stage["facts"]["said"] | {"review": ""} == {"written": "30", "review": "", "caught": "15", "planted": "15"}
    assert not +server.again
    assert len(server.asked) == 30 + 30 + 25 + 30
    assert sum(server.asked.values()) <= 115 + 2 * 4  # those on their way when it was killed
