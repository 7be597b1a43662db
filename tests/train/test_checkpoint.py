from collections.abc import Callable
from pathlib import Path

import torch

from weitiao.model.load import load_model
from weitiao.stage import Job
from weitiao.train import Train, adapter
from weitiao.train.checkpoint import Checkpoints, Progress


def test_newest_are_kept_and_journals_go_back(tiny_llama: Path, tmp_path: Path) -> None:
    model = adapter.lay(load_model(str(tiny_llama)), Train(), "base", 0)
    moments = {"a": {"step": torch.tensor(4.0), "exp_avg": torch.ones(2)}}
    journal = tmp_path / "metrics.jsonl"
    keeper = Checkpoints(tmp_path, 2, [journal])
    for step in range(1, 5):
        journal.write_bytes(b"x" * step)
        keeper.save(model, dict(adapter.trained(model)), moments, Progress(step, 10 * step, 0.5))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3", "checkpoint-4", "metrics.jsonl"]
    journal.write_bytes(b"x" * 9)
    (tmp_path / ".checkpoint-5").mkdir()
    reader = Checkpoints(tmp_path, 2, [journal], reads=True)
    assert reader.restore(model)[0] == Progress(4, 40, 0.5)
    assert (journal.read_bytes(), (tmp_path / ".checkpoint-5").exists()) == (b"x" * 9, True)
    again = Checkpoints(tmp_path, 2, [journal])
    progress, found = again.restore(model)
    assert progress == Progress(4, 40, 0.5)
    assert torch.equal(found["a"]["exp_avg"], torch.ones(2))
    assert journal.read_bytes() == b"xxxx"
    assert not (tmp_path / ".checkpoint-5").exists()


def test_the_same_seed_lays_the_same_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    for name in "ab":
        adapter.save(adapter.lay(load_model(str(tiny_llama)), Train(r=4), "base", 3), tmp_path / name)
    assert [path.read_bytes() for path in sorted((tmp_path / "a").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "b").iterdir())
    ]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_a_checkpoint_runs_no_pickle(tiny_llama: Path, tmp_path: Path, make_job: Callable[..., Job]) -> None:
    import pickle

    import pytest

    model = adapter.lay(load_model(str(tiny_llama)), Train(), "base", 0)
    adapter.save(model, tmp_path / "checkpoint-1")
    torch.save({"x": Danger()}, tmp_path / "checkpoint-1" / "state.pt")
    with pytest.raises(pickle.UnpicklingError):
        Checkpoints(tmp_path, 2, []).restore(model)


class Danger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (SystemExit, ("the pickle ran",))
