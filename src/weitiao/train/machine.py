"""What this machine has: cores, memory, a GPU, and libraries; told without torch where that is not installed."""

import ctypes
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from weitiao.model.processor import cpu_has_bfloat16

_M_MMAP_THRESHOLD = -3  # malloc.h
BLOCK = 4 * 2**20  # bytes


@dataclass(frozen=True)
class Machine:
    """The machine; memory in bytes, `free` is what a program may still take."""

    cores: int
    memory: int
    free: int
    bfloat16: bool  # the CPU multiplies it in hardware
    gpu: str | None = None
    gpu_memory: int = 0
    gpu_free: int = 0
    torch: str | None = None


def look() -> Machine:
    """Look at this machine, within the limits that it sets this process."""
    total, free = _memory()
    limit = _limit()
    found = Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=min(total, limit) if limit else total,
        free=min(free, limit) if limit else free,
        bfloat16=cpu_has_bfloat16(),
    )
    if find_spec("torch") is None:
        return found
    import torch

    gpu: dict[str, str | int] = {}
    if torch.cuda.is_available():
        gpu_free, gpu_memory = torch.cuda.mem_get_info()
        gpu = {"gpu": torch.cuda.get_device_name(), "gpu_memory": gpu_memory, "gpu_free": gpu_free}
    return Machine(**{**vars(found), **gpu, "torch": torch.__version__})


def return_freed_blocks() -> None:
    """Let large blocks that this process frees go back to the system at once, where the C library is glibc.

    Otherwise it keeps blocks of up to 32 MB, and what comes and goes between tensors that stay leaves holes: training a
    model of 1.8 billion parameters in 4 bits then peaked at 6.6 GB instead of 2.9. Smaller blocks than these are worth
    keeping: fetched anew for each tensor, those of 2 MB cost a small model a fifth of its speed. [measured]
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, BLOCK)


def extras() -> dict[str, dict[str, str | None]]:
    """Return, for each extra of the package, its libraries and their installed versions."""
    found: dict[str, dict[str, str | None]] = {}
    for line in requires("weitiao") or []:
        library, _, mark = line.partition(";")
        if "extra ==" not in mark:
            continue
        extra = mark.rpartition("==")[2].strip(" '\"")
        name = library.partition("[")[0]
        name = name[: next((at for at, letter in enumerate(name) if letter in "<>=!~ "), len(name))]
        if extra != "all":
            found.setdefault(extra, {})[name] = _version(name)
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _memory() -> tuple[int, int]:
    info = Path("/proc/meminfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
        return (1024 * int(lines["MemTotal"].split()[0]), 1024 * int(lines["MemAvailable"].split()[0]))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return pages, pages


def _limit() -> int | None:
    """Return what a container allows, cgroup version 2."""
    path = Path("/sys/fs/cgroup/memory.max")
    text = path.read_text().strip() if path.exists() else "max"
    return int(text) if text.isdigit() else None
