"""Checkpoints as InternLM publishes them, made small and random: the original tensors, config and tokenizer files."""

from pathlib import Path

import orjson
import sentencepiece
import torch
from safetensors.torch import save_file

HEADS, DIM, LAYERS, WORDS, WIDE, POSITIONS = 4, 8, 2, 97, 48, 32
HIDDEN = HEADS * DIM
Tensors = dict[str, torch.Tensor]

PIECES = 420
SPECIAL = ("<|im_start|>", "<|im_end|>")
CORPUS = [f"第{n}句：你好，世界！a b  c {n * 37} the quick brown fox\tjumps" for n in range(300)]


def internlm2_weights(
    folder: Path,
    *,
    bias: bool,
    kv_heads: int = 2,
    tied: bool = False,
    dynamic: bool = True,
    words: int = WORDS,
    positions: int = POSITIONS,
) -> Tensors:
    """Write a random checkpoint as InternLM publishes them; return its tensors."""
    draw = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw) * 0.2

    fused = (HEADS + 2 * kv_heads) * DIM
    tensors = {"model.tok_embeddings.weight": random(words, HIDDEN), "model.norm.weight": 1 + random(HIDDEN)}
    if not tied:
        tensors["output.weight"] = random(words, HIDDEN)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        tensors |= {
            f"{at}.attention.wqkv.weight": random(fused, HIDDEN),
            f"{at}.attention.wo.weight": random(HIDDEN, HIDDEN),
            f"{at}.feed_forward.w1.weight": random(WIDE, HIDDEN),
            f"{at}.feed_forward.w2.weight": random(HIDDEN, WIDE),
            f"{at}.feed_forward.w3.weight": random(WIDE, HIDDEN),
            f"{at}.attention_norm.weight": 1 + random(HIDDEN),
            f"{at}.ffn_norm.weight": 1 + random(HIDDEN),
        }
        if bias:
            tensors |= {f"{at}.attention.wqkv.bias": random(fused), f"{at}.attention.wo.bias": random(HIDDEN)}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["InternLM2ForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "modeling_internlm2.InternLM2ForCausalLM"},
        "model_type": "internlm2",
        "vocab_size": words,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": kv_heads,
        "intermediate_size": WIDE,
        "max_position_embeddings": positions,
        "rope_theta": 10000,
        "rope_scaling": {"type": "dynamic", "factor": 2.0} if dynamic else None,
        "rms_norm_eps": 1e-5,
        "bias": bias,
        "tie_word_embeddings": tied,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_bytes(orjson.dumps(config))
    return tensors


def internlm2_tokenizer(folder: Path, *, prefix: bool) -> Path:
    """Make a SentencePiece file like InternLM2's: unreadable special pieces, their names in the config beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=PIECES,
        byte_fallback=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=[f"[UNUSED_TOKEN_{n}]" for n in range(2)],
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    places = [model.piece_to_id(f"[UNUSED_TOKEN_{n}]") for n in range(2)]
    decoder = {str(place): {"content": name} for place, name in zip(places, SPECIAL, strict=True)}
    (folder / "tokenizer_config.json").write_bytes(
        orjson.dumps({"added_tokens_decoder": decoder, "pad_token": "</s>", "add_bos_token": True})
    )
    return folder
