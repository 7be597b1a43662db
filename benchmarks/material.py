"""What is trained on in the benchmarks: models of random weights, made on the spot, and records of made-up tokens."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from weitiao.model.template import Encoded

LONGEST = 1024  # TRL cuts at this length by default; no record is longer

# SmolLM2-135M's own configuration, and a Llama that trains within seconds.
SHAPES = {
    "26M": LlamaConfig(
        vocab_size=16_000,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=2048,
    ),
    "135M": LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000},
    ),
}

# Tokens of a record. The first has the mean and the spread of the 168 rows that InternLM's tutorial trains on; the
# second has the same mean and, as sets of chats and of code have, many short and a few very long ones.
LENGTHS: dict[str, Callable[[random.Random], float]] = {
    "tutorial": lambda draw: draw.gauss(240, 86),
    "long-tailed": lambda draw: draw.lognormvariate(5.0, 1.1),
}


def write_model(name: str, folder: Path) -> None:
    """Write the model of that shape in bfloat16, as models are published, with a tokenizer of numbers beside it."""
    torch.manual_seed(0)
    config = SHAPES[name]
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    words = {f"w{place}": place for place in range(2, config.vocab_size)} | {"<pad>": 0, "<end>": 1}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<end>"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>").save_pretrained(folder)


def records(lengths: str, count: int, words: int) -> list[Encoded]:
    """Make `count` records of Zipf-drawn tokens below `words`; the first fifth of each carries no loss."""
    draw = random.Random(0)
    made = []
    for _ in range(count):
        length = min(LONGEST, max(20, round(LENGTHS[lengths](draw))))
        ids = [min(words - 1, 2 + int(math.exp(draw.random() * math.log(words)))) for _ in range(length)]
        made.append(Encoded(ids, [place >= length // 5 for place in range(length)], 1, 1))
    return made
