"""The local engine gives every chunk's result once, whatever the number of processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from weitiao.engine import local
from weitiao.engine.local import run

DRIVER = """
import signal
from weitiao.engine import local

def hears(_=None):
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())

if __name__ == "__main__":
    print([heard for _, heard in local.run(hears, range(4))], hears())
"""


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"negative: {number}")
    return number * number


def where(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_chunk_gives_its_result_once(monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", workers)
    assert sorted(run(square, range(20))) == [(index, index * index) for index in range(20)]


def test_ctrl_c_is_for_the_driver_alone(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)  # a process that has started no other yet
    environment = {**os.environ, "WEITIAO_WORKERS": "2"}
    said = subprocess.run([sys.executable, tmp_path / "driver.py"], env=environment, capture_output=True, check=True)
    assert said.stdout == b"[False, False, False, False] True\n"


def test_no_chunks_give_nothing() -> None:
    assert list(run(square, [])) == []


def test_one_chunk_stays_in_this_process() -> None:
    assert list(run(where, [0])) == [(0, os.getpid())]


@pytest.mark.parametrize(("chunks", "start", "alone"), [(7, 60, 7), (8, 60, 0), (4, 0, 1), (1, 0, 1)])
def test_processes_start_where_they_pay(monkeypatch: pytest.MonkeyPatch, chunks: int, start: float, alone: int) -> None:
    monkeypatch.delenv("WEITIAO_WORKERS", raising=False)
    monkeypatch.setattr(local, "workers", lambda: 2)
    monkeypatch.setattr(local, "_START", start)
    assert [pid for _, pid in run(where, range(chunks))].count(os.getpid()) == alone


def test_slow_work_starts_processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEITIAO_WORKERS", raising=False)
    monkeypatch.setattr(local, "workers", lambda: 2)
    assert os.getpid() not in {pid for _, pid in run(where, range(2), slow=True)}


def test_an_error_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "2")
    with pytest.raises(ValueError, match="negative: -1"):
        list(run(square, [1, 2, -1, 3]))


def test_kept_processes_are_used_again_until_they_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "2")

    def used() -> set[int]:
        return {pid for _, pid in run(where, range(6))}

    with local.pool():
        first = used()
        with local.pool():
            second = used()
        third = used()
        local.rest()
        fourth = used()
    assert len(first | second | third) <= 2
    assert os.getpid() not in first
    assert not (first | second | third) & fourth
    assert not used() & fourth


def test_kept_processes_work_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "2")
    with local.pool():
        with pytest.raises(ValueError, match="negative"):
            list(run(square, [1, 2, -1, 3]))
        assert sorted(run(square, [2, 3])) == [(0, 4), (1, 9)]
