"""Harder and wider questions out of simple ones (Xu et al. 2023, https://arxiv.org/abs/2304.12244)."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field, field_validator

from weitiao.augment.expand import NO_QUESTION, TOO_LONG, Ask, Child, asked, named, question
from weitiao.augment.new_questions import CHECK, AskNew, Questions
from weitiao.llm.desk import Question
from weitiao.record import Record

SEVERAL = "several questions"
WAYS = ("deepen", "constrain", "concrete", "reason", "broaden")  # as the prompt knows them


class Evolve(AskNew):
    """Let the teacher make a question deeper, stricter, more concrete, or another of its field.

    Answers are for label to write.
    """

    prompts: ClassVar[tuple[str, ...]] = ("evolve", CHECK)
    ways: tuple[str, ...] = Field(
        WAYS,
        strict=False,
        min_length=1,
        description="What is done to a question, by these names or in your own words",
    )
    each: int = Field(1, ge=1, description="How many of the ways each question goes, drawn by the seed")
    max_chars: int = Field(1000, ge=1, description="Leave records alone whose questions have more characters")

    @field_validator("ways")
    @classmethod
    def _or_in_words(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        named(given, WAYS)
        return given

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        if not question(record).strip():
            return NO_QUESTION
        if len(asked(record)) > 1:
            return SEVERAL
        return TOO_LONG if len(question(record)) > self.max_chars else None

    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield one ask for each record and way."""
        for record in records:
            chosen = self.draw(seed, record.id).sample(self.ways, min(self.each, len(self.ways)))
            for way in sorted(chosen, key=self.ways.index):
                values = {"question": question(record), "way": way}
                yield Ask((record,), Question("evolve", values, question(record), Questions), {"way": way})

    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield the new question."""
        assert isinstance(said, Questions)
        for text in said.questions[:1]:
            yield self.new(ask.parents, text, ask.note)

    def expected(self, ask: Ask) -> BaseModel:
        """Return a question half again as long."""
        text = question(ask.parents[0])
        return Questions(questions=[text + text[: len(text) // 2]])
