"""The journals of a training, read on from where they were left: metrics, answers to the probes, and the plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from weitiao.store import Run

Points = list[tuple[int, float]]
# More points than this no chart shows: neighbours are averaged.
_SHOWN = 300
# Steps by which the time left is told.
_RECENT = 20


class Tail:
    """A file of JSON lines that grows: each look reads what came since the last one."""

    def __init__(self) -> None:
        self._inode, self._offset = 0, 0

    def more(self, path: Path) -> tuple[bool, list[dict[str, Any]]]:
        """Return whether the file begins anew, and the lines that came; a line half written is left for later."""
        try:
            with path.open("rb") as file:
                stat = path.stat()
                anew = stat.st_ino != self._inode or stat.st_size < self._offset
                if anew:  # another training, or one that went back to its checkpoint
                    self._inode, self._offset = stat.st_ino, 0
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            anew, self._inode, self._offset = self._inode != 0, 0, 0
            return anew, []
        self._offset += len(whole) + len(newline)
        return anew, [orjson.loads(line) for line in whole.splitlines()]


@dataclass
class Curves:
    """What one run's training has said so far."""

    folder: Path  # of the run
    train: list[dict[str, float]] = field(default_factory=list)
    held_out: Points = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    live: bool = False  # it trains now
    whole: bool = False  # it was trained to its end
    _metrics: Tail = field(default_factory=Tail)
    _answers: Tail = field(default_factory=Tail)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    def look(self) -> bool:
        """Read what came since; return whether anything did."""
        place = _place(self.folder)
        before = (self.live, self.whole, bool(self.plan))
        self.whole = place.name == "train"
        self.live = not self.whole and Run(self.folder).writer() is not None
        anew, lines = self._metrics.more(place / "metrics.jsonl")
        if anew:
            self.train, self.held_out, self.plan = [], [], {}
        for line in lines:
            if line["kind"] == "train":
                self.train.append(line)
            else:
                self.held_out.append((line["step"], line["loss"]))
        again, answers = self._answers.more(place / "probes.jsonl")
        self.probes = [*([] if again else self.probes), *answers]
        plan = place / "plan.json"
        if not self.plan and plan.is_file():
            self.plan = orjson.loads(plan.read_bytes())
        return bool(anew or lines or again or answers) or before != (self.live, self.whole, bool(self.plan))

    @property
    def best(self) -> tuple[int, float] | None:
        """The step with the lowest held-out loss, and that loss."""
        later = [point for point in self.held_out if point[0]]
        return min(later, key=lambda point: point[1], default=None)

    @property
    def step(self) -> int:
        """The last step that is known."""
        return int(self.train[-1]["step"]) if self.train else 0

    @property
    def left(self) -> float | None:
        """The seconds that are left by the last steps; None where that cannot be told."""
        recent = self.train[-_RECENT:]
        if not self.live or len(recent) < 2 or "steps" not in self.plan:
            return None
        each = (recent[-1]["seconds"] - recent[0]["seconds"]) / (recent[-1]["step"] - recent[0]["step"])
        return float(max(0.0, each * (self.plan["steps"] - self.step)))

    def of(self, name: str) -> Points:
        """Return (step, value) of one figure, thinned."""
        return thinned([(int(line["step"]), line[name]) for line in self.train if name in line])


def thinned(points: Sequence[tuple[int, float]]) -> Points:
    """Return as many points as a chart shows: of neighbours the last step and the mean."""
    size = -(-len(points) // _SHOWN) or 1
    groups = [points[place : place + size] for place in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def trained(runs: Path) -> Iterator[Path]:
    """Yield the runs of a folder whose training has begun, by name."""
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        if any((place / "metrics.jsonl").is_file() for place in _places(folder)):
            yield folder


def _places(folder: Path) -> tuple[Path, Path]:
    return folder / ".train.part", folder / "train"


def _place(folder: Path) -> Path:
    """Return where the newest training of a run writes: aside as long as it is not whole."""
    aside, finished = _places(folder)
    return aside if (aside / "metrics.jsonl").is_file() else finished
