"""Checks that a record carries: what makes an answer to it right, told by rule and without a judge.

A row says it in its column `check`, as an object or as JSON text: `{"numeric": 42}`, `{"regex": "(?i)paris"}`,
`{"one_of": {"answers": ["是"], "wrong": ["不是"]}}`. Of several checks all must hold.
"""

import importlib
import re
import unicodedata
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Literal

import orjson
import polars as pl
from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from weitiao.errors import UserError
from weitiao.recipe import WANTED, Settings, fields_at
from weitiao.talk import t

RIGHT, WRONG = "right", "wrong"

# A new kind of check is a class and a line here; where it stands is looked up when a record asks for it.
KINDS: dict[str, str] = {
    "exact": "weitiao.checks:Exact",
    "one_of": "weitiao.checks:OneOf",
    "regex": "weitiao.checks:Regex",
    "numeric": "weitiao.checks:Numeric",
    "json": "weitiao.checks:Json",
    "trap": "weitiao.traps:Trap",
}

_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[-+]?\d{1,3})?")
_FENCED = re.compile(r"```[^\n`]*\n([^`]*)```")
_EDGES = " \t\n\"'`*.,;:!?()[]{}<>。，、；：！？“”‘’「」『』《》（）【】…"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


class BadCheck(Exception):
    """A check that cannot be read: where in the row, what is wrong, what to do; texts in English with `{fields}`."""

    def __init__(self, field: str, message: str, mend: str, **values: str) -> None:
        super().__init__(f"{field}: {message.format(**values)}")
        self.field, self.message, self.mend, self.values = field, message, mend, values

    def at(self, place: str) -> UserError:
        """Return it as the user's mistake at `file:line`."""
        mend = t(self.mend, **self.values) if self.mend else ""
        return UserError(f"{place}:{self.field}: {t(self.message, **self.values)}", mend)


class Check(Settings):
    """One kind of check; its fields are what the record says, `short` the one meant by a value that is no object."""

    short: ClassVar[str | None] = None

    @abstractmethod
    def judge(self, answer: str) -> str:
        """Return `right`, or another word for what the answer is: `wrong`, `refused` …"""


class Exact(Check):
    """The answer is this text, but for case, width, and the space and punctuation around it."""

    short: ClassVar[str | None] = "answer"
    answer: str = Field(min_length=1)

    def judge(self, answer: str) -> str:
        """Compare what is left of both."""
        return _word(_plain(answer) == _plain(self.answer))


class OneOf(Check):
    """The answer names one of these, as whole words, and none of the `wrong` ones."""

    short: ClassVar[str | None] = "answers"
    answers: list[str] = Field(min_length=1)
    wrong: list[str] = Field(default_factory=list)

    @field_validator("answers", "wrong")
    @classmethod
    def _say_something(cls, names: list[str]) -> list[str]:
        if not all(_plain(name) for name in names):
            raise ValueError("an empty text is named by every answer")
        return names

    def judge(self, answer: str) -> str:
        """Look for each."""
        said = _plain(answer)
        named = any(_names(said, _plain(name)) for name in self.answers)
        return _word(named and not any(_names(said, _plain(name)) for name in self.wrong))


class Regex(Check):
    """The pattern is found in the answer. The engine is Rust's: it takes linear time on any pattern and any answer."""

    short: ClassVar[str | None] = "pattern"
    pattern: str = Field(min_length=1, max_length=2000)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        _found(pattern, "")
        return pattern

    def judge(self, answer: str) -> str:
        """Search the answer without the space around it."""
        return _word(_found(self.pattern, answer.strip()))


class Numeric(Check):
    """The last number of the answer, or the first, is this one but for a tolerance."""

    short: ClassVar[str | None] = "value"
    value: float = Field(allow_inf_nan=False)
    tolerance: float = Field(1e-9, ge=0)
    relative: float = Field(0.0, ge=0)
    which: Literal["last", "first"] = "last"

    def judge(self, answer: str) -> str:
        """Compare the number found."""
        text = unicodedata.normalize("NFKC", answer).replace("\u2212", "-").casefold()
        found = _NUMBER.findall(text)
        if not found:
            return WRONG
        number = float(found[-1 if self.which == "last" else 0].replace(",", ""))
        return _word(abs(number - self.value) <= max(self.tolerance, self.relative * abs(self.value)))


