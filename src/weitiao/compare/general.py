"""General questions that have nothing to do with the training: what the model after no longer knows, it forgot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from weitiao import checks
from weitiao.compare import Compare
from weitiao.compare.ask import Question
from weitiao.errors import UserError
from weitiao.formats import BadRow, read, recognise
from weitiao.record import Record, record_id
from weitiao.talk import t

SHIPPED = Path(__file__).parent / "general.jsonl"
# The answers are short; what goes on longer is no better for it, and this bounds what the questions cost.
MOST_TOKENS = 64
# With a smaller share right before, hardly any right answer could be lost, and the likelihood has to tell.
_LEAST_RIGHT = 0.1


def questions(settings: Compare, folder: Path) -> list[Question]:
    """Return the general questions: those that ship, those of a file (a conversation a line), or none.

    Raises UserError with `file:line:field` for a row that is no question with its answer.
    """
    if settings.general is False:
        return []
    path = SHIPPED if settings.general is True else folder / Path(settings.general).expanduser()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(t("Cannot read {path}: {error}", path=path, error=error.strerror)) from None
    return [_question(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]


def told_by(measures: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the measure that tells whether something was forgotten: `right`, or the likelihood."""
    right = next((item for item in measures if item["name"] == "right"), None)
    return "right" if right is not None and right["before"] >= _LEAST_RIGHT else "likelihood"


def _question(line: bytes, path: Path, number: int) -> Question:
    place = f"{path.name}:{number}"
    try:
        row = orjson.loads(line)
        shape = recognise(row) if isinstance(row, dict) else None
        found = read(row, shape) if shape not in (None, "records", "posts") else None
        if found is None or found.messages[-1][0] != "assistant" or len(found.messages) < 2:
            raise UserError(
                t("{place}: not a question with its answer", place=place),
                t(
                    "Write a line like {example}",
                    example='{"question": "2+2?", "answer": "4", "check": {"numeric": 4}}',
                ),
            )
        facts = {"source": found.fields}
        record = Record(record_id(path.name, number, line), tuple(found.messages), path.name, number, facts=facts)
        return Question(record, checks.carried(facts))
    except orjson.JSONDecodeError as error:
        raise UserError(t("{place}: not JSON: {error}", place=place, error=error)) from None
    except BadRow as bad:
        raise UserError(f"{place}:{bad.problem.field}: {bad.problem.said()}", bad.problem.mended()) from None
    except checks.BadCheck as bad:
        raise bad.at(place) from None
