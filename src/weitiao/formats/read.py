"""From a row of any known shape to messages: how shapes are recognised, and how they are read."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from weitiao.formats import annotated, tools
from weitiao.formats.marked import read_marked
from weitiao.formats.preference import answers_of, is_preference, read_pair
from weitiao.formats.problem import EMPTY, BadRow, Problem, absent, wrong_type
from weitiao.formats.shapes import ANSWERS, CONTAINERS, CQIA_FIELDS, POST_COLUMNS, SHAPES, Columns, Pairs, Turns

Row = dict[str, Any]
Message = tuple[str, str]


class Reading(NamedTuple):
    """A row as messages, and what of it they do not hold: unknown columns, and unknown keys of a turn by its index."""

    messages: list[Message]
    fields: Row


# What others call the roles.
ROLE_WORDS = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "passage": "passage",
}
# Words that say no more than our own; any other is kept beside the turn, so that it can be written back.
_PLAIN_WORDS = {"system", "user", "human", "assistant", "gpt", "tool", "observation", "passage"}


def recognise(row: Row) -> str | None:
    """Return the shape of a row, or None. Names decide, and for a list of turns the keys of the first one."""
    if tool := tools.recognise_task(row):
        return tool
    if is_preference(row):
        return "preference"
    container = _container(tuple(row))
    if container is None:
        return _shape_of(tuple(row))
    if "origin" in row and "id" in row and container == "messages":
        return "records"
    items = _items(row[container])
    if items is None:
        return None
    first = items[0] if items else {"role": "", "content": ""}
    if not isinstance(first, dict):
        return None
    for name, kind in SHAPES.items():
        if isinstance(kind, Turns) and kind.role in first:
            return name
        if isinstance(kind, Pairs) and (kind.question in first or kind.answer in first):
            return name
    return None


def read(row: Row, shape: str, text: str | None = None) -> Reading:
    """Return the messages of a row of this shape; `text` names the column of a post.

    Raises BadRow if the row is not of the shape, a field of it has the wrong type, or it says nothing.
    """
    kind = SHAPES[shape]
    if shape in tools.TOOLS:
        found = Reading(*annotated.answered(tools.task_of(row, shape), lambda shown: _read_shown(shown, text)))
    elif isinstance(kind, Turns):
        found = _read_turns(row, kind)
    elif isinstance(kind, Pairs):
        found = _read_pairs(row, kind)
    elif isinstance(kind, Columns):
        found = _read_columns(row, shape, kind)
    elif shape == "preference":
        found = Reading(*read_pair(row, _read_part))
    elif shape == "guanaco":
        found = Reading(read_marked(_text(row, "text")), {key: value for key, value in row.items() if key != "text"})
    else:
        found = _read_post(row, text)
    for _, content in found.messages:
        if content and not content.isspace():
            return found
    raise BadRow(Problem(EMPTY, "it says nothing"))


def read_plain(row: Row) -> tuple[str, tuple[str, str], Row] | None:
    """Return what `recognise` and `read` find in a row of question, answer and maybe context alone, None for others.

    It is the shape, the two texts and the fields. Most rows are so, and their names tell all: it takes an eighth of the
    time.
    """
    if (plain := _plain(tuple(row))) is None:
        return None
    shape, question, context, answer = plain
    asked, said, beside = row[question], row[answer], row[context] if context else ""
    if not type(asked) is type(said) is type(beside) is str or not asked or asked.isspace() or not said:
        return None
    return (shape, (f"{asked}\n{beside}", said), {context: beside}) if beside else (shape, (asked, said), {})


@lru_cache(maxsize=1024)
def _plain(keys: tuple[str, ...]) -> tuple[str, str, str, str] | None:
    """Return shape, question, context and answer where no other column is, and none whose value tells the shape."""
    shape = None if tools.recognise_task(dict.fromkeys(keys, "")) or answers_of(keys) else _shape_of(keys)
    if shape not in ("alpaca", "cqia", "qa") or _container(keys):
        return None
    names = _columns(keys, shape)
    used = names["question"], names["context"], names["answer"]
    return (shape, *used) if names["answer"] and set(keys) == {name for name in used if name} else None


@lru_cache(maxsize=1024)
def _container(keys: tuple[str, ...]) -> str | None:
    return next((name for name in CONTAINERS if name in keys), None)


@lru_cache(maxsize=1024)
def _shape_of(keys: tuple[str, ...]) -> str | None:
    """Return the shape that a row with these keys has; rows of a file share their keys, so it is asked once."""
    if "instruction" in keys and ("output" in keys or not set(keys) & set(ANSWERS)) and "context" not in keys:
        return "cqia" if any(name in keys for name in CQIA_FIELDS) else "alpaca"
    qa = SHAPES["qa"]
    assert isinstance(qa, Columns)
    names = _columns(keys, "qa")
    if names["question"] and (names["answer"] or names["question"].lower() in qa.alone):
        return "qa"
    names = _columns(keys, "forum")
    if names["question"] and names["answer"]:
        return "forum"
    return "posts" if _post_column(keys) or (len(keys) == 1 and keys[0].lower() in ANSWERS[:4]) else None


@lru_cache(maxsize=1024)
def _columns(keys: tuple[str, ...], shape: str) -> dict[str, str]:
    """Return which column is the question, the answer, the context, the system text and the history; "" for none."""
    kind = SHAPES[shape]
    assert isinstance(kind, Columns)
    known = {key.strip().lower(): key for key in keys}

    def first(names: tuple[str, ...]) -> str:
        return next((known[name] for name in names if name in known), "")

    question = first(kind.question)
    context = first(tuple(name for name in kind.context if known.get(name) != question))
    return {
        "question": question,
        "context": context,
        "answer": first(kind.answer),
        "system": first(("system", "系统")),
        "history": first(("history", "历史")),
    }


@lru_cache(maxsize=1024)
def _post_column(keys: tuple[str, ...]) -> str | None:
    known = {key.strip().lower(): key for key in keys}
    return next((known[name] for name in POST_COLUMNS if name in known), None)


def _items(value: object) -> Sequence[Any] | None:
    """Return a list of turns; in a table's cell it stands as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, list) else None


