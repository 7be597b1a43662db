"""What is trained: an adapter laid on the model, or the model's own weights; the same bytes for the same weights.

An adapter is written as PEFT does. PiSSA takes the main directions out of the base and trains them (arXiv 2404.02948);
what is written is the change against the original base, s(BA - B0A0), an adapter of twice the rank.
"""

import warnings
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import orjson
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from weitiao.errors import UserError
from weitiao.model import tokens
from weitiao.model.tokens import Token
from weitiao.store import write_whole
from weitiao.talk import t
from weitiao.train import Train, narrow, norms

WEIGHTS = "adapter_model.safetensors"
WHOLE = "trained.safetensors"
_PISSA = "pissa_niter_16"  # by a randomised decomposition, which is seeded: the exact one takes minutes a layer


def lay(model: Any, settings: Train, name: str, seed: int, added: Sequence[Token] = ()) -> Any:
    """Return the model with fresh adapter matrices in float32, all else frozen; with method full, itself, thawed.

    `name` is what the adapter calls its base; of the tokens `added` the rows are trained with it. Raises UserError if
    the model has no such layers.
    """
    tokens.make_room(model, added)
    if settings.method == "full":
        return _thaw(model, settings.freeze)
    pissa = settings.method == "pissa"
    targets = _targets(model, settings.targets)
    if pissa:
        _check_rank(model, targets, settings.r)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
        use_rslora=settings.method == "rslora",
        use_dora=settings.method == "dora",
        init_lora_weights=_PISSA if pissa else True,
        trainable_token_indices=tokens.indices(model, added),
    )
    narrow.register(config, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT 0.21 reads a property that transformers 5.23 has renamed
        tuned = get_peft_model(model, config)
    if model.dtype != torch.float32:  # there PEFT's own layers multiply, and norms make no copy
        narrow.gate(tuned, model.dtype)
        norms.slim(tuned, model.dtype)
    config.base_model_name_or_path = name  # PEFT puts the folder of this machine there
    if pissa:
        for path, module in tuned.named_modules():
            if path.endswith((".lora_A.default", ".lora_B.default")):
                module.register_buffer("start", module.weight.detach().clone(), persistent=False)
    return tuned


def save(model: Any, folder: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write what is trained into `folder`: the adapter's weights and configuration, or the model's trained weights.

    `weights` are the trained ones by name; the model's own if not given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = {name: value.detach().cpu().contiguous() for name, value in (weights or dict(trained(model))).items()}
    if not isinstance(model, PeftModel):
        save_file(whole, folder / WHOLE)
        return
    found = _under_peft(model, whole)
    config = model.peft_config["default"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])  # a set: its order changes from process to process
    config["inference_mode"] = True
    if _is_pissa(model):
        found = {key: _against_start(model, key, value) for key, value in found.items()}
        config |= {"init_lora_weights": True, "r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"]}
    contiguous = {key: value.contiguous() for key, value in found.items()}
    save_file(contiguous, folder / WEIGHTS, metadata={"format": "pt"})
    # Where there are experts, PEFT holds more sets.
    text = orjson.dumps(config, default=sorted, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    write_whole(folder / "adapter_config.json", text)


def read(model: Any, folder: Path) -> dict[str, torch.Tensor]:
    """Return what `save` wrote into `folder`: the trained weights by name."""
    if not isinstance(model, PeftModel):
        return load_file(folder / WHOLE)
    there = load_file(folder / WEIGHTS)
    if _is_pissa(model):
        r = model.peft_config["default"].r
        half = {"lora_A": (slice(r),), "lora_B": (slice(None), slice(r))}
        there = {key: value[next((half[side] for side in half if side in key), ())] for key, value in there.items()}
    names = [name for name, _ in trained(model)]
    keys = _under_peft(model, {name: torch.tensor(number) for number, name in enumerate(names)})
    return {names[int(number)]: there[key] for key, number in keys.items()}


def restore(model: Any, folder: Path) -> None:
    """Put what `save` wrote into `folder` back."""
    there = read(model, folder)
    with torch.no_grad():
        for name, value in trained(model):
            value.copy_(there[name])


def trained(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Return the parameters that are trained, with their names."""
    return [(name, value) for name, value in model.named_parameters() if value.requires_grad]


def _under_peft(model: PeftModel, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the adapter's weights under the names that PEFT writes."""
    found: dict[str, torch.Tensor] = get_peft_model_state_dict(model, weights, save_embedding_layers=False)
    return found  # `save_embedding_layers` at `auto` would ask the hub for the base


def _is_pissa(model: PeftModel) -> bool:
    return bool(model.peft_config["default"].init_lora_weights == _PISSA)


def _against_start(model: PeftModel, key: str, value: torch.Tensor) -> torch.Tensor:
    """Return [A; A0] or [B, -B0]: their product is BA - B0A0; rows of tokens stay as they are."""
    if "lora_" not in key:
        return value
    start = model.get_submodule(key.removesuffix(".weight") + ".default").get_buffer("start").cpu()
    return torch.cat([value, start]) if "lora_A" in key else torch.cat([value, -start], 1)


def _thaw(model: Any, freeze: list[str]) -> Any:
    names = [name for name, _ in model.named_parameters()]
    for pattern in freeze:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UserError(
                t("No parameter of the model is called `{pattern}`", pattern=pattern),
                t("Its first and last are {first} and {last}", first=names[0], last=names[-1]),
            )
    for name, value in model.named_parameters():
        value.requires_grad_(not any(fnmatchcase(name, pattern) for pattern in freeze))
    if not trained(model):
        raise UserError(t("All parameters are frozen: there is nothing to train"))
    return model


def _check_rank(model: Any, targets: list[str], r: int) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name.endswith(tuple(targets)) and r > min(module.weight.shape):
            raise UserError(
                t("r {r} is more than `{name}` has directions: {most}", r=r, name=name, most=min(module.weight.shape)),
                t("Set a smaller r; PiSSA takes the main directions of each layer"),
            )


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
