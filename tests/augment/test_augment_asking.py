"""Asked once, paid once: failures, budgets, plans, batches, and a run that was killed."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import augment_teacher
import orjson
import pytest
from augmenting import EN, POST_ZH, ZH, Augmented, made, row, rows_of, told
from llm_server import FAULTS, Fault, Server, unlike

from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.errors import UserError
from weitiao.model.tiny import build
from weitiao.record import to_records

STYLES = {"rephrase": {"styles": ["casual"]}}
PRICES = {"m": {"input": 1.0, "output": 2.0}}


def faulty(prompt: str) -> Fault:
    named = prompt.partition("⟦")[2].partition("⟧")[0]
    return FAULTS[named] if named and "`texts`" in prompt else augment_teacher.script()(prompt)


def test_every_fault_is_told_and_the_others_go_on(augment: Augmented, server: Server) -> None:
    server.script = faulty
    names = [name for name in FAULTS if FAULTS[name].shaped != "as plain" or FAULTS[name].plain]
    rows = [row(unlike(number, name)) for number, name in enumerate(["", *names, ""])]
    done = augment(rows, STYLES, teacher_timeout=0.4, teacher_attempts=1)
    wanted = Counter(FAULTS[name].plain if FAULTS[name].shaped == "as plain" else FAULTS[name].shaped for name in names)
    assert told(done, "rephrase")["failed"] == dict(wanted.most_common())
    assert Counter(reason for _, reason in rows_of(done, "failed")) == wanted
    assert told(done, "rephrase")["kept"] == 2
    assert done.manifest["facts"]["said"]["failed"] == str(wanted.total())


def test_failures_are_asked_again_and_nothing_else(augment: Augmented, server: Server) -> None:
    server.script = faulty
    rows = [row(unlike(1)), row(unlike(2, "empty")), row(unlike(3))]
    first = augment(rows, STYLES)
    assert told(first, "rephrase")["failed"] == {"empty answer": 1}
    calls = sum(server.asked.values())
    server.script = augment_teacher.script()
    second = augment(rows, STYLES)
    assert (second.fresh, told(second, "rephrase")["kept"]) == (True, 3)
    assert sum(server.asked.values()) == calls + 2  # the question, and its check
    third = augment(rows, STYLES)
    assert (third.fresh, sum(server.asked.values())) == (False, calls + 2)


def test_a_check_that_failed_is_asked_again(augment: Augmented, server: Server) -> None:
    server.script = lambda prompt: FAULTS["empty"] if "`same_question`" in prompt else augment_teacher.script()(prompt)
    first = augment(ZH, STYLES)
    assert (told(first, "rephrase")["dropped"], told(first, "rephrase")["unchecked"]) == ({"empty answer": 3}, 3)
    server.script = augment_teacher.script()
    asked = sum(server.asked.values())
    assert told(augment(ZH, STYLES), "rephrase")["kept"] == 3
    assert sum(server.asked.values()) == asked + 3


def test_one_row_added_costs_its_own_calls(augment: Augmented, server: Server) -> None:
    augment([*ZH, *EN], STYLES, "ask_passages")
    calls = sum(server.asked.values())
    done = augment([*ZH, *EN, row(unlike(5))], STYLES, "ask_passages")
    assert done.fresh
    assert sum(server.asked.values()) == calls + 2


def test_the_budget_holds_for_all_steps_together(augment: Augmented, server: Server) -> None:
    rows = [row(unlike(number)) for number in range(30)]
    settings = {"teacher_prices": PRICES, "teacher_max_tokens": 50, "teacher_concurrency": 1}
    done = augment(rows, STYLES, "evolve", **settings, teacher_budget=0.0025)
    facts = done.manifest["facts"]
    assert facts["cost"]["money"] <= 0.0025
    assert sum(one["failed"].get("no room in the budget", 0) for one in facts["steps"]) > 0
    calls = sum(server.asked.values())
    again = augment(rows, STYLES, "evolve", **settings, teacher_budget=10)
    assert again.manifest["facts"]["cost"]["calls"] == sum(server.asked.values()) == 120 > calls
    assert set(server.asked.values()) == {1}
    assert [one["kept"] for one in again.manifest["facts"]["steps"]] == [30, 30]


def test_a_plan_asks_nothing_and_what_it_counts_is_asked(server: Server, tmp_path: Path, augment: Augmented) -> None:
    steps = [STYLES, "back_translate", {"self_instruct": {"seeds": 20}}, "ask_passages"]
    augment([*ZH, *EN, POST_ZH], "character_noise")
    calls = sum(server.asked.values())
    teacher = {"endpoint": server.address, "model": "m", "prices": PRICES}
    data = {"source": {"inputs": ["data.jsonl"]}, "augment": {"steps": steps, "teacher": teacher}}
    plans = pipeline.preview(plain_recipe(data, "plan"), tmp_path / "runs")
    assert sum(server.asked.values()) == calls == 0
    planned = {name.removeprefix("augment/"): plan.calls for name, plan in plans.items()}
    assert planned == {
        "rephrase": 6,
        "rephrase-check": 6,
        "back_translate": 6,
        "back_translate-2": 6,
        "back_translate-check": 6,
        "self_instruct": 3,
        "self_instruct-check": 12,
        "ask_passages": 1,
        "ask_passages-check": 3,
    }
    assert all(plan.most_cost and plan.samples for plan in plans.values())
    done = pipeline.run(plain_recipe(data, "plan"), tmp_path / "runs")[-1]
    for name in ("rephrase", "ask_passages"):
        assert told(done, name)["asked"] == planned[name]
    after = pipeline.preview(plain_recipe(data, "plan"), tmp_path / "runs")
    assert sum(plan.calls for plan in after.values()) == 0


def test_an_offline_batch_goes_round_by_round(augment: Augmented, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "batch"
    first = augment(ZH, STYLES, "back_translate", batch="batch")
    assert told(first, "rephrase")["failed"] == {"waits for the batch": 3}
    for turn in range(4):
        files = sorted(folder.rglob("batch-*.jsonl"))
        if not files:
            break
        (folder / f"results_{turn}.jsonl").write_bytes(b"".join(_answered(path) for path in files))
        done = augment(ZH, STYLES, "back_translate", batch="batch")
    assert turn == 3
    assert [told(done, name)["kept"] for name in ("rephrase", "back_translate")] == [3, 3]
    assert not server.asked
    assert not augment(ZH, STYLES, "back_translate", batch="batch").fresh


def _answered(path: Path) -> bytes:
    lines = []
    for line in path.read_bytes().splitlines():
        call = orjson.loads(line)
        text = orjson.dumps(augment_teacher.reply(call["body"]["messages"][0]["content"])).decode()
        body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        lines.append({"custom_id": call["custom_id"], "response": {"status_code": 200, "body": body}})
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def test_a_step_that_asks_needs_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").write_bytes(orjson.dumps(ZH[0]))
    data: dict[str, Any] = {"source": {"inputs": ["data.jsonl"]}, "augment": {"steps": ["rephrase"]}}
    with pytest.raises(UserError, match="asks a teacher, and none is given"):
        pipeline.run(plain_recipe(data, "run"), tmp_path / "runs")


def test_a_folder_with_a_model_is_a_teacher(tmp_path: Path, augment: Augmented) -> None:
    build(["鱼会不会淹死？"] * 20, tmp_path / "teacher", 1)
    done = augment(ZH[:1], STYLES, teacher_endpoint=None, teacher_model="teacher", teacher_max_tokens=8)
    # Too small to say anything that is JSON, and told so.
    assert sum(told(done, "rephrase")["failed"].values()) == 1
    assert done.manifest["facts"]["teacher"]["at"] == "folder"


def test_a_copied_prompt_is_used_and_its_digest_kept(augment: Augmented, server: Server, tmp_path: Path) -> None:
    plain = augment(ZH, STYLES)
    for language in ("zh", "en"):
        (tmp_path / "mine" / language).mkdir(parents=True)
    path = tmp_path / "mine" / "zh" / "rephrase.j2"
    path.write_text("像海盗一样说。{{ mark }} 第 1 段\n{{ texts[0] }}\n{{ mark }} 结束 `texts` {{ style }}")
    done = augment(ZH, STYLES, prompts="mine")
    assert done.fresh
    assert any("海盗" in body["messages"][0]["content"] for body in server.bodies)
    digests = [one.manifest["facts"]["prompts"] for one in (plain, done)]
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {"zh/rephrase"}
    path.write_text("{{ nonsense }}")
    with pytest.raises(UserError, match="nothing is called `nonsense` here"):
        augment(ZH, STYLES, prompts="mine")
    path.write_text("{{ texts")
    with pytest.raises(UserError, match=r"rephrase\.j2:1: no template"):
        augment(ZH, STYLES, prompts="mine")


def test_a_killed_run_asks_for_nothing_that_had_arrived(tmp_path: Path, server: Server) -> None:
    server.latency = 0.05
    server.script = augment_teacher.script()
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(row(unlike(n))) + b"\n" for n in range(40)))
    teacher = {"endpoint": server.address, "model": "m", "concurrency": 4}
    recipe = {"source": {"inputs": ["data.jsonl"]}, "augment": {"steps": [STYLES], "teacher": teacher}}
    (tmp_path / "recipe.yaml").write_bytes(orjson.dumps(recipe))
    command = [sys.executable, "-m", "weitiao", "run", str(tmp_path / "recipe.yaml"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while sum(server.answered.values()) < 30:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert sum(server.answered.values()) < 80
    told_of = subprocess.run(command, capture_output=True, check=True)
    assert orjson.loads(told_of.stdout)["stages"]["augment"]["facts"]["steps"][0]["kept"] == 40
    assert not +server.again
    assert len(server.asked) == 80
    assert sum(server.asked.values()) <= 80 + 4  # those on their way when it was killed


def test_a_child_that_was_made_before_is_not_made_twice(augment: Augmented, tmp_path: Path) -> None:
    done = augment(ZH, STYLES)
    rows = [orjson.loads(orjson.dumps(one.row_dict())) for one in to_records(done.stored.records())]
    again = augment(rows, {"rephrase": {"styles": ["casual"], "limit": 3}})
    assert len(made(again)) == 3
    assert told(again, "rephrase")["dropped"] == {"near-duplicate": 3}
