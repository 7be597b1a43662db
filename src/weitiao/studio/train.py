"""The Train page: how trainings go, as they go, several together."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from nicegui import ui

from weitiao.studio.charts import COLOURS, Chart, Line
from weitiao.studio.curves import Curves, trained
from weitiao.studio.nothing_yet import nothing_yet
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import named, words
from weitiao.studio.run_panel import time_left
from weitiao.talk import t

# Seconds between two looks at the journals.
_LOOK = 1.5
# As many rows as a table of a curve has, and as many answers to a probe that stand open.
_ROWS, _OPEN = 12, 4


class TrainPage:
    """The page of one visitor."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._known: list[str] = []
        self._curves: dict[str, Curves] = {}
        self._answers: list[tuple[str, int]] = []

    def draw(self) -> None:
        """Draw the page."""
        self._place = ui.element("div").classes("trainings")
        self._draw()
        ui.timer(_LOOK, self._look)

    def _draw(self) -> None:
        """Draw all, or that there is nothing yet."""
        self._known = [folder.name for folder in trained(self._studio.run.parent)]
        own = self._studio.run.name
        with self._place:
            if not self._known:
                hint = t("The curves stand here as soon as the stage `train` of a run takes its first step.")
                nothing_yet(self._studio, "train", t("Nothing is trained yet"), hint, "show_chart")
                return
            first = own if own in self._known else self._known[-1]
            self._choice = ui.select(
                self._known, value=[first], multiple=True, label=t("Runs"), on_change=self._chosen
            ).props("outlined dense use-chips options-dense")
            self._choice.classes("runs")
            self._runs = ui.element("div").classes("wide-table").props("tabindex=0 role=region")
            named(self._runs, t("Runs"))
            with ui.element("div").classes("charts"):
                self._loss = Chart(t("Loss: trained, and dashed held out"), large=True)
                self._others = {
                    "lr": Chart(t("Learning rate")),
                    "tokens_per_second": Chart(t("Throughput"), unit=t("tokens a second")),
                    "memory_gb": Chart(t("Memory"), unit="GB"),
                }
            self._probes = ui.element("section").classes("probes")
            self._table = _folded(t("The curves as a table"))
            self._plan = _folded(t("What was known at the start"))
        self._take([first])

    def _chosen(self) -> None:
        if len(self._choice.value) > COLOURS:
            ui.notify(t("{count} runs together are the most", count=COLOURS), type="warning")
            self._choice.value = self._choice.value[:COLOURS]
            return
        self._take(self._choice.value)

    def _take(self, names: Sequence[str]) -> None:
        """Show these runs; what was read of them stays read."""
        runs = self._studio.run.parent
        self._curves = {name: self._curves.get(name, Curves(runs / name)) for name in names}
        for curves in self._curves.values():
            curves.look()
        self._show()

    def _look(self) -> None:
        known = [folder.name for folder in trained(self._studio.run.parent)]
        if not known:
            return
        if not self._known:
            self._place.clear()
            self._draw()
            return
        if known != self._known:
            self._known = known
            self._choice.set_options(known, value=[name for name in self._choice.value if name in known])
        if sum(curves.look() for curves in self._curves.values()):  # each is looked at
            self._show()

    def _show(self) -> None:
        chosen = [*self._curves.values()]
        self._loss.show([line for place, one in enumerate(chosen) for line in _losses(place, one)])
        for name, chart in self._others.items():
            chart.show([Line(one.name, place, one.of(name)) for place, one in enumerate(chosen)])
        drawn = [(self._runs, _draw_runs), (self._table, _draw_table), (self._plan, _draw_plan)]
        answers = [(one.name, len(one.probes)) for one in chosen]
        if answers != self._answers:  # what somebody has opened there stays open as long as nothing is new
            self._answers = answers
            drawn.append((self._probes, _draw_probes))
        for place, draw in drawn:
            place.clear()
            with place:
                draw(chosen)


def _losses(place: int, one: Curves) -> list[Line]:
    return [
        Line(one.name, place, one.of("loss")),
        Line(t("{name}, held out", name=one.name), place, one.held_out, True),
    ]


def _folded(title: str) -> ui.element:
    """Draw a title that opens what is drawn into the element returned."""
    with ui.element("details").classes("folded"):
        words("summary", title)
        place = named(ui.element("div").classes("wide-table").props("tabindex=0 role=region"), title)
    return place


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]], *, marks: bool = False) -> None:
    """Draw a table; with `marks`, each row begins with the colour of its run."""
    with ui.element("table").classes("figures"):
        with ui.element("thead"), ui.element("tr"):
            for text in head:
                words("th", text).props("scope=col")
        with ui.element("tbody"):
            for place, row in enumerate(rows):
                with ui.element("tr"):
                    with ui.element("th").props("scope=row"):
                        if marks:
                            ui.element("span").classes(f"mark mark-{place + 1}")
                        words("span", row[0])
                    for text in row[1:]:
                        words("td", text)


