"""Steps that make records of records: what each takes, asks and makes; the stage asks, guards and keeps the ledger."""

import difflib
import random
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, Field

from weitiao.llm import Translation
from weitiao.llm.desk import Question
from weitiao.record import Record, record_id
from weitiao.step import Step
from weitiao.store import digest
from weitiao.talk import t

Messages = tuple[tuple[str, str], ...]
ASKED = ("user", "passage")  # the roles whose texts are the question, or the post that may become one

NO_QUESTION, NO_ANSWER, NO_PASSAGE, TOO_LONG = "no question", "no answer", "not a passage", "too long to work on"


@dataclass(frozen=True)
class Child:
    """A record that was made, or would be (`planned`), of an answer that nobody has given yet.

    `close`: it is meant to be like its kin, and may only not be the same as one of them. `same`: it is to ask what its
    parent asks.
    """

    record: Record
    close: bool = False
    check: Question | None = None  # what the teacher is asked about it, where its step has something to ask
    planned: bool = False
    same: bool = False


@dataclass(frozen=True)
class Ask:
    """What a step asks about some records; `note` goes into the facts of what is made of the answer.

    `back`: it is the second question of a step that asks two.
    """

    parents: tuple[Record, ...]
    question: Question
    note: dict[str, Any] = field(default_factory=dict)
    back: bool = False


_OWN = ("split", "augment", "chat")  # facts of a record that say nothing of what is made of it


class Verdict(BaseModel):
    """What the teacher thinks of a child: a claim that is false is the reason why the child goes."""

    reasons: ClassVar[dict[str, str]]
    why: str

    def against(self) -> str | None:
        """Return the reason why the child goes, None if it may stay."""
        return next((reason for name, reason in self.reasons.items() if not self.model_dump()[name]), None)


class Expand(Step):
    """Make new records."""

    def child(self, parents: Sequence[Record], messages: Messages, note: dict[str, Any], *, same: bool) -> Record:
        """Return a record made of others: with their origin, licence and family; of the `same` question, their facts.

        Its id depends on the step, the parents and the texts alone.
        """
        first, ids = parents[0], [parent.id for parent in parents]
        licences = {parent.licence for parent in parents}
        kept = (
            {name: value for name, value in first.facts.items() if name not in ("split", "augment", "chat")}
            if same
            else {}
        )
        return Record(
            id=record_id(f"augment/{self.step_name()}", 0, orjson.dumps([ids, messages])),
            messages=messages,
            uri=first.uri,
            row=first.row,
            licence=None if None in licences else " AND ".join(sorted(one for one in licences if one)),
            parents=tuple(ids),
            family=first.family,
            facts={**kept, "augment": {"step": self.step_name(), **note}},
        )

    def draw(self, seed: int, *where: object) -> random.Random:
        """Return what draws for one place: what it draws there does not depend on the other records."""
        return random.Random(digest([seed, self.step_name(), *where]))


class Derive(Expand):
    """Make new records of records."""

    limit: int | None = Field(None, ge=1, description="Work on only so many records, the first ones that fit")
    children: bool = Field(False, description="Work on what the steps before it made, too")

    @abstractmethod
    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone, None if the step can work on it."""


class Make(Expand):
    """Make records without any teacher."""

    @abstractmethod
    def make(self, records: Sequence[Record], seed: int) -> Iterator[Child]:
        """Yield what is made of the records that fit, in their order."""


class Teach(Derive):
    """Make records of a teacher's answers: give `asks` and `read`, and an answer to expect, for the price."""

    prompts: ClassVar[tuple[str, ...]]  # all that the step uses, the one of its check last

    check: bool = Field(True, description="Let the teacher check what is made, with a call for each")

    @property
    def uses(self) -> tuple[str, ...]:
        """The prompts that the step uses with these settings."""
        return self.prompts if self.check else self.prompts[:-1]

    @property
    def translations(self) -> tuple[Translation, ...]:
        """The translation models that are asked in the teacher's place."""
        return ()

    @abstractmethod
    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield what is asked about the records that fit, in their order."""

    @abstractmethod
    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield what an answer amounts to: children, or what is to be asked next."""

    @abstractmethod
    def expected(self, ask: Ask) -> BaseModel:
        """Return an answer of about the length to expect: the plan needs the price of what follows from it."""


def named(given: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError for what is nearly a name: in a person's own words it would stand for something else."""
    for one in given:
        near = [] if one in known else difflib.get_close_matches(one.lower(), known, n=1, cutoff=0.8)
        if near:
            raise ValueError(t("`{given}` is not the name `{name}`: did you mean that?", given=one, name=near[0]))


def asked(record: Record) -> list[str]:
    """Return the texts that ask, in order."""
    return [text for role, text in record.messages if role in ASKED]


def question(record: Record) -> str:
    """Return all that a record asks as one text."""
    return "\n".join(asked(record))


def answer(record: Record) -> str:
    """Return the last answer, empty if there is none."""
    role, text = record.messages[-1]
    return text if role == "assistant" else ""


def with_questions(record: Record, texts: Sequence[str]) -> Messages:
    """Return the messages of a record with other texts in place of those that ask."""
    new = iter(texts)
    return tuple((role, next(new) if role in ASKED else text) for role, text in record.messages)


def groups(records: Sequence[Record], size: int, seed: int) -> Iterator[tuple[Record, ...]]:
    """Yield records in groups of at most `size`, each record in one group, mixed by lot.

    A group ends where it is full, or after a record whose own lot says so: so one more record changes a few groups
    beside it, up to the next such lot, and no other. Each group becomes a family.
    """
    lots = sorted((digest([seed, record.id]), place) for place, record in enumerate(records))
    group: list[Record] = []
    for lot, place in lots:
        group.append(records[place])
        if int(lot[-8:], 16) % (2 * size) == 0 or len(group) == size:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)
