"""How the model learned, checkpoint by checkpoint: losses, answers to the probes, and what was learned by heart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

# More columns than this are not compared any more, they are searched; all of them are in report.json.
MOST = 8
Text = tuple[str, dict[str, Any]]

_RISE = (
    "Overfitting: the held-out loss was lowest at step {step}, {lowest}; the {evaluations} since are higher, the last "
    "{last}, while the training loss fell."
)
_RISE_KEPT = "Training kept step {kept}, after that; with keep: best it keeps the one before."
_RISE_LEFT = "Training kept that step."
_PARROT = (
    "Parroting: {count} of {total} answers to other questions repeat a training record word for word, from step {step} "
    "on."
)


@dataclass(frozen=True)
class Checkpoint:
    """A column: the held-out loss at a step, and the mean training loss since the column before."""

    step: int
    train: float | None
    held: float | None
    lowest: bool
    kept: bool


@dataclass(frozen=True)
class Answer:
    """An answer to a probe; `place` is the training record that it repeats word for word, if it does."""

    text: str
    place: str = ""


@dataclass(frozen=True)
class Learning:
    """The table: checkpoints, and the answers of each to each question; what of it calls for attention."""

    checkpoints: list[Checkpoint]
    questions: list[tuple[str, list[Answer | None]]]
    signs: list[Text]
    by_heart: bool  # whether the model that training kept shows such a sign
    rise: int | None  # the step since which the held-out loss has risen


def learning(facts: Mapping[str, Any]) -> Learning | None:
    """Return how the model learned; None where training left neither held-out losses nor answers."""
    train = facts["found"].get("train", {})
    held: dict[int, float] = {int(step): loss for step, loss in facts["curve"]["held_out"]}
    asked = sorted({answer["step"] for probe in facts["probes"] for answer in probe["answers"]})
    steps = asked or sorted(held)
    if not steps:
        return None
    repeated = {(one["step"], one["question"]): one["place"] for one in train.get("parroted", [])}
    kept, lowest = train.get("kept_step"), train.get("best", {}).get("step")
    shown = _few(steps, {steps[0], steps[-1], kept, lowest, *(step for step, _ in repeated)})
    losses = _means(shown, facts["curve"]["train"])
    checkpoints = [
        Checkpoint(step, loss, held.get(step), step == lowest, step == kept)
        for step, loss in zip(shown, losses, strict=True)
    ]
    questions = []
    for probe in facts["probes"]:
        said = {answer["step"]: answer["text"] for answer in probe["answers"]}
        answers = [
            Answer(said[step], repeated.get((step, probe["question"]), "")) if step in said else None for step in shown
        ]
        questions.append((probe["question"], answers))
    rise = train["overfitting"]["step"] if "overfitting" in train else None
    by_heart = (rise is not None and kept != rise) or kept in {step for step, _ in repeated}
    return Learning(checkpoints, questions, _signs(train, facts["probes"]), by_heart, rise)


def _few(steps: Sequence[int], wanted: set[int | None]) -> list[int]:
    """Return at most `MOST` steps, those that are `wanted` first, the others evenly spread."""
    if len(steps) <= MOST:
        return list(steps)
    chosen = [step for step in steps if step in wanted][-MOST:]
    rest = [step for step in steps if step not in wanted]
    left = MOST - len(chosen)
    return sorted([*chosen, *(rest[index * len(rest) // left] for index in range(left))])


def _means(steps: Sequence[int], train: Sequence[tuple[float, float]]) -> list[float | None]:
    found: list[float | None] = [None]
    for before, step in pairwise(steps):
        losses = [loss for number, loss in train if before < number <= step]
        found.append(sum(losses) / len(losses) if losses else None)
    return found


def _signs(train: Mapping[str, Any], probes: Sequence[Mapping[str, Any]]) -> list[Text]:
    found: list[Text] = []
    if rising := train.get("overfitting"):
        losses = {name: f"{rising[name]:.3f}" for name in ("lowest", "last")}
        found.append((_RISE, {**rising, **losses}))
        kept = train["kept_step"]
        found.append((_RISE_KEPT if kept != rising["step"] else _RISE_LEFT, {"kept": kept}))
    if repeated := train.get("parroted"):
        total = sum(answer["step"] > 0 for probe in probes for answer in probe["answers"])
        first = min(one["step"] for one in repeated)
        found.append((_PARROT, {"count": len(repeated), "total": total, "step": first}))
    return found
