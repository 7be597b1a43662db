"""What stands beside a record that is reviewed: its life until here, and records like it."""

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from nicegui import ui

from weitiao.browse import Event, Found, Piece, Told
from weitiao.doubt import language
from weitiao.pipeline import STAGES
from weitiao.review.decision import Item
from weitiao.studio import data, data_life
from weitiao.studio.parts import words
from weitiao.talk import t

_BEFORE = {stage.name for stage in STAGES[: [stage.name for stage in STAGES].index("review")]}
_MOST = 5  # records like it
# How like they are at least: Chinese texts on different things have few pairs of characters in common, English many.
_LEAST = {"zh": 0.12, "en": 0.3}


@dataclass(frozen=True)
class Beside:
    """A life, and the records like it, each with how like it is; None while the run is being read."""

    told: Told
    near: list[tuple[Found, float]] | None


def find(run: Path, item: Item) -> Beside:
    """Look both up.

    A planted answer shows the life of the record that it was made of. So of no record is shown what was changed in its
    answer, nor what reviewers said: the one would give planted ones away, the other what a second person is not to see.
    """
    browser = data.browser(run)
    told = browser.life(item.source)
    roles = [message["role"] for message in told.life.messages]
    events: list[Event] = []
    changes: dict[int, list[Piece]] = {}
    for place, event in enumerate(told.life.events):
        if event.stage not in _BEFORE:
            continue
        if event.turn is not None and roles[event.turn : event.turn + 1] in (["assistant"], []):
            event = replace(event, before=None, after=None)
        elif place in told.changes:
            changes[len(events)] = told.changes[place]
        events.append(event)
    catalogue, near = browser.catalogue(), None
    if catalogue and catalogue.indexed[0]:
        text = "\n".join(content for _, content in item.messages)
        found = catalogue.near(text, _MOST + 1)
        near = [(one, like) for one, like in found if one.id != item.source and like >= _LEAST[language(text)]]
    return Beside(replace(told, life=replace(told.life, messages=[], events=events), changes=changes), near)


def draw(found: Beside) -> None:
    """Draw them."""
    with ui.element("section"):
        words("h2", t("Others like it"))
        if found.near is None:
            words("p", t("They are found when the run has been read."), "note")
        elif not found.near:
            words("p", t("No other record is like it."), "note")
        else:
            with ui.element("ul").classes("relatives"):
                for one, like in found.near[:_MOST]:
                    with ui.element("li"):
                        _link(one.text, one.id)
                        words("span", f" {like:.0%}", "note")
    with ui.element("section"):
        if found.told.life.events:
            data_life.draw_events(found.told, _link)
        else:  # sent from the chat
            words("h2", t("Its life"))
            words("p", t("It begins with the next run."), "note")


def _link(text: str, key: str) -> ui.link:
    return ui.link(text, f"{data.PAGE.path}?{urlencode({'id': key})}", new_tab=True)
