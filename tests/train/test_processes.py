"""Trainings in several real processes over gloo: the same as in one, killed, resumed in more or fewer."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
from accelerate.utils.other import get_free_port
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import load_file

from weitiao.errors import UserError
from weitiao.stage import Job, Silent
from weitiao.store import Stored
from weitiao.train import STAGE, Train, order, sharing
from weitiao.train.run import run

T = TypeVar("T")
MakeJob = Callable[..., Job]
# Two packs an epoch, and each record is seen 25 times.
FIFTY = {"epochs": 25, "max_length": 128, "evaluate_every": 10, "save_every": 5}


class Interrupt(Silent):
    """Stops the work before a step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        for number, item in enumerate(items):
            if number == self.step:
                raise KeyboardInterrupt
            yield item


def losses(job: Job) -> list[float]:
    return [json.loads(line)["loss"] for line in (job.folder / "metrics.jsonl").read_text().splitlines()]


def assert_equal(one: Job, other: Job) -> None:
    assert losses(one) == pytest.approx(losses(other), abs=1e-4)
    found, wanted = (load_file(next(job.folder.glob("[am]*/*.safetensors"))) for job in (one, other))
    assert found.keys() == wanted.keys()
    assert max((found[key] - wanted[key]).abs().max().item() for key in found) < 1e-4


@pytest.fixture
def whole(make_job: MakeJob) -> Job:
    job = make_job("whole", **FIFTY)
    assert run(job).facts["steps"] == 50
    return job


def kill_at(folder: Path, step: int, killed: list[int]) -> None:
    """Kill the second process of the training in `folder` with -9 as soon as there is a checkpoint of `step`."""
    while not (folder / f"checkpoint-{step}").exists():
        time.sleep(0.01)
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat = (place / "stat").read_text().rpartition(") ")[2].split()
            mine = int(stat[1]) == os.getpid() and b"spawn_main" in (place / "cmdline").read_bytes()
        except OSError:
            continue
        if mine:
            killed.append(int(place.name))
    os.kill(max(killed), signal.SIGKILL)


