"""Several processes: started here, or by torchrun or accelerate launch; the first runs the line, all of them train."""

import multiprocessing
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import orjson
import torch
from accelerate.utils import broadcast_object_list, gather_object, patch_environment
from accelerate.utils.other import get_free_port
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from weitiao.errors import UserError
from weitiao.stage import Job, Outcome
from weitiao.store import Stored, write_whole
from weitiao.talk import language, set_language, t
from weitiao.train.machine import look
from weitiao.train.sharing import connect

Work = Callable[[Job], Outcome]

# Seconds that a process has to end by itself.
_PATIENCE = 10


def launched() -> bool:
    """Tell whether torchrun or accelerate launch started this process, or we did."""
    return "LOCAL_RANK" in os.environ


def launch(work: Work, job: Job, count: int) -> Outcome:
    """Do `work` in `count` processes on this machine and return what the first of them returns.

    When one of them ends, however it does, the others are ended. Raises UserError if one raised it or was killed.
    """
    gpus = torch.cuda.device_count()
    if torch.cuda.is_available() and count > gpus:
        raise UserError(t("{count} processes need as many GPUs; there are {gpus}", count=count, gpus=gpus))
    notes = job.draft.scratch("processes")
    for left in notes.iterdir():
        left.unlink()
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, look().cores // count))
    shared = {"master_addr": "127.0.0.1", "master_port": str(get_free_port()), "world_size": str(count)}
    with patch_environment(**shared, local_world_size=str(count), omp_num_threads=threads):
        context = start_processes(
            _worker, (work, job, language()), count, join=False, daemon=True, start_method="spawn"
        )
        assert context
        try:
            while not context.join():
                pass
        except (ProcessExitedException, ProcessRaisedException) as error:
            raise _reason(notes, error) from None
        finally:
            _end(context.processes)
    if not (notes / "outcome.json").exists():
        raise KeyboardInterrupt  # it ended them, and they end without a word
    return Outcome(**orjson.loads((notes / "outcome.json").read_bytes()))


def send(job: Job) -> None:
    """Let the processes that wait in `follow` do their share of this job.

    Raises UserError if they do not see its folder.
    """
    token = uuid.uuid4().hex
    here = replace(job, draft=replace(job.draft, folder=job.folder.absolute()),
        inputs={name: Stored(found.folder.absolute()) for name, found in job.inputs.items()})  # fmt: skip
    write_whole(job.draft.scratch("processes") / "token", token.encode())
    connect()
    broadcast_object_list([(here, token)])
    if not all(gather_object([True])):
        raise UserError(
            t("Not every machine sees {folder}", folder=here.folder),
            t("Keep runs where all machines see them: --runs or --work-dir on a shared file system"),
        )


def follow(work: Work) -> bool:
    """Do this process's share of what the first process sends, and return true; false if this is the first process."""
    state = connect()
    if state.is_main_process:
        return False
    message: list[tuple[Job, str] | None] = [None]
    broadcast_object_list(message)
    if message[0] is not None:
        job, token = message[0]
        path = job.folder / ".processes" / "token"
        seen = path.exists() and path.read_text() == token
        gather_object([seen])
        if seen:
            work(job)
    state.destroy_process_group()
    return True


def dismiss() -> None:
    """Let the other processes go at the end of the line, unless they have had their job."""
    idle = not torch.distributed.is_initialized()
    state = connect()
    if idle:
        broadcast_object_list([None])
    state.destroy_process_group()


def _worker(rank: int, work: Work, job: Job, talk: str) -> None:
    """Run in a process started by `launch`."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # DeepSpeed talks on stdout, which is for data
    set_language(talk)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    notes = job.draft.scratch("processes")
    state = connect()
    try:
        outcome = work(job)
    except UserError as error:
        write_whole(notes / f"error-{rank}.json", orjson.dumps([error.message, error.hint]))
        raise SystemExit(2) from None
    if rank == 0:
        write_whole(notes / "outcome.json", orjson.dumps(asdict(outcome)))
    state.destroy_process_group()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _reason(notes: Path, error: ProcessExitedException | ProcessRaisedException) -> Exception:
    """Return the error of a process as if it had been raised here."""
    for path in sorted(notes.glob("error-*.json")):
        return UserError(*orjson.loads(path.read_bytes()))
    if isinstance(error, ProcessRaisedException):
        return error
    how = error.signal_name or error.exit_code
    return UserError(
        t("Process {number} of the training was ended: {how}", number=error.error_index, how=how),
        t("The same command goes on from the newest checkpoint; SIGKILL often means that memory ran out"),
    )


def _end(processes: list[BaseProcess]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            if process.is_alive() and process.pid:
                os.kill(process.pid, number)
        for process in processes:
            process.join(_PATIENCE)
