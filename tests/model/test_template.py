from pathlib import Path
from typing import Any

import pytest

from weitiao.errors import UserError
from weitiao.model.load import load_tokenizer
from weitiao.model.template import PLAIN, Template
from weitiao.model.tiny import TEMPLATE as MARKED

SHARED = Path(__file__).parents[3] / "shared" / "data"

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n\n' + m['content'] | trim + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n\n' }}{% endif %}"
)
INTERNLM2 = (
    "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BARE_BLOCK = MARKED.replace(
    "{{ message.content + '<|im_end|>' }}{% endgeneration %}",
    "{{ message.content }}{% endgeneration %}{{ '<|im_end|>' }}",
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
FORGETS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and not loop.last %}…{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

TALK = [
    ("system", "你是助手。"),
    ("user", "为什么水不能兑水？\n"),
    ("assistant", "因为兑了还是水。  1+1=2"),
    ("user", "Why? <|im_end|> really 😀"),
    ("assistant", "Because **short** waves\n\nscatter more."),
]
SHORT = [("user", "1+1?"), ("assistant", "2")]


def said(template: Template, messages: list[tuple[str, str]]) -> list[str]:
    """Return the runs of tokens that carry loss, as text."""
    encoded = template.encode(messages)
    runs: list[list[int]] = []
    before = False
    for token, carries in zip(encoded.ids, encoded.mask, strict=True):
        if carries and not before:
            runs.append([])
        if carries:
            runs[-1].append(token)
        before = carries
    return [template.tokenizer.decode(run) for run in runs]


def check(template: Template, stop: str, messages: list[tuple[str, str]] = TALK) -> None:
    tokenizer: Any = template.tokenizer
    encoded = template.encode(messages)
    if tokenizer.chat_template:
        chat = [{"role": role, "content": content} for role, content in messages]
        assert encoded.ids == tokenizer.apply_chat_template(chat, tokenize=True)["input_ids"]
    answers = [content for role, content in messages if role == "assistant"]
    assert [text.removeprefix(" ") for text in said(template, messages)] == [answer + stop for answer in answers]
    assert encoded.stops == encoded.turns == len(answers)
    for index, (role, _) in enumerate(messages):
        if role == "assistant":
            prompt = template.prompt(messages[:index])
            assert encoded.ids[: len(prompt)] == prompt
            assert encoded.mask[len(prompt)]
            assert not encoded.mask[len(prompt) - 1]


@pytest.mark.parametrize("jinja", [None, LLAMA3, INTERNLM2, MARKED, BARE_BLOCK])
@pytest.mark.parametrize("messages", [TALK, TALK[1:], SHORT, [("user", "a"), ("assistant", "")]])
def test_mask_is_the_answers_and_their_stops(
    tiny_llama: Path, jinja: str | None, messages: list[tuple[str, str]]
) -> None:
    tokenizer: Any = load_tokenizer(str(tiny_llama))
    tokenizer.bos_token = "<|endoftext|>"
    if jinja:
        tokenizer.chat_template = jinja
    template = Template(tokenizer)
    assert template.stop_ids == (tokenizer.eos_token_id,)
    check(template, "<|im_end|>", messages)


@pytest.mark.parametrize("name", ["minimind", "qwen2"])
def test_published_tokenizers(name: str) -> None:
    folder = SHARED / "tokenizers" / name
    if not folder.exists():
        pytest.skip(f"no {folder}")
    template = Template(load_tokenizer(str(folder)))
    assert template.tokenizer.convert_ids_to_tokens(list(template.stop_ids)) == ["<|im_end|>"]
    check(template, "<|im_end|>")
    check(template, "<|im_end|>", SHORT)


def test_default_template_of_a_tokenizer_without_one(stories: Path) -> None:
    template = Template(load_tokenizer(str(stories)))
    assert template.name == "plain"
    assert template.stop_ids == (2,)
    assert template.text(SHORT, generate=False) == "<s>User:\n1+1?\nAssistant:\n2</s>\n"
    assert template.text(SHORT[:1], generate=True) == "<s>User:\n1+1?\nAssistant:\n"
    assert template.encode(SHORT).ids.count(1) == 1
    check(template, "</s>", [("user", "你好 Lily"), ("assistant", "Once upon 一天"), ("user", "x"), ("assistant", "y")])
    template.tokenizer.chat_template = PLAIN
    assert Template(template.tokenizer).encode(TALK) == Template(load_tokenizer(str(stories))).encode(TALK)


def test_a_template_that_changes_earlier_turns_is_refused(tiny_llama: Path) -> None:
    tokenizer: Any = load_tokenizer(str(tiny_llama))
    tokenizer.chat_template = FORGETS
    template = Template(tokenizer)
    check(template, "<|im_end|>", SHORT)
    with pytest.raises(UserError) as error:
        template.encode(TALK)
    assert "1+1=2" in error.value.message
    assert "…" in error.value.message


def test_thinking_that_the_template_moves_is_refused() -> None:
    folder = SHARED / "tokenizers" / "minimind"
    if not folder.exists():
        pytest.skip(f"no {folder}")
    template = Template(load_tokenizer(str(folder)))
    with pytest.raises(UserError, match="changes what was said"):
        template.encode([("user", "a"), ("assistant", "<think>\nb\n</think>\n\nc")])


def test_a_template_may_refuse_a_role(tiny_llama: Path) -> None:
    tokenizer: Any = load_tokenizer(str(tiny_llama))
    tokenizer.chat_template = NO_SYSTEM + MARKED
    with pytest.raises(UserError, match=r"no conversation of system, user, assistant, user, assistant: no system"):
        Template(tokenizer).encode(TALK)


def test_no_stop_token_is_counted(tiny_llama: Path) -> None:
    tokenizer: Any = load_tokenizer(str(tiny_llama))
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:\n{% endif %}"
    )
    encoded = Template(tokenizer).encode(SHORT)
    assert (encoded.stops, encoded.turns) == (0, 1)
    assert said(Template(tokenizer), SHORT) == ["2\n"]


def test_an_answer_that_melts_into_its_prompt_is_counted() -> None:
    folder = SHARED / "tokenizers" / "qwen2"
    if not folder.exists():
        pytest.skip(f"no {folder}")
    template = Template(load_tokenizer(str(folder)))
    assert template.encode([("user", "a"), ("assistant", "\nb")]).melted == 1
    assert said(template, [("user", "a"), ("assistant", "\nb")]) == ["b<|im_end|>"]
    assert template.encode(TALK).melted == 0


def test_encode_all_is_encode(tiny_llama: Path) -> None:
    template = Template(load_tokenizer(str(tiny_llama)))
    assert template.encode_all([TALK, SHORT]) == [template.encode(TALK), template.encode(SHORT)]
    assert template.encode_all([]) == []
