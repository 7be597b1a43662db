"""Templates by XTuner's names: the texts that XTuner makes, and answers that end in one stop token."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken

from conftest import make_llama
from weitiao.errors import UserError
from weitiao.model.load import load_tokenizer
from weitiao.model.named import _all, named, names
from weitiao.model.template import Template

TALK = [("system", "S'y\\s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
EXPECTED = {
    "default": "<|System|>:S'y\\s\n<|User|>:a\n<|Bot|>:b</s>\n<|User|>:c\n<|Bot|>:d</s>\n",
    "internlm2_chat": "<|im_start|>system\nS'y\\s<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    "b<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\nd<|im_end|>\n",
    "chatglm2": "S'y\\s\n[Round 1]\n\n问：a\n\n答：b</s>\n\n[Round 2]\n\n问：c\n\n答：d</s>\n\n",
    "mistral": "[INST] S'y\\s [/INST]\n[INST] a [/INST]b</s>\n[INST] c [/INST]d</s>\n",
    "deepseek_v2": "S'y\\s\n\nUser: a\n\nAssistant: b<｜end▁of▁sentence｜>User: c\n\nAssistant: d<｜end▁of▁sentence｜>",
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a tokenizer that has every template's stop token."""
    found: Any = load_tokenizer(str(make_llama(tmp_path_factory.mktemp("base"), 0)))
    found.chat_template = None
    stops = {"</s>", *(parts.suffix for parts in _all().values() if parts.suffix)}
    found.add_tokens([AddedToken(stop, normalized=False, special=True) for stop in sorted(stops)], special_tokens=True)
    found.eos_token = "</s>"
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_texts(tokenizer: Any, name: str) -> None:
    assert Template(tokenizer, name).text(TALK, generate=False) == EXPECTED[name]


@pytest.mark.parametrize("name", names())
def test_every_answer_ends_in_the_stop_token_and_prompts_are_beginnings(tokenizer: Any, name: str) -> None:
    template = Template(tokenizer, name)
    stop = _all()[name].suffix or "</s>"
    encoded = template.encode(TALK)
    assert encoded.stops == encoded.turns == 2
    assert template.stop_ids[0] == tokenizer.convert_tokens_to_ids(stop)
    trained = [token for token, on in zip(encoded.ids, encoded.mask, strict=True) if on]
    assert tokenizer.decode(trained) == f"b{stop}d{stop}"
    prompt = template.prompt(TALK[:-1])
    assert encoded.ids[: len(prompt)] == prompt


def test_there_are_xtuners_names_and_others_are_refused(tokenizer: Any) -> None:
    assert {"default", "internlm2_chat", "qwen_chat", "llama3_chat", "zephyr", "vicuna"} <= set(names())
    with pytest.raises(UserError) as error:
        named("internlm2")
    assert "internlm2_chat" in error.value.hint
    with pytest.raises(UserError, match="no conversation of tool"):
        Template(tokenizer, "default").text([("tool", "x")], generate=True)


def test_a_tokenizer_without_the_stop_token_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(UserError, match=r"The tokenizer has no token `<\|eot_id\|>`"):
        Template(load_tokenizer(str(tiny_llama)), "llama3_chat")
