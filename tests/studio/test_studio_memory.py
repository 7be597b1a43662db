"""What is remembered of visitors has an end."""

import pytest

from weitiao.studio import memory
from weitiao.studio.conversation import Answer, Conversation, Turn
from weitiao.studio.memory import Memories, recalled


def talk(length: int, finish: str | None = "stop") -> Conversation:
    return Conversation(turns=[Turn("q", {"m": Answer("a" * (length - 1), finish)})])


def test_those_who_came_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_VISITORS", 3)
    memories = Memories()
    for name in ("a", "b", "c"):
        memories.of(name).name = name
    memories.of("a")
    memories.of("d")
    assert [memories.of(name).name for name in ("a", "c", "b")] == ["a", "c", ""]


def test_conversations_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_LETTERS", 100)
    memories = Memories()
    for name in ("a", "b", "c"):
        memories.of(name).talk = talk(40)
        memories.forget_the_oldest()
    assert [memories.of(name).talk is not None for name in ("a", "b", "c")] == [False, True, True]


def test_an_answer_under_way_is_broken_off_in_what_is_recalled() -> None:
    first = talk(3, None)
    again = recalled(first)
    assert again.turns[0].answers["m"].finish == "broken"
    assert first.turns[0].answers["m"].finish is None
    again.turns.clear()
    assert first.turns
    assert recalled(None).turns == []
