"""A model as one GGUF file, for llama.cpp, Ollama and others: weights, tokenizer, chat template and stop tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, LlamaFileType, RopeScalingType, get_tensor_name_map
from gguf.constants import GGML_QUANT_SIZES, MODEL_ARCH
from gguf.quants import dequantize, quantize

from weitiao.errors import UserError
from weitiao.model.template import Template
from weitiao.model.vocabulary import Vocabulary, vocabulary
from weitiao.talk import t

F32, F16, Q8_0 = GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.Q8_0
QUANTS = {"f16": (F16, LlamaFileType.MOSTLY_F16), "q8_0": (Q8_0, LlamaFileType.MOSTLY_Q8_0)}
# Model type of transformers -> architecture of llama.cpp.
_KNOWN = {"llama": "llama", "internlm2": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
_ROPES = ("default", "dynamic", "linear", "llama3")  # dynamic changes nothing within the trained length
_FREQUENCIES = "rope_freqs.weight"
# Rounding to float16: half a unit in the last of 11 digits, and of the smallest numbers.
_HALF, _TINY = 2.0**-11, 2.0**-25

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Written:
    """What was written; `difference` is the largest one between a weight and what the file gives back for it."""

    architecture: str
    quant: str
    tensors: int
    difference: float
    bytes: int
    split: str
    stop_ids: list[int]
    adds_bos: bool


def write(model: Any, template: Template, path: Path, quant: str, name: str) -> Written:
    """Write a model, and read the file back: every tensor, the pieces, the template, the stop tokens.

    `quant` is one of QUANTS. Raises UserError for what llama.cpp would compute otherwise than transformers does.
    """
    config: dict[str, Any] = model.config.get_text_config().to_dict()
    architecture = _architecture(config)
    words = vocabulary(template.tokenizer, config["vocab_size"])
    writer = GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_file_type(QUANTS[quant][1])
    _describe(writer, config)
    _speak(writer, words, template)
    tensors = dict(_tensors(model, config, architecture))
    for key, tensor in tensors.items():
        form = _form(tensor, quant)
        block, size = GGML_QUANT_SIZES[form]
        writer.add_tensor_info(key, tensor.shape, np.dtype("float32"), tensor.numel() // block * size, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for key, tensor in tensors.items():  # one at a time: the largest model fits
        writer.write_tensor_data(quantize(_values(key, tensor), _form(tensor, quant)))
    writer.close()
    reader = GGUFReader(path)
    _check_words(reader, words, template)
    difference = max(_difference(found, tensors.pop(found.name)) for found in reader.tensors)
    if tensors:
        raise AssertionError(f"{path} lacks {sorted(tensors)}")
    return Written(
        architecture=architecture,
        quant=quant,
        tensors=len(reader.tensors),
        difference=difference,
        bytes=path.stat().st_size,
        split=words.split,
        stop_ids=list(template.stop_ids),
        adds_bos=words.add_bos,
    )


def _architecture(config: dict[str, Any]) -> str:
    kind = config["model_type"]
    if kind not in _KNOWN:
        raise UserError(
            t("No GGUF for models of type {kind}", kind=kind), t("It is written for {names}", names=", ".join(_KNOWN))
        )
    layers = set(config.get("layer_types") or ())
    if layers - {"full_attention"} or (kind == "mistral" and config.get("sliding_window")):
        raise UserError(t("No GGUF for a model with a sliding window: llama.cpp would not heed it"))
    rope = _rope(config)
    if rope["rope_type"] not in _ROPES or config.get("hidden_act", "silu") != "silu":
        raise UserError(t("No GGUF for positions scaled by {kind}", kind=rope["rope_type"]))
    return _KNOWN[kind]


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", **(config.get("rope_parameters") or {})}
    return rope


def _width(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _describe(writer: GGUFWriter, config: dict[str, Any]) -> None:
    rope, width = _rope(config), _width(config)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def _speak(writer: GGUFWriter, words: Vocabulary, template: Template) -> None:
    """Write how texts become tokens, and where answers end: at the template's stop token, and the end of text."""
    tokenizer = template.tokenizer
    writer.add_tokenizer_model(words.model)
    writer.add_tokenizer_pre(words.split)
    writer.add_token_list(words.pieces)
    writer.add_token_types(words.kinds)
    if words.scores:
        writer.add_token_scores(words.scores)
    if words.merges:
        writer.add_token_merges(words.merges)
    writer.add_add_bos_token(words.add_bos)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(words.add_space)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_eos_token_id(template.stop_ids[-1])
    writer.add_eot_token_id(template.stop_ids[0])
    writer.add_chat_template(plain_jinja(template.jinja))


