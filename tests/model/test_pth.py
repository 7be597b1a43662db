"""Files of torch are read without running what is pickled in them."""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from weitiao.errors import UserError
from weitiao.model.pth import read_pth


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.mark, "ran"))


class History:
    """Stands for an object of a library that is not there."""

    def __init__(self) -> None:
        self.values = [1.0, 2.0]


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    saved = {
        "meta": {"epoch": 3, "seed": None, "names": ["a", "b"]},
        "state_dict": OrderedDict(
            plain=base,
            view=base[1:3, ::2],
            half=base.half(),
            bf16=base.bfloat16(),
            long=torch.tensor([1, 2]),
            empty=torch.empty(0),
            parameter=torch.nn.Parameter(base),
        ),
    }
    torch.save(saved, tmp_path / "iter_96.pth")
    read = read_pth(tmp_path / "iter_96.pth")
    assert read["meta"] == saved["meta"]
    for name, tensor in saved["state_dict"].items():  # type: ignore[attr-defined]
        assert torch.equal(read["state_dict"][name], tensor), name
        assert read["state_dict"][name].dtype == tensor.dtype


def test_foreign_objects_are_inert(tmp_path: Path) -> None:
    torch.save({"history": History(), "hook": getattr, "w": torch.ones(2)}, tmp_path / "x.pth")
    read = read_pth(tmp_path / "x.pth")
    assert torch.equal(read["w"], torch.ones(2))
    assert not isinstance(read["history"], History)
    assert read["hook"] is not getattr


def test_a_hostile_pickle_runs_nothing(tmp_path: Path) -> None:
    torch.save({"x": Hostile(tmp_path / "mark"), "w": torch.ones(2)}, tmp_path / "x.pth")
    assert torch.equal(read_pth(tmp_path / "x.pth")["w"], torch.ones(2))
    assert not (tmp_path / "mark").exists()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "x.pth", weights_only=True)


@pytest.mark.parametrize("damage", ["text", "no pickle", "cut storage", "cut pickle"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": torch.ones(100)}, path)
    if damage == "text":
        path.write_text("not a checkpoint")
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                if damage == "no pickle" and name.endswith("data.pkl"):
                    continue
                cut = (damage == "cut storage" and "/data/" in name) or (
                    damage == "cut pickle" and name.endswith(".pkl")
                )
                archive.writestr(name, content[: len(content) // 2] if cut else content)
    with pytest.raises(UserError, match=r"x\.pth is"):
        read_pth(path)
