"""Training killed with -9 at random moments, and run again until it ends."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from weitiao.stage import Job
from weitiao.store import Stored

CHILD = """
import json, os, signal, sys, threading
from pathlib import Path

import torch

from weitiao.recipe import bind
from weitiao.stage import Job
from weitiao.store import Draft, Stored
from weitiao.train import Train
from weitiao.train.run import run

torch.set_num_threads(1)
folder, data, seconds = Path(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3])
job = Job(bind(data, {"train": Train}, folder), "train", Draft(folder / "draft"), {"export": Stored(folder / "export")})
if seconds:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
run(job)
"""
TIMES = ("seconds", "tokens_per_second", "memory_gb")


def start(job: Job, seconds: float) -> int:
    settings = {"model": job.recipe.project.model, "train": job.recipe.sections["train"].model_dump(mode="json")}
    arguments = [str(job.folder.parent), json.dumps(settings), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-c", CHILD, *arguments], env=environment, check=False).returncode


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(make_job: Callable[..., Job]) -> None:
    from weitiao.train.run import run

    settings = {"epochs": 12, "max_length": 64, "save_every": 1, "dropout": 0.1, "evaluate_every": 5}
    whole = make_job("whole", **settings)
    run(whole)
    killed = make_job("killed", **settings)
    codes = [start(killed, random.uniform(0.05, 0.7)) for _ in range(2)]
    assert set(codes) <= {-signal.SIGKILL, 0}
    assert start(killed, 0) == 0
    names = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json")
    for name in names:
        assert (killed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    one, other = ((job.folder / "metrics.jsonl").read_text().splitlines() for job in (killed, whole))
    kept = [[{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines] for lines in (one, other)]
    assert kept[0] == kept[1]
    assert Stored(killed.folder).ledger().equals(Stored(whole.folder).ledger())
    assert not list(killed.folder.glob(".checkpoint-*"))


@pytest.mark.parametrize("torn", [b"", b'{"kind": "tr'])
def test_metrics_after_the_checkpoint_are_written_anew(make_job: Callable[..., Job], torn: bytes) -> None:
    from weitiao.train.run import run

    job = make_job("torn", epochs=2)
    run(job)
    before = (job.folder / "metrics.jsonl").read_bytes()
    with (job.folder / "metrics.jsonl").open("ab") as file:
        file.write(torn)
    run(make_job("torn", epochs=2))  # its checkpoints have no state any more: it starts anew
    after = (job.folder / "metrics.jsonl").read_bytes()
    one, other = ([json.loads(line)["loss"] for line in text.splitlines()] for text in (before, after))
    assert one == other
