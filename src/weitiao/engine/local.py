"""The default engine: a pool of processes on this machine, memory bounded by the chunk."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from weitiao.engine import Shuffle

C = TypeVar("C")
R = TypeVar("R")

_kept: ContextVar[list[ProcessPoolExecutor] | None] = ContextVar("_kept", default=None)

_WORKERS = "WEITIAO_WORKERS"
_START = 1.5  # seconds until processes have started and loaded their libraries
_FEW = 7  # chunks; of more it is not worth trying whether they pay
THREADS = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")

shuffled: Shuffle | None = None  # all rows fit into this process, by their hashes


def workers() -> int:
    """Return how many processes to use: `WEITIAO_WORKERS`, else the cores this process may run on."""
    return int(os.environ.get(_WORKERS, "0")) or len(os.sched_getaffinity(0))


@contextmanager
def pool() -> Iterator[None]:
    """Keep the processes that `run` starts, for it to use again: each takes a second of CPU to start."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set([])
    try:
        yield
    finally:
        rest()
        _kept.reset(token)


def rest() -> None:
    """End the processes that are kept, which gives back their memory; the next `run` starts others."""
    for executor in _kept.get() or ():
        executor.shutdown()
    if kept := _kept.get():
        kept.clear()


def run(function: Callable[[C], R], chunks: Sequence[C], *, slow: bool = False) -> Iterator[tuple[int, R]]:
    """Yield (index, result) of `function` for each chunk, in the order in which they finish.

    A single chunk, or a single worker, runs in this process, and so do a few chunks, unless `slow`, as long as it does
    not pay to start others. At most two chunks a worker are under way, so memory does not grow with their number. An
    error in a chunk ends the run and is raised here.
    """
    count, waiting = min(workers(), len(chunks)), iter(enumerate(chunks))
    few = len(chunks) <= _FEW and not slow and not _kept.get() and _WORKERS not in os.environ
    if count <= 1 or few:
        start = time.monotonic()
        for index, chunk in waiting:
            yield index, function(chunk)
            left = (time.monotonic() - start) / (index + 1) * (len(chunks) - index - 1)
            if left * (1 - 1 / count) > _START:
                break
        else:
            return
    with _processes() as executor:
        running: dict[Future[R], int] = {}
        try:
            while True:
                for index, chunk in waiting:
                    with _deaf():  # it may start a process
                        running[executor.submit(function, chunk)] = index
                    if len(running) >= 2 * count:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()
            wait(running)


@contextmanager
def _processes() -> Iterator[ProcessPoolExecutor]:
    """Give the processes that are kept, or others for the time of the `with`."""
    kept = _kept.get()
    if kept:
        yield kept[0]
        return
    # Not fork: Polars' threads do not survive it.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers(), mp_context=context, initializer=_start_worker)
    if kept is None:
        with executor:
            yield executor
    else:
        kept.append(executor)
        yield executor


@contextmanager
def _deaf() -> Iterator[None]:
    """Have processes that are started meanwhile never hear of Ctrl-C: one still loading its libraries would break."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check(paths: Sequence[Path]) -> None:
    """Hold nothing: the processes of one machine see the same files."""


def _start_worker() -> None:
    """Keep a worker's libraries to one thread, as there is a worker a core, and Python seldom looking for cycles."""
    gc.set_threshold(100_000, 20, 20)  # rows come by the ten thousand and have none
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    for name in THREADS:
        os.environ[name] = "1"


def _end_with_the_driver() -> None:
    """End this worker when the driver was killed: else it would write on beside the workers of the next try."""
    driver = multiprocessing.parent_process()
    assert driver
    driver.join()
    os._exit(1)
