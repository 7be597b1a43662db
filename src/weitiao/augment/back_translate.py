"""The same question by way of another language."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, Field

from weitiao.augment.expand import Ask, Child, asked, question
from weitiao.augment.rephrase import CHECK, SayAgain, Texts, texts_for
from weitiao.llm.desk import Question
from weitiao.record import Record
from weitiao.script import script

UNKNOWN = "neither Chinese nor English"
_OWN = {"zh": "zh", "latin": "en"}


class BackTranslate(SayAgain):
    """Let the teacher translate each question, and translate it back."""

    prompts: ClassVar[tuple[str, ...]] = ("translate", CHECK)
    via: tuple[str, ...] = Field(
        ("auto",),
        strict=False,
        min_length=1,
        description="Languages on the way, by name; auto: English for Chinese texts, Chinese for others",
    )

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        return super().unfit(record) or (None if script(question(record)) in _OWN else UNKNOWN)

    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield one ask for each record and language."""
        for record in records:
            other = "en" if script(question(record)) == "zh" else "zh"
            for via in self.via:
                there = other if via == "auto" else via
                values = {"texts": asked(record), "language": there}
                shape = texts_for(len(asked(record)))
                yield Ask((record,), Question("translate", values, question(record), shape), {"via": there})

    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield the way back, then the record."""
        assert isinstance(said, Texts)
        parent = ask.parents[0]
        if ask.back:
            yield self.again(parent, said.texts, ask.note)
        else:
            values = {"texts": said.texts, "language": _OWN[script(question(parent))]}
            yield replace(ask, question=replace(ask.question, values=values), back=True)
