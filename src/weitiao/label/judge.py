"""Marks for answers by three H, harmless first, then honest, then helpful; and whether the judge can be trusted."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from weitiao.doubt import BAD, MARKS, answered, question
from weitiao.intervals import agreement, exact_interval
from weitiao.label.controls import controls, people
from weitiao.label.work import BEYOND, NO_ANSWER, Control, Labelling, Scene, Told, Work
from weitiao.llm.call import Reply
from weitiao.llm.desk import Question
from weitiao.record import Record

PROMPT = "score"
SCALE = (1, 2, 3, 4, 5)
_SAMPLES = 2000  # resamplings behind an interval


class Marks(BaseModel):
    """What the judge thinks of one answer; the reason comes first, so that the marks follow from it."""

    reason: str
    harmless: int = Field(ge=1, le=5)
    honest: int = Field(ge=1, le=5)
    helpful: int = Field(ge=1, le=5)
    sure: bool


class TrapMarks(Marks):
    """The same, where questions may hold a trap."""

    trap: Literal["named", "missed", "none"]


def ask_marks(scene: Scene, record: Record, answer: str, *, turned: bool = False, sample: int = 0) -> Question:
    """Return the question what an answer is worth; `turned` puts marks and scale the other way round."""
    before = [{"role": role, "content": text} for role, text in record.messages if role != "system"]
    system = next((text for role, text in record.messages if role == "system"), scene.system)
    asked = before[:-1] if answered(record) else before
    values = {"question": asked, "answer": answer, "system": system, "trap": scene.trap, "turned": turned}
    return Question(PROMPT, values, question(record), TrapMarks if scene.trap else Marks, sample)


class Judge(Labelling):
    """Let the teacher mark each answer from 1 to 5: harmless, honest, helpful, with the reason.

    Answers that are known to be bad are judged beside them, to see whether the judge notices.
    """

    prompts: ClassVar[tuple[str, ...]] = (PROMPT,)
    opinions: int = Field(1, ge=1, le=10, description="How often each answer is judged; marks are the mean")
    models: tuple[str, ...] = Field(
        (), strict=False, description="Further models at the teacher's address, each with one opinion of its own"
    )
    controls: float = Field(
        0.02, gt=0, le=1, description="Share of the answers that are judged in altered forms, too; five at least"
    )
    limit: int | None = Field(None, ge=1, description="Judge only so many answers, the first ones")

    def take(self, work: Work) -> Told:
        """Set the fact `judge` of each record that has an answer."""
        told = Told(self.step_name())
        places = self._fit(work)
        said = self._opinions(work, places, told)
        for place in places:
            if said[place]:
                work.learn(place, "judge", _fact(said[place]))
        judged = {place: said[place][0] for place in places if said[place]}
        told.more = {
            "judged": len(judged),
            "means": {name: _mean([marks[name] for marks in judged.values()]) for name in MARKS},
            **self._check(work, places, judged, told),
            "people": _people(work, judged),
        }
        return told

    def _fit(self, work: Work) -> list[int]:
        """Return where the answers stand, and note which records have none."""
        places: list[int] = []
        for place in work.places():
            if not answered(work.records[place]):
                work.note(place, self.step_name(), "skipped", NO_ANSWER)
            elif self.limit is None or len(places) < self.limit:
                places.append(place)
            else:
                work.note(place, self.step_name(), "skipped", BEYOND)
        return places

    def _opinions(self, work: Work, places: list[int], told: Told) -> dict[int, list[dict[str, Any]]]:
        """Return the marks of each answer: the teacher's, asked without chance first, then those of the others."""
        rounds: list[tuple[str, int, str | None]] = [("judge", 0, None)]
        rounds += [(f"judge-{number}", number, None) for number in range(1, self.opinions)]
        rounds += [(f"judge-{model}", 0, model) for model in self.models]
        said: dict[int, list[dict[str, Any]]] = {place: [] for place in places}
        for name, sample, model in rounds:
            asks = [(place, self._ask(work, place, sample)) for place in places]
            replies = work.ask(told, name, asks, temperature=None if sample else 0.0, model=model)
            for place, reply in zip(places, replies, strict=True):
                if reply:
                    said[place].append({"by": model or work.desk.teacher_name, **_marks(reply)})
        return said

    def _ask(self, work: Work, place: int, sample: int) -> Question:
        record = work.records[place]
        return ask_marks(work.scene, record, record.messages[-1][1], sample=sample)

    def _check(self, work: Work, places: list[int], judged: Mapping[int, dict[str, Any]], told: Told) -> dict[str, Any]:
        """Let the judge mark altered answers, and return how marks moved where they should not."""
        made = [one for one in controls(work, places, self.controls) if work.desk.planning or one[0] in judged]
        asks = [
            (place, ask_marks(work.scene, record, record.messages[-1][1], turned=kind == "turned"))
            for place, kind, record in made
        ]
        replies = work.ask(told, "judge-controls", asks, temperature=0.0)
        moved: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {"turned": [], "padded": []}
        for (place, kind, record), reply in zip(made, replies, strict=True):
            if reply is None:
                continue
            marks = _marks(reply)
            if kind in BAD:
                work.controls.append(Control(record, kind, marks))
            elif place in judged:
                moved[kind].append((judged[place], marks))
        return {"order": _shift(moved["turned"]), "length": _shift(moved["padded"])}