def _draw_runs(chosen: Sequence[Curves]) -> None:
    head = (t("Run"), t("State"), t("Step"), t("Loss"), t("Held-out loss"), t("Lowest held-out loss"), t("Tokens"))
    _grid(head, [_row(one) for one in chosen], marks=True)


def _row(one: Curves) -> list[str]:
    last = one.train[-1] if one.train else {}
    steps = f"{one.step:,} / {one.plan['steps']:,}" if one.plan else f"{one.step:,}"
    best = t("{loss:.4f} at step {step}", loss=one.best[1], step=one.best[0]) if one.best else "–"
    return [
        one.name,
        _state(one),
        steps,
        f"{last['loss']:.4f}" if last else "–",
        f"{one.held_out[-1][1]:.4f}" if one.held_out else "–",
        best,
        f"{last['tokens_seen']:,.0f}" if last else "–",
    ]


def _state(one: Curves) -> str:
    if one.whole:
        return t("finished")
    if not one.live:
        return t("broken off; goes on with the next run")
    return " · ".join((t("trains"), *((time_left(one.left),) if one.left is not None else ())))


def _draw_probes(chosen: Sequence[Curves]) -> None:
    asked = [(answer["question"], one.name, answer) for one in chosen for answer in one.probes]
    if not asked:
        return
    words("h2", t("Answers to the probes"))
    order = list(dict.fromkeys(question for question, _, _ in asked))
    for question in order:
        with ui.element("article").classes("probe"):
            words("h3", question)
            own = [item for item in asked if item[0] == question]
            for name, answers in groupby(own, key=lambda item: item[1]):
                if len(chosen) > 1:
                    words("h4", name)
                steps = [(item["step"], item["text"]) for _, _, item in answers]
                _draw_answers(steps[-_OPEN:])
                if earlier := steps[:-_OPEN]:
                    with ui.element("details").classes("folded"):
                        words("summary", t("Earlier answers ({count})", count=len(earlier)))
                        _draw_answers(earlier)


def _draw_answers(answers: Sequence[tuple[int, str]]) -> None:
    with ui.element("dl"):
        for step, text in reversed(answers):
            words("dt", t("step {step}", step=f"{step:,}"))
            words("dd", text)


def _draw_table(chosen: Sequence[Curves]) -> None:
    rows = []
    for one in chosen:
        held = dict(one.held_out)
        stride = -(-len(one.train) // _ROWS) or 1
        kept = {line["step"] for line in one.train[::-1][::stride]} | {step for step, _ in one.held_out[-_ROWS:]}
        for line in one.train:
            if line["step"] in kept:
                figures = (f"{line[key]:.4g}" for key in ("loss", "lr", "tokens_per_second", "memory_gb"))
                loss, *others = figures
                known = held.get(int(line["step"]))
                rows.append([one.name, f"{line['step']:,}", loss, f"{known:.4g}" if known else "–", *others])
    head = (
        t("Run"),
        t("Step"),
        t("Loss"),
        t("Held-out loss"),
        t("Learning rate"),
        t("Tokens a second"),
        t("Memory, GB"),
    )
    _grid(head, rows)


def _draw_plan(chosen: Sequence[Curves]) -> None:
    said = {
        t("Records trained on"): "{rows:,}",
        t("Records held out"): "{held_out:,}",
        t("Tokens"): "{tokens:,}",
        t("Tokens that carry loss"): "{supervised:,}",
        t("Records that train every stop token"): "{stops_trained:,}",
        t("Steps"): "{steps:,}",
        t("Packs, and how full"): "{packs:,}, {fill:.0%}",
        t("Parameters trained"): "{trained:,}",
        t("Parameters of the model"): "{parameters:,}",
        t("Method"): "{method}",
        t("Device and number format"): "{device}, {dtype}",
        t("Memory, estimated"): "{memory_gb:.2f} GB",
        t("Time, estimated"): "{seconds:,.0f} s",
        t("Template"): "{template}",
    }
    planned = [one for one in chosen if one.plan]
    rows = [[what, *(_filled(form, one.plan) for one in planned)] for what, form in said.items()]
    _grid(("", *(one.name for one in planned)), rows)


def _filled(form: str, plan: Mapping[str, Any]) -> str:
    """Return a figure of the plan; another version may not have noted it."""
    try:
        return form.format_map(plan)
    except KeyError:
        return "–"


def _draw(studio: Studio) -> None:
    TrainPage(studio).draw()


PAGE = Page("/train", "Train", "show_chart", _draw, wide=True)
