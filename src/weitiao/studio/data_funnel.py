"""The funnel of the Data page: what came to each step and what went, each number a way to those records."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from weitiao.browse import Label
from weitiao.studio.parts import words
from weitiao.talk import t

Link = Callable[[str, tuple[str, ...]], ui.link]


def draw_funnel(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, Label], link: Link, *, wide: bool) -> None:
    """Draw a line for each stage of records, and for each step that did something; folded unless `wide`.

    `link` draws the way to the records with one of some labels.
    """
    rows = [row for row in rows if row["step"] == row["stage"] or row["changed"] or row["dropped"]]
    rows = [row for row in rows if row["stage"] != "merge"]  # that counts models
    most = max((row["in"] for row in rows), default=0)
    if not most:
        return
    with ui.element("details").props("open" if wide else ""):
        words("summary", t("Funnel"))
        with ui.element("div").classes("scroll").props("tabindex=0"), ui.element("table"):
            with ui.element("thead"), ui.element("tr"):
                for name in (t("stage"), t("step"), t("in"), t("changed"), t("out"), "", t("gone")):
                    words("th", name)
            with ui.element("tbody"):
                before = ""
                for row in rows:
                    with ui.element("tr"):
                        _row(row, "" if row["stage"] == before else t(row["stage"]), most, labels, link)
                    before = row["stage"]


def _row(row: Mapping[str, Any], stage: str, most: int, labels: Mapping[str, Label], link: Link) -> None:
    words("th", stage).props("scope=row")
    words("td", row["step"] if row["step"] != row["stage"] else "")
    words("td", f"{row['in']:,}", "number")
    _way(f"{row['changed']:,}" if row["changed"] else "", (f"did:{row['stage']}/{row['step']}/changed",), labels, link)
    _way(f"{row['out']:,}", (f"stage:{row['stage']}",), labels, link)
    with ui.element("td").classes("share").props("aria-hidden=true"):
        ui.element("div").style(f"width: {100 * row['out'] / most:.2f}%")
    with ui.element("td"):
        for reason, count in row["dropped"].items():
            names = tuple(
                label.name
                for label in labels.values()
                if label.kind == "fate"
                and label.value.startswith(f"{row['stage']}/")
                and label.value.endswith(f"/{reason}")
            )
            _loss(f"{t(reason)} {count:,}", names, link)


def _way(text: str, names: tuple[str, ...], labels: Mapping[str, Label], link: Link) -> None:
    with ui.element("td").classes("number"):
        if text and names[0] in labels:
            link(text, names)
        else:
            words("span", text)


def _loss(text: str, names: tuple[str, ...], link: Link) -> None:
    if names:
        link(text, names).classes("chip went")
    else:
        words("span", text, "chip", "went")
