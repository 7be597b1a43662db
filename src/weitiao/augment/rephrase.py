"""The same question in other words, as other people would put it."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field, create_model, field_validator

from weitiao.augment.expand import (
    NO_QUESTION,
    TOO_LONG,
    Ask,
    Child,
    Teach,
    Verdict,
    answer,
    asked,
    named,
    question,
    with_questions,
)
from weitiao.llm.desk import Question
from weitiao.record import Record

CHECK = "check_rephrased"
STYLES = ("casual", "formal", "terse", "wordy", "polite", "typos")  # as the prompt knows them


class Texts(BaseModel):
    """Texts that stand for others, one for each, in order."""

    texts: list[str]


@cache
def texts_for(count: int) -> type[Texts]:
    """Return the shape of an answer with so many texts; one with another number is none."""
    exactly = Annotated[list[str], Field(min_length=count, max_length=count)]
    return create_model("Texts", __base__=Texts, texts=(exactly, ...))


class SameQuestion(Verdict):
    """Whether a question is still the one that it was made of."""

    reasons: ClassVar[dict[str, str]] = {
        "same_question": "another question",
        "answer_fits": "answer no longer fits",
        "trick_kept": "trick lost",
    }
    same_question: bool
    answer_fits: bool
    trick_kept: bool


class SayAgain(Teach):
    """Put the questions of a record in other words; the answers stay."""

    max_chars: int = Field(1000, ge=1, description="Leave records alone whose questions have more characters")

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        if not question(record).strip():
            return NO_QUESTION
        return TOO_LONG if len(question(record)) > self.max_chars else None

    def again(self, parent: Record, texts: Sequence[str], note: dict[str, Any], *, close: bool = False) -> Child:
        """Return the record with other questions, to be checked against the old ones."""
        new = self.child((parent,), with_questions(parent, texts), note, same=True)
        values = {"before": question(parent), "after": question(new), "answer": answer(parent)}
        check = Question(CHECK, values, values["before"], SameQuestion) if self.check else None
        return Child(new, close, check, same=True)

    def expected(self, ask: Ask) -> BaseModel:
        """Return texts as long as the old ones."""
        return Texts(texts=asked(ask.parents[0]))


class Rephrase(SayAgain):
    """Let the teacher put each question as other people would: in another register, a dialect, with typos."""

    prompts: ClassVar[tuple[str, ...]] = ("rephrase", CHECK)
    styles: tuple[str, ...] = Field(
        ("casual", "formal", "typos"),
        strict=False,
        min_length=1,
        description="How it is said: casual, formal, terse, wordy, polite, typos, or in your words, such as 四川话",
    )
    copies: int = Field(1, ge=1, description="How often each style is asked for")

    @field_validator("styles")
    @classmethod
    def _or_in_words(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        named(given, STYLES)
        return given

    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield one ask for each record, style and copy."""
        for record in records:
            for style in self.styles:
                values = {"texts": asked(record), "style": style, "answer": answer(record)}
                for copy in range(self.copies):
                    wanted = Question("rephrase", values, question(record), texts_for(len(values["texts"])), copy)
                    yield Ask((record,), wanted, {"style": style})

    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield the record in the new words; one with typos is meant to be like the old one."""
        assert isinstance(said, Texts)
        yield self.again(ask.parents[0], said.texts, ask.note, close=ask.note["style"] == "typos")
