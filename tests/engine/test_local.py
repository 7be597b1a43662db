"""The local engine gives every chunk's result once, whatever the number of processes."""

import os

import pytest

from weitiao.engine.local import run


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


def test_no_chunks_give_nothing() -> None:
    assert list(run(square, [])) == []


def test_one_chunk_stays_in_this_process() -> None:
    assert list(run(where, [0])) == [(0, os.getpid())]


def test_an_error_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "2")
    with pytest.raises(ValueError, match="negative: -1"):
        list(run(square, [1, 2, -1, 3]))
