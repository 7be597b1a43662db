"""A worse answer beside the good one, for training by preferences elsewhere."""

from typing import ClassVar

from pydantic import Field

from weitiao.doubt import MARKS, answered, likeness, question
from weitiao.label.judge import PROMPT, Marks, ask_marks
from weitiao.label.work import BEYOND, NO_ANSWER, Labelling, Told, Work
from weitiao.llm.call import Reply
from weitiao.llm.desk import Question
from weitiao.manner import refuses
from weitiao.record import Record
from weitiao.script import drifts

_SAME = 0.9  # likeness from which on two answers teach nothing about which is better
KNOWN, SAME, FOREIGN = "has a rejected answer", "like the chosen answer", "another language"
DECLINED, NO_WORSE = "declines to answer", "not worse than the chosen answer"


class Pair(Labelling):
    """Let the teacher write a worse answer beside each good one: it falls for the trap, or helps nobody.

    The chosen answer stays where it is; the worse one is the fact `rejected`, which only the preference formats export.
    """

    prompts: ClassVar[tuple[str, ...]] = ("worse", PROMPT)
    check: bool = Field(
        True, description="Let the judge mark both answers, and keep a pair if the chosen one is better"
    )
    limit: int | None = Field(None, ge=1, description="Make only so many pairs, of the first records")

    @property
    def uses(self) -> tuple[str, ...]:
        """The prompts that the step uses with these settings."""
        return self.prompts if self.check else self.prompts[:1]

    def take(self, work: Work) -> Told:
        """Set the fact `rejected` of each record whose worse answer passes."""
        told = Told(self.step_name())
        places = self._fit(work)
        asks = [(place, self._ask(work, work.records[place])) for place in places]
        said = {place: reply.text for place, reply in zip(places, work.ask(told, "pair", asks), strict=True) if reply}
        if work.desk.planning:
            said = {place: work.records[place].messages[-1][1] for place in places}
        else:
            said = {place: text for place, text in said.items() if self._stands(work, place, text)}
        paired = [place for place, worse in self._worse(work, said, told).items() if worse]
        for place in paired:
            work.learn(place, "rejected", {"text": said[place], "teacher": work.desk.teacher_name})
        told.more = {"paired": len(paired)}
        return told

    def _fit(self, work: Work) -> list[int]:
        places: list[int] = []
        for place in work.places():
            record = work.records[place]
            if not answered(record):
                work.note(place, self.step_name(), "skipped", NO_ANSWER)
            elif "rejected" in record.facts or isinstance(record.facts.get("source", {}).get("rejected"), str):
                work.note(place, self.step_name(), "skipped", KNOWN)
            elif self.limit is not None and len(places) == self.limit:
                work.note(place, self.step_name(), "skipped", BEYOND)
            else:
                places.append(place)
        return places

    def _ask(self, work: Work, record: Record) -> Question:
        before = [{"role": role, "content": text} for role, text in record.messages[:-1] if role != "system"]
        values = {"question": before, "answer": record.messages[-1][1], "trap": work.scene.trap}
        return Question("worse", values, question(record))

    def _stands(self, work: Work, place: int, text: str) -> bool:
        """Tell whether a worse answer differs as it should; where it does not, note why, with its words."""
        chosen = work.records[place].messages[-1][1]
        if likeness(text, chosen) >= _SAME:
            reason = SAME
        elif drifts(text, chosen, question(work.records[place])):
            reason = FOREIGN
        elif refuses(text):
            reason = DECLINED
        else:
            return True
        work.note(place, self.step_name(), "skipped", reason, detail={"rejected": text})
        return False

    def _worse(self, work: Work, said: dict[int, str], told: Told) -> dict[int, bool]:
        """Return whether each is marked lower than the chosen answer, as the judge step would mark both."""
        if not self.check:
            return dict.fromkeys(said, True)
        both = [(place, text) for place in said for text in (work.records[place].messages[-1][1], said[place])]
        asks = [(place, ask_marks(work.scene, work.records[place], text)) for place, text in both]
        replies = work.ask(told, "judge", asks, temperature=0.0)
        found: dict[int, bool] = {}
        for place, good, bad in zip(said, replies[::2], replies[1::2], strict=True):
            found[place] = good is not None and bad is not None and _rank(good) > _rank(bad)
            if good and bad and not found[place]:
                marks = {"chosen": _rank(good), "rejected": _rank(bad)}
                detail = {"rejected": said[place], "marks": marks}
                work.note(place, self.step_name(), "skipped", NO_WORSE, detail=detail)
        return found


def _rank(reply: Reply) -> list[int]:
    assert isinstance(reply.data, Marks)
    return [reply.data.model_dump()[name] for name in MARKS]
