"""The curves that TensorBoard shows."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Board:
    """A file of events, each on the disk when `add` returns.

    torch's SummaryWriter hands each value to a thread: an interrupt in the middle of that leaves either waiting for the
    other, and a training that was to stop hangs for good (one of thirty did).
    """

    def __init__(self, folder: Path, step: int) -> None:
        """Open a new file in `folder`; what older ones there hold from `step` on no longer counts."""
        folder.mkdir(parents=True, exist_ok=True)
        # This is how TensorBoard tells its files.
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("ab", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=points)))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
