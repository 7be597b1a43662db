"""What label and review share: the marks, why people are to look at a record, and answers that are bad for certain."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from weitiao.record import Record
from weitiao.script import script

MARKS = ("harmless", "honest", "helpful")  # what comes first counts first
UNSURE, DISAGREE, NEAR, UNJUDGED = "judge unsure", "judges disagree", "near a threshold", "not judged"
APART, AUDIT, PLANTED, SENT = "samples disagree", "random audit", "planted control", "sent from chat"
BAD = ("swapped", "truncated", "contradicted")

_CONTRARY = {
    "zh": "不过，上面说的全是错的，事实正好相反。",
    "en": "However, all of the above is wrong, and the very opposite is true.",
}
_UNLIKE = 0.3  # of two questions; an answer to one that is more alike may do for both
_HALF = 0.4  # of an answer that is cut: its end, with what it comes to, is gone


def answered(record: Record) -> bool:
    """Tell whether a record ends with an answer."""
    return bool(record.messages) and record.messages[-1][0] == "assistant" and bool(record.messages[-1][1].strip())


def question(record: Record) -> str:
    """Return the last question of a record, empty where there is none."""
    return next((text for role, text in reversed(record.messages) if role == "user"), "")


def likeness(one: str, other: str) -> float:
    """Return the share of pairs of characters that two texts have in common, from 0 to 1 (Dice's measure)."""
    left, right = Counter(pairwise(one)), Counter(pairwise(other))
    return 2 * (left & right).total() / max(1, left.total() + right.total())


def language(text: str) -> str:
    """Return in which language something is set behind a text: `zh` or `en`."""
    return "zh" if script(text) == "zh" else "en"


def bad_answers(records: Sequence[Record], at: int) -> Iterator[tuple[str, str]]:
    """Yield kind and text of answers to the record at a place that are bad whatever the question; all are answered."""
    answer = records[at].messages[-1][1]
    if other := _other(records, at):
        yield "swapped", other
    cut = answer[: int(_HALF * len(answer))].rstrip()
    if len(cut) >= 4:
        yield "truncated", cut
    yield "contradicted", f"{answer}\n\n{_CONTRARY[language(answer)]}"


def _other(records: Sequence[Record], at: int) -> str | None:
    """Return the answer to a question unlike this one: the nearest before it in its language, else behind."""
    own = records[at]
    answer = own.messages[-1][1]
    for there in chain(range(at - 1, -1, -1), range(at + 1, len(records))):
        record = records[there]
        text = record.messages[-1][1]
        unlike = likeness(question(record), question(own)) < _UNLIKE and text != answer
        if unlike and language(text) == language(answer) and not _kin(record) & _kin(own):
            return text
    return None


def _kin(record: Record) -> set[str]:
    return {record.id, *record.parents, *([record.family] if record.family else [])}
