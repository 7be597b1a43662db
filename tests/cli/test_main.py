"""The command line as a user meets it: statuses, streams, both languages."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

import weitiao
from weitiao.cli import COMMANDS, terminal

ROW = '{"instruction": "鱼会不会淹死？", "input": "", "output": "鱼用鳃呼吸，水里缺氧时会窒息。"}\n'


def command(*arguments: str, folder: Path | None = None, lang: str = "en_US.UTF-8") -> subprocess.CompletedProcess[str]:
    """Run weitiao as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "weitiao", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "LC_ALL": lang},
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "qa.jsonl").write_text(ROW, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text("source: {inputs: [qa.jsonl]}\nexport: {}\n")
    return tmp_path


def test_help_lists_all_commands_in_both_languages() -> None:
    english, chinese = command("--help"), command("--help", lang="zh_CN.UTF-8")
    assert english.returncode == chinese.returncode == 0
    assert all(f"  {name} " in english.stdout and f"  {name} " in chinese.stdout for name in COMMANDS)
    assert "从原始帖子到微调好的对话模型" in chinese.stdout


@pytest.mark.parametrize("arguments", [(), ("ledger",), ("review",)])
def test_without_a_verb_the_help_is_what_it_says(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(" ".join(("Usage: weitiao", *arguments)))
    assert "..." not in done.stderr.partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_command_has_help(name: str, lang: str) -> None:
    done = command(name, "--help", "--lang", lang)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: weitiao {name} ")
    assert not done.stderr


def test_version() -> None:
    assert command("--version").stdout.strip() == weitiao.__version__


def test_the_result_is_on_stdout_as_json_and_the_talk_on_stderr(project: Path) -> None:
    done = command("run", "recipe.yaml", "--json", folder=project)
    assert done.returncode == 0, done.stderr
    result = orjson.loads(done.stdout)
    assert result["stages"]["export"]["kept"] == 1
    assert done.stderr.splitlines()[0].startswith("Read 1 of 1 row in ")
    again = command("run", "recipe.yaml", "--lang", "zh", folder=project)
    assert again.stdout == ""
    assert "已经完成" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no.yaml"], "error: No recipe at no.yaml"),
        (["run", "recipe.yaml", "--set", "sorce.inputs=x"], "error: --set sorce.inputs=x: sorce: no such key"),
        (["run", "recipe.yaml", "--to", "trian"], "error: The recipe has no stage `trian`"),
        (["run"], "error: Missing argument"),
        (["runn"], "error: No such command 'runn'"),
        (
            ["run", "recipe.yaml", "--nope"],
            "error: No such option: --nope (Possible options: --to)\nhint: weitiao run --help",
        ),
        (["check", "qa.jsonl", "--template", "default"], "error: --template shows nothing without --model"),
        (
            ["run", "recipe.yaml", "--set", "split.ratios={train:0.8}"],
            "error: --set split.ratios={train:0.8}: split.ratios.train:0.8 is null: it must be a number\n"
            "hint: YAML wants a blank after the colon: train: 0.8",
        ),
        (["--lang", "fr", "run", "recipe.yaml"], "error: --lang is `fr`: it must be one of en, zh"),
    ],
)
def test_a_users_mistake_ends_with_2_and_no_traceback(project: Path, arguments: list[str], message: str) -> None:
    done = command(*arguments, folder=project)
    assert done.returncode == 2
    assert done.stderr.startswith(message), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_interrupt_ends_with_130(tmp_path: Path) -> None:
    rows = b"".join(
        orjson.dumps({"question": f"第{n}个问题是什么？", "answer": "不知道。" * 40}) + b"\n" for n in range(300_000)
    )
    (tmp_path / "qa.jsonl").write_bytes(rows)
    (tmp_path / "recipe.yaml").write_text("source: {inputs: [qa.jsonl]}\nprepare: {}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "weitiao", "run", "recipe.yaml", "--lang", "en"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.glob("runs/recipe/.source.part")):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, talk = process.communicate(timeout=60)
    assert process.returncode == 130, talk
    assert "Interrupted. What is finished is safe" in talk
    assert "Traceback" not in talk


def test_a_log_is_told_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_TOLD_EVERY", -1.0)
    assert list(terminal.Terminal().track(range(1000), 1000, "steps")) == list(range(1000))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 999
    assert re.fullmatch(r"steps: 999 of 1,000, about \d+ s to go", lines[-1])


def test_what_a_terminal_cannot_show_stops_nothing(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "weitiao", "check", "qa.jsonl", "--lang", "zh"],
        capture_output=True,
        cwd=project,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "1 行，都能读" in done.stdout.decode("unicode_escape")


@pytest.mark.parametrize("arguments", ["check qa.jsonl", "check qa.jsonl --json", "--help"])
def test_a_reader_that_went_away_is_no_fault(project: Path, arguments: str) -> None:
    line = f"set -o pipefail; {sys.executable} -m weitiao {arguments} | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=project, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
