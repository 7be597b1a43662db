"""A conversation with several models at once: the same questions to all, each with its own answers before it."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from weitiao.llm import Teacher
from weitiao.llm.stream import stream
from weitiao.serve.body import ChatAsked, Message
from weitiao.serve.desk import Desk
from weitiao.serve.refusal import Refusal

Turns = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Manner:
    """How answers are drawn, and the system message before the first question."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 42
    system: str = ""


@dataclass
class Answer:
    """What a model says, or why it says nothing; `finish` tells how it ended, None while it goes on."""

    text: str = ""
    finish: str | None = None
    error: str = ""
    seconds: float = 0.0


@dataclass
class Turn:
    """A question, the answer of each model by its name, and how they were drawn."""

    question: str
    answers: dict[str, Answer] = field(default_factory=dict)
    manner: Manner = Manner()


class Speaker(Protocol):
    """A model that can be asked."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def say(self, messages: Turns, manner: Manner) -> AsyncGenerator[tuple[str, str | None]]:
        """Yield what comes next, and with the last why it ends; raises UserError or Refusal."""
        ...


@dataclass(frozen=True)
class Own:
    """A model that this server has."""

    name: str
    desk: Desk

    async def say(self, messages: Turns, manner: Manner) -> AsyncGenerator[tuple[str, str | None]]:
        """Yield what comes next."""
        asked = ChatAsked(
            model=self.name,
            messages=[Message.model_validate({"role": role, "content": text}) for role, text in messages],
            temperature=manner.temperature,
            top_p=manner.top_p,
            max_tokens=manner.max_tokens,
            seed=manner.seed,
        )
        ordered = await self.desk.order(asked)
        async with aclosing(ordered.pieces()) as pieces:
            async for piece in pieces:
                if piece.error:
                    raise Refusal(503, piece.error)
                yield piece.text, piece.finish


@dataclass(frozen=True)
class Remote:
    """A model at an OpenAI-compatible address."""

    name: str
    teacher: Teacher
    key: str = ""

    async def say(self, messages: Turns, manner: Manner) -> AsyncGenerator[tuple[str, str | None]]:
        """Yield what comes next."""
        how = {"temperature": manner.temperature, "top_p": manner.top_p or None, "seed": manner.seed}
        teacher = self.teacher.model_copy(update={**how, "max_tokens": manner.max_tokens})
        async with aclosing(stream(teacher, tuple(messages), self.key)) as pieces:
            async for heard in pieces:
                yield heard.text, heard.finish


@dataclass
class Conversation:
    """The turns so far, and how they are answered."""

    manner: Manner = Manner()
    turns: list[Turn] = field(default_factory=list)

    def ask(self, question: str, names: Sequence[str]) -> Turn:
        """Add a question to `names`, and return its turn."""
        turn = Turn(question, {name: Answer() for name in names}, self.manner)
        self.turns.append(turn)
        return turn

    @property
    def letters(self) -> int:
        """How long it is."""
        said = (answer.text for turn in self.turns for answer in turn.answers.values())
        return len(self.manner.system) + sum(len(turn.question) for turn in self.turns) + sum(map(len, said))

    def back_to(self, place: int) -> None:
        """Forget the turn at `place` and all after it."""
        del self.turns[place:]

    def before(self, turn: Turn, name: str) -> list[tuple[str, str]]:
        """Return what the model `name` reads for its answer of `turn`: turns that it did not answer are left out."""
        said = [("system", turn.manner.system)] if turn.manner.system.strip() else []
        for one in self.turns:
            if one is turn:
                break
            if (answer := one.answers.get(name)) and answer.text:
                said += [("user", one.question), ("assistant", answer.text)]
        return [*said, ("user", turn.question)]

    async def listen(self, turn: Turn, speaker: Speaker) -> AsyncGenerator[Answer]:
        """Yield the answer of a speaker as it grows."""
        answer, began = turn.answers[speaker.name], time.monotonic()
        try:
            async with aclosing(speaker.say(self.before(turn, speaker.name), turn.manner)) as pieces:
                async for text, finish in pieces:
                    answer.text += text
                    answer.finish = finish or answer.finish
                    yield answer
        finally:
            answer.finish = answer.finish or "broken"
            answer.seconds = time.monotonic() - began
