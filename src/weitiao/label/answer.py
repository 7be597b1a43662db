"""Answers that are missing, written by the teacher after good examples; of several samples the best."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from weitiao.doubt import MARKS, answered, likeness, question
from weitiao.label.judge import PROMPT, Marks, ask_marks
from weitiao.label.work import BEYOND, NO_QUESTION, Labelling, Told, Work
from weitiao.llm.call import Messages
from weitiao.llm.desk import Question
from weitiao.record import Record
from weitiao.script import script

KNOWN = "has an answer"
_LIKELY = 300  # characters of an answer that nobody has given yet, for the plan


class Answer(Labelling):
    """Let the teacher answer the questions that have no answer, as the scene's system text and the examples show."""

    prompts: ClassVar[tuple[str, ...]] = ("answer", PROMPT)
    shots: int = Field(3, ge=0, le=50, description="Examples shown before each question, the first in its language")
    samples: int = Field(1, ge=1, le=20, description="Answers asked for each question, of which one is kept")
    choose: Literal["judge", "agree"] = Field(
        "judge", description="Which of several: the one with the best marks, or the one most like all the others"
    )
    keep_worst: bool = Field(
        False, description="Keep the sample with the worst marks as the fact `rejected`, for preference pairs"
    )
    limit: int | None = Field(None, ge=1, description="Answer only so many questions, the first ones")

    @property
    def uses(self) -> tuple[str, ...]:
        """The prompts that the step uses with these settings."""
        return self.prompts if self.samples > 1 and self.choose == "judge" else self.prompts[:1]

    def take(self, work: Work) -> Told:
        """Write the missing answers; set the fact `answer` where one was written."""
        told = Told(self.step_name())
        places = self._fit(work)
        if known := sum(answered(work.records[place]) for place in work.places()):
            told.skipped[KNOWN] = known  # counted alone: a row of the ledger for each would say nothing of it
        asks = [
            (place, self._ask(work, work.records[place], sample)) for place in places for sample in range(self.samples)
        ]
        replies = work.ask(told, "answer", asks)
        texts: dict[int, list[str]] = {place: [] for place in places}
        for (place, asked), reply in zip(asks, replies, strict=True):
            if reply:
                texts[place].append(reply.text)
            elif work.desk.planning and place not in told.ended:
                texts[place].append(_expected(asked))
        ranks = self._ranks(work, texts, told)
        written = 0
        for place, said in texts.items():
            scored = [(rank, text) for text, rank in zip(said, ranks[place], strict=True) if rank is not None]
            if scored:
                best = max(scored, key=lambda item: item[0])
                self._write(work, place, best[1], said, len(scored) > 1)
                worst = min(scored, key=lambda item: item[0])
                if self.keep_worst and self.choose == "judge" and worst[0] < best[0]:
                    work.learn(place, "rejected", {"text": worst[1], "teacher": work.desk.teacher_name})
                written += 1
        told.more = {"written": written}
        return told

    def _fit(self, work: Work) -> list[int]:
        """Return where questions wait for an answer, and note what is none."""
        places: list[int] = []
        for place in work.places():
            record = work.records[place]
            if answered(record):
                continue
            if not record.messages or record.messages[-1][0] != "user" or not record.messages[-1][1].strip():
                work.note(place, self.step_name(), "skipped", NO_QUESTION)
            elif self.limit is not None and len(places) == self.limit:
                work.note(place, self.step_name(), "skipped", BEYOND)
            else:
                places.append(place)
        return places

    def _ask(self, work: Work, record: Record, sample: int) -> Question:
        system = next((text for role, text in record.messages if role == "system"), work.scene.system)
        talk = [*_shots(work.examples, record, self.shots), *_spoken(record)]
        return Question("answer", {"system": system}, question(record), sample=sample, talk=tuple(talk))

    def _ranks(self, work: Work, texts: dict[int, list[str]], told: Told) -> dict[int, list[Any]]:
        """Return how good each sample is, None where that is not known."""
        if self.samples == 1 or self.choose == "agree":
            return {place: agreements(said) for place, said in texts.items()}
        each = [(place, text) for place, said in texts.items() for text in said]
        asks = [(place, ask_marks(work.scene, work.records[place], text)) for place, text in each]
        found: dict[int, list[Any]] = {place: [] for place in texts}
        for (place, _), reply in zip(asks, work.ask(told, "answer-choose", asks, temperature=0.0), strict=True):
            marks = reply.data if reply else None
            assert marks is None or isinstance(marks, Marks)
            rank = tuple(marks.model_dump()[name] for name in MARKS) if marks else None
            found[place].append((0, 0, 0) if work.desk.planning else rank)
        return found

    def _write(self, work: Work, place: int, text: str, said: Sequence[str], chosen: bool) -> None:
        fact: dict[str, Any] = {"teacher": work.desk.teacher_name, "samples": len(said)}
        if chosen:
            fact |= {"choose": self.choose, "agreement": round(agreements(said)[said.index(text)], 2)}
        work.learn(place, "answer", fact)
        work.answer(place, self.step_name(), text)


def agreements(texts: Sequence[str]) -> list[float]:
    """Return how like the others each text is, from 0 to 1: of answers that agree most are right more often.

    After self-consistency (Wang et al. 2023, https://arxiv.org/abs/2203.11171), for answers without a last figure to
    vote on: the mean overlap of pairs of characters, as in minimum Bayes risk decoding.
    """
    return [
        sum(likeness(text, other) for there, other in enumerate(texts) if there != here) / max(1, len(texts) - 1)
        for here, text in enumerate(texts)
    ]


def _shots(examples: Sequence[Record], record: Record, count: int) -> Messages:
    """Return the first examples in the language of the question, as turns; never the question itself."""
    own = question(record)
    fit = [one for one in examples if script(question(one)) == script(own) and question(one) != own]
    return tuple(turn for one in fit[:count] for turn in _spoken(one))


def _spoken(record: Record) -> Messages:
    return tuple(turn for turn in record.messages if turn[0] != "system")


def _expected(asked: Question) -> str:
    """Return a text of about the length to expect, another for each sample."""
    return (f"{asked.sample}{asked.spoken}" * _LIKELY)[:_LIKELY]