def _read_turns(row: Row, kind: Turns) -> Reading:
    container, items = _list_of(row)
    fields = {key: value for key, value in row.items() if key != container and key != "system"}
    messages: list[Message] = []
    kept: Row = {}
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise wrong_type(item, f"{container}[{index}]", "an object")
        word = item.get(kind.role)
        role = ROLE_WORDS.get(word) if isinstance(word, str) else None
        if role is None:
            raise _role(word, f"{container}[{index}].{kind.role}")
        content = item.get(kind.content)
        if not isinstance(content, str):
            content = _content(item, kind, f"{container}[{index}]")
        messages.append((role, content))
        if len(item) > 2 or word not in _PLAIN_WORDS or content is not item.get(kind.content):
            extra = _beside(item, kind, content)
            if extra:
                kept[str(index)] = extra
    if "system" in row:
        _system(row["system"], "system", messages, fields)
    if kept:
        fields[container] = kept
    return Reading(messages, fields)


def _beside(item: Row, kind: Turns, content: str) -> Row:
    """Return what a turn says beyond role and text."""
    extra = {key: value for key, value in item.items() if key not in (kind.role, kind.content)}
    if item[kind.role] not in _PLAIN_WORDS:
        extra[kind.role] = item[kind.role]
    parts = item.get(kind.content)
    if isinstance(parts, list) and any(_text_of(part) is None for part in parts):
        extra[kind.content] = parts
    return extra


def _content(item: Row, kind: Turns, place: str) -> str:
    """Return the text of a turn whose content is no string: null beside a tool call, or a list of typed parts."""
    content = item.get(kind.content)
    if content is None:
        if kind.content not in item and len(item) == 1:
            raise BadRow(
                Problem("field missing", "the field `{name}` is missing", "Add it", place, {"name": kind.content})
            )
        return ""
    if not isinstance(content, list):
        raise wrong_type(content, f"{place}.{kind.content}", "a text")
    return "".join(text for part in content if (text := _text_of(part)) is not None)


