"""What the pairs on the page can be filtered by, beside their verdicts: their groups, and what became of the check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weitiao.checks import RIGHT, WRONG
from weitiao.compare import naming
from weitiao.talk import translate

_TURNED: dict[str | bool, str] = {
    "win": "Turned right",
    "loss": "No longer right",
    True: "Right before and after",
    False: "Right neither before nor after",
}


@dataclass(frozen=True)
class Choice:
    """A select: its name, and of each value the mark that its pairs bear, English, Chinese, how many pairs."""

    name: str
    values: list[tuple[str, str, str, int]]


def became(row: Mapping[str, Any]) -> list[str]:
    """Return what became of a row's check: how it turned, and what else than right or wrong the answer after is."""
    if "judged" not in row["after"]:
        return []
    turned, word = row["verdict"]["right"], row["after"]["judged"]
    how = _TURNED[turned if turned != "tie" else word == RIGHT]
    return [how] if word in (RIGHT, WRONG) else [how, naming.WORDS.get(word, word)]


def choices(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[list[Choice], list[str]]:
    """Return a select for each of the `columns` rows are grouped by and one for the check, and each row's marks."""
    marks: list[list[str]] = [[] for _ in rows]
    found = []
    for place, name in enumerate([*columns, ""]):
        told = [[row["groups"][place]] if name else became(row) for row in rows]
        values = []
        for number, text in enumerate(_ordered({text for texts in told for text in texts}, name)):
            mine = [own for own, texts in zip(marks, told, strict=True) if text in texts]
            for own in mine:
                own.append(f"{place}.{number}")
            values.append((f"{place}.{number}", *_tongues(text, name), len(mine)))
        if values:
            found.append(Choice(name, values))
    return found, [" ".join(own) for own in marks]


def _ordered(texts: set[str], name: str) -> list[str]:
    """Return the values of a column by name; of the check how it turned, then the words for the answer after."""
    turns = list(_TURNED.values())
    return sorted(texts, key=lambda text: (turns.index(text) if not name and text in turns else len(turns), text))


def _tongues(text: str, name: str) -> tuple[str, str]:
    """Return the English and the Chinese of a value; those of a column are the user's own and stay as they are."""
    if name:
        return text, text
    if text in _TURNED.values():
        return text, translate("zh", text)
    english, chinese = (translate(one, "After: {word}", word=translate(one, text)) for one in ("en", "zh"))
    return english, chinese
