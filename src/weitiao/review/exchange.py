"""Records out to other annotation tools, and what people decided there back in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from weitiao.doubt import MARKS
from weitiao.errors import UserError
from weitiao.formats import BadRow, recognise_task
from weitiao.formats.annotated import Judgement, Task
from weitiao.formats.problem import UNANNOTATED, wrong_type
from weitiao.formats.tools import task_of
from weitiao.recipe import problem
from weitiao.review.decision import Decision, Item
from weitiao.review.desk import KNOWN, Desk
from weitiao.store import write_whole
from weitiao.talk import problem_of, t

Format = Literal["jsonl", "labelstudio", "doccano", "argilla"]
Row = dict[str, Any]

_WORDS = {"接受": "accept", "修改": "edit", "拒绝": "reject", "跳过": "skip"}
_VERDICTS = ("accept", "edit", "reject", "skip")
_SHOWN = 20  # rows that are wrong, named in one message


def write(desk: Desk, path: Path, kind: Format) -> int:
    """Write the queue to a file and return its rows: all with what was said so far, for a tool only what is open.

    Label Studio gets a JSON array, the others JSON lines.
    """
    names = {one.id: one.name for one in desk.people()}
    rows = [_WRITTEN[kind](item, names) for item, done in desk.queue() if kind == "jsonl" or not done]
    if kind == "labelstudio":
        write_whole(path, orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    else:
        write_whole(path, b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return len(rows)


def read(desk: Desk, path: Path, by: str = "") -> tuple[int, int, list[str]]:
    """Note the decisions of a file; return how many are new, how many were there, and what is wrong with other rows.

    `by` is who decided where the tool does not say; raises UserError where nobody does. Read again, a file changes
    nothing.
    """
    known = {item.key: item for item, _ in desk.queue()}
    records = {item.record: item for item in known.values()}
    told: list[tuple[str, str, Decision]] = []
    places: list[str] = []
    wrong: list[str] = []
    for place, row in _rows(path, wrong):
        try:
            shape = "jsonl" if "decisions" in row else recognise_task(row)
            if shape is None and {"text", "label"} <= set(row):
                shape = "doccano"  # with the columns that `write` put beside the text
            if shape is None:
                raise _Wrong("", t("neither a row of `weitiao review export` nor one of an annotation tool"))
            task = None if shape == "jsonl" else task_of(row, shape)
            item = _item(_ids(row, task), known, records)
            found = list(_own(row) if task is None else _judged(task, item, by))
        except (_Wrong, BadRow) as error:
            field, said = (error.field, error.args[0]) if isinstance(error, _Wrong) else _of(error)
            wrong.append(f"{place}{':' + field if field else ''}: {said}")
            continue
        if not all(name.strip() for name, _ in found):
            raise UserError(f"{place}: {t('it does not say who decided')}", t("Say it with --by NAME"))
        told += [(name, item.key, decision) for name, decision in found]
        places += [place] * len(found)
    against = desk.accept_import(told)
    stood = [(place, reason) for place, reason in zip(places, against, strict=True) if reason not in (None, KNOWN)]
    wrong += [f"{place}: {t(str(reason))}" for place, reason in stood]
    return against.count(None), against.count(KNOWN), wrong


def complain(said: str, wrong: list[str]) -> None:
    """Raise UserError naming the rows that are wrong, if there are any, behind what is said of the others."""
    if wrong:
        more = [t("and {count} more", count=len(wrong) - _SHOWN)] if len(wrong) > _SHOWN else []
        head = t("{said}; these rows were not:", said=said)
        raise UserError("\n  ".join([head, *wrong[:_SHOWN], *more]), t("Mend them and import the file again"))


@dataclass
class _Wrong(Exception):
    """What is wrong with a row, and in which field."""

    field: str
    problem: str

    def __post_init__(self) -> None:
        super().__init__(self.problem)


def _of(error: BadRow) -> tuple[str, str]:
    return error.problem.field, error.problem.said()


def _rows(path: Path, wrong: list[str]) -> Iterator[tuple[str, Row]]:
    """Yield the objects of an array or of lines, each with `file:line`, of an array with the number of the item."""
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise UserError(t("Cannot read {path}: {error}", path=path, error=problem_of(error))) from None
    values: list[tuple[int, Any]] = []
    try:
        whole = orjson.loads(text) if text.lstrip().startswith(b"[") else None
    except orjson.JSONDecodeError as error:
        raise UserError(_broken(f"{path}:{error.lineno}", error)) from None
    if whole is not None:
        values = list(enumerate(whole, 1))
    else:
        for number, line in enumerate(text.splitlines(), 1):
            try:
                values += [(number, orjson.loads(line))] if line.strip() else []
            except orjson.JSONDecodeError as error:
                wrong.append(_broken(f"{path}:{number}", error))
    for number, value in values:
        if isinstance(value, dict):
            yield f"{path}:{number}", value
        else:
            wrong.append(f"{path}:{number}: {wrong_type(value, '', 'an object').problem.said()}")


def _broken(place: str, error: orjson.JSONDecodeError) -> str:
    return t("{place}: not JSON from character {column} on", place=place, column=error.colno)


def _ids(row: Row, task: Task | None) -> tuple[str, str]:
    """Return key and record id that a row carries, empty where it lacks one."""
    holders = [row] if task is None else [task.shown, task.rest, task.rest.get("metadata"), task.rest.get("task")]
    found = [[one[name] for one in holders if isinstance(one, dict) and one.get(name)] for name in ("item", "record")]
    return str(next(iter(found[0]), "")), str(next(iter(found[1]), ""))


def _item(ids: tuple[str, str], known: Mapping[str, Item], records: Mapping[str, Item]) -> Item:
    key, record = ids
    if not key and not record:
        raise _Wrong("record", t("it does not say which record it is of"))
    if key in known:
        return known[key]
    if record in records:
        if key:
            raise _Wrong("record", t("the text of {record} has changed since it was exported", record=record))
        return records[record]
    raise _Wrong("record", t("no record {record} in the queue", record=record or key))


def _own(row: Row) -> Iterator[tuple[str, Decision]]:
    """Yield what a row of our own says."""
    given = row["decisions"]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise _Wrong("decisions", t("it is not a list of objects"))
    for index, one in enumerate(given):
        name = one.get("by")
        if not isinstance(name, str) or not name.strip():
            raise _Wrong(f"decisions[{index}].by", t("it does not say who decided"))
        yield name, _checked({key: value for key, value in one.items() if key != "by"}, f"decisions[{index}].")


def _judged(task: Task, item: Item, by: str) -> Iterator[tuple[str, Decision]]:
    """Yield what people said in a tool; what was begun and not sent says nothing."""
    for one in task.said:
        if one.status == UNANNOTATED:
            continue
        # What a tool calls discarded, or its reviewers refused, is no word on the record.
        given: Row = {"verdict": "skip"} if one.status else _given(one, task, item)
        if isinstance(seconds := one.more.get("lead_time"), (int, float)):
            given["seconds"] = float(min(max(seconds, 0), 86_400))
        yield one.annotator or by, _checked(given, "")


def _given(one: Judgement, task: Task, item: Item) -> Row:
    given: Row = {"scores": {}, "tags": []}
    values = dict(one.values)
    labels = [label for name in ("label", "cats") for label in _list(values.pop(name, []))]
    for label in labels:
        name, _, number = str(label).replace(":", " ").rpartition(" ")
        if name in MARKS and number.isdecimal():
            given["scores"][name] = int(number)
        elif _verdict(label):
            given["verdict"] = _verdict(label)
        else:
            given["tags"].append(str(label))
    if words := [verdict for word in _list(values.get("verdict", [])) if (verdict := _verdict(word) or str(word))]:
        given["verdict"] = words[0]
    given["scores"] |= {name: _number(values[name]) for name in MARKS if values.get(name) is not None}
    given["tags"] += [str(tag) for tag in _list(values.get("tags", []))]
    comments = [*_list(values.get("comment", [])), *_list(task.rest.get("Comments", []))]
    given["comment"] = "\n".join(str(text) for text in comments)
    answer = next((str(text) for text in _list(values.get("answer", [])) if str(text).strip()), None)
    before = [{"role": role, "content": text} for role, text in item.messages]
    if answer is not None and given.get("verdict", "edit") in ("accept", "edit"):
        kept = before[:-1] if before and before[-1]["role"] == "assistant" else before
        given |= {"verdict": "edit", "messages": [*kept, {"role": "assistant", "content": answer}]}
    if "verdict" not in given:
        raise _Wrong("verdict", t("it has no verdict: one of {names}", names=", ".join(_VERDICTS)))
    return given


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _number(value: object) -> object:
    """Return a whole number that a tool wrote as text or with a point as what it is."""
    plain = str(value).removesuffix(".0")
    return int(plain) if plain.isdecimal() else value


def _verdict(word: object) -> str:
    plain = _WORDS.get(str(word).strip(), str(word).strip().casefold())
    return plain if plain in _VERDICTS else ""


def _checked(given: Row, place: str) -> Decision:
    try:
        return Decision.model_validate_json(orjson.dumps(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = place + ".".join(str(part) for part in first["loc"])
        raise _Wrong(field.rstrip("."), problem(first)) from None


def _texts(item: Item) -> tuple[str, str]:
    """Return the conversation up to the answer, and the answer."""
    ends = bool(item.messages) and item.messages[-1][0] == "assistant"
    before, answer = (item.messages[:-1], item.messages[-1][1]) if ends else (item.messages, "")
    alone = len(before) == 1
    return "\n\n".join(text if alone else f"{role}: {text}" for role, text in before), answer


def _to_jsonl(item: Item, names: Mapping[int, str]) -> Row:
    said = [
        {
            "by": names[one.person],
            "verdict": one.verdict,
            **one.said,
            **({"seconds": one.seconds} if one.seconds else {}),
        }
        for one in item.opinions
    ]
    turns = [{"role": role, "content": text} for role, text in item.messages]
    which = {"item": item.key, "record": item.record, "reasons": item.reasons}
    return {**which, "judge": item.judge, "messages": turns, "decisions": said}


def _shown(item: Item) -> Row:
    return {"item": item.key, "record": item.record, "reasons": ", ".join(t(why) for why in item.reasons)}


def _to_labelstudio(item: Item, _: Mapping[int, str]) -> Row:
    question, answer = _texts(item)
    judge = item.judge["reason"] if item.judge else ""
    return {"data": {**_shown(item), "question": question, "answer_shown": answer, "judge": judge}}


def _to_doccano(item: Item, _: Mapping[int, str]) -> Row:
    return {"text": "\n\n".join(text for text in _texts(item) if text), **_shown(item), "label": []}


def _to_argilla(item: Item, _: Mapping[int, str]) -> Row:
    question, answer = _texts(item)
    fields = {"question": question, "answer_shown": answer}
    return {"id": item.key, "fields": fields, "metadata": _shown(item), "responses": {}, "suggestions": {}}


_WRITTEN: dict[Format, Callable[[Item, Mapping[int, str]], Row]] = {
    "jsonl": _to_jsonl,
    "labelstudio": _to_labelstudio,
    "doccano": _to_doccano,
    "argilla": _to_argilla,
}