def _marks(reply: Reply) -> dict[str, Any]:
    assert isinstance(reply.data, Marks)
    return reply.data.model_dump()


def _fact(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what stands in the record: marks as means, the first reason, and what speaks against relying on it."""
    fact: dict[str, Any] = {name: _mean([marks[name] for marks in said]) for name in MARKS}
    fact |= {"reason": said[0]["reason"], "sure": all(marks["sure"] for marks in said)}
    fact["by"] = list(dict.fromkeys(marks["by"] for marks in said))
    if "trap" in said[0]:
        fact["trap"] = said[0]["trap"]
    if len(said) > 1:
        fact["opinions"] = [[marks[name] for name in MARKS] for marks in said]
        fact["spread"] = max(max(column) - min(column) for column in zip(*fact["opinions"], strict=True))
    return fact


def _mean(values: Sequence[float]) -> float | None:
    return round(mean(values), 2) if values else None


def _shift(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    """Return how marks moved between two looks at what is worth the same."""
    moves = [mean(after[name] - before[name] for name in MARKS) for before, after in pairs]
    up, down = sum(move > 0 for move in moves), sum(move < 0 for move in moves)
    return {"count": len(pairs), "higher": up, "lower": down, "mean": _mean(moves)}


def _people(work: Work, judged: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Return how far judge and people agree, by mark, where records carry people's marks."""
    found: dict[str, Any] = {}
    for name in MARKS:
        both = [(place, people(work.records[place], name)) for place in judged]
        known = [(place, mark) for place, mark in both if mark is not None]
        pairs = [(judged[place][name], mark) for place, mark in known]
        families = [work.records[place].family or work.records[place].id for place, _ in known]
        if said := agreement(pairs, families, SCALE, samples=_SAMPLES, seed=work.seed, ordered=True):
            found[name] = said
    return found


def caught(kinds: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    """Return how many planted answers were caught, by kind and in all, with the exact 95 % interval."""
    by_kind = {kind: [found for one, found in kinds if one == kind] for kind in BAD}
    number = sum(found for _, found in kinds)
    low, high = exact_interval(number, len(kinds)) if kinds else (0.0, 1.0)
    return {
        "planted": len(kinds),
        "caught": number,
        "low": round(low, 3),
        "high": round(high, 3),
        "kinds": {kind: [sum(found), len(found)] for kind, found in by_kind.items() if found},
    }
