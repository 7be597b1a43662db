"""The model `tiny`: a Llama of half a million parameters and its tokenizer, made on the spot from the texts at hand.

It needs no download and trains in seconds, so that a whole recipe can be tried anywhere. It has read nothing but these
texts, so its answers show that the line works, not what a real model would say.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END, STOP = "<|endoftext|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message.content + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_WINDOW, _BATCH, _STEPS, _RATE = 128, 4, 300, 5e-3


def build(texts: Sequence[str], folder: Path, seed: int) -> dict[str, Any]:
    """Write the model and its tokenizer to `folder`, the same bytes for the same texts and seed; return its facts.

    The model reads the texts a few times as plain text, at most 300 steps of 512 tokens, so that it knows some words;
    of questions, answers and stop tokens it knows nothing.
    """
    tokenizer = _tokenizer(texts)
    ids = torch.tensor([token for text in texts for token in tokenizer.encode(text + END)])
    config = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.06,  # with the usual 0.02 as many steps end at a loss of 5.2 instead of 4.6
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(STOP),
        pad_token_id=tokenizer.convert_tokens_to_ids(END),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = LlamaForCausalLM(config)
        steps, loss = _read(model, ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "tokens": len(ids),
        "steps": steps,
        "loss": round(loss, 4),
    }


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        min_frequency=2,
        special_tokens=[END, "<|im_start|>", STOP],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=STOP,
        pad_token=END,
        additional_special_tokens=["<|im_start|>"],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _read(model: Any, ids: torch.Tensor) -> tuple[int, float]:
    """Train on windows of the running text; return the steps and the last loss."""
    width = min(_WINDOW, len(ids))
    steps = min(_STEPS, max(1, 4 * len(ids) // (_WINDOW * _BATCH)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    model.train()
    loss = torch.tensor(math.nan)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / 10) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
        starts = torch.randint(0, len(ids) - width + 1, (_BATCH,))
        batch = torch.stack([ids[start : start + width] for start in starts])
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return steps, loss.item()
