"""Charts of a training: lines over steps, in colours that follow the page's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from weitiao.studio.curves import Points
from weitiao.studio.parts import named, words
from weitiao.talk import t

# How many colours studio.css has: as many runs can be told apart.
COLOURS = 5
_TEXT = {"color": "var(--soft)", "fontSize": 12, "fontFamily": "sans-serif"}
_LINE = {"lineStyle": {"color": "var(--line)"}}


@dataclass(frozen=True)
class Line:
    """One line of a chart: whose, in which of the colours, and dashed with marks where it is `held_out`."""

    name: str
    colour: int
    points: Points
    held_out: bool = False


class Chart:
    """A chart on the page; who cannot see it hears its summary, and finds its figures in the table below."""

    def __init__(self, title: str, *, unit: str = "", large: bool = False) -> None:
        self._title, self._unit = title, unit
        with ui.element("figure").classes("chart large" if large else "chart"):
            words("figcaption", f"{title}, {unit}" if unit else title)
            self._chart = ui.echart(_options(), renderer="svg").props("role=img")
        named(self._chart, title)

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines."""
        self._chart.options["series"] = [_series(line) for line in lines]
        self._chart.update()
        said = [
            t("{name}: {first:.4g} at step {start}, {last:.4g} at step {end}", name=line.name,
              start=line.points[0][0], first=line.points[0][1], end=line.points[-1][0], last=line.points[-1][1])
            for line in lines if line.points
        ]  # fmt: skip
        named(self._chart, f"{self._title}. {'; '.join(said)}")


def _options() -> dict[str, Any]:
    axis = {"axisLabel": _TEXT, "axisLine": _LINE, "axisTick": {"show": False}}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 12, "top": 12, "bottom": 2, "containLabel": True},
        "xAxis": {"type": "value", **axis, "splitLine": {"show": False}, "minInterval": 1, "max": "dataMax"},
        "yAxis": {"type": "value", **axis, "scale": True, "splitLine": _LINE, "splitNumber": 4},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": "var(--card)",
            "borderColor": "var(--line)",
            "textStyle": {"color": "var(--ink)", "fontSize": 12},
            "axisPointer": {"lineStyle": {"color": "var(--edge)"}},
        },
        "series": [],
    }


def _series(line: Line) -> dict[str, Any]:
    colour = f"var(--run-{line.colour + 1})"
    return {
        "type": "line",
        "name": line.name,
        "data": [[step, float(f"{value:.5g}")] for step, value in line.points],
        "showSymbol": line.held_out or len(line.points) < 2,
        "symbol": "circle",
        "symbolSize": 6,
        "color": colour,
        "lineStyle": {"color": colour, "width": 1.8, "type": "dashed" if line.held_out else "solid"},
        "itemStyle": {"color": colour},
        "emphasis": {"disabled": True},
    }
