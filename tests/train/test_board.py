"""What TensorBoard's own reader sees in our files."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from weitiao.train.board import Board


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in EventAccumulator(str(folder)).Reload().Scalars(name)]


def test_a_curve_with_what_was_trained_twice_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Board(tmp_path / "logs", 1) as board:
        for step in range(1, 6):
            board.add(step, {"train/loss": step / 2, "train/lr": 0.25})
        assert curve(tmp_path / "logs", "train/loss")[-1] == (5, 2.5)  # on the disk at once
    monkeypatch.setattr(
        "weitiao.train.board.os.getpid", lambda: 1 << 22
    )  # killed, and on from the checkpoint of step 2
    monkeypatch.setattr("weitiao.train.board.time.time", lambda: 4e9)
    with Board(tmp_path / "logs", 3) as board:
        board.add(3, {"train/loss": 7.0})
    assert len(list((tmp_path / "logs").iterdir())) == 2
    assert curve(tmp_path / "logs", "train/loss") == [(1, 0.5), (2, 1.0), (3, 7.0)]
    assert curve(tmp_path / "logs", "train/lr") == [(1, 0.25), (2, 0.25)]
