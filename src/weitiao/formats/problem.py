"""What is wrong with a row or a file, in words that can be said in either language."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from weitiao.talk import t

EMPTY = "empty"  # the one reason that needs no `skip_bad`: a row that says nothing is no loss


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
