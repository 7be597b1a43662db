"""How processes share a training, all by accelerate: DDP, FSDP2 or DeepSpeed; and what is split, made whole again.

What is kept on disk is whole and by name, whoever trained: another number of processes, or way to share, goes on.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import torch
from accelerate import Accelerator, DeepSpeedPlugin, FullyShardedDataParallelPlugin, PartialState
from accelerate.utils import DistributedType
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from weitiao.errors import UserError
from weitiao.model.load import base_of
from weitiao.talk import t
from weitiao.train import ZERO, Train, adapter

Moments = dict[str, dict[str, Tensor]]

# The first process evaluates, writes and may be slow to read a model; the others must never give up waiting.
WAIT = timedelta(days=7)
# Settings of DeepSpeed's that the recipe makes.
_OURS = ("optimizer", "scheduler", "fp16", "bf16", "amp", "train_batch_size", "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps", "gradient_clipping")  # fmt: skip


def connect() -> PartialState:
    """Join the other processes, where there are some, and take a device."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=WAIT)


def accelerator(settings: Train | None = None, folder: Path | None = None) -> Accelerator:
    """Return what shares the work as `settings` say; `folder` is what the path of a DeepSpeed config starts from.

    Raises UserError where DeepSpeed is asked for and not installed, or its config is none.
    """
    settings = settings or Train()
    state = connect()
    if (settings.deepspeed and not is_idle(settings, state.num_processes)) or _asked("ACCELERATE_USE_DEEPSPEED"):
        plugin = DeepSpeedPlugin(hf_ds_config=_deepspeed(settings, folder or Path()), zero3_init_flag=False)
        found = Accelerator(mixed_precision="no", deepspeed_plugin=plugin)
        unset_hf_deepspeed_config()  # or, with ZeRO-3, transformers would split models while it makes them
        return found
    if not (settings.fsdp and state.num_processes > 1) and not _asked("ACCELERATE_USE_FSDP"):
        return Accelerator(mixed_precision="no")
    shards = _shards(settings)
    found = Accelerator(mixed_precision="no", fsdp_plugin=shards)
    if found.distributed_type == DistributedType.MULTI_CPU:  # accelerate 1.15 asks for a GPU; what it calls does not
        state.distributed_type = found.state.distributed_type = DistributedType.FSDP
        found.state.fsdp_plugin = shards
    return found


def _asked(variable: str) -> bool:
    """Tell whether accelerate launch was told so."""
    return os.environ.get(variable, "").lower() == "true"


def _shards(settings: Train) -> FullyShardedDataParallelPlugin:
    if settings.fsdp:
        return FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False
        )
    asked = FullyShardedDataParallelPlugin()
    if asked.fsdp_version != 2:
        raise UserError(t("FSDP1 is not supported"), "accelerate launch --use_fsdp --fsdp_version 2")
    return asked


def is_idle(settings: Train, count: int) -> bool:
    """Tell whether DeepSpeed would have nothing to do: one process has nothing to split, and nothing is offloaded."""
    return count == 1 and settings.deepspeed in ZERO and not str(settings.deepspeed).endswith("_offload")


def check_installed(settings: Train, count: int) -> None:
    """Raise UserError if DeepSpeed is to work and is not there; best before other processes start."""
    if settings.deepspeed and not is_idle(settings, count) and find_spec("deepspeed") is None:
        raise UserError(t("deepspeed is not installed"), "pip install 'weitiao[deepspeed]'")


def is_split(shared: Accelerator) -> bool:
    """Tell whether no process has all weights: each pass needs every process."""
    return shared.distributed_type == DistributedType.FSDP or _stage(shared) == 3


def prepare(shared: Accelerator, loss: torch.nn.Module, model: Any, optimizer: torch.optim.Optimizer) -> Any:
    """Return the loss and the optimizer as the processes share them; `model` is the one in `loss`.

    Raises UserError for quantised weights that would be split.
    """
    if is_split(shared):
        if base_of(model).config.to_dict().get("quantization_config"):
            raise UserError(
                t("Weights in 4 or 8 bits cannot be split among processes"),
                t("Set deepspeed to deepspeed_zero2, or leave deepspeed and fsdp out: each process holds them all"),
            )
        if shared.distributed_type == DistributedType.FSDP:
            kinds = {type(module).__name__ for module in model.modules()}
            layers = sorted(kinds & set(base_of(model)._no_split_modules or ()))
            shared.state.fsdp_plugin.transformer_cls_names_to_wrap = layers
    return shared.prepare(loss, optimizer)


def weights(shared: Accelerator, model: Any) -> dict[str, Tensor]:
    """Return the trained weights by name, whole, on the CPU; every process must ask."""
    found = adapter.trained(model)
    if _stage(shared) == 3:
        from deepspeed.utils import safe_get_full_fp32_param

        return {name: safe_get_full_fp32_param(value).detach().cpu() for name, value in found}
    return {name: _whole(value) for name, value in found}


