"""A comparison with a judge, whole: the report in both languages, what is kept through a kill, and the command."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_judge import parts, script
from llm_server import FAULTS, Fault, Server, serving
from selectolax.lexbor import LexborHTMLParser

from weitiao import pipeline
from weitiao.cli import main
from weitiao.cli.terminal import plain_recipe
from weitiao.compare import report
from weitiao.errors import UserError
from weitiao.recipe import Recipe

Recipes = Callable[..., Recipe]
Writer = Callable[[Path, list[tuple[str, str]]], Path]

HOSTILE = "</script><script>alert(1)</script> | x"


def later(a: str, b: str) -> str:
    """Prefer the answer whose text sorts later: the same one in both orders."""
    return "a" if a > b else "b" if b > a else "tie"


def judging(prompt: str) -> Fault | None:
    """Judge by `later`, the place alone for one question, harm for another, and break down at a third."""
    question, *_ = parts(prompt)
    if question == "Why?":
        return FAULTS["refused"]
    says = script((lambda a, b: "a") if question == "蓝" else later, lambda text: 1 if question == "石油也是油" else 5)
    fault = says(prompt)
    assert fault
    assert fault.text
    verdict = orjson.loads(fault.text)
    return Fault(text=orjson.dumps({**verdict, "reason": f"{HOSTILE} {verdict['reason'][:3]}"}).decode())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server(script=judging)) as server:
        yield server


@pytest.fixture(scope="module")
def judge(server: Server) -> dict[str, Any]:
    return {
        "endpoint": server.address,
        "model": "fair-1",
        "attempts": 1,
        "prices": {"fair-1": {"input": 1, "output": 2}},
    }


@pytest.fixture(scope="module")
def questions(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questions of the other tests, two of them with a verdict of people."""
    rows = [orjson.loads(line) for line in data.read_bytes().splitlines()]
    rows[0]["human"], rows[2]["human"] = "after", "before"
    path = tmp_path_factory.mktemp("judged") / "test.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return path


