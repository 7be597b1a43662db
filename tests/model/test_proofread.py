"""A masked language model says which character should stand where; from today's files and from PyTorch's own."""

import shutil
from pathlib import Path

import pytest
import torch
from proofreaders import SLIPS, make_proofreader
from safetensors.torch import load_file

from weitiao.errors import UserError
from weitiao.model.proofread import Proofreader


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_proofreader(tmp_path_factory.mktemp("models") / "corrector")


def told(folder: Path, *texts: str) -> list[list[tuple[int, str]]]:
    return [[(place, letter) for place, letter, _ in found] for found in Proofreader(str(folder)).read(texts)]


def test_each_guess_has_its_place(folder: Path) -> None:
    assert told(folder, *SLIPS) == [[(1, "们")], [(1, "再")], [(1, "在")], [(2, "心")], [], [], []]
    assert told(folder) == []


def test_what_the_model_does_not_know_moves_no_place(folder: Path) -> None:
    assert told(folder, "😂今天新情很好𠮷", "") == [[(3, "心")], []]


def test_what_is_beyond_its_room_is_not_read(folder: Path) -> None:
    assert all(place < 126 for place, _ in told(folder, "今天新情很好" * 50)[0])


def test_the_files_of_old_say_the_same(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "old")
    weights = tmp_path / "old" / "model.safetensors"
    torch.save(load_file(weights), tmp_path / "old" / "pytorch_model.bin")
    weights.unlink()
    for name in ("tokenizer.json", "tokenizer_config.json"):  # vocab.txt is all that BERT's first files had
        (tmp_path / "old" / name).unlink(missing_ok=True)
    assert told(tmp_path / "old", *SLIPS) == told(folder, *SLIPS)


def test_weights_that_would_run_code_are_not_loaded(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "bad")
    (tmp_path / "bad" / "model.safetensors").unlink()
    torch.save({"cls.predictions.bias": Path("run")}, tmp_path / "bad" / "pytorch_model.bin")
    with pytest.raises(UserError, match="a pickle that would run code"):
        Proofreader(str(tmp_path / "bad"))
