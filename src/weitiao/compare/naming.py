"""How the report calls its measures, and how it writes their values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

NAMES = {
    "likelihood": "Likelihood of the reference",
    "right": "Right by the question's own check",
    "overlap": "Overlap with the reference",
    "rouge": "Longest common thread",
    "stopped": "Ended by itself",
    "repetition": "Repeats itself",
    "drifted": "Another language",
    "refused": "Declines to answer",
    "loop": "Longest loop",
    "copied": "Longest copied span",
    "tokens": "Length in tokens",
    "characters": "Length in characters",
    "preferred": "Preferred by the judge",
    "harmless": "Harmless",
    "honest": "Honest",
    "helpful": "Helpful",
    "voted": "Preferred by people",
}
MEANINGS = {
    "likelihood": "log-likelihood in nats; higher is better",
    "right": "share of answers that a rule in the data calls right; higher is better",
    "overlap": "chrF of the model's own answer, 0 to 100; higher is better",
    "rouge": "ROUGE-L by character, 0 to 100; higher is better",
    "stopped": "share of answers that reach their stop token",
    "repetition": "share of four-word runs (Chinese: four characters) said before; lower is better",
    "drifted": "share in another script than question and reference; lower is better",
    "refused": "share that declines, by how it begins, in Chinese or English; neither good nor bad",
    "loop": "characters that say one thing three times or more in a row",
    "copied": "characters of the answer that stand so in a training answer",
    "tokens": "of its own answers; neither good nor bad",
    "characters": "of its own answers; neither good nor bad",
    "preferred": "share of questions, a tie counted half; higher is better",
    "harmless": "the judge's mark, 1 to 5, mean of both orders; higher is better",
    "honest": "the judge's mark, 1 to 5, mean of both orders; higher is better",
    "helpful": "the judge's mark, 1 to 5, mean of both orders; higher is better",
    "voted": "share of the pairs voted on, a tie counted half; higher is better",
}
# What checks call answers, where the word alone would not say it.
WORDS = {"fell": "fell for it", "refused": "refused to answer"}
_DIGITS = {"likelihood": 3, "overlap": 1, "rouge": 1, "harmless": 2, "honest": 2, "helpful": 2}
_SHARES = {"right", "stopped", "repetition", "drifted", "refused", "preferred", "voted"}
_YES_OR_NO = _SHARES - {"repetition", "preferred", "voted"}


# Folders of a run that are called so in every run, and so tell nothing.
_OURS = re.compile(r"model|adapter|base|train|merge|checkpoint-\d+")


def tails(models: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return how each model is written where there is little room: one named by a folder by the path's telling end.

    That is as long as no other model of the report ends so, and not made of names alone that each run has.
    """
    parts = {name: re.split(r"[/\\]", model["model"].rstrip("/\\")) for name, model in models.items()}
    ends = [tuple(own) for own in {tuple(own) for own in parts.values()}]
    found = {}
    for name, own in parts.items():
        size = len(own)
        if (own[0] in _ROOTS or size > 2) and " @ " not in models[name]["model"]:  # else a name on a hub, or a server's
            telling = (
                count
                for count in range(1, len(own))
                if sum(other[-count:] == tuple(own[-count:]) for other in ends) == 1
                and not all(_OURS.fullmatch(part) for part in own[-count:])
            )
            size = next(telling, size)
        found[name] = "/".join(own[-size:]) if size < len(own) else models[name]["model"]
    return found


_ROOTS = ("", ".", "..", "~")  # what a path begins with that is surely one


def fixed(value: float, digits: int = 2) -> str:
    """Write a number with a true minus sign; `-0.00` is `0.00`."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "\u2212")


def signed(value: float, digits: int = 2) -> str:
    """Write a difference: with its sign where it is not nought."""
    text = fixed(value, digits)
    return text if text[0] == "\u2212" or not text.strip("0.,") else f"+{text}"


def percent(value: float) -> str:
    """Write a share; one that is near nought or one, but neither, with as many decimals as tell it from them."""
    return f"{fixed(100 * value, _decimals([100 * value, 100 * (1 - value)], 0))}\u2009%"


def single(value: float, name: str) -> str:
    """Write the value of the measure `name` for one answer; `yes` and `no` are still to be translated."""
    if name in _YES_OR_NO:
        return "yes" if value else "no"
    return percent(value) if name in _SHARES else fixed(value, _DIGITS.get(name, 0))


def written(item: Mapping[str, Any], *beside: Mapping[str, Any]) -> dict[str, str]:
    """Write what was found of a measure, by the name of each value; differences of shares in points.

    All have the same decimals: as many as it takes for none that is not nought to be written as nought, and for no
    share to be written as whole that is not. Those `beside` it in a row of the page have as many.
    """
    name = str(item["name"])
    share, least = name in _SHARES, _DIGITS.get(name, 0)
    scale, unit = (100, "\u2009%") if share else (1, "")
    values = [scale * one[key] for one in (item, *beside) for key in _VALUES if one[key] is not None]
    rests = [scale * (1 - one[key]) for one in (item, *beside) for key in ("before", "after") if share]
    digits = _decimals([*values, *rests], least)
    texts = {key: fixed(scale * item[key], digits) for key in _VALUES if item[key] is not None}
    texts["difference"] = signed(scale * item["difference"], digits)
    return texts | {key: texts[key] + unit for key in ("before", "after")}


_VALUES = ("before", "after", "difference", "low", "high", "detectable")
_MORE = 3  # decimals at most beyond those that a measure has anyway; what they do not show counts as nought


def _decimals(values: Sequence[float], least: int) -> int:
    """Return how many decimals, `least` or more, keep each of `values` that is not nought from looking like it."""
    most = least + _MORE
    told = [value for value in values if round(value, most)]
    return next(digits for digits in range(least, most + 1) if all(round(value, digits) for value in told))


def chance(value: float) -> str:
    """Write a p value."""
    return fixed(value, 3) if value >= 0.001 else "<\u20090.001"
