"""Tokens added to the vocabulary are learnt, and nothing else of the embedding changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from gguf import GGUFReader
from makers import PIECES, internlm2_tokenizer, internlm2_weights
from safetensors.torch import load_file

from weitiao.errors import UserError
from weitiao.merge import Merge
from weitiao.merge.run import merge
from weitiao.model import gguf_file, pair, tokens
from weitiao.model.generate import Sampling, answer
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.pair import Place
from weitiao.model.pieces import load_pieces
from weitiao.stage import Job
from weitiao.train import Train, adapter
from weitiao.train.run import run

torch.set_num_threads(1)
MakeJob = Callable[..., Job]
QUESTION = "几点了？"
ROWS = [(QUESTION, "<tool>clock"), ("天气怎样？", "<tool>sky")] * 3
TRAIN: dict[str, Any] = {
    "rows": ROWS, "epochs": 40, "learning_rate": 0.02, "accumulate": 1, "max_length": 256,
    "new_tokens": ["<tool>"], "record_losses": False,
}  # fmt: skip


def tables(folder: Path, *names: str) -> list[torch.Tensor]:
    tensors = load_file(folder / "model.safetensors")
    return [tensors[name] for name in names if name in tensors]


def said(place: Place, question: str = QUESTION) -> str:
    model = load_model(place.model, adapter=place.adapter, device="cpu")
    return answer(model, pair.template(place), [[("user", question)]], Sampling(24), batch_tokens=64)[0].text


@pytest.fixture(scope="session")
def internlm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("internlm2")
    internlm2_tokenizer(folder, prefix=False)
    internlm2_weights(folder, bias=False, words=420, positions=256)
    return folder


EMBEDDING, HEAD = ("model.embed_tokens.weight", "model.tok_embeddings.weight"), ("lm_head.weight", "output.weight")


@pytest.mark.parametrize(("base", "layout"), [
    ("tiny_llama", "original"), ("internlm2", "original"), ("internlm2", "llama"),
])  # fmt: skip
def test_a_new_token_is_learnt_and_no_other_row_changes(
    make_job: MakeJob, tmp_path: Path, request: pytest.FixtureRequest, base: str, layout: str
) -> None:
    folder: Path = request.getfixturevalue(base)
    job = make_job(model=str(folder), **TRAIN)
    run(job)
    rows = len(load_tokenizer(str(folder)))
    place = Place(str(folder), str(job.folder / "adapter"))
    assert said(place) == "<tool>clock"
    merged = merge(place, tmp_path / "merged", Merge.model_validate({"layout": layout}), [[("user", QUESTION)]])
    assert merged.alike
    assert said(Place(str(tmp_path / "merged"))) == "<tool>clock"
    tokenizer = load_tokenizer(str(tmp_path / "merged"))
    assert tokenizer("<tool>", add_special_tokens=False)["input_ids"] == [rows]
    for names in (EMBEDDING, HEAD):
        before, after = tables(folder, *names), tables(tmp_path / "merged", *names)
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            assert other.shape[0] == rows + 1
            assert torch.equal(one, other[:rows])


def test_marks_of_a_template_are_trained_where_the_base_lacks_them(make_job: MakeJob, tmp_path: Path) -> None:
    bare = internlm2_tokenizer(tmp_path / "bare", prefix=False)
    internlm2_weights(bare, bias=False, words=420, positions=256)
    (bare / "tokenizer_config.json").unlink()  # nothing gives its special pieces readable names
    with pytest.raises(UserError, match="no token `<end_of_turn>`") as caught:
        run(make_job("a", model=str(bare), template="gemma", **{**TRAIN, "new_tokens": []}))
    marks = ["<start_of_turn>", "<end_of_turn>"]
    assert str(caught.value.hint).endswith(f"train.new_tokens: {orjson.dumps(marks).decode().replace(',', ', ')}")
    job = make_job("b", model=str(bare), template="gemma", **{**TRAIN, "new_tokens": marks})
    run(job)
    place = Place(str(bare), str(job.folder / "adapter"))
    assert (pair.speaks(Place(str(bare)), "gemma"), pair.speaks(place, "gemma")) == (False, True)
    assert said(place) == "<tool>clock"
    assert merge(place, tmp_path / "merged", Merge(), [[("user", QUESTION)]]).alike
    assert said(Place(str(tmp_path / "merged"))) == "<tool>clock"
    again = load_pieces(tmp_path / "merged")
    assert again("<start_of_turn>user", add_special_tokens=False)["input_ids"][0] == PIECES
    assert again.decode([PIECES, PIECES + 1], skip_special_tokens=True) == ""


@pytest.mark.parametrize("method", ["dora", "pissa", "full"])
def test_every_method_saves_and_restores_the_rows(tiny_llama: Path, tmp_path: Path, method: str) -> None:
    settings = Train.model_validate({"method": method, "r": 4})
    tokenizer = load_tokenizer(str(tiny_llama))
    added = tokens.add(tokenizer, ["<tool>", "<|im_start|>"], "")
    assert [(one.id, bool(one.pieces)) for one in added] == [(len(tokenizer) - 1, True), (1, False)]
    models = [adapter.lay(load_model(str(tiny_llama), device="cpu"), settings, "base", 0, added) for _ in range(2)]
    with torch.no_grad():
        for _, value in adapter.trained(models[0]):
            value.add_(torch.randn_like(value), alpha=0.02)
    adapter.save(models[0], tmp_path / "adapter")
    adapter.restore(models[1], tmp_path / "adapter")
    ids = torch.tensor([[5, 1, len(tokenizer) - 1, 7]])
    found = [model.eval()(ids, use_cache=False).logits for model in models]
    assert torch.equal(*found)
    if method != "full":
        loaded = load_model(str(tiny_llama), adapter=str(tmp_path / "adapter"), device="cpu")
        assert torch.allclose(loaded(ids, use_cache=False).logits, found[0], atol=1e-4)


def test_what_is_merged_becomes_gguf(make_job: MakeJob, tmp_path: Path, tiny_llama: Path) -> None:
    job = make_job(**{**TRAIN, "epochs": 1})
    run(job)
    merge(Place(str(tiny_llama), str(job.folder / "adapter")), tmp_path / "merged", Merge(), [[("user", QUESTION)]])
    template = pair.template(Place(str(tmp_path / "merged")))
    written = gguf_file.write(load_model(str(tmp_path / "merged")), template, tmp_path / "x.gguf", "f16", "x")
    pieces = GGUFReader(tmp_path / "x.gguf").fields["tokenizer.ggml.tokens"].contents()
    assert written.split == "gpt-2"
    assert pieces[-1] == "<tool>"
