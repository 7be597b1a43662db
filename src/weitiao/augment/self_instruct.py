"""New questions in the manner of some that are there (Wang et al. 2022, https://arxiv.org/abs/2212.10560)."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from weitiao.augment.expand import NO_QUESTION, TOO_LONG, Ask, Child, groups, question
from weitiao.augment.new_questions import CHECK, AskNew, Questions
from weitiao.llm.desk import Question
from weitiao.record import Record
from weitiao.script import script


class SelfInstruct(AskNew):
    """Let the teacher invent questions after the examples of a few; answers are for label to write.

    Each record is a seed in one group only: a group and what is made of it are one family, which a split keeps whole.
    """

    prompts: ClassVar[tuple[str, ...]] = ("self_instruct", CHECK)
    seeds: int = Field(4, ge=1, le=20, description="Most examples in a call; some calls have fewer")
    questions: int = Field(4, ge=1, le=50, description="New questions to ask for in a call")
    personas: tuple[str, ...] = Field(
        (), strict=False, description="Who asks, such as `a nurse on night shift`; a call for each group and persona"
    )
    copies: int = Field(1, ge=1, description="How often each call is made")
    max_chars: int = Field(1000, ge=1, description="Leave records alone whose questions have more characters")

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        if not question(record).strip():
            return NO_QUESTION
        return TOO_LONG if len(question(record)) > self.max_chars else None

    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield one ask for each group of seeds of one language and kind, persona and copy."""
        alike: dict[tuple[str, bool], list[Record]] = {}
        for record in records:
            alike.setdefault((script(question(record)), record.messages[0][0] == "passage"), []).append(record)
        for found in alike.values():
            for group in groups(found, self.seeds, seed):
                seeds = [question(record) for record in group]
                for persona in self.personas or ("",):
                    values = {"seeds": seeds, "count": self.questions, "persona": persona}
                    note = {"persona": persona} if persona else {}
                    for copy in range(self.copies):
                        yield Ask(group, Question("self_instruct", values, seeds[0], Questions, copy), note)

    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield the new questions."""
        assert isinstance(said, Questions)
        for text in said.questions:
            yield self.new(ask.parents, text, ask.note)

    def expected(self, ask: Ask) -> BaseModel:
        """Return as many questions as were asked for, as long as the longest seed."""
        return Questions(questions=[max(ask.question.values["seeds"], key=len)] * self.questions)
