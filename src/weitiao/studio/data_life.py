"""The life of one record beside the list: what it says, what was changed in it and why, and who belongs to it."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from nicegui import ui

from weitiao.browse import Event, Fate, Found, Life, Piece, Told
from weitiao.studio.parts import icon_button, plain, words
from weitiao.talk import t

Link = Callable[[str, str], ui.link]

ENDS: dict[str, Callable[[], str]] = {"on": lambda: t("went through"), "waiting": lambda: t("waits for the next stage")}
_TWINS = ("of", "twin")
_SAME = 60  # characters of what stayed the same that are shown on either side of a change
_BLANKS = str.maketrans({" ": "␣", "\u3000": "␣", "\t": "⇥", "\n": "⏎\n"})
_TAGS = {"same": "span", "gone": "del", "new": "ins"}


def fate(one: Fate) -> str:
    """Say how it ended for a record."""
    return f"{t(one.stage)}: {t(one.reason)}" if one.stage else ENDS[one.action]()


def marked(text: str, marks: Sequence[tuple[int, int]]) -> None:
    """Draw a text with what was searched marked in it."""
    at = 0
    for start, end in marks:
        if start >= at:
            if start > at:
                words("span", text[at:start])
            words("mark", text[start:end])
            at = end
    words("span", text[at:])


def draw(told: Told, *, close: Callable[[], Any], link: Link) -> None:
    """Draw a life; `link` draws the way to another record."""
    life = told.life
    with ui.element("div").classes("bar"):
        words("h2", t("The record"))
        icon_button("close", t("Close (Esc)"), close)
    words("code", life.id, "id")
    _origin(life)
    for message in life.messages:
        with ui.element("article").classes("message"):
            words("h3", t(message["role"]))
            words("p", message["content"], "said")
    if not life.events:
        words("p", t("Nothing in the run has this id."), "note")
        return
    draw_events(told, link)
    for title, some in (
        (t("Made of"), told.parents),
        (t("Made of it"), told.children),
        (t("Its family"), told.members),
    ):
        _relatives(title, some, link)


def draw_events(told: Told, link: Link) -> None:
    """Draw what happened to a record."""
    life = told.life
    words("h3", t("Its life"))
    with ui.element("ol").classes("life"):
        for place, event in enumerate(life.events):
            with ui.element("li"):
                _event(event, told.changes.get(place), life, link)


def _origin(life: Life) -> None:
    if life.origin:
        where = f"{life.origin['uri']}:{life.origin['row']}"
        words("p", where + (f" · {life.origin['licence']}" if life.origin["licence"] else ""), "note")


def _relatives(title: str, some: Sequence[Found], link: Link) -> None:
    if some:
        words("h3", title)
        with ui.element("ul").classes("relatives"):
            for one in some:
                with ui.element("li"):
                    link(one.text, one.id)


def _event(event: Event, changes: Sequence[Piece] | None, life: Life, link: Link) -> None:
    with ui.element("p"):
        words("strong", t(event.stage))
        words("span", _head(event, life))
        if event.step != event.stage:
            words("code", event.step)
    if changes is not None:
        with words("p", "", "difference"):
            for piece in changes:
                words(_TAGS[piece.kind], _shown(piece))
    elif event.before:
        words("p", event.before, "said", "before")
    if event.action == "answered":
        _answers(event.detail)
    elif event.action == "trained" and "loss" in event.detail:
        words("p", t("loss {loss_before:.3f} before, {loss:.3f} after", **event.detail), "note")
    elif isinstance(event.detail, dict) and event.action not in ("trained", "assigned"):
        with ui.element("dl").classes("detail"):
            for name, value in event.detail.items():
                words("dt", name)
                with ui.element("dd"):
                    if name in _TWINS and isinstance(value, str):
                        link(value, value)
                    else:
                        words("span", value if isinstance(value, str) else orjson.dumps(value).decode())


def _head(event: Event, life: Life) -> str:
    if event.action == "kept":
        return t("read") if event.stage.endswith("source") else t("nothing changed")
    if event.action == "waiting":
        return t(event.reason or "")
    if event.action == "trained":
        return t("trained on: {tokens} tokens, {supervised} of them with loss", **event.detail)
    if event.stage == "split" and life.part:
        return plain(t("in the part `{part}`", part=life.part))
    where = "" if event.turn is None else t(", turn {turn}", turn=event.turn + 1)
    reason = t(event.reason) if event.reason else ""
    return t(event.action) + (f": {reason}" if reason and reason != t(event.action) else "") + where


def _answers(detail: dict[str, Any]) -> None:
    for side, label in (("before", t("before")), ("after", t("after"))):
        words("p", f"{label}: {detail[side]['text']}", "said")


def _shown(piece: Piece) -> str:
    """Shorten what stayed the same; make visible what is nothing but blanks."""
    if piece.kind != "same":
        return piece.text if piece.text.strip() else piece.text.translate(_BLANKS)
    long = len(piece.text) > 2 * _SAME + 1
    return f"{piece.text[:_SAME]}…{piece.text[-_SAME:]}" if long else piece.text
