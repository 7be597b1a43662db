"""Tiny random checkpoints of the model families, each with a chat template of its family's published form."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from conftest import TEXTS
from weitiao.model.template import Thinking

_LLAMA3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + "
    "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_QWEN2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Thinking is kept after the last question, where an empty one is put in if there is none, and stripped before it.
_QWEN3 = (
    "{%- set ns = namespace(last=0) %}{%- for message in messages %}{%- if message.role == 'user' %}"
    "{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}"
    "{%- for message in messages %}{%- set content = message.content %}"
    "{%- if message.role == 'assistant' %}{%- set thought = '' %}{%- if '</think>' in content %}"
    "{%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{{- '<|im_start|>assistant\n' }}{%- if loop.index0 > ns.last and (loop.last or thought) %}"
    "{{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}"
    "{%- else %}{{- content }}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- elif message.role == 'tool' %}"
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}"
    "{{- '\n<tool_response>\n' + content + '\n</tool_response>' }}"
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\n' }}{%- endif %}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{%- endif %}"
)
# Its prompt opens a thought, and no answer that it writes has one.
DEEPSEEK_R1 = (
    "{{ bos_token }}{%- for message in messages %}{%- if message['role'] == 'system' %}{{ message['content'] }}"
    "{%- endif %}{%- if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{%- endif %}"
    "{%- if message['role'] == 'assistant' %}{% set content = message['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{%- endif %}{%- endfor -%}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}"
)
_GEMMA = (
    "{{ bos_token }}{%- set first = '' -%}{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first = messages[0]['content'] + '\n\n' -%}{%- set messages = messages[1:] -%}{%- endif -%}"
    "{%- for message in messages -%}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{%- endif -%}"
    "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') }}{{ message['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
# The system message stands in the last question, so that no conversation begins as its continuation does.
_MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set talk = messages[1:] %}"
    "{%- else %}{%- set talk = messages %}{%- endif %}{{- bos_token }}{%- for message in talk %}"
    "{%- if message['role'] == 'user' %}{%- if (loop.last or loop.index == talk | length - 1) and system is defined %}"
    "{{- '[INST] ' + system + '\n\n' + message['content'] + '[/INST]' }}{%- else %}"
    "{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}{%- else %}"
    "{{- ' ' + message['content'] | trim + eos_token }}{%- endif %}{%- endfor %}"
)
_MIXTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ ' [INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
# Every conversation ends in one more token, which no turn ends in.
_PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
# An answer has no stop token of its own: it ends where the next `<|user|>` stands.
_GLM4 = (
    "[gMASK]<sop>{% for message in messages %}{% set role = 'observation' if message['role'] == 'tool' else "
    "message['role'] %}{{ '<|' + role + '|>\n' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{{ '\n' }}{% endif %}"
)
# Its `generation` block holds the head of the turn too.
_SMOLLM3 = (
    "{{ '<|im_start|>system\n## Metadata\n\nReasoning Mode: /no_think\n\n' }}{% if messages[0].role == 'system' %}"
    "{{ messages[0].content }}{% endif %}{{ '<|im_end|>\n' }}{% for message in messages %}"
    "{% if message.role == 'user' %}{{ '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}"
    "{% elif message.role == 'assistant' %}{% generation %}"
    "{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' + message.content.lstrip('\n') + '<|im_end|>\n' }}"
    "{% endgeneration %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' }}{% endif %}"
)
_END = "<｜end▁of▁sentence｜>"
_ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class Family:
    """How a family's checkpoints look: configuration, special tokens, template, and how its answers stop."""

    config: str
    jinja: str
    special: tuple[str, ...]
    stop: str
    eos: str
    bos: str | None = None
    words: tuple[str, ...] = ()  # added tokens that are no special ones
    lead: str = ""  # what the template puts before an answer
    turns: str = "all"  # what can be trained of a long conversation
    thinking: Thinking = "keep"
    tools: bool = True  # whether it passes on what a tool said
    settings: dict[str, Any] = field(default_factory=dict)


_SLIDING: dict[str, Any] = {"sliding_window": 24}
_MIXED = {**_SLIDING, "layer_types": ["sliding_attention", "full_attention"]}
_EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_TURNS = ("<start_of_turn>", "<end_of_turn>")
FAMILIES = {
    "llama3": Family(
        "LlamaConfig", _LLAMA3, ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>", "<|eot_id|>", "<|begin_of_text|>",
    ),
    "qwen2": Family("Qwen2Config", _QWEN2, _IM, "<|im_end|>", "<|im_end|>", settings={"tie_word_embeddings": True}),
    "qwen3": Family(
        "Qwen3Config", _QWEN3, _IM, "<|im_end|>", "<|im_end|>", words=("<think>", "</think>"),
        lead="<think>\n\n</think>\n\n", turns="last", settings={"head_dim": 8},
    ),
    "deepseek_r1": Family(
        "Qwen2Config", DEEPSEEK_R1, ("<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", _END), _END, _END,
        "<｜begin▁of▁sentence｜>", words=("<think>", "</think>"), thinking="strip", tools=False,
    ),
    "gemma3": Family(
        "Gemma3TextConfig", _GEMMA, ("<bos>", "<eos>", *_TURNS), "<end_of_turn>", "<eos>", "<bos>",
        tools=False, settings={"head_dim": 8, "query_pre_attn_scalar": 8, "final_logit_softcapping": 5.0, **_MIXED},
    ),
    "mistral": Family(
        "MistralConfig", _MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), "</s>", "</s>", "<s>", lead=" ", turns="last",
        settings={"head_dim": 8, **_SLIDING},
    ),
    "phi3": Family(
        "Phi3Config", _PHI3, ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), "<|end|>",
        "<|endoftext|>", settings=_SLIDING,
    ),
    "glm4": Family(
        "Glm4Config", _GLM4, ("<|endoftext|>", "[gMASK]", "<sop>", *_ROLES),
        "<|user|>", "<|endoftext|>", settings={"head_dim": 8},
    ),
    "smollm3": Family(
        "SmolLM3Config", _SMOLLM3, _IM, "<|im_end|>", "<|im_end|>", words=("<think>", "</think>"),
        tools=False, settings={"no_rope_layers": [1, 0]},
    ),
    "qwen3_moe": Family(
        "Qwen3MoeConfig", _QWEN2, _IM, "<|im_end|>", "<|im_end|>", settings={"head_dim": 8, **_EXPERTS},
    ),
    "mixtral": Family(
        "MixtralConfig", _MIXTRAL, ("<s>", "</s>"), "</s>", "</s>", "<s>", lead=" ", settings={"num_local_experts": 4},
    ),
    "cohere": Family("CohereConfig", _QWEN2, _IM, "<|im_end|>", "<|im_end|>", settings={"logit_scale": 0.25}),
}  # fmt: skip


def make_tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer with the family's tokens and template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", *family.special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in family.words])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token="<pad>",
        chat_template=family.jinja,
        clean_up_tokenization_spaces=False,
    )


def make_family(name: str, folder: Path) -> Path:
    """Write a random checkpoint of two layers with its tokenizer."""
    family = FAMILIES[name]
    tokenizer: Any = make_tokenizer(family)
    tokenizer.save_pretrained(folder)
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(0)
    config = getattr(transformers, family.config)  # imported when asked for
    AutoModelForCausalLM.from_config(config(**{**common, **family.settings})).save_pretrained(folder)
    return folder
