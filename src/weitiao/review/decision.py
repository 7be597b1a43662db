"""What people are shown and what they say: items, decisions, and what several decisions on one item come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from weitiao.review.tables import CONFLICT, DONE, OPEN, SECOND, SKIPPED

Verdict = Literal["accept", "edit", "reject", "skip"]
Score = Literal["harmless", "honest", "helpful"]


class Turn(BaseModel):
    """One message of an edited conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    role: Literal["system", "user", "assistant", "tool", "passage"]
    content: str = Field(max_length=1_000_000)


class Decision(BaseModel):
    """What one person says of one item; `messages` is the whole conversation after an edit, and of edits alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    verdict: Verdict
    scores: dict[Score, int] = Field(default_factory=dict)
    tags: tuple[str, ...] = Field((), max_length=50, strict=False)
    comment: str = Field("", max_length=20_000)
    messages: tuple[Turn, ...] | None = Field(None, max_length=1000, strict=False)
    seconds: float | None = Field(None, ge=0, le=86_400)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(not 1 <= score <= 5 for score in self.scores.values()):
            raise ValueError("a score is a number from 1 to 5")
        if any(not 0 < len(tag.strip()) <= 100 for tag in self.tags):
            raise ValueError("a tag has 1 to 100 characters")
        if (self.verdict == "edit") != (self.messages is not None):
            raise ValueError("an edit, and only an edit, has messages")
        if self.messages is not None and not any(turn.content.strip() for turn in self.messages):
            raise ValueError("nothing is left of the conversation: reject it instead")
        return self

    def said(self) -> dict[str, Any]:
        """Return what the database keeps beside the verdict."""
        return self.model_dump(include={"scores", "tags", "comment", "messages"}, mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Person:
    """One who decides; an adjudicator also settles what two disagree on."""

    id: int
    name: str
    adjudicates: bool = False


@dataclass(frozen=True)
class Said:
    """A decision that holds: nobody took it back."""

    id: int
    person: int
    verdict: str
    ruling: bool
    said: dict[str, Any]  # scores, tags, comment, messages, as far as they were given
    seconds: float | None
    at: float  # seconds since 1970

    def same(self, other: "Said") -> bool:
        """Tell whether two come to the same: one verdict, and of edits one text."""
        return self.verdict == other.verdict and self.said.get("messages") == other.said.get("messages")


@dataclass(frozen=True)
class Item:
    """A queued record as a person is shown it.

    A planted control looks like any other: its reason is that of an audit, and `source`, under which its life and its
    neighbours are found, is the record that it was made of. `opinions` is empty but for an adjudicator, who sees what
    the two said, without names.
    """

    key: str
    record: str
    source: str
    reasons: tuple[str, ...]
    detail: dict[str, Any]  # what label noted with its reason: the judge's words, opinions, a score
    judge: dict[str, Any] | None  # the judge's marks and reason
    messages: tuple[tuple[str, str], ...]
    facts: dict[str, Any]
    origin: dict[str, Any]
    until: float
    opinions: tuple[Said, ...] = ()


def settle(said: Sequence[Said], doubled: bool) -> tuple[int, int, int | None]:
    """Return in which pool an item is after what was said, by whom it is there, and which decision holds.

    `said` is in order. A ruling holds; else the first decision, where as many as are needed agree.
    """
    decided = [one for one in said if one.verdict != "skip"]
    if rulings := [one for one in decided if one.ruling]:
        return DONE, 0, rulings[-1].id
    if len(decided) >= 1 + doubled:
        agreed = all(one.same(decided[0]) for one in decided)
        return (DONE, 0, decided[0].id) if agreed else (CONFLICT, 0, None)
    if said and said[-1].verdict == "skip":
        return SKIPPED, said[-1].person, None
    return (SECOND, decided[-1].person, None) if decided else (OPEN, 0, None)
