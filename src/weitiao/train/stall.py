"""Signs that a training learned nothing: a gradient that is zero, a loss that did not fall."""

from collections.abc import Sequence
from itertools import takewhile

from weitiao.stage import Reporter
from weitiao.talk import t

Curve = Sequence[tuple[int, float]]
Sign = tuple[str, dict[str, str]]  # a text with its values, as the report says it too

_STILL = "From step {step} on the gradient is zero: nothing is learned any more. A lower learning_rate may help"
_NO_FALL = "The training loss did not fall: {first} in the first steps, {last} in the last. Look at the learning_rate"


def signs(losses: Curve, gradients: Curve) -> list[Sign]:
    """Return what shows that nothing was learned; losses are means of a quarter of the steps, as packs differ."""
    if still := list(takewhile(lambda one: one[1] == 0, reversed(gradients))):
        return [(_STILL, {"step": str(still[-1][0])})]
    count = max(1, len(losses) // 4)
    first, last = (sum(loss for _, loss in some) / count for some in (losses[:count], losses[-count:]))
    return [(_NO_FALL, {"first": f"{first:.4f}", "last": f"{last:.4f}"})] if len(losses) > 1 and last >= first else []


def say(found: Sequence[Sign], reporter: Reporter) -> None:
    """Call it out."""
    for text, values in found:
        reporter.say(t("Warning: {what}", what=t(text, **values)))
