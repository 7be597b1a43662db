"""GGUF files hold the same weights, words, template and stop tokens; llama.cpp answers alike where it is installed."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from makers import PIECES, internlm2_tokenizer, internlm2_weights

from conftest import DATA
from families import FAMILIES, make_family, make_tokenizer
from weitiao.errors import UserError
from weitiao.model.generate import Sampling, answer
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.ollama import frame, modelfile
from weitiao.model.template import Template
from weitiao.model.vocabulary import vocabulary

gguf_file = pytest.importorskip("weitiao.model.gguf_file", reason="no gguf")
torch.set_num_threads(1)

KINDS = ("llama3", "qwen2", "qwen3", "internlm2", "prefixed")
QUESTIONS = [f"{word}{n}？" for n, word in enumerate(["水", "Why is the sky blue ", "  a\n\nb", "12345 x²"] * 5)]


def make(name: str, folder: Path) -> Path:
    if name == "stories":
        if not (DATA / "models" / "stories260k").exists():
            pytest.skip(f"no {DATA / 'models' / 'stories260k'}")
        return DATA / "models" / "stories260k"
    if name in FAMILIES:
        return make_family(name, folder)
    internlm2_weights(folder, bias=False, words=PIECES, positions=256, dynamic=False)
    return internlm2_tokenizer(folder, prefix=name == "prefixed")


def written(name: str, folder: Path, quant: str = "f16") -> tuple[Any, Template, Any]:
    place = make(name, folder / "model")
    model, template = load_model(str(place), device="cpu"), Template(load_tokenizer(str(place)))
    return model, template, gguf_file.write(model, template, folder / "m.gguf", quant, "m")


@pytest.mark.parametrize("quant", ["f16", "q8_0"])
@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_is_read_back(name: str, quant: str, tmp_path: Path) -> None:
    model, template, found = written(name, tmp_path, quant)
    assert found.architecture == (name if name.startswith("qwen") else "llama")
    assert found.difference < {"f16": 1e-3, "q8_0": 1e-2}[quant]
    assert found.stop_ids == list(template.stop_ids)
    reader = gguf_file.GGUFReader(tmp_path / "m.gguf")
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert tensors["blk.0.attn_norm.weight"].data.dtype == np.float32
    wanted = model.state_dict()["model.layers.1.mlp.down_proj.weight"].numpy()
    down = tensors["blk.1.ffn_down.weight"]
    assert np.allclose(gguf_file.dequantize(down.data, down.tensor_type), wanted, atol=1e-2)
    assert ("output.weight" in tensors) != model.config.tie_word_embeddings
    assert found.tensors == len(model.state_dict()) - model.config.tie_word_embeddings


def test_a_tensor_stored_wrongly_is_noticed(tmp_path: Path) -> None:
    model, _, _ = written("llama3", tmp_path)
    reader = gguf_file.GGUFReader(tmp_path / "m.gguf")
    found = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.attn_q.weight")
    plain = model.state_dict()["model.layers.0.self_attn.q_proj.weight"]
    with pytest.raises(AssertionError, match=r"blk\.0\.attn_q\.weight is stored wrongly"):
        gguf_file._difference(found, plain)
    assert gguf_file._difference(found, gguf_file._interleaved(plain, 4)) < 1e-3


@pytest.mark.parametrize("name", ["gemma3", "phi3", "mixtral"])
def test_other_architectures_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No GGUF for models of type"):
        written(name, tmp_path)


def test_a_sliding_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sliding window"):
        written("mistral", tmp_path)


def test_slowed_frequencies_of_llama_3_1(tmp_path: Path) -> None:
    """Expected: fast ones unchanged, slow ones 8 times slower (the published rule)."""
    from transformers import LlamaConfig, LlamaForCausalLM

    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64, "rope_theta": 500000.0}  # fmt: skip
    family = make_tokenizer(FAMILIES["llama3"])
    config = LlamaConfig(
        vocab_size=len(family), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, rope_parameters=scaling,
    )  # fmt: skip
    gguf_file.write(LlamaForCausalLM(config), Template(family), tmp_path / "m.gguf", "f16", "m")
    tensors = {tensor.name: tensor.data for tensor in gguf_file.GGUFReader(tmp_path / "m.gguf").tensors}
    factors = tensors["rope_freqs.weight"]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(8)


def test_words_of_a_published_tokenizer() -> None:
    folder = DATA / "tokenizers" / "qwen2"
    if not folder.exists():
        pytest.skip(f"no {folder}")
    tokenizer: Any = load_tokenizer(str(folder))
    words = vocabulary(tokenizer, 151936)
    assert (words.model, words.split, words.add_bos) == ("gpt2", "qwen2", False)
    assert words.pieces[151645] == "<|im_end|>"
    assert (words.kinds[151645], words.kinds[0], words.kinds[151935]) == (3, 1, 5)
    with pytest.raises(UserError, match="tokens, the model 1000"):
        vocabulary(tokenizer, 1000)


def test_words_cut_in_another_way_are_refused(tiny_llama: Path) -> None:
    from tokenizers import pre_tokenizers

    tokenizer: Any = load_tokenizer(str(tiny_llama))
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(UserError, match="no name in GGUF"):
        vocabulary(tokenizer, 600)


@pytest.mark.parametrize("name", ["llama3", "qwen2", "qwen3", "gemma3", "phi3", "glm4", "smollm3"])
def test_ollamas_template_says_the_same(name: str) -> None:
    template = Template(make_tokenizer(FAMILIES[name]))
    text = modelfile(template, "m.gguf", adds_bos=False)
    assert text.startswith('FROM ./m.gguf\nTEMPLATE """{{ if .System }}')
    stop = FAMILIES[name].stop
    assert f'PARAMETER stop "{stop}"\n' in text
    found = frame(template, without_bos=False)
    assert found is not None
    talk = [("user", "1+1?"), ("assistant", "2"), ("user", "b")]
    assert found.text(talk) == template.text(talk, generate=True)


def test_a_template_that_ollama_cannot_say_is_refused() -> None:
    template = Template(make_tokenizer(FAMILIES["mistral"]))
    assert frame(template, without_bos=True) is None
    with pytest.raises(UserError, match="cannot be said in Ollama's language"):
        modelfile(template, "m.gguf", adds_bos=True)


@pytest.mark.gguf_engine
@pytest.mark.parametrize("name", [*KINDS, "stories"])
def test_llama_cpp_answers_alike(name: str, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason="no llama-cpp-python")
    model, template, _ = written(name, tmp_path)
    engine = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=256, n_threads=1, verbose=False)
    parted = 0
    for question in QUESTIONS:
        ids = template.prompt([("user", question)])
        text = template.text([("user", question)], generate=True)
        assert engine.tokenize(text.encode(), add_bos=False, special=True) == ids
        (ours,) = answer(model, template, [[("user", question)]], Sampling(max_new_tokens=16), batch_tokens=1)
        for token in islice(engine.generate(ids, temp=0.0, top_k=1), ours.tokens + ours.stopped):
            with torch.no_grad():
                best = model(torch.tensor([ids])).logits[0, -1].topk(2)
            if token != best.indices[0]:  # a draw, as far as float16 can tell
                assert best.values[0] - best.values[1] < 0.01
                parted += 1
                break
            ids = [*ids, token]
    engine.close()
    assert parted <= 3
