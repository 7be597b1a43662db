"""Geometry of the report's drawings; their look is in the page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

WIDTH, HEIGHT = 720.0, 220.0
# A piece of a text is shaded once more for each chance that it does not exceed.
SHADES = (1 / 2, 1 / 10, 1 / 100, 1 / 1000)
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 12.0, 26.0


@dataclass(frozen=True)
class Bar:
    """One question: how much likelier its reference became."""

    x: float
    y: float
    width: float
    height: float
    verdict: str
    row: int
    change: float


@dataclass(frozen=True)
class Bars:
    """All questions, the greatest gain first."""

    bars: list[Bar]
    zero: float
    ticks: list[tuple[float, float]]  # place and value


@dataclass(frozen=True)
class Lines:
    """The loss over the steps of training: `train` and `held` are points as SVG writes them."""

    train: str
    held: str
    dots: list[tuple[float, float, float, float]]  # x, y, step, loss
    x_ticks: list[tuple[float, float]]
    y_ticks: list[tuple[float, float]]
    marks: list[tuple[float, float]]  # place and step of each checkpoint
    rise: tuple[float, float] | None  # from where the held-out loss rises: left edge and width


@dataclass(frozen=True)
class Whisker:
    """An interval on a scale that is symmetric about nought, in percent of its width."""

    low: float
    middle: float
    high: float


def whisker(low: float, middle: float, high: float) -> Whisker:
    """Place an interval so that its farther end stands at nine tenths of the way from the middle to the edge."""
    reach = max(abs(low), abs(high), abs(middle)) or 1.0
    return Whisker(*(round(50 + 45 * value / reach, 2) for value in (low, middle, high)))


def bars(rows: Sequence[Mapping[str, Any]]) -> Bars:
    """Draw each question as a bar up (likelier) or down."""
    order = sorted(range(len(rows)), key=lambda place: -rows[place]["change"]["likelihood"])
    values = [rows[place]["change"]["likelihood"] for place in order]
    low, high = min(0.0, *values), max(0.0, *values)
    y = _scale(low, high, HEIGHT - TOP, TOP)
    step = (WIDTH - LEFT - RIGHT) / len(rows)
    return Bars(
        bars=[
            Bar(
                x=round(LEFT + index * step, 2),
                y=round(min(y(value), y(0)), 2),
                width=round(max(0.5, step * (0.8 if step > 3 else 1)), 2),
                height=round(max(1.0, abs(y(value) - y(0))), 2),
                verdict=rows[place]["verdict"]["likelihood"],
                row=place + 1,
                change=value,
            )
            for index, (place, value) in enumerate(zip(order, values, strict=True))
        ],
        zero=round(y(0), 2),
        ticks=[(round(y(value), 2), value) for value in ticks(low, high)],
    )


def shades(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, int]]:
    """Return a text in runs of one shade: by how many of `SHADES` the loss of its pieces reaches."""
    shaded = [(sum(loss >= -math.log(chance) for chance in SHADES), text) for text, loss in pieces]
    return [("".join(text for _, text in run), shade) for shade, run in groupby(shaded, key=itemgetter(0))]


def curve(
    points: Mapping[str, Sequence[tuple[float, float]]], checkpoints: Sequence[float] = (), rise: float | None = None
) -> Lines | None:
    """Draw the (step, loss) points of `train` and `held_out`; None where there is nothing to draw.

    Where `checkpoints` were looked at is marked, and from which step on the held-out loss did nothing but `rise`.
    """
    train, held = points["train"], points["held_out"]
    if len(train) + len(held) < 2:
        return None
    steps = [step for step, _ in (*train, *held)]
    values = [loss for _, loss in (*train, *held)]
    x = _scale(min(steps), max(steps), LEFT, WIDTH - RIGHT)
    y = _scale(min(values), max(values), HEIGHT - BOTTOM, TOP)
    return Lines(
        train=_points(train, x, y),
        held=_points(held, x, y),
        dots=[(round(x(step), 2), round(y(loss), 2), step, loss) for step, loss in held],
        x_ticks=[(round(x(v), 2), v) for v in ticks(min(steps), max(steps)) if v == int(v)],
        y_ticks=[(round(y(v), 2), v) for v in ticks(min(values), max(values))],
        marks=[(round(x(step), 2), step) for step in checkpoints if min(steps) <= step <= max(steps)],
        rise=None if rise is None else (round(x(rise), 2), round(WIDTH - RIGHT - x(rise), 2)),
    )


def ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers between `low` and `high`."""
    if not low < high:
        return [low]
    unit = 10 ** math.floor(math.log10((high - low) / 3))
    size = next((unit * m for m in (5, 2, 1) if (high - low) / (unit * m) >= 3), unit)
    first = math.ceil(low / size - 1e-9)
    return [round(place * size, 10) for place in range(first, math.floor(high / size + 1e-9) + 1)]


def _scale(low: float, high: float, start: float, end: float) -> Any:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _points(points: Sequence[tuple[float, float]], x: Any, y: Any) -> str:
    return " ".join(f"{x(step):.2f},{y(loss):.2f}" for step, loss in points)
