"""The engine for more than one machine: Ray Data; the functions, and what comes of them, are those of `local`.

Chunks are told by their names, so all nodes have to see the files under the same paths. What meets in a shuffle goes
from node to node through Ray's object store. A node that is lost is made up for: what it did is done again elsewhere.
"""

import logging
import os
import pickle
import socket
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import ray
import ray.data
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import weitiao
from weitiao.engine import Meeting
from weitiao.engine.local import THREADS, workers
from weitiao.errors import UserError
from weitiao.talk import t

C = TypeVar("C")
R = TypeVar("R")

MEETINGS = 1000  # tasks of one shuffle at most: each of them sends to each


def run(function: Callable[[C], R], chunks: Sequence[C], *, slow: bool = False) -> Iterator[tuple[int, R]]:
    """Yield (index, result) of `function` for each chunk, in the order in which they finish, `slow` or not.

    An error in a chunk ends the run and is raised here; chunks of a node that is lost run again on another.
    """
    if not chunks:
        return
    done = _dataset(chunks, len(chunks)).map(_result, fn_args=(cloudpickle.dumps(function),))
    with _raised():
        for row in done.iter_rows():
            yield row["index"], pickle.loads(row["result"])


def shuffled(
    emit: Callable[[C], pl.DataFrame], chunks: Sequence[C], meetings: Sequence[Meeting], schema: Mapping[str, Any]
) -> pl.DataFrame:
    """Return what the meetings leave of the tables that `emit` gives for the chunks, in no order."""
    tasks = min(len(chunks), MEETINGS)
    if not tasks:
        return pl.DataFrame(schema=schema)
    rows = _dataset(chunks, tasks).map_batches(
        _emitted, fn_args=(cloudpickle.dumps(emit),), batch_format="pyarrow", batch_size=None
    )
    for column, function in meetings:
        rows = rows.groupby(column, num_partitions=tasks).map_groups(
            _met, fn_args=(cloudpickle.dumps(function),), batch_format="pyarrow"
        )
    with _raised():
        met = [
            pl.DataFrame(pl.from_arrow(batch)) for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow")
        ]
    return pl.concat([pl.DataFrame(schema=schema), *(frame.select(*schema) for frame in met if len(frame))])


def check(paths: Sequence[Path]) -> None:
    """Hold that every node has this weitiao and sees these files, and those in the folders among them as we do."""
    _join()
    marks = [path / f".seen-{uuid.uuid4().hex}" for path in paths if path.is_dir()]
    for mark in marks:
        mark.touch()
    try:
        wanted = [str(path) for path in (*marks, *(path for path in paths if not path.is_dir()))]
        asked = {
            node["NodeManagerAddress"]: ray.remote(_lacks)
            .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(wanted)
            for node in ray.nodes()
            if node["Alive"]
        }
        for address, answer in asked.items():
            _hold(address, answer)
    finally:
        for mark in marks:
            mark.unlink()


def rest() -> None:
    """Leave the cluster, and end one that was started here; the next work joins it, or starts one, anew."""
    if _join.cache_info().currsize:
        if _join():
            ray.shutdown()
        _join.cache_clear()


def _hold(address: str, answer: Any) -> None:
    try:
        version, missing = ray.get(answer)
    except ray.exceptions.RayError as error:
        said = str(error).strip().splitlines()[-1]
        raise UserError(
            t("The node {address} cannot work: {error}", address=address, error=said),
            t("Install the same Python, weitiao and Ray on every node"),
        ) from None
    if version != weitiao.__version__:
        raise UserError(
            t(
                "The node {address} has weitiao {other}, not {own}",
                address=address,
                other=version,
                own=weitiao.__version__,
            ),
            t("Install the same Python, weitiao and Ray on every node"),
        )
    if missing:
        raise UserError(
            t("The node {address} does not see {path}", address=address, path=Path(missing).parent),
            t("Keep inputs and runs where all nodes see them under the same path: --runs DIR, --work-dir DIR"),
        )


def _lacks(paths: Sequence[str]) -> tuple[str, str]:
    """Return the version here, and the first of the files that is not to be seen here, or ""."""
    return weitiao.__version__, next((path for path in paths if not Path(path).exists()), "")


@cache
def _join() -> bool:
    """Join the cluster that RAY_ADDRESS names, or start one on this machine, which ends with this process.

    Returns false where this process is in one already.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # else all other work comes first
    address = os.environ.get("RAY_ADDRESS", "local")
    joins = not ray.is_initialized()
    if joins:
        own = {"num_cpus": workers(), "include_dashboard": False} if address == "local" else {}
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (OSError, RuntimeError) as error:
            raise UserError(
                t(
                    "Cannot join the Ray cluster at {address}: {error}",
                    address=address,
                    error=str(error).splitlines()[0],
                ),
                t("RAY_ADDRESS names its head, as HOST:6379; this machine needs the token of the cluster"),
            ) from None
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what goes wrong is raised
    with warnings.catch_warnings():
        # Ray's own settings warn when Ray itself sets them.
        warnings.filterwarnings("ignore", r"`use_\w+` is deprecated", DeprecationWarning)
        context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True
    return joins


def _reach(address: str) -> None:
    """Knock once at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _dataset(chunks: Sequence[Any], blocks: int) -> Any:
    _join()
    rows = [{"index": index, "chunk": cloudpickle.dumps(chunk)} for index, chunk in enumerate(chunks)]
    return ray.data.from_items(rows, override_num_blocks=blocks)


@contextmanager
def _raised() -> Iterator[None]:
    """Raise an error of ours as it was raised on its node."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


@cache
def _unpacked(function: bytes) -> Any:
    """Return the function, its libraries kept to one thread as there is a task a core."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    return pickle.loads(function)


def _result(row: dict[str, Any], function: bytes) -> dict[str, Any]:
    return {"index": row["index"], "result": pickle.dumps(_unpacked(function)(pickle.loads(row["chunk"])))}


def _emitted(rows: pa.Table, function: bytes) -> pa.Table:
    emit = _unpacked(function)
    return _arrow(pl.concat(emit(pickle.loads(chunk)) for chunk in rows["chunk"].to_pylist()))


def _met(rows: pa.Table, function: bytes) -> pa.Table:
    return _arrow(_unpacked(function)(pl.DataFrame(pl.from_arrow(rows))))


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
