"""Writes a recipe as a commented file, each key with the name that it has in XTuner's configs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import yaml

from weitiao.recipe import plain_value
from weitiao.talk import t

# What each key is called in XTuner's configs.
_THERE = {
    "model": "pretrained_model_name_or_path",
    "template": "prompt_template",
    "seed": "randomness.seed",
    "source.inputs": "alpaca_en_path, data_path, data_files",
    "source.shape": "dataset_map_fn",
    "train.epochs": "max_epochs",
    "train.max_steps": "max_iters / accumulative_counts",
    "train.learning_rate": "lr",
    "train.weight_decay": "weight_decay",
    "train.clip": "max_norm",
    "train.warmup": "warmup_ratio",
    "train.accumulate": "batch_size x accumulative_counts",
    "train.max_length": "max_length",
    "train.packing": "pack_to_max_length",
    "train.bits": "load_in_4bit, load_in_8bit",
    "train.double_quant": "bnb_4bit_use_double_quant",
    "train.method": "lora",
    "train.r": "lora.r",
    "train.alpha": "lora.lora_alpha",
    "train.dropout": "lora.lora_dropout",
    "train.targets": "lora.target_modules",
    "train.dtype": "torch_dtype",
    "train.gradient_checkpointing": "use_activation_checkpointing",
    "train.save_every": "save_steps / accumulative_counts",
    "train.save_total_limit": "save_total_limit",
    "train.log_every": "logger.interval / accumulative_counts",
    "train.probes": "evaluation_inputs",
    "train.probe_every": "evaluation_freq / accumulative_counts",
    "train.probe_tokens": "max_new_tokens",
}
_PLAIN = re.compile(r"[\w./][\w./@+-]*(?: [\w./][\w./@+-]*)*")


def render(recipe: Mapping[str, Any], head: Sequence[str]) -> str:
    """Return the text of a recipe, with `head` as comment lines above it."""
    lines = [f"# {line}".rstrip() for text in head for line in text.splitlines() or [""]]
    for section, value in recipe.items():
        if not isinstance(value, dict):
            lines += _entry(section, value, "", section)
            continue
        lines += ["", *[f"# {line}" for line in _about(section).splitlines()]]
        lines.append(f"{section}:" if value else f"{section}: {{}}")
        for key, item in value.items():
            lines += _entry(key, item, "  ", f"{section}.{key}")
    return "\n".join(lines) + "\n"


def _about(section: str) -> str:
    about = {
        "source": t("Files, folders and patterns, seen from this file's folder"),
        "export": t(
            "A system text for training and for chat goes here: `system: …` (XTuner's SYSTEM was for its check)"
        ),
        "train": t("Steps are optimizer steps; XTuner counted iterations"),
        "merge": t("`weitiao run` merges the adapter too; `weitiao xtuner train` ends before"),
    }
    return about.get(section, "")


def _entry(key: str, value: Any, indent: str, place: str) -> list[str]:
    there = _THERE.get(place)
    note = f"  # {there}" if there else ""
    if isinstance(value, list) and value:
        return [f"{indent}{key}:{note}", *[f"{indent}  - {_scalar(item)}" for item in value]]
    return [f"{indent}{key}: {_scalar(value)}{note}"]


def _scalar(value: Any) -> str:
    """Return a value as YAML reads it back, whatever it holds."""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    if _PLAIN.fullmatch(value) and value.isprintable() and plain_value(value) == value:
        return value
    quoted = yaml.dump(value, default_style='"', allow_unicode=True, width=1 << 30)
    return str(quoted).removesuffix("\n")
