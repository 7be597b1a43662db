"""The LoRA adapter: laid on the model, and written and read as PEFT does, the same bytes for the same weights."""

import warnings
from pathlib import Path
from typing import Any

import orjson
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from weitiao.errors import UserError
from weitiao.store import write_whole
from weitiao.talk import t
from weitiao.train import Train

WEIGHTS = "adapter_model.safetensors"


def lay(model: Any, settings: Train, name: str, seed: int) -> Any:
    """Return the model with fresh LoRA matrices in float32, all else frozen; `name` is what the adapter calls its base.

    Raises UserError if the model has no such layers.
    """
    targets = _targets(model, settings.targets)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT 0.21 reads a property that transformers 5.23 has renamed
        tuned = get_peft_model(model, config)
    config.base_model_name_or_path = name  # PEFT puts the folder of this machine there
    return tuned


def save(model: Any, folder: Path) -> None:
    """Write the adapter's weights and configuration into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = get_peft_model_state_dict(model, save_embedding_layers=False)  # `auto` asks the hub for the base
    weights = {key: value.detach().cpu().contiguous() for key, value in found.items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])  # a set: its order changes from process to process
    config["inference_mode"] = True
    # Where there are experts, PEFT holds more sets.
    text = orjson.dumps(config, default=sorted, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    write_whole(folder / "adapter_config.json", text)


def restore(model: Any, folder: Path) -> None:
    """Put the weights in `folder` into the adapter of `model`."""
    set_peft_model_state_dict(model, load_file(folder / WEIGHTS))


def _targets(model: Any, wanted: str | list[str]) -> list[str]:
    head = model.get_output_embeddings()
    linear = {
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if wanted == "all-linear":
        return sorted(linear)
    names = [wanted] if isinstance(wanted, str) else wanted
    for name in names:
        if name.rsplit(".", 1)[-1] not in linear:
            raise UserError(
                t("The model has no linear layer `{name}` for LoRA", name=name),
                t("It has {names}", names=", ".join(sorted(linear))),
            )
    return sorted(names)
