"""What the steps of label work on: the records as they stand, and where questions about them are asked."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import orjson
from pydantic import Field

from weitiao.llm import Taught
from weitiao.llm.call import FINAL, UNASKED, Failure, Reply
from weitiao.llm.desk import Desk, Question, failed
from weitiao.record import Record
from weitiao.step import Step
from weitiao.store import digest

NO_QUESTION, NO_ANSWER, BEYOND = "no question", "no answer", "beyond the limit"
_SHORT = 2000  # characters of what a teacher said in vain that the ledger keeps


class Scene(Taught):
    """What all steps know of the scene."""

    system: str = Field("", description="The scene's system text: how whoever answers is told to be")
    trap: bool = Field(False, description="Questions may hold a trap, and a good answer names it")
    examples: str | None = Field(
        None, description="File of good questions with answers, reviewed or written by you, to answer after"
    )


@dataclass
class Told:
    """What came of one step, for the manifest."""

    step: str
    asked: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)  # records left alone, by reason
    ended: set[int] = field(default_factory=set)  # places of failures that no asking again would mend
    more: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        counts = {"asked": self.asked, "answered": self.answered, "failed": dict(self.failed.most_common())}
        counts["skipped"] = dict(self.skipped.most_common())
        return {"step": self.step, **counts, **self.more}


@dataclass(frozen=True)
class Control:
    """A record whose answer is known to be bad, or no better than the real one, to see what the judge says of it."""

    record: Record
    kind: str
    marks: Mapping[str, Any]


@dataclass
class Work:
    """The records on their way through the steps; `places` are those that are still there."""

    records: list[Record]
    examples: Sequence[Record]
    scene: Scene
    desk: Desk
    seed: int
    gone: dict[int, str] = field(default_factory=dict)  # why, by place
    events: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    controls: list[Control] = field(default_factory=list)

    def places(self) -> Iterator[int]:
        """Yield where the records stand that are still there."""
        return (place for place in range(len(self.records)) if place not in self.gone)

    def ask(
        self,
        told: Told,
        name: str,
        asks: Sequence[tuple[int, Question]],
        *,
        temperature: float | None = None,
        model: str | None = None,
    ) -> list[Reply | None]:
        """Return what was said to each question about the record at a place; a failure is noted, to be asked again."""
        outcomes = self.desk.ask(name, [question for _, question in asks], temperature, model)
        told.asked += sum(not isinstance(one, Failure) or one.reason not in UNASKED for one in outcomes)
        found: list[Reply | None] = []
        for (place, _), outcome in zip(asks, outcomes, strict=True):
            if isinstance(outcome, Reply):
                told.answered += 1
                found.append(outcome)
                continue
            found.append(None)
            if outcome.reason in FINAL:
                told.ended.add(place)
            if not self.desk.planning:
                told.failed[str(outcome.reason)] += 1
                detail = {key: text[:_SHORT] for key, text in failed(outcome, {}).items()}
                self.note(place, told.step, "failed", str(outcome.reason), detail=detail)
        return found

    def skipped(self, step: str) -> Counter[str]:
        """Return how many records a step left alone, by reason."""
        rows = (event for events in self.events.values() for event in events)
        return Counter(row["reason"] for row in rows if (row["step"], row["action"]) == (step, "skipped"))

    def note(self, place: int, step: str, action: str, reason: str, *, detail: object = None) -> None:
        """Write a row of the ledger on the record at a place."""
        told = {} if detail is None else {"detail": orjson.dumps(detail).decode()}
        event = {"id": self.records[place].id, "step": step, "action": action, "reason": reason, **told}
        self.events.setdefault(place, []).append(event)

    def answer(self, place: int, step: str, text: str) -> None:
        """Write the answer that the record at a place lacks."""
        old = self.records[place]
        self.note(place, step, "changed", "answer written")
        self.events[place][-1] |= {"turn": len(old.messages), "before": ""}
        self.records[place] = replace(old, messages=(*old.messages, ("assistant", text)))

    def learn(self, place: int, name: str, fact: Any) -> None:
        """Set a fact of the record at a place."""
        old = self.records[place]
        self.records[place] = replace(old, facts={**old.facts, name: fact})

    def drop(self, place: int, step: str, reason: str, detail: Mapping[str, Any]) -> None:
        """Let the record at a place go."""
        self.gone[place] = reason
        self.note(place, step, "dropped", reason, detail=detail)

    def lot(self, place: int, *where: object) -> float:
        """Return a number from 0 to 1 drawn for the record at a place; it does not depend on the other records."""
        return int(digest([self.seed, *where, self.records[place].id])[:12], 16) / 16**12


class Labelling(Step):
    """A step that works on records, and may ask a teacher about them."""

    prompts: ClassVar[tuple[str, ...]] = ()

    @property
    def uses(self) -> tuple[str, ...]:
        """The prompts that the step uses with these settings."""
        return self.prompts

    @abstractmethod
    def take(self, work: Work) -> Told:
        """Do the step's work on the records."""
