"""Write a whole model: weights, stop tokens and the tokenizer's own files."""

import shutil
from pathlib import Path
from typing import Any

import orjson

from weitiao.model.load import base_of
from weitiao.model.template import Template

_TOKENIZER_FILES = (
    "tokenizer*", "*.model", "vocab*", "merges.txt", "*tokens*.json", "chat_template*", "*.tiktoken", "LICENSE*",
)  # fmt: skip


def write(model: Any, template: Template, base: Path, out: Path, max_shard_size: str = "5GB") -> list[int]:
    """Write the model, with the tokenizer of `base`, into a new folder `out`; return the stop tokens it has now."""
    stops = _set_stops(model, template)
    if out.exists():
        shutil.rmtree(out)  # what an interrupted try left
    model.save_pretrained(out, max_shard_size=max_shard_size)
    _copy_tokenizer(base, out, template)
    return stops


def stored_dtype(base: str) -> str:
    """Return the number format that the weights in the folder `base` are said to have."""
    config = orjson.loads((Path(base) / "config.json").read_bytes())
    return str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")


def _set_stops(model: Any, template: Template) -> list[int]:
    """Let generation end at every stop token: of the template, the tokenizer and the base.

    A base's own configuration often names only its end of text, which a chat model never says (InternLM #642).
    """
    own = [*_ids(model.generation_config.eos_token_id), *_ids(base_of(model).config.eos_token_id)]
    stops = list(dict.fromkeys([*template.stop_ids, *own]))
    model.generation_config.eos_token_id = stops
    return stops


def _ids(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else value


def _copy_tokenizer(base: Path, out: Path, template: Template) -> None:
    """Copy the tokenizer byte for byte: what transformers 5 would write, version 4 cannot read."""
    for pattern in _TOKENIZER_FILES:
        for path in base.glob(pattern):
            if path.is_file():
                shutil.copyfile(path, out / path.name)
    if template.tokenizer.chat_template is None:  # so that other programs render what was trained
        (out / "chat_template.jinja").write_text(template.jinja, encoding="utf-8")
