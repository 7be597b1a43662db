"""What is chosen for settings left at auto, by the size of the model and of the data, and why.

Whether a training fits into the machine is `fit`'s to choose: bits and gradient_checkpointing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from weitiao.train import Chosen, Train

AUTO = ("bits", "epochs", "learning_rate", "max_length", "accumulate", "gradient_checkpointing")

# XTuner's own example took 6 optimizer steps in all, and users wondered why nothing changed (InternLM/xtuner #193).
FEW = 20
# With fewer steps than this an optimizer step gets more of the data than it needs.
_ENOUGH = 200
_MOST_PACKS = 16  # of 2,048 tokens: the batch of XTuner's recipes
_LENGTHS = (2048, 1024, 512, 256, 128)

# Up to how many parameters; the rate; the reason.
_TINY, _TRIED = (
    50e6,
    "ten times as much as for large models: so small a one hardly learns by less (tried on weitiao-nano)",
)
_ADAPTER = (
    (_TINY, 2e-3, _TRIED),
    (20e9, 2e-4, "QLoRA's for models of 7 and 13 billion parameters (arXiv 2305.14314), and XTuner's"),
    (math.inf, 1e-4, "QLoRA's for models of 33 and 65 billion parameters (arXiv 2305.14314)"),
)
_WHOLE = (
    (_TINY, 2e-4, _TRIED),
    (10e9, 2e-5, "Alpaca's for all weights of 7 billion; an adapter takes ten times as much"),
    (math.inf, 1e-5, "Alpaca's for all weights of 13 billion; an adapter takes more than ten times as much"),
)
# Up to how many records; the epochs; the reason.
_EPOCHS = (
    (60_000, 3.0, "as Alpaca's 52,002 records, and in XTuner's recipes; look at the held-out loss"),
    (math.inf, 1.0, "so many records need no repeating, as in the recipe of Zephyr with 200,000"),
)


@dataclass(frozen=True)
class Choice:
    """The value chosen for a setting, and why."""

    name: str
    value: float
    reason: str


def learning_rate(method: str, parameters: int) -> Choice:
    """Choose the learning rate by what is trained and by how large the model is."""
    rules = _WHOLE if method == "full" else _ADAPTER
    return Choice("learning_rate", *_first(rules, parameters))


def longest(settings: Train, reads: int | None) -> dict[str, float]:
    """Return how many tokens a record and a pack may have at most, where that is auto: no more than the model reads."""
    return {"max_length": min(_LENGTHS[0], reads or _LENGTHS[0])} if settings.max_length == "auto" else {}


def choose(settings: Train, parameters: int, lengths: Sequence[int], *, reads: int | None = None) -> list[Choice]:
    """Choose what is auto, for a model of so many `parameters` and records of these `lengths` in tokens.

    `reads` is how many tokens the model reads at most, if it says so.
    """
    found = []
    if settings.learning_rate == "auto":
        found.append(learning_rate(settings.method, parameters))
    if settings.epochs == "auto":
        found.append(Choice("epochs", *_first(_EPOCHS, len(lengths))))
    chosen = Chosen.of(settings, {choice.name: choice.value for choice in found} | longest(settings, reads))
    if settings.max_length == "auto":
        found.append(_length(chosen, lengths))
        chosen = chosen.model_copy(update={"max_length": found[-1].value})
    if settings.accumulate == "auto":
        found.append(_packs(chosen, lengths))
    return found


def _length(settings: Chosen, lengths: Sequence[int]) -> Choice:
    """Choose the longest pack that holds every record and leaves enough steps, else the shortest.

    The settings hold the longest that may be.
    """
    most_tokens = settings.max_length
    known = [most_tokens, *(length for length in _LENGTHS if length < most_tokens)]
    room = [length for length in known if length >= max(lengths)] or known[:1]
    most = settings.max_steps or math.inf
    for length in room if settings.packing else room[:1]:
        if _count(settings.model_copy(update={"max_length": length}), lengths) >= min(FEW, most):
            return Choice("max_length", length, _why_so_long(length, most_tokens))
    return Choice("max_length", room[-1 if settings.packing else 0], "it holds the longest record; the steps are few")


def _why_so_long(length: int, most: int) -> str:
    if length < most:
        return "longer packs would leave fewer than 20 steps"
    return "as much as is quick" if length == _LENGTHS[0] else "the model reads no more"


def _packs(settings: Chosen, lengths: Sequence[int]) -> Choice:
    """Choose so many packs a step that about 200 steps are left, as far as 16."""
    value = max(1, min(_MOST_PACKS, int(_count(settings, lengths) // _ENOUGH)))
    if value == _MOST_PACKS:
        return Choice("accumulate", value, "the batch of XTuner's recipes: 16 packs")
    return Choice("accumulate", value, "more would leave fewer than 200 steps")


def _count(settings: Chosen, lengths: Sequence[int]) -> float:
    """Return how many packs there are in all epochs, at least."""
    packs = math.ceil(sum(lengths) / settings.max_length) if settings.packing else len(lengths)
    return packs * settings.epochs


def _first(rules: Sequence[tuple[float, float, str]], size: int) -> tuple[float, str]:
    return next((value, reason) for most, value, reason in rules if size <= most)
