"""chat: what it remembers, and the command with pipes, in a terminal, and interrupted."""

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import torch

from weitiao.chat.session import Session
from weitiao.cli import chat as command
from weitiao.errors import UserError
from weitiao.model.generate import Answer, Sampling, answer
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.template import Template

torch.set_num_threads(1)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def session(tiny_llama: Path) -> Session:
    template = Template(load_tokenizer(str(tiny_llama)))
    return Session(load_model(str(tiny_llama)), template, Sampling(max_new_tokens=8), "短")


@pytest.fixture(autouse=True)
def fresh(session: Session) -> None:
    session.reset()
    session.sampling = Sampling(max_new_tokens=8)


def said(session: Session, question: str) -> str:
    return "".join(session.ask(question))


def test_each_answer_is_given_to_the_whole_conversation(session: Session) -> None:
    first, second = said(session, "水"), said(session, "a")
    chat = [("system", "短"), ("user", "水"), ("assistant", first), ("user", "a")]
    (wanted,) = answer(session.model, session.template, [chat], session.sampling, batch_tokens=1)
    assert second == wanted.text
    assert session.turns == [*chat[1:], ("assistant", second)]
    session.reset()
    assert said(session, "水") == first


def test_an_answer_broken_off_is_remembered_as_far_as_it_went(session: Session) -> None:
    asked = session.ask("水")
    pieces = [next(asked), next(asked)]
    asked.close()
    assert session.turns == [("user", "水"), ("assistant", "".join(pieces))]


def test_the_oldest_turns_go_when_there_is_no_room(session: Session) -> None:
    for number in range(12):
        said(session, f"{number} aaaa")
    assert session.forgotten > 0
    assert session.turns[0][0] == "user"
    assert session.turns[-2] == ("user", "11 aaaa")
    assert len(session.template.prompt([*session.system, *session.turns])) < 160


def test_a_question_that_does_not_fit_is_refused_and_forgotten(session: Session) -> None:
    said(session, "a")
    before = list(session.turns)
    with pytest.raises(UserError, match="the model holds 160"):
        said(session, "长" * 200)
    assert session.turns == before


def test_pipes_carry_questions_in_and_answers_out(tiny_llama: Path, session: Session) -> None:
    session.system = []
    first, second = said(session, "水"), said(session, "a")
    session.reset()
    again = said(session, "a")
    words = [sys.executable, "-m", "weitiao", "--lang", "en", "chat", str(tiny_llama), "--max-new-tokens", "8"]
    lines = "水\n\na\n/reset\na\n/nothing\n/help\n/exit\nnever\n"
    done = subprocess.run(words, input=lines, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout == f"{first}\n{second}\n{again}\n"
    assert "No command /nothing" in done.stderr
    assert "Forgot the conversation" in done.stderr


def ask(model: Path, capsys: pytest.CaptureFixture[str], **flags: Any) -> str:
    command.chat(str(model), ask="为什么？", max_new_tokens=8, **flags)
    return capsys.readouterr().out


def test_one_question_is_answered_as_compare_does(
    tiny_llama: Path, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    chats = [[("system", "短"), ("user", "为什么？")]]
    (wanted,) = answer(session.model, session.template, chats, Sampling(max_new_tokens=8), batch_tokens=1)
    assert ask(tiny_llama, capsys, system="短") == f"{wanted.text}\n"
    sys.stdout.flush()
    told = {"answer": wanted.text, "thinking": "", "tokens": wanted.tokens, "stopped": wanted.stopped}
    written = io.TextIOWrapper(buffer := io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(written):
        ask(tiny_llama, capsys, system="短", as_json=True)
    assert json.loads(buffer.getvalue()) == told


def test_json_without_a_question_is_the_users_mistake(tiny_llama: Path) -> None:
    with pytest.raises(UserError, match="--json needs a question"):
        command.chat(str(tiny_llama), as_json=True)


def test_a_runs_folder_stands_for_its_tuned_model_and_its_system_message(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "merge").mkdir()
    (tmp_path / "merge" / "model").symlink_to(tiny_llama)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "manifest.json").write_bytes(orjson.dumps({"settings": {"system": "短"}}))
    assert ask(tmp_path, capsys) == ask(tiny_llama, capsys, system="短")
    (tmp_path / "recipe.yaml").write_text("name: nothing\nexport: {}\n")
    with pytest.raises(UserError, match="No tuned model"):
        ask(tmp_path / "recipe.yaml", capsys)


def wait_for(terminal: int, text: str, seconds: float = 60) -> None:
    """Read what the program says in its terminal until it has said `text`."""
    seen, end = "", time.monotonic() + seconds
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"no {text!r} in {seen!r}"
        # One byte at a time: nothing of what comes after is swallowed.
        seen += os.read(terminal, 1).decode("utf-8", "replace")


def test_in_a_terminal_the_first_interrupt_stops_the_answer_and_the_second_leaves(stories: Path) -> None:
    terminal, slave = pty.openpty()
    words = [sys.executable, "-m", "weitiao", "--lang", "en", "chat", str(stories), "--max-new-tokens", "400"]
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT, start_new_session=True)
    os.close(slave)
    try:
        wait_for(terminal, "> ")
        os.write(terminal, b"Once upon a time\n")
        wait_for(terminal, "Once upon a time\r\n")
        wait_for(terminal, "e")  # the answer has begun
        process.send_signal(signal.SIGINT)
        wait_for(terminal, "(broken off)")
        wait_for(terminal, "> ")
        time.sleep(0.3)  # Python's readline misses an interrupt that comes just as it begins to wait
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "Interrupted" not in os.read(terminal, 1000).decode()  # there is nothing to go on with
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


class Scripted:
    """A session whose model says what it is told to."""

    def __init__(self, *pieces: str, opened: bool = False) -> None:
        self.pieces, self.forgotten = pieces, 0
        self.template = SimpleNamespace(opens_thinking=opened)

    def ask(self, question: str) -> Generator[str, None, Answer]:
        yield from self.pieces
        return Answer("".join(self.pieces), len(self.pieces), True)


@pytest.mark.parametrize(
    ("pieces", "opened", "thought", "said"),
    [
        (("<think>", "\n\n", "</think>", "\n\n", "2", "\n\n3"), False, "", "2\n\n3"),
        (("<thi", "nk>a", "b</think>", "2"), False, "ab", "2"),
        (("a", "b</think>", "\n", "2"), True, "ab", "2"),
        (("<", "b", ">"), False, "", "<b>"),
        (("<",), False, "", "<"),
        (("<think>", "a"), False, "a", ""),
    ],
)
def test_thinking_is_not_shown_as_the_answer(
    capsys: pytest.CaptureFixture[str], pieces: tuple[str, ...], opened: bool, thought: str, said: str
) -> None:
    session: Any = Scripted(*pieces, opened=opened)
    assert command._answer(session, "1+1?", show=True)[1:] == (thought, said)
    told = capsys.readouterr()
    assert told.out == said + "\n"
    assert told.err.strip() == thought


def test_weights_in_four_bits_answer(tiny_llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bitsandbytes")
    assert ask(tiny_llama, capsys, bits=command.Bits.FOUR).strip()


def test_a_template_that_the_model_was_not_trained_by_is_said(
    tiny_llama: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.chat(str(tiny_llama), ask="1", max_new_tokens=1, template="default")
    assert "another one than default" in capsys.readouterr().err
    command.chat(str(tiny_llama), ask="1", max_new_tokens=1, template="internlm2_chat")
    assert "another one" not in capsys.readouterr().err
