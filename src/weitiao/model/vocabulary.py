"""A tokenizer's vocabulary as GGUF wants it: pieces, kinds, scores or merges, and which splitting of words it has."""

import json
from dataclasses import dataclass
from typing import Any

from weitiao.errors import UserError
from weitiao.talk import t

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = (
    _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)  # the pattern of Llama 3 and of Qwen 2, which part at how many digits make a word
_SPLITS = {_WORDS % "{1,3}": "llama-bpe", _WORDS % "": "qwen2"}


@dataclass(frozen=True)
class Vocabulary:
    """The pieces in the order of their ids. `model` is `gpt2` for pieces of bytes, which have `merges`, and `llama` for
    SentencePiece's, which have `scores`; `split` names how texts are cut into words before they are merged.
    """

    model: str
    split: str
    pieces: list[str]
    kinds: list[int]
    scores: list[float]
    merges: list[str]
    add_bos: bool
    add_space: bool


def vocabulary(tokenizer: Any, size: int) -> Vocabulary:
    """Return the vocabulary of a fast tokenizer, filled up to the `size` of the model's embedding.

    Raises UserError for a tokenizer that GGUF has no words for, rather than to write one that gives other ids.
    """
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    model = data["model"]
    if model["type"] != "BPE":
        raise UserError(t("GGUF cannot hold a tokenizer of kind {kind}", kind=model["type"]))
    if len(tokenizer) > size:
        raise UserError(t("The tokenizer has {count} tokens, the model {size}", count=len(tokenizer), size=size))
    added = {token["id"]: token for token in data["added_tokens"]}
    names = {index: piece for piece, index in model["vocab"].items()}
    names |= {index: token["content"] for index, token in added.items()}
    pieces = [names.get(index, f"[PAD{index}]") for index in range(size)]
    sentencepiece = bool(model.get("byte_fallback"))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return Vocabulary(
        model="llama" if sentencepiece else "gpt2",
        split="default" if sentencepiece else _split(data),
        pieces=pieces,
        kinds=[_kind(index, names, added, tokenizer) for index in range(size)],
        scores=_scores(pieces, merges) if sentencepiece else [],
        merges=[] if sentencepiece else merges,
        add_bos=tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id],
        add_space=sentencepiece and _adds_space(data),
    )


def _kind(index: int, names: dict[int, str], added: dict[int, Any], tokenizer: Any) -> int:
    if index not in names:
        return UNUSED
    if index == tokenizer.unk_token_id:
        return UNKNOWN
    if index in added:
        return CONTROL if added[index]["special"] else USER
    if index in tokenizer.all_special_ids:
        return CONTROL
    piece = names[index]
    return BYTE if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">") else NORMAL


def _scores(pieces: list[str], merges: list[str]) -> list[float]:
    """Return SentencePiece's scores: the earlier a piece is merged, the higher; what is never merged does not count."""
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        ranks.setdefault(pair.replace(" ", "", 1), rank)
    return [-float(ranks.get(piece, len(merges))) for piece in pieces]


def _adds_space(data: Any) -> bool:
    return any(step.get("type") == "Prepend" for step in _steps(data["normalizer"], "normalizers")) or any(
        step.get("prepend_scheme") in ("first", "always") for step in _steps(data["pre_tokenizer"], "pretokenizers")
    )


def _split(data: Any) -> str:
    """Return llama.cpp's name of how words are cut: known patterns only, since another one gives other ids."""
    steps = _steps(data["pre_tokenizer"], "pretokenizers")
    kinds = [step["type"] for step in steps]
    plain = not data["normalizer"] or data["normalizer"]["type"] == "NFC"
    if plain and kinds == ["ByteLevel"] and steps[0].get("use_regex", True) and not steps[0]["add_prefix_space"]:
        return "gpt-2"
    if plain and kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"] and steps[1].get("use_regex", True):
        return "smollm"
    pattern = steps[0].get("pattern", {}).get("Regex") if kinds == ["Split", "ByteLevel"] else None
    if plain and pattern in _SPLITS and not steps[1].get("use_regex", True):
        return _SPLITS[pattern]
    raise UserError(
        t("The tokenizer cuts words in a way that has no name in GGUF"),
        t("Known are those of GPT-2, SmolLM, Llama 3, Qwen and SentencePiece"),
    )


def _steps(node: Any, key: str) -> list[Any]:
    return [] if node is None else list(node[key]) if node["type"] == "Sequence" else [node]
