"""Which script a text is written in: the letters of each, and the one that most of a text is in."""

import re

# The letters of a script, for a class of `re` or of polars.
HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u3096\u30a1-\u30fa"  # without ー and ・, which stand in Chinese too
HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
CYRILLIC = "\u0400-\u052f"
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SCRIPTS = tuple(
    (name, re.compile(f"[{letters}]"), weight)
    for name, letters, weight in (
        ("zh", HAN, 1.0),
        ("ja", KANA, 1.0),
        ("ko", HANGUL, 1.0),
        ("latin", LATIN, 0.25),  # four letters weigh as much as one character
        ("cyrillic", CYRILLIC, 0.25),
        ("greek", "\u0370-\u03ff", 0.25),
        ("arabic", "\u0600-\u06ff", 0.25),
        ("hebrew", "\u0590-\u05ff", 0.25),
        ("indic", "\u0900-\u0dff", 0.25),
        ("thai", "\u0e00-\u0e7f", 0.25),
    )
)


def script(text: str) -> str:
    """Return the script that most of a text is written in (`zh`, `ja`, `latin` …), or an empty text if it has too few.

    Languages of one script, as English and French, are not told apart. Fenced code does not count.
    """
    prose = _FENCED.sub(" ", text)
    weights = {name: weight * len(pattern.findall(prose)) for name, pattern, weight in _SCRIPTS}
    if weights["ja"] > 0.1 * weights["zh"]:  # Japanese is written with Chinese characters and kana
        weights["ja"] += weights.pop("zh")
    name = max(weights, key=lambda key: weights[key])
    return name if weights[name] >= 1 else ""


def drifts(text: str, *expected: str) -> bool:
    """Tell whether a text is in another script than each of the `expected` texts that show one."""
    wanted = {script(one) for one in expected} - {""}
    own = script(text)
    return bool(own and wanted and own not in wanted)
