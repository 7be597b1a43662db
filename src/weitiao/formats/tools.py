"""Rows of annotation tools' exports (Label Studio, doccano, Argilla) laid out as tasks; see `annotated`."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from weitiao.formats.annotated import Judgement, Row, Task, some
from weitiao.formats.problem import REJECTED, SKIPPED, UNANNOTATED, wrong_type

TOOLS = ("label_studio", "doccano", "doccano_seq2seq", "argilla")

# The keys of Label Studio's results that hold the value, by the result's type; all others keep the whole value.
_VALUES = {"choices": "choices", "textarea": "text", "rating": "rating", "number": "number", "pairwise": "selected"}
_STATUS = {"discarded": REJECTED, "draft": UNANNOTATED, "pending": UNANNOTATED}


def recognise_task(row: Row) -> str | None:
    """Return which tool's export a row is from, or None."""
    name = _tool_of(tuple(row))
    if name == "doccano":
        lists = [row[key] for key in _LABELS if isinstance(row.get(key), list)]
        return name if lists and all(isinstance(label, (str, list, dict)) for one in lists for label in one) else None
    held = {"label_studio": "data", "argilla": "fields"}.get(name or "")
    return name if not held or isinstance(row.get(held, {}), dict) else None


_LABELS = ("label", "cats", "entities")
_DOCCANO = {"id", "text", *_LABELS, "relations", "meta"}


@lru_cache(maxsize=1024)
def _tool_of(keys: tuple[str, ...]) -> str | None:
    names = set(keys)
    if "data" in names and names & {"annotations", "completions"}:
        return "label_studio"
    if {"fields", "responses"} <= names or {"fields", "suggestions"} <= names or any(_questions(keys)):
        return "argilla"
    if "text" in names and names & set(_LABELS) and (names <= _DOCCANO or "Comments" in names):
        return "doccano"
    return None


def _questions(keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return Argilla's questions by the columns of a table: of version 2 (`q.responses`) and of 1 (`q-suggestion`)."""
    ends = (".responses", ".suggestion")
    new = [key.removesuffix(end) for key in keys for end in ends if key.endswith(end)]
    old = [key.removesuffix("-suggestion") for key in keys if key.endswith("-suggestion")]
    return list(dict.fromkeys(new)), [name for name in old if name in keys]


def task_of(row: Row, shape: str) -> Task:
    """Lay out a row of a tool's export; raises BadRow if a part of it has the wrong type."""
    if shape == "label_studio":
        return _label_studio(row)
    if shape.startswith("doccano"):
        return _doccano(row, written=shape == "doccano_seq2seq")
    return _argilla(row) if "fields" in row else _argilla_table(row)


def _label_studio(row: Row) -> Task:
    """Lay out a task of Label Studio's JSON export (https://labelstud.io/guide/task_format)."""
    if not isinstance(row.get("data"), dict):
        raise wrong_type(row.get("data"), "data", "an object")
    name = "annotations" if "annotations" in row else "completions"
    said = [_annotation(one, f"{name}[{n}]") for n, one in enumerate(_list(row.get(name), name))]
    rest = {key: value for key, value in row.items() if key not in ("data", name, "predictions", "drafts")}
    return Task(row["data"], said, row.get("predictions"), {"task": rest} if rest else {}, "data")


def _annotation(one: object, place: str) -> Judgement:
    if not isinstance(one, dict):
        raise wrong_type(one, place, "an object")
    values: Row = {}
    written: set[str] = set()
    pairs: Row = {}
    turns: list[Row] = []
    for index, result in enumerate(_list(one.get("result"), f"{place}.result")):
        if not isinstance(result, dict):
            raise wrong_type(result, f"{place}.result[{index}]", "an object")
        value, kind = result.get("value"), result.get("type")
        if not isinstance(value, dict):
            continue  # a relation between two regions
        if isinstance(turn := value.get("chatmessage"), dict):
            turns.append(turn)
            continue
        name = str(result.get("from_name", kind))
        found = value.get(_VALUES.get(str(kind), ""), value)
        if {"start", "end"} & set(value):  # a label on a stretch of the text: there are many of them
            values.setdefault(name, []).append(value)
        elif kind == "textarea":
            values.setdefault(name, []).extend(found if isinstance(found, list) else [found])
            written.add(name)
        else:
            values[name] = found[0] if isinstance(found, list) and len(found) == 1 else found
        if kind == "pairwise":
            names = str(result.get("to_name", "")).split(",")
            pairs[name] = names if len(names) == 2 else ["answer1", "answer2"]
    reviews = [review for review in _list(one.get("reviews"), f"{place}.reviews") if isinstance(review, dict)]
    refused = one.get("last_action") == "rejected" or (reviews and reviews[-1].get("accepted") is False)
    status = SKIPPED if one.get("was_cancelled") or one.get("skipped") else REJECTED if refused else ""
    if not values and not turns and not status:
        status = UNANNOTATED
    more = {key: one[key] for key in ("id", "created_at", "updated_at", "lead_time", "reviews") if one.get(key)}
    who = _person(one.get("completed_by"))
    gold, more = bool(one.get("ground_truth")), more | some(pairs=pairs)
    return Judgement(who, values, frozenset(written), status, gold, tuple(turns), more)


def _person(value: object) -> str:
    """Return who it was: an id, or of an object the e-mail address."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("username") or value.get("id")
    return "" if value is None else str(value)


def _doccano(row: Row, *, written: bool) -> Task:
    """Lay out a row of doccano's JSONL export: it says what was labelled, not by whom."""
    labels = {key: row[key] for key in (*_LABELS, "relations") if row.get(key) not in (None, [])}
    values = {key: value[0] if not written and _single(value) else value for key, value in labels.items()}
    names = {"answer": values.pop("label")} if written and "label" in values else {}
    used = {"text", *_LABELS, "relations"}
    rest = {key: value for key, value in row.items() if key not in used and value not in (None, [])}
    said = [Judgement("", names | values, frozenset(names))] if labels else []
    return Task({"text": row["text"]} if "text" in row else {}, said, None, rest, whole=False, asks=written)


def _single(value: object) -> bool:
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)


