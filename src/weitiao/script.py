"""Which script a text is written in, to tell whether a language was kept."""

import re

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SCRIPTS = (
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"), 1.0),
    ("ja", re.compile(r"[\u3041-\u30ff]"), 1.0),
    ("ko", re.compile(r"[\uac00-\ud7af]"), 1.0),
    ("latin", re.compile(r"[a-z\u00c0-\u024f]", re.IGNORECASE), 0.25),  # four letters weigh as much as one character
    ("cyrillic", re.compile(r"[\u0400-\u04ff]"), 0.25),
    ("greek", re.compile(r"[\u0370-\u03ff]"), 0.25),
    ("arabic", re.compile(r"[\u0600-\u06ff]"), 0.25),
    ("hebrew", re.compile(r"[\u0590-\u05ff]"), 0.25),
    ("indic", re.compile(r"[\u0900-\u0dff]"), 0.25),
    ("thai", re.compile(r"[\u0e00-\u0e7f]"), 0.25),
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
