"""Signs that a model learns its training records by heart: held-out loss that rises, answers that repeat records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from weitiao.record import Record
from weitiao.stage import Reporter
from weitiao.talk import t

Curve = Sequence[tuple[int, float]]

# Held-out losses after the lowest, and the share by which the last one is higher: less is chance.
RISES, SHARE = 2, 0.005
# Characters of an answer: shorter ones are said by anybody.
SHORTEST = 8


@dataclass(frozen=True)
class Rise:
    """The held-out loss has risen since `step`, from `lowest` to `last`, while that of the training fell."""

    step: int
    lowest: float
    last: float
    evaluations: int


@dataclass(frozen=True)
class Parrot:
    """At `step` the answer to a probe was that of a training record, word for word."""

    step: int
    question: str
    record: str
    place: str


def rise(train: Curve, held: Curve) -> Rise | None:
    """Return how far the held-out loss has risen since its lowest, if `RISES` evaluations or more say so.

    It need not rise to the end: the last steps are small and change little.
    """
    if not held:
        return None
    since = min(range(len(held)), key=lambda place: held[place][1])
    (step, lowest), last, count = held[since], held[-1][1], len(held) - 1 - since
    if count < RISES or last < lowest * (1 + SHARE) or not _falls(train, step):
        return None
    return Rise(step, lowest, last, count)


def parrots(probes: Iterable[Mapping[str, Any]], records: Sequence[Record]) -> list[Parrot]:
    """Return which answers repeat a training record's; blanks and punctuation at the ends do not count.

    What the model said before training does not count, nor the answer to a question that it was trained on.
    """
    asked = {_plain(text) for record in records for role, text in record.messages if role == "user"}
    answers = {
        _plain(text): record for record in reversed(records) for role, text in record.messages if role == "assistant"
    }
    before: set[str] = set()
    found = []
    for probe in probes:
        said = _plain(probe["text"])
        if probe["step"] == 0:
            before.add(said)
        elif len(said) >= SHORTEST and said in answers.keys() - before and _plain(probe["question"]) not in asked:
            record = answers[said]
            found.append(Parrot(probe["step"], probe["question"], record.id, f"{record.uri}:{record.row}"))
    return found


def say(rising: Rise | None, repeated: Sequence[Parrot], reporter: Reporter, keep: str) -> None:
    """Call it out in plain words; what helps depends on the state that is kept."""
    if rising:
        reporter.say(
            t(
                "Warning: overfitting. The held-out loss was lowest at step {step}, {lowest:.4f}; the {evaluations} "
                "since are higher, the last {last:.4f}, while the training loss fell. {advice}",
                **asdict(rising),
                advice=_advice(rising, keep),
            )
        )
    for step in sorted({one.step for one in repeated}):
        places = [one.place for one in repeated if one.step == step]
        reporter.say(
            t(
                "Warning: parroting. At step {step}, {count} probe answers repeat training records: {places}",
                step=step,
                count=len(places),
                places=", ".join(places),
            )
        )


def _advice(rising: Rise, keep: str) -> str:
    if rising.step == 0:
        return t("The untrained model was better: a lower learning_rate may help")
    return (
        t("That of step {step} is kept", step=rising.step)
        if keep == "best"
        else t("Train shorter, or set keep to best")
    )


def _falls(train: Curve, step: int) -> bool:
    """Tell whether the training loss was lower, on average, in the second half of the steps after `step`."""
    after = [loss for number, loss in train if number > step]
    half = len(after) // 2
    return half > 0 and sum(after[half:]) / len(after[half:]) < sum(after[:half]) / half


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .。!！?？")