def _argilla(row: Row) -> Task:
    """Lay out a record of Argilla's `to_json` (2.x: answers by question), or of its server's API (by person)."""
    if not isinstance(row["fields"], dict):
        raise wrong_type(row["fields"], "fields", "an object")
    responses = row.get("responses") or {}
    by: dict[tuple[str, str], Row] = {}
    if isinstance(responses, list):
        said = [_response(one, f"responses[{n}]") for n, one in enumerate(responses)]
    elif not isinstance(responses, dict):
        raise wrong_type(responses, "responses", "a list")
    else:
        for name, given in responses.items():
            for n, one in enumerate(_list(given, f"responses.{name}")):
                if not isinstance(one, dict):
                    raise wrong_type(one, f"responses.{name}[{n}]", "an object")
                by.setdefault((str(one.get("user_id", "")), str(one.get("status") or "")), {})[name] = one.get("value")
        said = [_judged(user, values, status) for (user, status), values in by.items()]
    rest = {key: row[key] for key in row if key not in ("fields", "responses", "suggestions", "vectors")}
    return Task(row["fields"], said, row.get("suggestions"), rest, "fields")


def _response(one: object, place: str) -> Judgement:
    if not isinstance(one, dict):
        raise wrong_type(one, place, "an object")
    values = one.get("values") or {}
    if not isinstance(values, dict):
        raise wrong_type(values, f"{place}.values", "an object")
    given = {name: value.get("value") if isinstance(value, dict) else value for name, value in values.items()}
    return _judged(str(one.get("user_id", "")), given, str(one.get("status") or ""))


def _judged(user: str, values: Row, status: str) -> Judgement:
    return Judgement(user, values, status=_STATUS.get(status, ""))


def _argilla_table(row: Row) -> Task:
    """Lay out a row of Argilla's layout for Hugging Face datasets: columns for each question."""
    new, old = _questions(tuple(row))
    by: dict[tuple[str, str], Row] = {}
    suggested: Row = {}
    for name in (*new, *old):
        first = f"{name}.suggestion" if name in new else f"{name}-suggestion"
        if row.get(first) is not None:
            suggested[name] = {"value": row[first]} | some(
                score=row.get(f"{first}.score"), agent=row.get(f"{first}.agent"), more=row.get(f"{first}-metadata")
            )
        for user, value, status in _columns(row, name) if name in new else _structs(row, name):
            by.setdefault((str(user or ""), str(status or "")), {})[name] = value
    mine = tuple(f"{name}{mark}" for name in new for mark in (".responses", ".suggestion"))
    mine += tuple(f"{name}-suggestion" for name in old)
    kept = {key: value for key, value in row.items() if not (mine and key.startswith(mine)) and key not in old}
    about: Row = {
        key: kept.pop(key) for key in ("id", "external_id", "status", "_server_id", "metadata") if key in kept
    }
    return Task(kept, [_judged(user, values, status) for (user, status), values in by.items()], suggested, about)


def _columns(row: Row, name: str) -> Iterator[tuple[Any, Any, Any]]:
    parts = [_list(row.get(f"{name}.responses{end}"), f"{name}.responses{end}") for end in (".users", "", ".status")]
    yield from zip_longest(*parts)


def _structs(row: Row, name: str) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the answers of version 1: a list of objects, or as `datasets` used to store these, an object of lists."""
    given = row[name]
    if isinstance(given, dict):
        yield from zip_longest(*(_list(given.get(key), f"{name}.{key}") for key in ("user_id", "value", "status")))
        return
    for index, one in enumerate(_list(given, name)):
        if not isinstance(one, dict):
            raise wrong_type(one, f"{name}[{index}]", "an object")
        yield one.get("user_id"), one.get("value"), one.get("status")


def _list(value: object, place: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(value, place, "a list")
    return value
