import json
import shutil
from pathlib import Path

import pytest
import torch

from weitiao.errors import UserError
from weitiao.model import load
from weitiao.model.generate import Sampling
from weitiao.model.load import load_model, load_tokenizer, pick_dtype

torch.set_num_threads(1)


def test_stories_gives_what_its_authors_saw(stories: Path) -> None:
    golden = json.loads((stories / "golden.json").read_bytes())
    model, tokenizer = load_model(str(stories), device="cpu"), load_tokenizer(str(stories))
    for text, (mean, tokens) in golden["nll"].items():
        ids = torch.tensor([[1, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
        with torch.no_grad():
            loss = model(ids, labels=ids).loss.item()
        assert loss == pytest.approx(mean, abs=1e-4)
        assert ids.shape[1] == tokens
    ids = torch.tensor([golden["prompt_ids"]])
    found = model.generate(ids, max_new_tokens=len(golden["greedy_ids"]) - 1, do_sample=False, pad_token_id=0)
    assert found[0].tolist() == golden["greedy_ids"]
    assert Sampling().temperature == 0


def test_pad_token_is_never_new(stories: Path) -> None:
    tokenizer = load_tokenizer(str(stories))
    assert tokenizer.pad_token == "<unk>"
    assert len(tokenizer) == 512


def test_bin_weights_load_without_running_their_pickle(tiny_llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    shutil.copytree(tiny_llama, folder)
    (folder / "model.safetensors").unlink()
    model = load_model(str(tiny_llama), device="cpu")
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.equal(load_model(str(folder), device="cpu")(ids).logits, model(ids).logits)
    torch.save({"x": Danger()}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="a pickle that would run code"):
        load_model(str(folder), device="cpu")


class Danger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (SystemExit, ("the pickle ran",))


def test_dtype(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_dtype("auto", str(tiny_llama), "cpu") is torch.float32
    assert pick_dtype("bfloat16", str(tiny_llama), "cpu") is torch.bfloat16
    monkeypatch.setattr(load, "_SMALL", 0)
    monkeypatch.setattr(load, "cpu_has_bfloat16", lambda: True)
    assert pick_dtype("auto", str(tiny_llama), "cpu") is torch.bfloat16
    with pytest.raises(UserError, match="No dtype `int3`"):
        pick_dtype("int3", str(tiny_llama), "cpu")