def plain_jinja(jinja: str) -> str:
    """Return the template without the marks around answers, which other programs do not know."""
    return re.sub(r"\{%(-?)\s*(?:end)?generation\s*(-?)%\}", r"{%\1 if true \2%}{% endif %}", jinja)


def _tensors(model: Any, config: dict[str, Any], architecture: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each weight under llama.cpp's name and in its order of rows."""
    names = get_tensor_name_map(MODEL_ARCH[architecture.upper()], config["num_hidden_layers"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for key, tensor in model.state_dict().items():
        if key == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise UserError(t("No GGUF for this model: it has the weight {name}", name=key))
        part = next((part for part in heads if f"{part}." in key), None)
        yield name, _interleaved(tensor, heads[part]) if part and architecture == "llama" else tensor
    if architecture == "llama" and _rope(config)["rope_type"] == "llama3":
        yield _FREQUENCIES, _slowed(model, config)


def _interleaved(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder rows of q or k: transformers rotates a head's first half with its second, llama.cpp neighbours."""
    halves = tensor.reshape(heads, 2, -1, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def _slowed(model: Any, config: dict[str, Any]) -> torch.Tensor:
    """Return by how much Llama 3.1 slows each frequency down: (width / 2)."""
    width = _width(config)
    plain = _rope(config)["rope_theta"] ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    slow: torch.Tensor = model.get_decoder().rotary_emb.inv_freq
    factors: torch.Tensor = plain / slow.cpu()
    return factors


def _form(tensor: torch.Tensor, quant: str) -> GGMLQuantizationType:
    """Return how a tensor is stored: vectors in float32; rows that make no whole blocks in float16."""
    if tensor.dim() == 1:
        return F32
    form = QUANTS[quant][0]
    return form if tensor.shape[-1] % GGML_QUANT_SIZES[form][0] == 0 else F16


def _values(key: str, tensor: torch.Tensor) -> Array:
    values: Array = tensor.detach().float().cpu().numpy()
    if not np.abs(values).max() <= 65504:  # a NaN is not either
        raise UserError(t("The weight {name} has values that float16 cannot hold", name=key))
    return values


def _difference(found: Any, tensor: torch.Tensor) -> float:
    """Return how far a stored tensor is off; raise AssertionError if that is more than rounding."""
    form, wanted = found.tensor_type, _values(found.name, tensor)
    values = dequantize(found.data, form).reshape(wanted.shape)
    off = np.abs(values - wanted)
    if form == Q8_0:  # half a step, and the step itself is rounded
        largest = np.abs(wanted).reshape(-1, 32).max(-1, keepdims=True)
        bound = np.broadcast_to(largest * (0.5 / 127 + 2 * _HALF) + 128 * _TINY, (largest.shape[0], 32))
        bound = bound.reshape(wanted.shape)
    else:
        bound = np.abs(wanted) * _HALF + _TINY if form == F16 else np.zeros_like(wanted)
    if not (off <= bound).all():
        raise AssertionError(f"{found.name} is stored wrongly: off by {off.max()}")
    return float(off.max())


def _check_words(reader: GGUFReader, words: Vocabulary, template: Template) -> None:
    def field(name: str) -> Any:
        return reader.fields[f"tokenizer.{name}"].contents()

    assert field("ggml.tokens") == words.pieces
    assert field("ggml.token_type") == words.kinds
    assert not words.merges or field("ggml.merges") == words.merges
    assert field("ggml.eot_token_id") == template.stop_ids[0]
    assert field("chat_template") == plain_jinja(template.jinja)