@pytest.fixture(scope="module")
def folder(
    questions: Path,
    tiny_llama: Path,
    other_llama: Path,
    recipe: Recipes,
    judge: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    made = recipe(questions, tiny_llama, other_llama, judge=judge)
    return pipeline.run(made, tmp_path_factory.mktemp("runs"))[-1].stored.folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((folder / "report.json").read_bytes())
    return found


def test_the_figures_follow_from_the_verdicts(facts: dict[str, Any]) -> None:
    judge, rows = facts["judge"], facts["records"]
    ruled = {row["question"][-1]["content"]: row["judge"] for row in rows}
    assert ruled.pop("Why?") == {"failed": {"request refused by the server": 2}}
    assert not ruled.pop("蓝")["agreed"]
    for row in rows:
        if (asked := row["question"][-1]["content"]) in ruled:
            before, after = (row[side]["text"].strip() for side in ("before", "after"))
            assert ruled[asked]["verdict"] == {"a": "loss", "b": "win", "tie": "tie"}[later(before, after)]
    assert (judge["judged"], judge["asked"], judge["failed"]) == (7, 16, {"request refused by the server": 2})
    assert (judge["order"]["count"], judge["order"]["yes"], judge["order"]["shown"]) == (1, 1, False)
    assert any(text.startswith("{left} of {total} pairs") for text, _ in report.cautions(facts))
    assert {(one["row"], one["side"]) for one in judge["harmful"]} == {(3, "after"), (3, "before")}
    assert judge["people"]["questions"] == 2
    assert judge["cost"]["money"] == pytest.approx(14 * (10 + 2 * 5) / 1e6)
    assert (judge["model"], judge["at"], judge["rubric"]) == ("fair-1", "local", "judge.zh.j2")


def test_the_judges_measures_are_tested_with_all_others(facts: dict[str, Any]) -> None:
    by_judge = {item["name"]: item for item in facts["by_judge"]}
    assert list(by_judge) == ["preferred", "harmless", "honest", "helpful"]
    assert all(item["adjusted"] >= item["p"] for item in by_judge.values())
    counts = facts["judge"]["verdicts"]
    assert by_judge["preferred"]["difference"] == pytest.approx(counts["net"])
    assert by_judge["preferred"]["p"] == pytest.approx(counts["p"])
    p = [item["p"] for item in facts["measures"] if item["adjusted"] is not None] + [i["p"] for i in by_judge.values()]
    least = min((*facts["measures"], *by_judge.values()), key=lambda item: item["p"] if item["adjusted"] else 2)
    assert least["adjusted"] == pytest.approx(min(1.0, least["p"] * len(p)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_says_it_and_keeps_the_judges_words_words(facts: dict[str, Any], language: str) -> None:
    page = LexborHTMLParser(report.html(facts, language))
    assert len(page.css("script")) == 1
    reasons = [node.text() for node in page.css("#pairs .analysis .said")]
    assert len(reasons) == 8  # seven pairs, one of them with a reason in each order
    assert all(reason.startswith(HOSTILE) for reason in reasons)
    one = page.css("#pairs .pair")
    assert [node.attributes["data-judge"] for node in one] == [
        row["judge"].get("verdict", "none") for row in facts["records"]
    ]
    section = page.css_first("#judge")
    assert section is not None
    told = {name: " ".join(node.text() for node in section.css(f"span.{name}")) for name in ("en", "zh")}
    assert "Harmful answers, by the judge: 2" in told["en"]
    assert "评判模型认为有害的回答：2 个" in told["zh"]
    for text in ("request refused by the server", "Cohen's kappa with people", "Took the longer answer"):
        assert text in told["en"]
    first = section.css_first("h3 .en")
    assert first is not None
    assert first.text().startswith("Harmful")
    pair = {node.attributes["id"]: node.text() for node in one}
    assert "The order decides." in pair["pair-8"]
    assert "Analysis from measured facts, no judge" in pair["pair-2"]
    assert "The judge gave no verdict:" in pair["pair-2"]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Analysis by the judge fair-1", "The order decides.", "(A is before, B is after)", "7 / 8"]),
        ("zh", ["分析（评判模型 fair-1）", "结果随先后而变。", "（A 是微调前，B 是微调后）", "服务器拒绝了请求"]),
    ],
)
def test_the_markdown_has_the_analysis_as_its_last_column(
    facts: dict[str, Any], language: str, words: list[str]
) -> None:
    written = report.markdown(facts, language)
    rows = [line for line in written.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == 8
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {7}
    assert all(word in written for word in words)
    assert "<script" not in written


def test_without_a_judge_the_analysis_is_what_was_measured(report: dict[str, Any]) -> None:
    from weitiao.compare.report import analysis, html, markdown

    assert "Analysis from measured facts, no judge" in html(report, "en")
    assert "分析（依据测得的事实，没有评判模型）" in markdown(report, "zh")
    row = {
        "before": {"text": "x", "judged": "wrong"},
        "after": {"text": "x ", "judged": "fell", "stopped": False},
        "verdict": {"likelihood": "win", "right": "tie"},
        "copies": {"after": {"length": 9}},
    }
    assert analysis(row) == [
        ("The reference is likelier", {}),
        ("Right neither before nor after", {}),
        ("fell for it", {}),
        ("Both say the same", {}),
        ("After did not end by itself", {}),
        ("{count} characters as in a training answer", {"count": 9}),
    ]


def test_bias_is_called_out_before_anything_else(facts: dict[str, Any]) -> None:
    from weitiao.compare.report import cautions, html

    lean = {"count": 20, "yes": 19, "share": 0.95, "low": 0.85, "high": 1.0, "p": 0.00004, "shown": True}
    away = {**lean, "yes": 1, "share": 0.05, "low": 0.0, "high": 0.15}
    for name, value, words in (
        ("order", lean, "it took the answer that stood first 19 of 20 times (95\u2009%, 95 % interval 85"),
        ("order", away, "it took the answer that stood second 19 of 20 times (95\u2009%, 95 % interval 85"),
        ("length", lean, "The judge prefers the longer answer: 19 of 20 times"),
        ("length", away, "The judge prefers the shorter answer: 19 of 20 times"),
    ):
        told = {**facts, "judge": {**facts["judge"], "order": None, "length": None, name: value}}
        texts = [text.format(**values) for text, values in cautions(told)]
        assert any(words in text for text in texts)
        hero = LexborHTMLParser(html(told, "en")).css_first(".hero")
        assert hero is not None
        assert words in hero.text()


def test_what_was_judged_is_not_asked_again(
    questions: Path,
    tiny_llama: Path,
    other_llama: Path,
    recipe: Recipes,
    judge: dict[str, Any],
    folder: Path,
    facts: dict[str, Any],
    server: Server,
) -> None:
    before = sum(server.asked.values())
    again = recipe(questions, tiny_llama, other_llama, judge=judge, samples=300)
    found = orjson.loads((pipeline.run(again, folder.parent.parent)[-1].stored.folder / "report.json").read_bytes())
    assert sum(server.asked.values()) - before == 2  # those that failed
    assert [row["judge"] for row in found["records"]] == [row["judge"] for row in facts["records"]]


def test_trace_tells_the_verdict(
    folder: Path, facts: dict[str, Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = facts["records"][0], facts["records"][-1]
    for row, words in ((first, f"{first['judge']['verdict']} ({HOSTILE}"), (last, "tie (The order decides.)")):
        assert weitiao(monkeypatch, "trace", row["id"], "--run", folder.parent) == 0
        assert f"by the judge: {words}" in capfd.readouterr().out


def test_a_verdict_of_people_must_be_one(
    tiny_llama: Path, recipe: Recipes, judge: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(orjson.dumps({"question": "q", "answer": "a", "human": "the second"}) + b"\n")
    with pytest.raises(UserError, match="human: `the second` is no verdict of people"):
        pipeline.run(recipe(path, tiny_llama, tiny_llama, judge=judge), tmp_path / "runs")


RUN = """
import sys, orjson, torch
from pathlib import Path
from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
torch.set_num_threads(1)
pipeline.run(plain_recipe(orjson.loads(sys.argv[1]), "test"), Path(sys.argv[2]))
"""


def test_after_a_kill_no_verdict_is_paid_twice(data: Path, tiny_llama: Path, other_llama: Path, tmp_path: Path) -> None:
    with serving(Server(latency=0.15, script=script(later))) as slow:
        judge = {"endpoint": slow.address, "model": "m", "concurrency": 2}
        compare = {"before": str(tiny_llama), "after": str(other_llama), "max_new_tokens": 12, "samples": 200}
        stages = {
            "source": {"inputs": [str(data)]},
            "export": {},
            "compare": {**compare, "general": False, "judge": judge},
        }
        command = [sys.executable, "-c", RUN, orjson.dumps(stages).decode(), str(tmp_path)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            while process.poll() is None and len(slow.arrived) < 4:
                time.sleep(0.02)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        known = len(slow.arrived)
        assert 4 <= known < 16
        folder = pipeline.run(plain_recipe(stages, "test"), tmp_path)[-1].stored.folder
        assert sum(slow.again.values()) == 0
        assert sum(slow.asked.values()) <= 16 + 2 * 2  # those under way when it was killed
    facts = orjson.loads((folder / "report.json").read_bytes())
    assert (facts["judge"]["judged"], facts["judge"]["failed"]) == (8, {})


def weitiao(monkeypatch: pytest.MonkeyPatch, *command: object) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["weitiao", "--lang", "en", *map(str, command)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_the_command_takes_a_judge_and_pays_it_once(
    data: Path,
    tiny_llama: Path,
    other_llama: Path,
    tmp_path: Path,
    server: Server,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUR_KEY", "open sesame")
    command = ["--before", tiny_llama, "--after", other_llama, "--data", data, "-o", tmp_path, "--general", "false"]
    command += [
        "--max-new-tokens",
        "4",
        "--samples",
        "100",
        "--judge-model",
        "m",
        "--judge-key-env",
        "OUR_KEY",
        "--json",
    ]
    assert weitiao(monkeypatch, "compare", *command, "--judge", server.address) == 0, capfd.readouterr().err
    told = orjson.loads(capfd.readouterr().out)
    assert (told["judge"]["model"], told["judge"]["judged"]) == ("m", 7)
    assert "open sesame" not in "".join(path.read_text() for path in tmp_path.glob("report.*"))
    before = sum(server.asked.values())
    mapping = f"{{endpoint: '{server.address}', max_tokens: 2048, attempts: 1}}"
    assert weitiao(monkeypatch, "compare", *command, "--judge", mapping) == 0, capfd.readouterr().err
    assert sum(server.asked.values()) - before == 2
    assert weitiao(monkeypatch, "compare", *command, "--judge", tmp_path / "nowhere") == 2
    assert "it has no config.json" in capfd.readouterr().err


def test_the_recipes_judge_is_changed_key_by_key(
    data: Path, tiny_llama: Path, other_llama: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"source: {{inputs: ['{data}']}}\nexport: {{}}\ncompare:\n  before: {tiny_llama}\n  after: {other_llama}\n"
        f"  general: false\n  max_new_tokens: 4\n  samples: 100\n"
        f"  judge: {{endpoint: 'http://127.0.0.1:9/v1', model: m, attempts: 1}}\n"
    )
    pipeline.run(pipeline_recipe(path), tmp_path / "runs", last="export")
    assert weitiao(monkeypatch, "compare", path, "--runs", tmp_path / "runs", "--judge", server.address) == 0
    facts = orjson.loads((tmp_path / "runs" / "recipe" / "compare" / "report.json").read_bytes())
    assert (facts["settings"]["judge"]["attempts"], facts["judge"]["judged"]) == (1, 7)


def pipeline_recipe(path: Path) -> Recipe:
    from weitiao.recipe import load

    return load(path, pipeline.SETTINGS)
