"""A conversation with a model that remembers its turns, as many as the model can hold."""

from collections.abc import Generator
from typing import Any

from weitiao.errors import UserError
from weitiao.model.generate import Answer, Sampling, positions, stream
from weitiao.model.template import Template
from weitiao.talk import t


class Session:
    """One conversation; `forgotten` counts the turns that the last question pushed out."""

    def __init__(self, model: Any, template: Template, sampling: Sampling, system: str | None = None) -> None:
        self.model, self.template, self.sampling = model, template, sampling
        self.system = [("system", system)] if system else []
        self.turns: list[tuple[str, str]] = []
        self.forgotten = 0

    def reset(self) -> None:
        """Forget all turns; the system message stays."""
        self.turns = []

    def ask(self, question: str) -> Generator[str, None, Answer]:
        """Yield the answer piece by piece; an answer that is broken off is remembered as far as it went.

        Raises UserError if the question alone is longer than what the model can hold.
        """
        self.turns = self._fitting([*self.turns, ("user", question)])
        said: list[str] = []
        try:
            pieces = stream(self.model, self.template, [*self.system, *self.turns], self.sampling)
            while True:
                try:
                    said.append(next(pieces))
                except StopIteration as end:
                    answer: Answer = end.value
                    return answer
                yield said[-1]
        finally:
            self.turns.append(("assistant", "".join(said)))

    def _fitting(self, turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Drop the oldest questions with their answers until there is room for an answer."""
        limit = positions(self.model)
        room = limit - min(self.sampling.max_new_tokens, limit // 2)
        self.forgotten = 0
        while (size := len(self.template.prompt([*self.system, *turns]))) > room and len(turns) > 1:
            turns = turns[2:]
            self.forgotten += 1
        if size >= limit:
            raise UserError(
                t("The question has {size} tokens with its frame, the model holds {limit}", size=size, limit=limit),
                t("Ask in fewer words"),
            )
        return turns
