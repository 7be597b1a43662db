"""Sends a conversation of the chat to review, as a new record: a line of a file that the recipe reads as any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS
from weitiao.recipe import Recipe, load
from weitiao.record import Record, record_id
from weitiao.review import Review
from weitiao.review.draw import CHAT, sent_row
from weitiao.source import Source, hub
from weitiao.source.files import find
from weitiao.store import add_line
from weitiao.studio import yaml_text
from weitiao.studio.conversation import Manner, Turns
from weitiao.studio.draft import Draft
from weitiao.studio.page import Studio
from weitiao.talk import t

FILE = "chats.jsonl"  # beside the recipe
# Nobody knows it of what a model has said; a licence that `source` names for the rest is not said of it.
_LICENCE = "unknown"


@dataclass(frozen=True)
class Sent:
    """What came of it: whether it was sent before, whether it stands in the queue, and what the recipe lacks."""

    before: dict[str, Any] | None  # who had sent it, and when
    queued: bool
    lacks: tuple[str, ...]  # of `source`, `review`


def send(studio: Studio, messages: Turns, who: str, model: str, manner: Manner) -> Sent:
    """Keep a conversation as a record to be reviewed, and put it before the queue, where one was drawn.

    The same conversation is kept once: its id is that of what was said. Raises UserError while the run reads its files.
    """
    if studio.runner.state().stage == "source":
        raise UserError(t("The run is reading its files just now"), t("Send it again in a moment"))
    how = {name: value for name, value in vars(manner).items() if name != "system"}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {CHAT: {"who": who, "when": when, "run": studio.run.name, "model": model, "sampling": how}}
    key = record_id(FILE, 0, orjson.dumps(messages))
    record = Record(key, tuple(messages), FILE, 0, _LICENCE, facts=facts)
    recipe = load(studio.file, SETTINGS)
    before = _keep(recipe.folder / FILE, record)
    lacks = tuple(name for name, there in (("source", _reads(recipe)), ("review", _reviews(recipe))) if not there)
    queued = not lacks and _queue(studio, record, recipe)
    return Sent(before, queued, lacks)


def _keep(file: Path, record: Record) -> dict[str, Any] | None:
    """Add the record's line, and return None; where it is there already, return who sent it."""
    before: list[dict[str, Any]] = []

    def line(lines: Sequence[bytes]) -> dict[str, Any] | None:
        same = (orjson.loads(one) for one in lines if one.startswith(b'{"id":"%s"' % record.id.encode()))
        before.extend(one["facts"][CHAT] for one in same)
        return None if before else {**record.row_dict(), "origin": {"licence": record.licence}}

    add_line(file, line)
    return before[0] if before else None


def _queue(studio: Studio, record: Record, recipe: Recipe) -> bool:
    desk = studio.reviewers.desk() if studio.reviewers else None
    return bool(desk and desk.add(sent_row(record, recipe.section("review", Review), recipe.project.seed)))


def _reads(recipe: Recipe) -> bool:
    """Tell whether the recipe names the file, by itself, its folder or a pattern."""
    inputs = recipe.section("source", Source).inputs if "source" in recipe.sections else []
    file = (recipe.folder / FILE).resolve()
    for text in inputs:
        try:
            found = [] if hub.is_name(text) else find([text], recipe.folder).files
        except UserError:  # the next run says it
            continue
        if any(item.path.resolve() == file for item in found):
            return True
    return False


def _reviews(recipe: Recipe) -> bool:
    return "review" in recipe.sections


def mended(text: str, lacks: Sequence[str]) -> str:
    """Return a recipe's text with what it lacks for such records to come to people."""
    if "source" in lacks and ("source", "inputs") in yaml_text.values(text):
        text = yaml_text.add(text, ("source", "inputs"), FILE)
    elif "source" in lacks:
        text = yaml_text.add_section(text, "source", [*SETTINGS])
        text = yaml_text.put(text, ("source", "inputs"), f"[{FILE}]")
    return yaml_text.add_section(text, "review", [*SETTINGS]) if "review" in lacks else text


def mend(studio: Studio, lacks: Sequence[str]) -> None:
    """Add to the recipe what it lacks; raises UserError where that cannot be."""
    draft = Draft(studio.file, near=studio.needs_token)
    draft.text = mended(draft.text, lacks)
    draft.save()
