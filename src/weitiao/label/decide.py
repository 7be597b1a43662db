"""Thresholds: what is kept, what is dropped, and what people are to look at."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from weitiao.doubt import APART, AUDIT, DISAGREE, MARKS, NEAR, UNJUDGED, UNSURE, answered
from weitiao.label.work import NO_ANSWER, Labelling, Told, Work
from weitiao.manner import refuses
from weitiao.record import Record
from weitiao.talk import t

Fate = Literal["keep", "review", "drop"]
REASONS = {"harmless": "harmful", "honest": "not honest", "helpful": "not helpful"}
TRAP, REFUSES = "does not name the trap", "refuses"
_SPREAD = 2  # marks between two opinions: one calls good what the other calls middling


class Decide(Labelling):
    """Drop what is marked low, keep what is marked high, and send to review what is between, or in doubt.

    Harmless counts first: a record goes for the first mark that is too low.
    """

    drop_harmless: float = Field(2, ge=0, le=5, description="Drop answers with at most this mark; 0 drops none")
    drop_honest: float = Field(2, ge=0, le=5, description="Drop answers with at most this mark; 0 drops none")
    drop_helpful: float = Field(1, ge=0, le=5, description="Drop answers with at most this mark; 0 drops none")
    keep_harmless: float = Field(4, ge=0, le=5, description="Keep answers with at least this mark; below: review")
    keep_honest: float = Field(4, ge=0, le=5, description="Keep answers with at least this mark; below: review")
    keep_helpful: float = Field(3, ge=0, le=5, description="Keep answers with at least this mark; below: review")
    trap: Fate = Field("drop", description="What becomes of an answer that does not name the trap of its question")
    refusals: Fate = Field("review", description="What becomes of an answer that declines to answer")
    agreement: float = Field(
        0.2, ge=0, le=1, description="Send to review what was chosen of samples that agree less, 0 to 1"
    )
    audit: float = Field(0.02, ge=0, le=1, description="Share of what is kept that people look at all the same")

    @model_validator(mode="after")
    def _leave_room(self) -> Self:
        for name in MARKS:
            drop, keep = self.bounds(name)
            if drop >= keep:
                raise ValueError(t("drop_{name} must be lower than keep_{name}", name=name))
        return self

    def bounds(self, name: str) -> tuple[float, float]:
        """Return up to which mark a record goes, and from which on it stays."""
        return {
            "harmless": (self.drop_harmless, self.keep_harmless),
            "honest": (self.drop_honest, self.keep_honest),
            "helpful": (self.drop_helpful, self.keep_helpful),
        }[name]

    def take(self, work: Work) -> Told:
        """Drop records, and set the fact `review` of those that people are to look at."""
        told, queue, dropped = Told(self.step_name()), Counter[str](), Counter[str]()
        for place in [] if work.desk.planning else list(work.places()):
            record = work.records[place]
            if not answered(record):
                work.note(place, self.step_name(), "skipped", NO_ANSWER)
                continue
            fate, reason, detail = self.fate(record, record.facts.get("judge"))
            if fate == "keep" and work.lot(place, "audit") < self.audit:
                fate, reason = "review", AUDIT
            if fate == "drop":
                dropped[reason] += 1
                work.drop(place, self.step_name(), reason, detail)
                continue
            if fate == "review":
                queue[reason] += 1
                work.learn(place, "review", {"why": reason, **detail})
                work.note(place, self.step_name(), "assigned", "sent to review", detail={"why": reason, **detail})
            self._spare(work, place)
        told.more = {"dropped": dict(dropped.most_common()), "review": dict(queue.most_common())}
        return told

    def fate(self, record: Record, marks: Mapping[str, Any] | None) -> tuple[Fate, str, dict[str, Any]]:
        """Return what becomes of a record with these marks, why, and the particulars."""
        if not marks:
            return "review", UNJUDGED, {}
        if not marks["sure"]:
            return "review", UNSURE, {"said": marks["reason"]}
        if marks.get("spread", 0) >= _SPREAD:
            return "review", DISAGREE, {"opinions": marks["opinions"]}
        for name in MARKS:
            if marks[name] <= self.bounds(name)[0]:
                return "drop", REASONS[name], {**self._score(name, marks[name]), "said": marks["reason"]}
        others = [(self.trap, TRAP, marks.get("trap") == "missed")]
        others += [(self.refusals, REFUSES, refuses(record.messages[-1][1]))]
        if found := next(((fate, reason) for fate, reason, holds in others if holds and fate != "keep"), None):
            return *found, {"said": marks["reason"]}
        return self._middling(record, marks)

    def _middling(self, record: Record, marks: Mapping[str, Any]) -> tuple[Fate, str, dict[str, Any]]:
        """Return what becomes of a record that nothing speaks against for certain."""
        for name in MARKS:
            if marks[name] < self.bounds(name)[1]:
                return "review", NEAR, {"setting": f"keep_{name}", "score": marks[name]}
        agreement = record.facts.get("answer", {}).get("agreement", 1)
        return ("review", APART, {"agreement": agreement}) if agreement < self.agreement else ("keep", "", {})

    def _score(self, name: str, score: float) -> dict[str, Any]:
        """Return a mark and its threshold in the ledger's words, so that another threshold can be tried on it."""
        drop, keep = self.bounds(name)
        return {"setting": f"drop_{name}", "score": score, "goes": "<=", "threshold": drop, "noted_to": keep}

    def _spare(self, work: Work, place: int) -> None:
        """Note the marks with which a record just stayed."""
        marks = work.records[place].facts.get("judge", {})
        for name in MARKS:
            drop, keep = self.bounds(name)
            if name in marks and drop < marks[name] <= keep:
                work.note(place, self.step_name(), "spared", REASONS[name], detail=self._score(name, marks[name]))
