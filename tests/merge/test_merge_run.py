import json
from pathlib import Path
from typing import Any

import pytest
import torch

from weitiao.merge import Merge
from weitiao.merge import run as module
from weitiao.merge.run import Merged, asked, merge, tell
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.pair import Place
from weitiao.model.template import Template
from weitiao.stage import Silent
from weitiao.train import Train, adapter

torch.set_num_threads(1)


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def tuned(base: Path, folder: Path) -> str:
    """Write an adapter whose matrices are not zero."""
    model = adapter.lay(load_model(str(base), device="cpu"), Train(r=4), "base", 0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.05)
    adapter.save(model, folder)
    return str(folder)


def test_merged_answers_as_base_and_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    path = tuned(tiny_llama, tmp_path / "adapter")
    found = merge(Place(str(tiny_llama), path), tmp_path / "out", Merge(tokens=8), asked())
    assert (found.same, found.prompts, found.alike, found.dtype) == (4, 4, True, "float32")
    assert found.difference < 1e-3
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        both = load_model(str(tiny_llama), adapter=path, device="cpu")(ids).logits
        one = load_model(str(tmp_path / "out"), device="cpu")(ids).logits
        bare = load_model(str(tiny_llama), device="cpu")(ids).logits
    assert torch.allclose(one, both, atol=1e-4)
    assert not torch.allclose(one, bare, atol=1e-2)


def test_same_bytes_each_time_in_shards_with_stop_tokens(tiny_llama: Path, tmp_path: Path) -> None:
    path = tuned(tiny_llama, tmp_path / "adapter")
    settings = Merge(tokens=2, max_shard_size="100KB")
    for name in "ab":
        merge(Place(str(tiny_llama), path), tmp_path / name, settings, asked()[:1])
    one, other = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "ab")
    assert one == other
    assert len([name for name in one if name.endswith(".safetensors")]) > 1
    tokenizer = load_tokenizer(str(tmp_path / "a"))
    assert json.loads(one["generation_config.json"])["eos_token_id"] == [tokenizer.eos_token_id]
    assert one["tokenizer.json"] == (tiny_llama / "tokenizer.json").read_bytes()


def test_a_template_of_ours_is_written_beside_the_model(stories: Path, tmp_path: Path) -> None:
    path = tuned(stories, tmp_path / "adapter")
    found = merge(Place(str(stories), path), tmp_path / "out", Merge(tokens=8), asked())
    assert found.alike
    messages = [("user", "a"), ("assistant", "b")]
    before, after = (Template(load_tokenizer(str(folder))) for folder in (stories, tmp_path / "out"))
    assert after.encode(messages) == before.encode(messages)
    assert after.stop_ids == before.stop_ids == tuple(found.stop_ids)


def test_bfloat16(tiny_llama: Path, tmp_path: Path) -> None:
    path = tuned(tiny_llama, tmp_path / "adapter")
    found = merge(Place(str(tiny_llama), path), tmp_path / "out", Merge(tokens=4, dtype="bfloat16"), asked())
    assert found.dtype == "bfloat16"
    assert json.loads((tmp_path / "out" / "config.json").read_bytes())["dtype"] == "bfloat16"


def test_another_model_is_said_loudly(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(
        path: str, *, adapter: str | None = None, dtype: str = "auto", device: str | None = None, trust: bool = False
    ) -> Any:
        return load_model(path if adapter else str(tiny_llama), adapter=adapter, dtype=dtype, device="cpu")

    monkeypatch.setattr(module, "load_model", forget)
    found = merge(
        Place(str(tiny_llama), tuned(tiny_llama, tmp_path / "adapter")), tmp_path / "out", Merge(tokens=8), asked()
    )
    notes = Notes()
    tell(found, notes)
    assert not found.alike
    assert notes.said[0].startswith("WARNING: the merged model is not base + adapter")


@pytest.mark.parametrize(("same", "said"), [
    (8, []),
    (7, ["1 of 8 answers go another way by the rounding of bfloat16: logits may differ by up to 1 there, and do by "
         "0.25. In float32 no answer may differ"]),
])  # fmt: skip
def test_an_answer_that_rounding_turned_is_told(same: int, said: list[str]) -> None:
    notes = Notes()
    tell(Merged(8, same, 0.25, alike=True, dtype="bfloat16", parameters=1, stop_ids=[1], files=[]), notes)
    assert notes.said == said
