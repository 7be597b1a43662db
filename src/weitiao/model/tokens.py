"""Tokens that training adds to a model's vocabulary, and their rows in its embedding and its head."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from tokenizers import AddedToken

from weitiao.errors import UserError
from weitiao.talk import t


@dataclass(frozen=True)
class Token:
    """A token whose rows are trained; `pieces` is what its text was made of before it was added."""

    text: str
    id: int
    pieces: tuple[int, ...] = ()


def add(tokenizer: Any, texts: Sequence[str], jinja: str) -> list[Token]:
    """Add to the tokenizer what it lacks of `texts`; return all of them.

    Those that stand in the chat template `jinja` become special: answers may end in them, and are shown without them.
    """
    pieces = {text: tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts}
    own = tokenizer.get_vocab()
    missing = [text for text in dict.fromkeys(texts) if text not in own]
    tokenizer.add_tokens([AddedToken(text, special=text in jinja, normalized=False) for text in missing])
    ids = dict(zip(texts, tokenizer.convert_tokens_to_ids(list(texts)), strict=True))
    return [Token(text, index, pieces[text] if text in missing else ()) for text, index in ids.items()]


def make_room(model: Any, tokens: Sequence[Token]) -> None:
    """Give the model rows for all tokens; one that is new starts as the mean of its pieces, in embedding and head.

    Raises UserError for a head with a bias, which PEFT leaves out where rows of it are trained (0.21).
    """
    if not tokens:
        return
    widen(model, max(token.id for token in tokens) + 1)
    head = model.get_output_embeddings()
    if head.bias is not None:
        raise UserError(t("This model's head has a bias: no tokens can be added to it"))
    with torch.no_grad():
        for table in (model.get_input_embeddings().weight, head.weight):
            for token in tokens:
                if token.pieces:
                    table[token.id] = table[list(token.pieces)].float().mean(0)


def widen(model: Any, rows: int) -> None:
    """Give the embedding and the head at least so many rows."""
    if rows > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def indices(model: Any, tokens: Sequence[Token]) -> dict[str, list[int]] | None:
    """Return which rows of which modules PEFT is to train: of the embedding, and of a head of its own."""
    if not tokens:
        return None
    rows = [token.id for token in tokens]
    tables = [model.get_input_embeddings()]
    if model.get_output_embeddings().weight is not tables[0].weight:
        tables.append(model.get_output_embeddings())
    return {name: rows for name, module in model.named_modules() if module in tables}


def trained_in(adapter: Path) -> int:
    """Return how many rows a model must have for the adapter in this folder; 0 where it trained none of them."""
    stated = orjson.loads((adapter / "adapter_config.json").read_bytes()).get("trainable_token_indices") or {}
    tables = stated.values() if isinstance(stated, dict) else [stated]
    return max((index + 1 for rows in tables for index in rows), default=0)