def put_weights(shared: Accelerator, model: Any, there: Mapping[str, Tensor]) -> None:
    """Put back what `weights` returned; every process must."""
    for name, value in adapter.trained(model):
        if _stage(shared) == 3:
            from deepspeed.utils import safe_set_full_fp32_param

            safe_set_full_fp32_param(value, there[name].to(shared.device))
        else:
            with torch.no_grad():
                value.copy_(_like(value, there[name]))


def moments(shared: Accelerator, model: Any, optimizer: Any) -> Moments:
    """Return AdamW's moments and number of steps by the name of the parameter, whole; every process must ask."""
    found = adapter.trained(model)
    if shared.distributed_type != DistributedType.DEEPSPEED:
        state = optimizer.optimizer.state
        return {name: {key: _whole(part) for key, part in state[value].items()} for name, value in found}
    from deepspeed.utils import safe_get_full_optimizer_state

    steps = next(_steps(optimizer)).cpu()
    return {
        name: {"step": steps}
        | {key: safe_get_full_optimizer_state(value, key).detach().cpu() for key in ("exp_avg", "exp_avg_sq")}
        for name, value in found
    }


def put_moments(shared: Accelerator, model: Any, optimizer: Any, there: Moments) -> None:
    """Put back what `moments` returned; DeepSpeed must have taken a step, which makes room for them."""
    found = adapter.trained(model)
    if shared.distributed_type != DistributedType.DEEPSPEED:
        for name, value in found:
            step = there[name]["step"]
            parts = {key: _like(value, part).clone() for key, part in there[name].items() if key != "step"}
            optimizer.optimizer.state[value] = {"step": step.clone(), **parts}
        return
    from deepspeed.utils import safe_set_full_optimizer_state

    for name, value in found:
        for key in ("exp_avg", "exp_avg_sq"):
            safe_set_full_optimizer_state(value, there[name][key].to(shared.device), key)
    for step in _steps(optimizer):
        step.fill_(next(iter(there.values()))["step"].item())


def _steps(optimizer: Any) -> Any:
    """Yield the counters of steps in the AdamW inside DeepSpeed's optimizer."""
    for state in optimizer.optimizer.optimizer.state.values():
        yield state["step"]


def _whole(value: Tensor) -> Tensor:
    whole = value.full_tensor() if isinstance(value, DTensor) else value
    return whole.detach().cpu()


def _like(value: Tensor, whole: Tensor) -> Tensor:
    """Return the part of a whole tensor that this process holds of `value`, on its device."""
    if isinstance(value, DTensor):
        return distribute_tensor(whole.to(value.device), value.device_mesh, value.placements)
    return whole.to(value.device)


def _stage(shared: Accelerator) -> int:
    """Return the stage of ZeRO; 0 without DeepSpeed."""
    return int(shared.state.deepspeed_plugin.zero_stage) if shared.distributed_type == DistributedType.DEEPSPEED else 0


def _deepspeed(settings: Train, folder: Path) -> dict[str, Any]:
    """Return the configuration for DeepSpeed: by XTuner's name, or the user's own, less what the recipe says."""
    name = settings.deepspeed
    if name is None:
        stated = DeepSpeedPlugin().deepspeed_config  # what accelerate launch was told
    else:
        stated = {"zero_optimization": ZERO[name]} if name in ZERO else _read(folder / name)
    kept = {key: value for key, value in stated.items() if key not in _OURS and value != "auto"}
    split = {key: value for key, value in kept.get("zero_optimization", {}).items() if value != "auto"}
    return kept | {
        "zero_optimization": split,
        "train_micro_batch_size_per_gpu": 1,  # a pack
        "gradient_accumulation_steps": 1,  # the loop counts
        "gradient_clipping": settings.clip,
        "zero_allow_untested_optimizer": True,  # AdamW of torch: what is offloaded needs no compiler
        "zero_force_ds_cpu_optimizer": False,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(
            t("Cannot read the DeepSpeed config {path}: {error}", path=path, error=error),
            t("Give a JSON file, or one of {names}", names=", ".join(ZERO)),
        ) from None
    if not isinstance(found, dict) or not isinstance(found.get("zero_optimization", {}), dict):
        raise UserError(t("{path} is no DeepSpeed config", path=path), t("It is a JSON object with zero_optimization"))
    return found


def ignored(settings: Train, folder: Path) -> list[str]:
    """Return the keys of the user's DeepSpeed config that the recipe says instead."""
    if not settings.deepspeed or settings.deepspeed in ZERO:
        return []
    return [key for key in _read(folder / settings.deepspeed) if key in _OURS]
