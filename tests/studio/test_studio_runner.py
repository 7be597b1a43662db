"""A run that is stopped as it begins, and what is said of runs that have ended."""

import signal
import time
from pathlib import Path

import pytest

from weitiao.studio.run_panel import told
from weitiao.studio.runner import Runner, State


def test_a_run_that_is_stopped_as_it_begins_has_stopped(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("model: nano\n", encoding="utf-8")
    runner = Runner(tmp_path / "recipe.yaml", tmp_path / "runs" / "recipe")
    runner.start()
    runner.stop()
    while runner.state().runs:
        time.sleep(0.05)
    assert told(runner.state()).startswith("Stopped: what is finished is safe")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, ""),
        (0, "The run has ended in order"),
        (130, "Stopped: "),
        (-signal.SIGINT, "Stopped: "),
        (-signal.SIGKILL, "The run has broken off"),
        (1, "The run has broken off"),
    ],
)
def test_how_a_run_has_ended(status: int | None, said: str) -> None:
    assert told(State(False, status=status)).startswith(said)
