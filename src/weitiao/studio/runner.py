"""Runs the stages of a recipe in a process of its own, which goes on when the studio ends and is found again."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from weitiao.errors import UserError
from weitiao.pipeline import STAGES
from weitiao.stage import PROGRESS
from weitiao.store import Run, make_folder, write_whole
from weitiao.talk import language, t

# As much of a log as is shown.
_SHOWN = 60_000


@dataclass(frozen=True)
class Progress:
    """How far a stage is with what it does now: `done` of `total` after `seconds`."""

    what: str
    done: int
    total: int
    seconds: float

    @property
    def left(self) -> float | None:
        """The seconds that are left, as it went so far."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None


@dataclass(frozen=True)
class State:
    """What is known about the run: whether it goes on, at which stage, and how the last one ended."""

    runs: bool
    stage: str = ""
    progress: Progress | None = None
    ours: bool = True  # started by a studio, which has its log
    stopping: bool = False
    status: int | None = None  # the exit status of the last one, where this studio saw it end


class Runner:
    """The one run of a recipe, whoever started it; all visitors of the studio share it."""

    def __init__(self, file: Path, folder: Path) -> None:
        """`file` is the recipe, `folder` that of its run."""
        self.file, self.folder = file, folder
        self._place = folder / ".studio"
        self._log, self._progress, self._started = (self._place / name for name in ("log.txt", "progress.json", "pid"))
        self._child: int | None = None
        self._status: int | None = None
        self._stopping = False

    def start(self, *, first: str | None = None, last: str | None = None) -> None:
        """Start a run, from the stage `first` in any case, to the stage `last`; raises UserError where one goes on."""
        if self.state().runs:
            raise UserError(t("It runs already"), t("Stop it first, or wait for its end"))
        make_folder(self._place)
        words = [sys.executable, "-u", "-m", "weitiao", "--lang", language(), "run", str(self.file)]
        words += ["--runs", str(self.folder.parent)]
        words += [*(("--from", first) if first else ()), *(("--to", last) if last else ())]
        environment = {**os.environ, PROGRESS: str(self._progress)}
        environment.pop("WEITIAO_TOKEN", None)  # it asks this server nothing
        self._progress.unlink(missing_ok=True)
        # A session of its own: Ctrl-C where the studio was started is not meant for it.
        self._child = os.posix_spawn(
            sys.executable, words, environment, setsid=True, setsigdef=[signal.SIGINT],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )  # fmt: skip
        write_whole(self._started, str(self._child).encode())
        self._status, self._stopping = None, False

    def stop(self) -> None:
        """End the run as Ctrl-C does: what is finished is safe, and the next start goes on from there."""
        pid = self._pid()
        if pid is None:
            return
        self._stopping = True
        try:
            if pid == self._own():
                os.killpg(pid, signal.SIGINT)  # with all that it started, as a terminal does
            else:
                os.kill(pid, signal.SIGINT)
        except ProcessLookupError:
            pass  # it ended by itself meanwhile
        except PermissionError:
            raise UserError(t("Somebody else started this run, and only they can stop it")) from None

    def state(self) -> State:
        """Return what is known now."""
        pid = self._pid()
        if pid is None:
            return State(False, status=self._status)
        return State(True, self._stage(), self._far(), pid == self._own(), self._stopping)

    def log(self) -> str:
        """Return the end of what the last run that a studio started said."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _SHOWN))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def log_stamp(self) -> tuple[int, int]:
        """Return what changes when the log does."""
        try:
            stat = self._log.stat()
        except FileNotFoundError:
            return (0, 0)
        return (stat.st_ino, stat.st_size)

    def _pid(self) -> int | None:
        """Return the process of the run that goes on, if one does."""
        if self._child is not None:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if not ended:
                return self._child
            self._status = os.waitstatus_to_exitcode(status)
            if self._stopping and self._status:  # Python that has not begun yet ends with 1 by a signal
                self._status = -signal.SIGINT
            self._child, self._stopping = None, False
        return Run(self.folder).writer()

    def _own(self) -> int | None:
        return int(self._started.read_text()) if self._started.is_file() else None

    def _stage(self) -> str:
        """Return the stage under way: the one whose draft was opened last."""
        marks = {stage.name: self.folder / f".{stage.name}.part" / ".key" for stage in STAGES}
        began = self._started.stat().st_mtime if self._started.is_file() and self._child else 0.0
        times = {name: mark.stat().st_mtime for name, mark in marks.items() if mark.is_file()}
        times = {name: time for name, time in times.items() if time >= began - 1}
        return max(times, key=times.__getitem__, default="")

    def _far(self) -> Progress | None:
        try:
            return Progress(**orjson.loads(self._progress.read_bytes()))
        except FileNotFoundError:
            return None
