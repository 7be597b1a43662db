"""Rows with a good and a bad answer to one conversation, as trainers of preferences read them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from weitiao.formats.problem import BadRow, Problem, wrong_type

Row = dict[str, Any]
Turns = list[tuple[str, str]]

_NAMES = (("chosen", "rejected"), ("chosen_messages", "rejected_messages"))
# Whether the answer is a good one: LLaMA-Factory's column, and TRL's where a row holds nothing else.
_LABELS = ("kto_tag", "label")
_TALKS = ({"messages", "label"}, {"prompt", "completion", "label"})


@lru_cache(maxsize=1024)
def answers_of(keys: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the columns of the good and the bad answer, None where there are no such two."""
    return next((names for names in _NAMES if set(names) <= set(keys)), None)


def label_of(row: Row) -> str | None:
    """Return the column that says whether the row's answer is good, None where there is none."""
    name = next((name for name in _LABELS if isinstance(row.get(name), bool)), None)
    return None if name == "label" and set(row) not in _TALKS else name


def is_preference(row: Row) -> bool:
    """Tell whether a row says which answer is better, or whether its answer is good."""
    if names := answers_of(tuple(row)):
        return all(row[name] and isinstance(row[name], str | list | dict) for name in names)
    return label_of(row) is not None


def read_pair(row: Row, read: Callable[[Row], tuple[Turns, Row]]) -> tuple[Turns, Row]:
    """Return the conversation with the good answer, and the other fields with the bad one under `rejected`.

    `read` reads a row of any other shape. A row with one answer that is labelled bad has no good one. Raises BadRow
    where the two are not answers to one conversation.
    """
    if (names := answers_of(tuple(row))) is None:
        return _read_labelled(row, read)
    rest = {key: value for key, value in row.items() if key not in names}
    (good, fields), (bad, _) = (_side(row[name], name, read) for name in names)
    shared = next((at for at, (one, other) in enumerate(zip(good, bad, strict=False)) if one != other), len(good) - 1)
    if [role for role, _ in good[shared:]] != ["assistant"] or [role for role, _ in bad[shared:]] != ["assistant"]:
        raise BadRow(Problem("not a pair of answers", "the two are not answers to one conversation", field=names[1]))
    if shared:
        said = {"prompt": good[0][1], "messages": row[names[0]]}
        rest = {key: value for key, value in rest.items() if said.get(key) != value} | fields
    else:
        before, rest = read(_asked(rest))
        good = [*before, *good]
    return good, rest | {"rejected": bad[-1][1]}


def _read_labelled(row: Row, read: Callable[[Row], tuple[Turns, Row]]) -> tuple[Turns, Row]:
    name = label_of(row)
    rest = {key: value for key, value in row.items() if key not in (name, "completion")}
    messages, fields = read(_asked(rest))
    if "completion" in row:
        messages = [*messages, *_side(row["completion"], "completion", read)[0]]
    fields |= {str(name): row[str(name)]}
    if row[str(name)] or not messages or messages[-1][0] != "assistant":
        return messages, fields
    return messages[:-1], fields | {"rejected": messages[-1][1]}


def _asked(rest: Row) -> Row:
    """Return a row whose `prompt` may be a list of turns as one that any reader knows."""
    turns = _listed(rest.get("prompt"))
    if turns is None:
        return rest
    return {"messages": turns, **{key: value for key, value in rest.items() if key != "prompt"}}


def _side(value: object, name: str, read: Callable[[Row], tuple[Turns, Row]]) -> tuple[Turns, Row]:
    """Return an answer as turns: it is a text, one turn, or the whole conversation with it."""
    turns = [value] if isinstance(value, Mapping) else _listed(value)
    if turns is not None:
        return read({"messages": turns})
    if not isinstance(value, str):
        raise wrong_type(value, name, "a text")
    return [("assistant", value)], {}


def _listed(value: object) -> list[Any] | None:
    """Return a list of turns; in a table's cell it stands as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, list) and value and all(isinstance(one, dict) for one in value) else None
