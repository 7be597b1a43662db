"""Load models and tokenizers from a folder or by name: no remote code, no pickles executed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
)
from transformers.utils.logging import disable_progress_bar

from weitiao.errors import UserError
from weitiao.model import internlm2, quantise, tokens
from weitiao.model.hub import own_code, refuse_translator
from weitiao.model.processor import cpu_has_bfloat16
from weitiao.model.quantise import Quantised
from weitiao.model.tokenizer import load_tokenizer
from weitiao.talk import t

__all__ = [
    "DTYPES",
    "base_of",
    "load_config",
    "load_model",
    "load_proofreader",
    "load_tokenizer",
    "load_translator",
    "pick_dtype",
]

disable_progress_bar()  # progress is ours to show

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_CORRECTOR = "shibing624/macbert4csc-base-chinese"

# Below this a model is kept in float32: it is fast enough, and bfloat16 would only blur it.
_SMALL = 200 * 2**20


def load_config(path: str, *, trust: bool = False) -> Any:
    """Load the configuration of the model in the folder `path`; UserError if it needs code that nobody trusts."""
    internlm2.register()
    code = bool(own_code(path, trust))
    try:
        return AutoConfig.from_pretrained(path, trust_remote_code=code, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(t("Cannot load the model {path}: {error}", path=path, error=error)) from None


def load_model(
    path: str,
    *,
    adapter: str | None = None,
    dtype: str = "auto",
    device: str | None = None,
    quantised: Quantised | None = None,
    trust: bool = False,
) -> Any:
    """Load the model in the folder `path`, with the PEFT adapter in the folder `adapter` on top, ready to answer.

    `device` None takes the GPU where there is one. Raises UserError if the files are no model, or one that needs code
    of its own which the user did not say to `trust`.
    """
    internlm2.register()
    code = bool(own_code(path, trust))
    refuse_translator(path)
    device = device or _device()
    kind = pick_dtype(dtype, path, device)
    model: Any
    try:
        with _told(adapter or path):
            if quantised:
                model = quantise.load(path, load_config(path, trust=trust), quantised.config(kind), device, code=code)
            else:
                model = AutoModelForCausalLM.from_pretrained(
                    path, dtype=kind, trust_remote_code=code, local_files_only=True
                )
            if adapter is not None:
                tokens.widen(model, tokens.trained_in(Path(adapter)))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)  # PEFT 0.21 reads what transformers 5.23 has renamed
                    model = PeftModel.from_pretrained(model, adapter)
    except RuntimeError as error:
        if adapter is None or "size mismatch" not in str(error):
            raise
        raise UserError(
            t("The adapter {adapter} belongs to another model than {path}", adapter=adapter, path=path),
            t("Its adapter_config.json names the base: base_model_name_or_path"),
        ) from None
    return (quantise.hold(model) if quantised else model.to(device)).eval()


def load_translator(path: str) -> Any:
    """Load the translation model in the folder `path`, ready to answer; UserError if its files are none."""
    return _load(AutoModelForSeq2SeqLM, path)


def load_proofreader(path: str) -> Any:
    """Load the masked language model in the folder `path`, ready to read; UserError if its files are none."""
    if not any(name.endswith("ForMaskedLM") for name in load_config(path).architectures or ()):
        raise UserError(
            t("{path} is no model that corrects characters", path=path),
            t("Give a BERT with a head for masked words that was tuned to correct, as {name}", name=_CORRECTOR),
        )
    return _load(AutoModelForMaskedLM, path)


def _load(kind: Any, path: str) -> Any:
    device = _device()
    with _told(path):
        model: Any = kind.from_pretrained(
            path, dtype=pick_dtype("auto", path, device), trust_remote_code=False, local_files_only=True
        )
    return model.to(device).eval()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Tell the user what is wrong with the files in `path`."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        raise UserError(t("Cannot load the model {path}: {error}", path=path, error=error)) from None
    except UnpicklingError:
        raise UserError(
            t("The weights in {path} are a pickle that would run code; it was not loaded", path=path),
            t("Ask for the same weights as safetensors"),
        ) from None


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def pick_dtype(name: str, path: str, device: str) -> torch.dtype:
    """Return the number format that `name` means: auto is bfloat16 where `device` computes in it, else float32."""
    if name != "auto":
        if name not in DTYPES:
            raise UserError(t("No dtype `{name}`", name=name), ", ".join(["auto", *DTYPES]))
        return DTYPES[name]
    if _weight_bytes(path) < _SMALL:
        return torch.float32
    fast = torch.cuda.is_bf16_supported() if device.startswith("cuda") else cpu_has_bfloat16()
    return torch.bfloat16 if fast else torch.float32


def base_of(model: Any) -> PreTrainedModel:
    """Return the transformers model inside a PEFT model, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _weight_bytes(path: str) -> int:
    return sum(file.stat().st_size for kind in ("safetensors", "bin") for file in Path(path).glob(f"*.{kind}"))
