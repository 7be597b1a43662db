"""Exports of annotation tools (Label Studio, doccano, Argilla): what people were shown, and what each of them said."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from weitiao.formats.problem import REJECTED, SKIPPED, UNANNOTATED, BadRow, Problem

Row = dict[str, Any]

_PAIR = {"left": 0, "right": 1}
# A text that an annotator wrote is the answer if its question's name begins with one of these words.
_ANSWER_NAMES = (
    *("answer", "response", "output", "completion", "reply", "target", "chosen"),
    *("correct", "edit", "rewrit", "improve"),
    *("回答", "答案", "回复", "答", "输出", "改写", "修正", "修改"),
)
_REMARKS = ("comment", "note", "remark", "reason", "feedback", "explanation", "rationale", "备注", "理由", "说明")


@dataclass(frozen=True)
class Judgement:
    """What one person said: values by the question's name, those written by hand among them, and how it ended.

    `status` is "" where it counts, else the reason why it does not; `gold` where it was made the measure of others.
    """

    annotator: str
    values: Mapping[str, Any]
    written: frozenset[str] = frozenset()
    status: str = ""
    gold: bool = False
    turns: tuple[Row, ...] = ()  # of a conversation that the person held
    more: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> Row:
        """Return it as facts keep it."""
        said = {"annotator": self.annotator, "values": dict(self.values), "status": self.status or "submitted"}
        return said | some(ground_truth=self.gold, turns=list(self.turns)) | dict(self.more)


@dataclass(frozen=True)
class Task:
    """A row of such an export: what was shown, what people said, what models suggested, and the rest of the row."""

    shown: Row
    said: list[Judgement]
    suggested: object = None
    rest: Row = field(default_factory=dict)
    place: str = ""  # of `shown` in the row
    whole: bool = True  # whether the tool says who judged what; without that, a row nobody judged goes on
    asks: bool = False  # what was shown is a question, answered or not


def answered(
    task: Task, shown: Callable[[Row], tuple[list[tuple[str, str]], Row]]
) -> tuple[list[tuple[str, str]], Row]:
    """Return messages and fields of a task; `shown` reads what people saw as any row of its own.

    The answer is the one marked as ground truth, else the one that most people gave, of equals the first. What most
    people decided stands under `decisions`; where as many said otherwise, nothing does. Raises BadRow for a task that
    nobody judged, or that all who saw it skipped or rejected.
    """
    valid = [one for one in task.said if not one.status]
    if task.whole and not valid:
        reason = next((one.status for one in task.said), UNANNOTATED)
        raise BadRow(Problem(reason, _WHY[reason], field=task.place and "annotations"))
    held = next((one for one in sorted(valid, key=lambda one: not one.gold) if one.turns), None)
    try:
        messages, fields = shown(_conversation(task.shown, held.turns) if held else task.shown)
    except BadRow as bad:
        place = f"{task.place}.{bad.problem.field}".strip(".")
        raise BadRow(dataclasses.replace(bad.problem, field=place)) from None
    decisions, undecided = _decide(valid)
    kept: Row = {"annotations": [one.plain() for one in task.said], "decisions": decisions}
    if undecided:
        kept["undecided"] = undecided
    if task.suggested:
        kept["suggestions"] = task.suggested
    if task.asks and messages[-1][0] == "passage":
        messages[-1] = ("user", messages[-1][1])
    if found := _answer(valid, task.shown, is_open=messages[-1][0] != "assistant"):
        kept["answer_by"], text = found
        if messages[-1][0] == "assistant":
            kept["answer_before"] = messages.pop()[1]
        if messages[-1][0] == "passage":
            messages[-1] = ("user", messages[-1][1])
        messages.append(("assistant", text))
    return messages, fields | task.rest | {"annotation": kept}


def _conversation(shown: Row, turns: tuple[Row, ...]) -> Row:
    """Return what was shown with the turns of a conversation that a person held, after those that were there."""
    before = next((name for name, value in shown.items() if is_chat(value)), "")
    rest = {("messages_shown" if key == "messages" else key): value for key, value in shown.items() if key != before}
    return {"messages": [*shown.get(before, []), *turns], **rest}


def is_chat(value: object) -> bool:
    """Tell whether a value is a list of turns with role and content."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(x, dict) and {"role", "content"} <= set(x) for x in value)
    )


_WHY = {
    SKIPPED: "all annotators skipped it",
    REJECTED: "the annotators or reviewers rejected it",
    UNANNOTATED: "nobody has submitted an annotation",
}


def _decide(valid: list[Judgement]) -> tuple[Row, list[str]]:
    """Return what most people said to each question that is not answered by a written text; and the open ones."""
    decisions: Row = {}
    undecided: list[str] = []
    gold = [one for one in valid if one.gold] or valid
    for name in dict.fromkeys(name for one in valid for name in one.values if name not in one.written):
        votes = [one.values[name] for one in gold if name in one.values]
        ranked = Counter(map(_key, votes)).most_common(2)
        if len(ranked) == 1 or (ranked and ranked[0][1] > ranked[1][1]):
            decisions[name] = next(vote for vote in votes if _key(vote) == ranked[0][0])
        else:
            undecided.append(name)
    return decisions, undecided


def _key(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _answer(valid: list[Judgement], shown: Row, *, is_open: bool) -> tuple[str, str] | None:
    """Return by what rule an answer was chosen, and the answer; None where nobody wrote or picked one."""
    given = [(one, text) for one in valid for text in _texts(one, shown, is_open=is_open)]
    if not given:
        return None
    for one, text in given:
        if one.gold:
            return "ground truth", text
    counts = Counter(text for _, text in given)
    best = max(counts, key=counts.__getitem__)  # the first of equals
    return ("only" if len(counts) == 1 else "agreement" if counts[best] > 1 else "first"), best


def _texts(one: Judgement, shown: Row, *, is_open: bool) -> Iterator[str]:
    """Yield the texts that a person gave as the answer: written, or picked of two that were shown."""
    named = [name for name, value in one.values.items() if _is_answer(name) and _is_text(value)]
    alone = [name for name in one.written if not name.lower().startswith(_REMARKS)]
    for name in named or (alone if is_open and len(alone) == 1 else []):
        value = one.values[name]
        yield from (text for text in (value if isinstance(value, list) else [value]) if text.strip())
    for name, pair in one.more.get("pairs", {}).items():
        picked = _PAIR.get(str(one.values.get(name)))
        if picked is not None and isinstance(text := shown.get(pair[picked]), str):
            yield text


def _is_answer(name: str) -> bool:
    return name.lower().startswith(_ANSWER_NAMES)


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )


def some(**values: Any) -> Row:
    """Return those of the values that say something."""
    return {name: value for name, value in values.items() if value}