def _text_of(part: object) -> str | None:
    """Return the text of a typed part, or None for a part of another kind: reasoning, a tool call, a picture."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "input_text", "output_text"):
        return None
    text = part.get("text", part.get("value"))
    return text if isinstance(text, str) else None


def _read_pairs(row: Row, kind: Pairs) -> Reading:
    container, items = _list_of(row)
    fields = {key: value for key, value in row.items() if key != container and key != "system"}
    messages: list[Message] = []
    kept: Row = {}
    for index, item in enumerate(items):
        place = f"{container}[{index}]"
        if not isinstance(item, dict):
            raise wrong_type(item, place, "an object")
        used = {kind.question, kind.answer}
        if kind.system and index == 0 and item.get(kind.system) and isinstance(item[kind.system], str):
            messages.append(("system", item[kind.system]))
        if kind.system and (index == 0 or not item.get(kind.system)):
            used.add(kind.system)
        messages.append(("user", _text(item, kind.question, place)))
        messages.append(("assistant", _text(item, kind.answer, place)))
        if extra := {key: value for key, value in item.items() if key not in used}:
            kept[str(index)] = extra
    if "system" in row:
        _system(row["system"], "system", messages, fields)
    if kept:
        fields[container] = kept
    return Reading(messages, fields)


def _read_columns(row: Row, shape: str, kind: Columns) -> Reading:
    names = _columns(tuple(row), shape)
    if not names["question"]:
        raise absent(row, kind.question[0])
    used = set(names.values()) - {""}  # a field may have no name at all
    fields = {key: value for key, value in row.items() if key not in used}
    messages: list[Message] = []
    if names["history"]:
        messages += _history(row[names["history"]], names["history"])
    question, context = _text(row, names["question"]), _text(row, names["context"]) if names["context"] else ""
    if context:
        # XTuner, LLaMA-Factory and Stanford's own prompt all set the input below the instruction.
        fields[names["context"]] = context
        question = f"{question}\n{context}" if question else context
    messages.append(("user", question))
    said = _reply(row, names["answer"], fields) if shape == "forum" else _text(row, names["answer"])
    if names["answer"] and (answer := said):
        messages.append(("assistant", answer))
    if names["system"]:
        _system(row[names["system"]], names["system"], messages, fields)
    if not any(content for _, content in messages):
        messages = []
    return Reading(messages, fields)


def _reply(row: Row, name: str, fields: Row) -> str:
    """Return the first reply, "" for none: the list in which it stands stays a field, and so does a mere count."""
    items = _items(row.get(name))
    first = row.get(name) if items is None else next(iter(items), "")
    if isinstance(first, dict):
        first = first.get(_post_column(tuple(first)) or "", "")
    count = isinstance(first, int) or (isinstance(first, str) and first.strip().isdecimal())
    if count or items is not None:
        fields[name] = row[name]
    if first is None or count:
        return ""
    return _text({name: first}, name)


def _read_post(row: Row, text: str | None) -> Reading:
    column = text or _post_column(tuple(row)) or (next(iter(row)) if len(row) == 1 else None)
    if column is None or column not in row:
        raise absent(row, column or "text")
    content = _text(row, column)
    return Reading([("passage", content)], {key: value for key, value in row.items() if key != column})


def _read_part(row: Row) -> tuple[list[Message], Row]:
    """Read a row that is left when its answers are taken out, or the turns of an answer."""
    if (shape := recognise(row)) is None:
        raise absent(row, "prompt")
    return (found := read(row, shape)).messages, found.fields


def _read_shown(row: Row, text: str | None) -> tuple[list[Message], Row]:
    """Read what annotators were shown: a row of a known shape, a conversation of any name, or the one text."""
    shape = "posts" if text else recognise(row)
    if shape in (None, "posts") and not text:
        chat = next((name for name, value in row.items() if annotated.is_chat(value)), None)
        texts = [name for name, value in row.items() if isinstance(value, str) and not _ELSEWHERE.match(value)]
        if chat:
            row, shape = {"messages": row[chat], **{key: row[key] for key in row if key != chat}}, "openai"
        elif not shape:
            shape, text = "posts", texts[0] if len(texts) == 1 else "text"
    found = read(row, shape or "posts", text)
    return list(found.messages), found.fields


_ELSEWHERE = re.compile(r"(?:\w+://|/)\S*$")  # the address of a picture or a sound, no text to read


def _history(value: object, name: str) -> list[Message]:
    items = _items(value) if value else []
    if items is None:
        raise wrong_type(value, name, "a list")
    messages: list[Message] = []
    for index, item in enumerate(items):
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(text, str) for text in item)):
            raise wrong_type(item, f"{name}[{index}]", "a pair of texts")
        messages += [("user", item[0]), ("assistant", item[1])]
    return messages


def _system(value: object, name: str, messages: list[Message], fields: Row) -> None:
    """Put a system text of the whole row in front; where the turns already have one, it stays a field."""
    if value is not None and not isinstance(value, str):
        raise wrong_type(value, name, "a text")
    if not value:
        return
    if messages and messages[0][0] == "system":
        fields[name] = value
    else:
        messages.insert(0, ("system", value))


def _list_of(row: Row) -> tuple[str, Sequence[Any]]:
    container = _container(tuple(row))
    if container is None:
        raise absent(row, CONTAINERS[0])
    items = _items(row[container])
    if items is None:
        if row[container] is None:
            return container, []
        raise wrong_type(row[container], container, "a list")
    return container, items


def _text(row: Mapping[str, Any], name: str, place: str = "") -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise wrong_type(value, f"{place}.{name}".lstrip("."), "a text")


def _role(word: object, place: str) -> BadRow:
    values = {"role": str(word), "known": "system, user, assistant, tool"}
    return BadRow(Problem("unknown role", "no such role: {role}", "Roles are {known}", place, values))
