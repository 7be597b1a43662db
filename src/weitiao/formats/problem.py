"""What is wrong with a row or a file, in words that can be said in either language."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from weitiao.talk import t

EMPTY = "empty"
SKIPPED, REJECTED, UNANNOTATED = "skipped by annotators", "rejected by annotators", "not annotated"
# The reasons that need no `skip_bad`: a row that says nothing is no loss, and people's decisions are no fault.
NO_FAULT = frozenset({EMPTY, SKIPPED, REJECTED, UNANNOTATED})


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    `reason` is the ledger's short word for it. `message` and `mend` are English texts, their `{fields}` in `values`;
    `field` is where in the row: `messages[2].content`.
    """

    reason: str
    message: str
    mend: str = ""
    field: str = ""
    values: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    ends: bool = False  # nothing after it in the file can be read

    def said(self) -> str:
        """Return the message in the language in force."""
        return t(self.message, **self._values()) + (t("; nothing after it can be read") if self.ends else "")

    def mended(self) -> str:
        """Return what to do in the language in force."""
        return t(self.mend, **self._values()) if self.mend else ""

    def english(self) -> str:
        """Return the message as the ledger keeps it."""
        message = self.message.format(**self.values) if self.values else self.message
        return message + ("; nothing after it can be read" if self.ends else "")

    def _values(self) -> dict[str, str | int]:
        # Some values are words of ours (`a list`); what a file holds has no translation and stays.
        return {name: t(value) if isinstance(value, str) else value for name, value in self.values.items()}


class BadRow(Exception):
    """A row that cannot become a record. The reader catches it and goes on; users see its problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.english())
        self.problem = problem


def wrong_type(value: object, place: str, wanted: str) -> BadRow:
    """Return the error of a value that is not what is `wanted`: `a list`, `an object`, `a text`."""
    values = {"is": _KINDS.get(type(value).__name__, type(value).__name__), "wanted": wanted}
    return BadRow(Problem("wrong type", "it is {is}, not {wanted}", "Make it {wanted}", place, values))


def absent(row: Mapping[str, object], name: str) -> BadRow:
    """Return the error of a row that lacks a field."""
    values = {"name": name, "columns": ", ".join(map(str, row)) or "-"}
    return BadRow(
        Problem(
            "field missing",
            "the field `{name}` is missing; it has: {columns}",
            "Set `shape:` or `text:` to what the rows hold",
            name,
            values,
        )
    )


_KINDS = {
    "dict": "an object",
    "list": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "NoneType": "null",
}