class Shape(Settings):
    """What a JSON value must look like; the words are JSON Schema's."""

    type: Literal["object", "array", "string", "number", "integer", "boolean", "null"] | None = None
    required: list[str] = Field(default_factory=list)
    properties: dict[str, "Shape"] = Field(default_factory=dict)
    items: "Shape | None" = None
    enum: list[Any] | None = None

    def fits(self, value: Any) -> bool:
        """Tell whether a value has this shape."""
        if self.type and (
            not isinstance(value, _TYPES[self.type]) or (isinstance(value, bool) != (self.type == "boolean"))
        ):
            return False
        if self.enum is not None and not any(value == item and type(value) is type(item) for item in self.enum):
            return False
        if isinstance(value, dict):
            inside = all(shape.fits(value[name]) for name, shape in self.properties.items() if name in value)
            return inside and all(name in value for name in self.required)
        if isinstance(value, list) and self.items is not None:
            return all(self.items.fits(item) for item in value)
        return not self.required


class Json(Shape, Check):
    """The answer, or the one fenced block in it, is JSON of this shape."""

    def judge(self, answer: str) -> str:
        """Parse and look."""
        blocks = _FENCED.findall(answer)
        try:
            value = orjson.loads(blocks[0] if len(blocks) == 1 else answer)
        except orjson.JSONDecodeError:
            return WRONG
        return _word(self.fits(value))


def judge(checks: tuple[Check, ...], answer: str) -> str:
    """Return `right` if all checks hold, else what the first one that does not says."""
    return next((word for word in (check.judge(answer) for check in checks) if word != RIGHT), RIGHT)


def written(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the check that a record's facts hold, or None; a column `check` that holds no object is not ours."""
    value = _column(facts)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadCheck("check", "it is not JSON", "Write it like {example}", example='{"exact": "42"}') from None
    return value if isinstance(value, dict) else None


def unread(facts: Mapping[str, Any]) -> bool:
    """Tell whether a column `check` says something that is no check."""
    value = _column(facts)
    return value not in (None, "") and written(facts) is None


def carried(facts: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return the checks that a record's facts hold; raises BadCheck."""
    found = written(facts)
    return tuple(_parsed(found)) if found is not None else ()


def _column(facts: Mapping[str, Any]) -> Any:
    source = facts.get("source")
    return facts.get("check", source.get("check") if isinstance(source, dict) else None)


def _parsed(value: Mapping[str, Any]) -> Iterator[Check]:
    known = ", ".join(KINDS)
    if not value:
        raise BadCheck("check", "it says nothing", "Possible here: {names}", names=known)
    for name, settings in value.items():
        if name not in KINDS:
            raise BadCheck(f"check.{name}", "no such check", "Possible here: {names}", names=known)
        kind = _kind(KINDS[name])
        short = kind.short and not isinstance(settings, dict)
        try:
            yield kind.model_validate_json(orjson.dumps({kind.short: settings} if short else settings))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            written = first["loc"][1:] if short else first["loc"]
            raise _bad(".".join(["check", name, *map(str, written)]), kind, first) from None


def _bad(place: str, kind: type[Check], error: ErrorDetails) -> BadCheck:
    """Return one of pydantic's errors in our words."""
    context = {name: str(value) for name, value in error.get("ctx", {}).items()}
    if error["type"] == "extra_forbidden":
        names = ", ".join(fields_at(kind, error["loc"][:-1]))
        return BadCheck(place, "no such key", "Possible here: {names}", names=names)
    if error["type"] in WANTED:
        return BadCheck(place, WANTED[error["type"]], "", **context)
    return BadCheck(place, "{problem}", "", problem=context.get("error", error["msg"]))


@cache
def _kind(place: str) -> type[Check]:
    module, _, name = place.partition(":")
    kind: type[Check] = importlib.import_module(module).__dict__[name]
    return kind


def _found(pattern: str, text: str) -> bool:
    try:
        return bool(pl.Series([text]).str.contains(pattern).item())
    except pl.exceptions.ComputeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip().startswith("error:")]
        problem = lines[0].removeprefix("error:").strip() if lines else "too large, or not a pattern"
        raise ValueError(f"{problem} (Rust's regex syntax: no look-around, no back-references)") from None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)


def _names(said: str, name: str) -> bool:
    """Tell whether a name stands in a text, where it is of Latin letters or figures as a whole word."""
    start = said.find(name)
    while start >= 0:
        before, after = said[start - 1 : start] if start else "", said[start + len(name) : start + len(name) + 1]
        if not (_joins(before, name[0]) or _joins(name[-1], after)):
            return True
        start = said.find(name, start + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Tell whether two characters that stand together belong to one word or number."""
    return (left + right).isascii() and left.isalnum() and right.isalnum()


def _word(holds: bool) -> str:
    return RIGHT if holds else WRONG
