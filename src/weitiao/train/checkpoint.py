"""Checkpoints: all that training goes on from, written aside and renamed, so that a crash loses no finished one."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weitiao.train import adapter
from weitiao.train.sharing import Moments

STATE = "state.pt"


@dataclass
class Progress:
    """How far training is."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_step: int = 0  # with the lowest held-out loss so far; 0 before the first
    best_loss: float = math.inf
    waited: int = 0  # held-out losses since then
    ended: bool = False  # before the last step, for want of patience


class Checkpoints:
    """The folders `checkpoint-N` of one training, the newest `limit` of them kept, and the best with `keep_best`."""

    def __init__(
        self, folder: Path, limit: int, journals: list[Path], *, keep_best: bool = False, reads: bool = False
    ) -> None:
        """`journals` are files that only grow; a resumed training goes on from where the checkpoint saw them.

        One process writes; the others, which share its work, only have `reads`.
        """
        self.keep_best = keep_best
        self.folder = folder
        self.limit = limit
        self.journals = [] if reads else journals
        for aside in [] if reads else [*folder.glob(".checkpoint-*")]:
            shutil.rmtree(aside)

    def save(self, model: Any, weights: Mapping[str, Tensor], moments: Moments, progress: Progress) -> None:
        """Write a checkpoint of this moment and remove the oldest."""
        place = self.of(progress.step)
        aside = self._aside(place)
        adapter.save(model, aside, weights)
        state = {
            "moments": moments,
            "progress": vars(progress),
            "journals": {path.name: path.stat().st_size for path in self.journals if path.exists()},
        }
        torch.save(state, aside / STATE)
        if place.exists():
            self._remove(place)
        aside.rename(place)
        for old in self._all()[: -self.limit]:
            if not (self.keep_best and old == self.of(progress.best_step)):
                self._remove(old)

    def restore(self, model: Any) -> tuple[Progress, Moments]:
        """Go back to the newest checkpoint, or to the start where there is none.

        Return how far that is, and the optimizer's moments there: none at the start.
        """
        found = [place for place in self._all() if (place / STATE).exists()]
        if not found:
            for path in self.journals:
                path.unlink(missing_ok=True)
            return Progress(), {}
        state = torch.load(found[-1] / STATE, map_location="cpu", weights_only=True)
        adapter.restore(model, found[-1])
        for path in self.journals:
            if path.exists():
                with path.open("r+b") as file:
                    file.truncate(state["journals"].get(path.name, 0))
        return Progress(**state["progress"]), state["moments"]

    def of(self, step: int) -> Path:
        """Return the folder of the checkpoint at `step`."""
        return self.folder / f"checkpoint-{step}"

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*"), key=lambda place: int(place.name.rpartition("-")[2]))

    def _aside(self, place: Path) -> Path:
        return place.with_name(f".{place.name}")

    def _remove(self, place: Path) -> None:
        """Rename, then delete: half a checkpoint is never taken for one."""
        old = place.with_name(f".{place.name}.old")
        place.rename(old)
        shutil.rmtree(old)
