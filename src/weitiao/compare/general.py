"""General questions that have nothing to do with the training: what the model after no longer knows, it forgot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from weitiao import checks
from weitiao.compare import Compare
from weitiao.compare.ask import Question
from weitiao.record import Record, record_id, to_records
from weitiao.store import Stored

SHIPPED = Path(__file__).parent / "general.jsonl"
# The answers are short; what goes on longer is no better for it, and this bounds what the questions cost.
MOST_TOKENS = 64
# With a smaller share right before, hardly any right answer could be lost, and the likelihood has to tell.
_LEAST_RIGHT = 0.1


def questions(settings: Compare, own: Stored | None) -> list[Question]:
    """Return the general questions: those that ship, the user's `own`, or none."""
    if settings.general is False:
        return []
    records = shipped() if own is None else to_records(own.records())
    return [Question(record, checks.carried(record.facts)) for record in records]


def shipped() -> list[Record]:
    """Return the records of the file that ships."""
    made = []
    for number, line in enumerate(SHIPPED.read_bytes().splitlines(), start=1):
        row = orjson.loads(line)
        messages = (("user", row["question"]), ("assistant", row["answer"]))
        key = record_id(SHIPPED.name, number, line)
        made.append(Record(key, messages, SHIPPED.name, number, facts={"source": row}))
    return made


def told_by(measures: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the measure that tells whether something was forgotten: `right`, or the likelihood."""
    right = next((item for item in measures if item["name"] == "right"), None)
    return "right" if right is not None and right["before"] >= _LEAST_RIGHT else "likelihood"