@pytest.mark.slow
def test_two_processes_equal_one_though_one_is_killed_and_one_goes_on_alone(make_job: MakeJob, whole: Job) -> None:
    job = make_job("cut", nproc=2, **FIFTY)
    killed: list[int] = []
    killer = threading.Thread(target=kill_at, args=(job.folder, 15, killed))
    killer.start()
    with pytest.raises(UserError, match="Process 1 of the training was ended: SIGKILL"):
        run(job)
    killer.join()
    assert all(not Path(f"/proc/{number}").exists() for number in killed)  # the other one was ended too
    reached = json.loads((job.folder / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert 15 <= reached < 50
    run(make_job("cut", **FIFTY))
    assert_equal(job, whole)
    assert Stored(job.folder).ledger()["action"].to_list() == Stored(whole.folder).ledger()["action"].to_list()


@pytest.mark.slow
def test_one_process_goes_on_as_two(make_job: MakeJob, whole: Job) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(make_job("cut", reporter=Interrupt(22), **FIFTY))
    job = make_job("cut", nproc=2, **FIFTY)
    assert run(job).facts["processes"] == 2
    assert_equal(job, whole)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [
    {"fsdp": True, "method": "full", "learning_rate": 1e-3, "keep": "best", "accumulate": 3, "packing": False},
    {"deepspeed": "deepspeed_zero2_offload"},
], ids=("fsdp", "zero2_offload"))  # fmt: skip
def test_what_is_split_equals_what_is_whole(make_job: MakeJob, settings: dict[str, Any]) -> None:
    if "deepspeed" in settings and find_spec("deepspeed") is None:
        pytest.skip("deepspeed is not installed")
    settings = {"max_length": 128, "epochs": 6, "probes": ["1+1?"], "probe_tokens": 2, "save_every": 2, **settings}
    alone = make_job("alone", **{**settings, "deepspeed": None})
    run(alone)
    split = make_job("split", nproc=2, **settings)
    run(split)
    assert_equal(split, alone)
    assert (split.folder / "probes.jsonl").read_bytes() == (alone.folder / "probes.jsonl").read_bytes()


@pytest.mark.slow
def test_torchrun_starts_the_command(tiny_llama: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    rows = [{"instruction": question, "output": answer} for question, answer in (("1+1?", "2"), ("2+2?", "4"))]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ["-m", "weitiao", "train", "--model", str(tiny_llama), "--data", str(data), "--epochs", "2"]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(get_free_port())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for work, launcher in (("one", []), ("two", torchrun)):
        arguments = [sys.executable, *launcher, *command, "--work-dir", str(tmp_path / work)]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{tmp_path / work / 'train' / 'adapter'}\n"
    facts = [json.loads((tmp_path / work / "train" / "plan.json").read_bytes()) for work in ("one", "two")]
    assert [fact["processes"] for fact in facts] == [1, 2]
    one, two = (load_file(tmp_path / w / "train" / "adapter" / "adapter_model.safetensors") for w in ("one", "two"))
    assert max((one[key] - two[key]).abs().max().item() for key in one) < 1e-4


def test_a_mistake_in_a_process_is_a_mistake_of_the_command(make_job: MakeJob) -> None:
    with pytest.raises(UserError, match="no linear layer `wqkv`") as error:
        run(make_job(nproc=2, targets=["wqkv"]))
    assert error.value.hint.startswith("It has ")


def test_another_number_of_processes_is_the_same_stage() -> None:
    assert set(STAGE.beside) <= set(Train.model_fields)


LENGTHS = [10, 20, 30, 40]


@pytest.mark.parametrize(("packs", "count", "wanted"), [
    ([(0, 1), (2,)], 1, [[(0, 1), (2,)]]),
    ([(0, 1), (2, 3)], 2, [[(2, 3)], [(0, 1)]]),
    ([(0, 1, 2, 3)], 2, [[(3, 0)], [(2, 1)]]),
    ([(0, 1), (2, 3), (1,)], 2, [[(3,), (2,)], [(0, 1), (1,)]]),
    ([(0,)], 3, [[(0,)], [()], [()]]),
])  # fmt: skip
def test_packs_are_dealt(packs: list[tuple[int, ...]], count: int, wanted: list[list[tuple[int, ...]]]) -> None:
    assert order.shares(packs, LENGTHS, count) == wanted


@given(
    packs=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True), min_size=1, max_size=7),
    count=st.integers(1, 5),
)
def test_each_record_is_dealt_once_and_all_make_as_many_passes(packs: list[list[int]], count: int) -> None:
    sizes = [index % 7 + 1 for index in range(31)]
    found = order.shares(packs, sizes, count)
    assert len(found) == count
    assert len({len(share) for share in found}) == 1
    dealt = sorted(index for share in found for records in share for index in records)
    assert dealt == sorted(index for records in packs for index in records)
    assert max(len(records) for share in found for records in share) <= max(map(len, packs))


@pytest.mark.parametrize(("settings", "message"), [
    ({"deepspeed": "zero2"}, "it must be a JSON file or one of deepspeed_zero1"),
    ({"deepspeed": "deepspeed_zero2", "fsdp": True}, "give one of them"),
    ({"nproc": 0}, "greater than or equal to 1"),
])  # fmt: skip
def test_what_does_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Train.model_validate(settings)


def test_one_process_has_nothing_to_split(make_job: MakeJob) -> None:
    assert run(make_job(deepspeed="deepspeed_zero2", max_steps=1)).facts["processes"] == 1


def test_the_users_config_gives_way_to_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "ds.json"
    path.write_text('{"zero_optimization": {"stage": 2}, "optimizer": {}, "bf16": {"enabled": true}}')
    assert sharing.ignored(Train(deepspeed="ds.json"), tmp_path) == ["optimizer", "bf16"]
    assert sharing.ignored(Train(deepspeed="deepspeed_zero2"), tmp_path) == []
    path.write_text("[]")
    with pytest.raises(UserError, match="no DeepSpeed config"):
        sharing.ignored(Train(deepspeed="ds.json"), tmp_path)
    with pytest.raises(UserError, match="Cannot read the DeepSpeed config"):
        sharing.ignored(Train(deepspeed="none.json"), tmp_path)
