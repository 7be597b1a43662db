"""Write a whole model: weights, stop tokens and the tokenizer's own files."""

import shutil
from pathlib import Path
from typing import Any

import orjson
from tokenizers import AddedToken
from transformers import LlamaConfig, LlamaForCausalLM

from weitiao.errors import UserError
from weitiao.model.load import base_of, load_tokenizer
from weitiao.model.pieces import append_pieces
from weitiao.model.template import Template
from weitiao.talk import t

_TOKENIZER_FILES = (
    "tokenizer*", "*.model", "vocab*", "merges.txt", "*tokens*.json", "chat_template*", "*.tiktoken", "LICENSE*",
)  # fmt: skip
_JINJA = "chat_template.jinja"


def write(
    model: Any, template: Template, base: Path, out: Path, max_shard_size: str = "5GB", *, layout: str = "original"
) -> list[int]:
    """Write the model, with the tokenizer of `base`, into a new folder `out`; return the stop tokens it has now.

    With `layout` llama an InternLM2 is written as the Llama that it is, for programs that do not know InternLM2.
    """
    if layout == "llama":
        model = as_llama(model)
    stops = _set_stops(model, template)
    if out.exists():
        shutil.rmtree(out)  # what an interrupted try left
    model.save_pretrained(out, max_shard_size=max_shard_size)
    new = _new_tokens(base, template)
    if layout == "llama" or (new and model.config.model_type != "internlm2"):
        write_tokenizer(out, template)
    else:
        _copy_tokenizer(base, out, template)
        append_pieces(out, new)
    return stops


def stored_dtype(base: str) -> str:
    """Return the number format that the weights in the folder `base` are said to have."""
    config = orjson.loads((Path(base) / "config.json").read_bytes())
    return str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")


def as_llama(model: Any) -> Any:
    """Return the model as a plain Llama that shares its weights; raise UserError if it computes something else."""
    kind = model.config.model_type
    if kind not in ("internlm2", "llama"):
        raise UserError(
            t("A model of type {kind} has no Llama layout", kind=kind), t("Leave out --layout, or set it to original")
        )
    own = {"model_type", "auto_map", "architectures", "_name_or_path", "transformers_version"}
    config = LlamaConfig(**{key: value for key, value in model.config.to_dict().items() if key not in own})
    with model.device:
        plain: Any = LlamaForCausalLM._from_config(config, dtype=model.dtype)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain.eval()


def _set_stops(model: Any, template: Template) -> list[int]:
    """Let generation end at every stop token: of the template, the tokenizer and the base.

    A base's own configuration often names only its end of text, which a chat model never says (InternLM #642).
    """
    own = [*_ids(model.generation_config.eos_token_id), *_ids(base_of(model).config.eos_token_id)]
    stops = list(dict.fromkeys([*template.stop_ids, *own]))
    model.generation_config.eos_token_id = stops
    return stops


def _new_tokens(base: Path, template: Template) -> list[AddedToken]:
    """Return the tokens that the tokenizer of the folder `base` lacks, by their ids."""
    own = load_tokenizer(str(base), trust=True).get_vocab()  # the model has run: so might code of its own
    added = template.tokenizer.added_tokens_decoder
    return [added[index] for index in sorted(added) if added[index].content not in own]


def _ids(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else value


def _copy_tokenizer(base: Path, out: Path, template: Template) -> None:
    """Copy the tokenizer byte for byte: what transformers 5 would write, version 4 cannot read.

    Where the base does not have the template that was trained, it is added, so that other programs render the same.
    """
    for pattern in _TOKENIZER_FILES:
        for path in base.glob(pattern):
            if path.is_file():
                shutil.copyfile(path, out / path.name)
    jinja, config = out / _JINJA, out / "tokenizer_config.json"
    stated = orjson.loads(config.read_bytes()) if config.exists() else {}
    own = jinja.read_text(encoding="utf-8") if jinja.exists() else stated.get("chat_template")
    if own != template.jinja:
        jinja.write_text(template.jinja, encoding="utf-8")
        if stated.pop("chat_template", None) is not None:
            config.write_bytes(orjson.dumps(stated, option=orjson.OPT_INDENT_2))


def write_tokenizer(out: Path, template: Template) -> None:
    """Write a tokenizer.json with a configuration so small that transformers 4 and 5 take its ids as they are.

    With the class `LlamaTokenizer` both would append the special tokens behind the vocabulary.
    """
    tokenizer = template.tokenizer
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **{name: token for name in names if (token := tokenizer.special_tokens_map.get(name))},
    }
    (out / "tokenizer_config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
    (out / _JINJA).write_text(template.jinja, encoding="utf-8")
