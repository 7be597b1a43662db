"""From messages to a row of a training format, with what the format cannot hold said by name."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from weitiao.formats.read import Message, Row
from weitiao.formats.shapes import CQIA_FIELDS


@dataclass(frozen=True)
class Written:
    """A row, the names of the fields that found no place in it, and why its turns do not fit, if they do not."""

    row: Row
    lost: list[str] = field(default_factory=list)
    refused: str = ""


def write(name: str, messages: Sequence[Message], fields: Row) -> Written:
    """Return the row of format `name`; `fields` is what the record's source row held beyond its messages.

    A conversation that the format has no place for is refused rather than bent.
    """
    written = FORMATS[name](list(messages), fields)
    if written.refused or name == "hf" or not fields.get("check"):
        return written
    # What makes an answer right is of use wherever the row goes; trainers look at the columns they know.
    return Written({**written.row, "check": fields["check"]}, [key for key in written.lost if key != "check"])


def _openai(messages: list[Message], fields: Row) -> Written:
    return _turns(messages, fields, "messages", ("role", "content"), {})


def _sharegpt(messages: list[Message], fields: Row) -> Written:
    words = {"user": "human", "assistant": "gpt", "tool": "observation"}
    return _turns(messages, fields, "conversations", ("from", "value"), words)


def _turns(
    messages: list[Message], fields: Row, container: str, keys: tuple[str, str], words: dict[str, str]
) -> Written:
    """Write a list of turns; what stood beside a turn of the same format in the source stands there again."""
    role_key, content_key = keys
    beside = fields.get(container)
    beside = beside if isinstance(beside, dict) else {}
    turns: list[Row] = []
    for index, (role, content) in enumerate(messages):
        extra = beside.get(str(index))
        turn = {role_key: words.get(role, role), content_key: content}
        turns.append(turn | {key: extra[key] for key in extra if key != content_key} if extra else turn)
    kept = {container} if not any(content_key in extra for extra in beside.values()) else set()
    row: Row = {container: turns}
    if container == "conversations" and isinstance(fields.get("tools"), str):
        row["tools"] = fields["tools"]  # LLaMA-Factory's column of tool descriptions, JSON as text
        kept.add("tools")
    return Written(row, [key for key in fields if key not in kept])


def _alpaca(messages: list[Message], fields: Row) -> Written:
    system, pairs = _as_pairs(messages)
    if pairs is None:
        return Written({}, refused="turns other than question and answer")
    (question, answer), history = pairs[-1], pairs[:-1]
    instruction, context = _apart(question, fields)
    row: Row = {"instruction": instruction, "input": context, "output": answer}
    if system:
        row["system"] = system
    if history:
        row["history"] = [list(pair) for pair in history]
    return Written(row, [key for key in fields if not (context and fields[key] == context)])


def _cqia(messages: list[Message], fields: Row) -> Written:
    system, pairs = _as_pairs(messages)
    if pairs is None:
        return Written({}, refused="turns other than question and answer")
    if len(pairs) > 1:
        return Written({}, refused="several turns")
    if system:
        return Written({}, refused="a system message")
    instruction, context = _apart(pairs[0][0], fields)
    row: Row = {"instruction": instruction, "input": context, "output": pairs[0][1]}
    row |= {key: fields[key] for key in CQIA_FIELDS if key in fields}
    held = {*CQIA_FIELDS, *(key for key in fields if context and fields[key] == context)}
    return Written(row, [key for key in fields if key not in held])


def _xtuner(messages: list[Message], fields: Row) -> Written:
    system, pairs = _as_pairs(messages)
    if pairs is None:
        return Written({}, refused="turns other than question and answer")
    turns: list[Row] = [{"input": question, "output": answer} for question, answer in pairs]
    turns[0] = {"system": system, **turns[0]} if system else turns[0]
    return Written({"conversation": turns}, list(fields))


def _trl(messages: list[Message], fields: Row) -> Written:
    """Write TRL's conversational preference row with its explicit prompt."""
    return _pair(messages, fields, _openai, "messages", "prompt")


def _ranked(messages: list[Message], fields: Row) -> Written:
    """Write LLaMA-Factory's ranked row in the ShareGPT form."""
    return _pair(messages, fields, _sharegpt, "conversations", "conversations")


def _bare(text: str) -> str:
    """Return a text without what no preference is about: its spaces, and the width of its characters."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _pair(
    messages: list[Message], fields: Row, form: Callable[[list[Message], Row], Written], turns: str, before: str
) -> Written:
    rejected = fields.get("rejected")
    if not isinstance(rejected, str) or not rejected.strip():
        return Written({}, refused="a conversation without a rejected answer")
    if _bare(rejected) == _bare(messages[-1][1]):
        return Written({}, refused="a rejected answer that is the chosen one")
    written = form(messages, fields)
    *asked, chosen = written.row.pop(turns)
    other = form([("assistant", rejected)], {}).row[turns][0]
    # TRL wants lists of turns, LLaMA-Factory one turn each.
    sides = (chosen, other) if before == turns else ([chosen], [other])
    row = {before: asked, "chosen": sides[0], "rejected": sides[1]}
    return Written(row | written.row, [name for name in written.lost if name != "rejected"])


def _as_pairs(messages: list[Message]) -> tuple[str, list[tuple[str, str]] | None]:
    """Return the system text and the question-answer pairs; None for the pairs if the turns are not such."""
    system = messages[0][1] if messages and messages[0][0] == "system" else ""
    turns = messages[1:] if messages and messages[0][0] == "system" else messages
    if not turns or [role for role, _ in turns] != ["user", "assistant"] * (len(turns) // 2):
        return system, None
    return system, [(turns[i][1], turns[i + 1][1]) for i in range(0, len(turns), 2)]


def _apart(question: str, fields: Row) -> tuple[str, str]:
    """Take a question apart again that was joined from instruction and input, unless it was rewritten since."""
    context = fields.get("input", fields.get("context"))
    if isinstance(context, str) and context:
        if question == context:
            return "", context
        if question.endswith("\n" + context):
            return question.removesuffix("\n" + context), context
    return question, ""


FORMATS: dict[str, Callable[[list[Message], Row], Written]] = {
    "openai": _openai,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "cqia": _cqia,
    "xtuner": _xtuner,
    "llamafactory": _sharegpt,
    "hf": _openai,
    "preference": _trl,
    "llamafactory-preference": _ranked,
}
