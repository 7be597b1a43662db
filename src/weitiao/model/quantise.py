"""Bases in 4 or 8 bits: loaded through bitsandbytes, the same from first step to last, noted beside the adapter."""

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import orjson
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GenerationConfig

from weitiao.errors import UserError
from weitiao.store import write_whole
from weitiao.talk import t

NOTE = "quantised.json"


@dataclass(frozen=True)
class Quantised:
    """How the linear layers but the head are stored: NF4, its block scales quantised again if `double`, or int8."""

    bits: Literal[4, 8]
    double: bool = True

    def config(self, compute: torch.dtype) -> BitsAndBytesConfig:
        """Return what transformers loads by; `compute` is what the weights become for a product.

        Raises UserError where the library is missing.
        """
        if find_spec("bitsandbytes") is None:
            raise UserError(
                t("{bits}-bit weights need bitsandbytes, which is not installed", bits=self.bits),
                "pip install 'weitiao[qlora]'",
            )
        if self.bits == 8:
            return BitsAndBytesConfig(load_in_8bit=True, bnb_4bit_compute_dtype=compute)
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=self.double,
            bnb_4bit_compute_dtype=compute,
        )

    def note(self, adapter: Path) -> None:
        """Write into the adapter's folder what it was trained on."""
        write_whole(adapter / NOTE, orjson.dumps(asdict(self)))


def noted(adapter: Path) -> Quantised | None:
    """Return what the adapter in this folder was trained on, if that was quantised."""
    path = adapter / NOTE
    return Quantised(**orjson.loads(path.read_bytes())) if path.exists() else None


def load(path: str, config: Any, how: BitsAndBytesConfig, device: str, *, code: bool) -> Any:
    """Load the model in the folder `path` tensor by tensor: each is read, quantised and let go.

    Left to itself, transformers maps the files, and what was quantised stays in memory beside its 4 bits until the last
    tensor is there. Pickles are mapped all the same. With `code`, the model's own code may run.
    """
    options = {"dtype": how.bnb_4bit_compute_dtype, "quantization_config": how, "device_map": {"": device}}
    slices = _slices(Path(path))
    if not slices:
        return AutoModelForCausalLM.from_pretrained(path, trust_remote_code=code, local_files_only=True, **options)
    with torch.device("meta"):
        kind: Any = type(AutoModelForCausalLM.from_config(config, trust_remote_code=code))
    model = kind.from_pretrained(None, config=config, state_dict=slices, **options)
    model.name_or_path = path
    if (Path(path) / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(path)
    return model


def _slices(folder: Path) -> dict[str, Any]:
    """Return each tensor of the folder's safetensors files by name; it is read, not mapped, when it is sliced."""
    index = folder / "model.safetensors.index.json"
    names = {"model.safetensors"}
    if index.exists():
        names = set(orjson.loads(index.read_bytes())["weight_map"].values())
    files = (folder / name for name in sorted(names))
    opened: list[Any] = [safe_open(file, "pt", backend="pread") for file in files if file.exists()]
    return {key: file.get_slice(key) for file in opened for key in file.keys()}  # noqa: SIM118  it is no mapping


def hold(model: Any) -> Any:
    """Make a model just loaded keep its weights, and let go of its files; return it.

    On a CPU, bitsandbytes lays 4-bit weights out anew when they answer. That rounds the block scales to bfloat16, and
    the way back quantises them once more (0.50): after the first held-out loss, training would go on with other
    weights. What is not quantised is still a view of the file, which would stay in memory as a whole for its sake.
    """
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False
    for value in (*model.parameters(), *model.buffers()):
        if value.is_floating_point():
            value.data = value.data.clone()
    return model
