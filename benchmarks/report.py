"""What the benchmarks found, as Markdown, JSON and a drawing; and the machine they ran on."""

import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from weitiao.compare.charts import ticks
from weitiao.train.machine import look

Runs = Mapping[str, Sequence[Mapping[str, Any]]]  # the runs of each way
Curve = Sequence[tuple[float, float]]

OURS, PEER = "weitiao", "TRL, defaults"
FIGURES = {
    "cpu": "useful tokens / CPU s",
    "wall": "useful tokens / s",
    "memory": "peak GB",
    "held_out": "held-out loss",
    "steps": "steps",
}
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "trl", "datasets", "weitiao")
_COLOURS = ("#c0392b", "#2471a3", "#7d3c98", "#717d7e")
_WIDTH, _HEIGHT, _LEFT, _TOP = 640.0, 300.0, 50.0, 30.0


def machine(libraries: Sequence[str] = LIBRARIES) -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, versions; no names."""
    found = look()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    kind = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "processor": kind,
        "bfloat16 in hardware": found.bfloat16,
        "cores": found.cores,
        "memory GB": round(found.memory / 1e9, 1),
        "GPU": found.gpu,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def medians(runs: Runs) -> dict[str, dict[str, float]]:
    """Return the median of each figure over the runs of each way."""
    return {way: {key: statistics.median(run[key] for run in some) for key in FIGURES} for way, some in runs.items()}


def table(runs: Runs) -> str:
    """Return a Markdown table: a line for each way, the first column against TRL's defaults too."""
    found = medians(runs)
    peer = found[PEER]
    lines = [
        "| | " + " | ".join(FIGURES.values()) + " | times TRL | of its memory |",
        "|---" * (len(FIGURES) + 3) + "|",
    ]
    for way, values in found.items():
        ratios = f"{values['cpu'] / peer['cpu']:.2f} | {values['memory'] / peer['memory']:.2f}"
        lines.append(f"| {way} | " + " | ".join(f"{values[key]:,.4g}" for key in FIGURES) + f" | {ratios} |")
    return "\n".join(lines)


def drawing(curves: Mapping[str, Curve], title: str, along: str = "supervised tokens seen") -> str:
    """Draw each curve into one SVG; `along` says what its first values are."""
    points = [point for curve in curves.values() for point in curve]
    right, bottom = _WIDTH - 10, _HEIGHT - 35
    most, low, high = max(x for x, _ in points), min(y for _, y in points), max(y for _, y in points)

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + x / most * (right - _LEFT), bottom - (y - low) / ((high - low) or 1) * (bottom - _TOP)

    made = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="16" font-size="13">{title}</text>',
    ]
    for value in ticks(low, high):
        y = place(0, value)[1]
        made.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/><text x="6" y="{y + 4:.1f}">{value:g}</text>')
    for value in ticks(0, most):
        made.append(
            f'<text x="{place(value, low)[0]:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{value:,.0f}</text>'
        )
    made.append(f'<text x="{right}" y="{_HEIGHT - 5}" text-anchor="end">{along}</text>')
    for index, (name, curve) in enumerate(curves.items()):
        line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in curve)
        colour = _COLOURS[index % len(_COLOURS)]
        made.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        made.append(f'<text x="{right - 130}" y="{_TOP + 14 * (index + 1)}" fill="{colour}">{name}</text>')
    return "\n".join([*made, "</svg>", ""])


def write(folder: Path, name: str, text: str, facts: Mapping[str, Any]) -> None:
    """Write `name`.md and `name`.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
