"""From what XTuner's training left to a PEFT adapter: nothing that is pickled is ever run."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import torch
from safetensors.torch import save_file

from weitiao.errors import UserError
from weitiao.model.adapters import Heads, Tensors, from_xtuner, to_llama
from weitiao.model.hub import resolve
from weitiao.model.pth import read_pth
from weitiao.recipe import Recipe
from weitiao.store import make_folder, write_whole
from weitiao.talk import t
from weitiao.train import Train

Layout = Literal["llama", "internlm2"]


@dataclass(frozen=True)
class Converted:
    """The adapter that was written: its layers by name, how many matrices, and whether the base's head is tied."""

    targets: list[str]
    tensors: int
    r: int
    alpha: int
    tied: bool


def pth_to_hf(recipe: Recipe, checkpoint: Path, out: Path, layout: Layout = "llama", fp32: bool = False) -> Converted:
    """Write the adapter in `checkpoint` into the folder `out`, safetensors and configuration, whole or not at all.

    `recipe` is what it was trained with: rank, alpha and the base model. An adapter made on InternLM2's original layout
    gets Llama's names, under which our InternLM2 takes it, or keeps its own for tools that know them (`internlm2`).
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(t("{path} is there already", path=out), t("Give another folder, or remove it"))
    settings = recipe.section("train", Train) if "train" in recipe.sections else Train()
    adapter = from_xtuner(_state(checkpoint))
    _check_rank(adapter, settings.r, checkpoint)
    tied = False
    if any(".attention.wqkv." in name for name in adapter):
        folder = Path(resolve(recipe.project.model, recipe.folder, weights=False))
        base = orjson.loads((folder / "config.json").read_bytes())
        heads = _heads(base, adapter, checkpoint)
        tied = bool(base.get("tie_word_embeddings")) and any(".output." in name for name in adapter)
        if layout == "llama":
            adapter = to_llama(adapter, heads)
    targets = _targets(adapter)
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    make_folder(aside)
    weights = {name: (tensor.float() if fp32 else tensor).contiguous() for name, tensor in adapter.items()}
    save_file(weights, aside / "adapter_model.safetensors", metadata={"format": "pt"})
    config = _config(recipe, settings, targets)
    write_whole(aside / "adapter_config.json", orjson.dumps(config, option=orjson.OPT_INDENT_2))
    if out.exists():
        out.rmdir()
    aside.rename(out)
    return Converted(targets, len(adapter), settings.r, settings.alpha, tied)


def _state(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a `.pth` file, of a DeepSpeed folder, or of an adapter that XTuner has converted."""
    if not path.exists():
        raise UserError(t("No checkpoint at {path}", path=path))
    found = read_pth(_file(path))
    for key in ("state_dict", "module"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict):
        raise UserError(t("{path} holds no tensors by name", path=path))
    return {str(name): tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    ranks = sorted(path.glob("*mp_rank_*_model_states.pt"))
    if len(ranks) == 1 and ranks[0].name == "mp_rank_00_model_states.pt":
        return ranks[0]
    if ranks:
        raise UserError(
            t("{path} is spread over {count} files: ZeRO-3 or several model ranks", path=path, count=len(ranks)),
            t("Run the zero_to_fp32.py that lies beside it, and convert what it writes"),
        )
    if (path / "adapter_model.bin").is_file():
        return path / "adapter_model.bin"
    raise UserError(
        t("{path} is no checkpoint", path=path),
        t("It has neither mp_rank_00_model_states.pt nor adapter_model.bin"),
    )


def _check_rank(adapter: Tensors, r: int, checkpoint: Path) -> None:
    """Hold that both matrices of each layer are there and have the rank that the configuration says."""
    for name, tensor in adapter.items():
        other = name.replace(".lora_A.", ".lora_B.") if ".lora_A." in name else name.replace(".lora_B.", ".lora_A.")
        if other == name or other not in adapter or tensor.dim() != 2:
            raise UserError(t("{path}: `{name}` is no LoRA matrix that can be used", path=checkpoint, name=name))
        rank = tensor.shape[0 if ".lora_A." in name else 1]
        if rank != r:
            raise UserError(
                t("{path} has rank {rank}, the configuration says {r}", path=checkpoint, rank=rank, r=r),
                t("Give the configuration that it was trained with"),
            )


def _heads(base: dict[str, Any], adapter: Tensors, checkpoint: Path) -> Heads:
    """Return the heads of the base, which the fused matrices must have."""
    query = base["num_attention_heads"]
    heads = Heads(query, base.get("num_key_value_heads") or query)
    rows = (heads.query + 2 * heads.key_value) * (base["hidden_size"] // heads.query)
    for name, tensor in adapter.items():
        if name.endswith(".attention.wqkv.lora_B.weight") and tensor.shape[0] != rows:
            raise UserError(
                t("{path} belongs to another base: `{name}` has {found} rows, not {rows}", path=checkpoint, name=name,
                  found=tensor.shape[0], rows=rows),
                t("Name its base: --model FOLDER"),
            )  # fmt: skip
    return heads


def _targets(adapter: Tensors) -> list[str]:
    """Return the adapted layers: by the end of their names where each block has the same ones, else in full."""
    modules = {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in adapter}
    blocks: dict[str, set[str]] = {}
    for module in modules:
        head, _, leaf = module.rpartition(".")
        block = head.rsplit(".", 1)[0] if ".layers." in head else ""
        blocks.setdefault(block, set()).add(leaf)
    inner = [leaves for block, leaves in blocks.items() if block]
    same = all(leaves == inner[0] for leaves in inner)
    return sorted(set().union(*blocks.values()) if same else modules)


def _config(recipe: Recipe, settings: Train, targets: list[str]) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": recipe.project.model,
        "r": settings.r,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "bias": "none",
        "target_modules": targets,
        "inference_mode": True,
    }
