"""Load a model's tokenizer; torch is not needed for it."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from weitiao.errors import UserError
from weitiao.model.hub import own_code, refuse_translator
from weitiao.model.pieces import load_pieces
from weitiao.talk import t


def load_tokenizer(path: str, *, trust: bool = False, chats: bool = True) -> PreTrainedTokenizerBase:
    """Load the tokenizer in the folder `path`; it gets a token to pad with where it has none, never a new one.

    Raises UserError for that of a translation model, unless it is not one that `chats` which is wanted.
    A tokenizer's own code runs only if the model's does: where the user said to `trust` it, and nothing else will do.
    """
    if chats:
        refuse_translator(path)
    code = bool(own_code(path, trust))
    try:
        tokenizer: Any = _internlm2(path) or AutoTokenizer.from_pretrained(
            path, trust_remote_code=code, local_files_only=True
        )
    except (OSError, ValueError, ImportError) as error:
        raise UserError(t("Cannot load the tokenizer of {path}: {error}", path=path, error=error)) from None
    if tokenizer.pad_token is None:
        # It only fills room; what carries loss is known from the template, never from this id.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def is_internlm2(path: str) -> bool:
    """Tell whether the model in the folder `path` is an InternLM2."""
    config = Path(path) / "config.json"
    return config.exists() and json.loads(config.read_bytes()).get("model_type") == "internlm2"


def _internlm2(path: str) -> Any:
    """Return InternLM2's tokenizer from its own file, or None where it is another one, or in a file of today."""
    if not is_internlm2(path):
        return None
    if (Path(path) / "tokenizer.model").exists():
        return load_pieces(Path(path))
    from weitiao.model import internlm2  # with torch, of which all others have no need

    internlm2.register()  # else transformers warns of a configuration that it does not know
    return None
