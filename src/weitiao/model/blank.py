"""An untrained InternLM2: its own layout, its template, and a SentencePiece vocabulary learnt from the texts at hand.

The base model that ships is trained from one (`make nano`). It is made like the published one, so that whatever reads
InternLM2 reads it too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import sentencepiece
import torch
from transformers import AutoModelForCausalLM

from weitiao.model import internlm2
from weitiao.model.pieces import INTERNLM2_TEMPLATE

SPECIAL = ("<|im_end|>", "<|im_start|>")
# Texts have few of these words; without them each would be spelt letter by letter, in every record.
_ROLES = ["system\n", "user\n", "assistant\n"] * 2000


@dataclass(frozen=True)
class Shape:
    """How large the model is; heads are 64 wide."""

    vocabulary: int = 4096
    hidden: int = 256
    layers: int = 6
    wide: int = 704
    kv_heads: int = 2
    positions: int = 512


def build(texts: Iterable[str], folder: Path, seed: int, shape: Shape | None = None) -> int:
    """Write the model and its tokenizer to the new folder `folder`; return the number of parameters."""
    shape = shape or Shape()
    internlm2.register()
    folder.mkdir(parents=True)
    _tokenizer(texts, folder, shape.vocabulary)
    config = internlm2.InternLM2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.wide,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 64,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.positions,
        rms_norm_eps=1e-5,
        attention_bias=False,
        tie_word_embeddings=True,
        initializer_range=shape.hidden**-0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.to(torch.float16).save_pretrained(folder)
    return int(model.num_parameters())


def _tokenizer(texts: Iterable[str], folder: Path, size: int) -> None:
    """Learn the pieces; as in the published file the special ones have names nobody can read."""
    hidden = [f"[UNUSED_TOKEN_{number}]" for number in range(len(SPECIAL))]
    written = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=chain(texts, _ROLES),
        model_writer=written,  # with a file name it would write that into the file
        model_type="bpe",
        vocab_size=size,
        character_coverage=1.0,
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        split_digits=True,
        user_defined_symbols=hidden,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    added = {
        str(pieces.piece_to_id(piece)): {"content": name, "lstrip": False, "normalized": False, "special": True}
        for piece, name in zip(hidden, SPECIAL, strict=True)
    }
    config = {
        "added_tokens_decoder": added,
        "additional_special_tokens": list(SPECIAL),
        "add_bos_token": True,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "</s>",
        "chat_template": INTERNLM2_TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
