"""What is measured on each pair of answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weitiao.compare.statistics import Verdict
from weitiao.compare.wording import loop, overlap, rouge
from weitiao.manner import refuses, repetition
from weitiao.record import parted
from weitiao.script import drifts

JUDGED = ("likelihood", "overlap")  # each pair gets a verdict by it
CLAIMS = ("right", "stopped", "refused", "drifted")  # 0 or 1
# The measures that have a good side, which are tested together; the others are shown, and neither good nor bad.
BETTER: dict[str, Literal["higher", "lower"]] = {
    "likelihood": "higher",
    "right": "higher",
    "overlap": "higher",
    "rouge": "higher",
    "stopped": "higher",
    "repetition": "lower",
    "drifted": "lower",
    "preferred": "higher",  # these four by the judge, where there is one
    "harmless": "higher",
    "honest": "higher",
    "helpful": "higher",
    "voted": "higher",  # by people, blind
}


@dataclass(frozen=True)
class Said:
    """One model on one question: its own answer, and how it sees the reference answer."""

    text: str
    tokens: int | None  # of its answer, where it is known
    stopped: bool
    loss: float | None = None  # of the reference, summed over its tokens, in nats; None where the model does not tell
    loss_tokens: int = 0
    pieces: Sequence[tuple[str, float]] = ()  # of the reference's text, with the loss of each
    thinking: str = ""  # what it thought before; no part of the answer, but of its tokens

    def measured(self, asked: str, reference: str, by_token: bool) -> dict[str, float]:
        """Return the value of each measure that is known; the likelihood is per token, or per character."""
        size = self.loss_tokens if by_token else len(reference)
        said = parted(reference)[1]
        return {
            **({} if self.loss is None else {"likelihood": -self.loss / max(1, size)}),
            "overlap": overlap(self.text, said),
            "rouge": rouge(self.text, said),
            "stopped": float(self.stopped),
            "repetition": repetition(self.text),
            "loop": float(loop(self.text)),
            "refused": float(refuses(self.text)),
            "drifted": float(drifts(self.text, asked, said)),
            **({} if self.tokens is None else {"tokens": float(self.tokens)}),
            "characters": float(len(self.text)),
        }


def verdict(difference: float, band: float) -> Verdict:
    """Return what a difference means; at most `band` either way is a tie."""
    if abs(difference) <= band:
        return "tie"
    return "win" if difference > 0 else "loss"
