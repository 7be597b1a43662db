"""Each family of chat models: its template's mask, and the line from training to comparing on a tiny checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from families import FAMILIES, Family, make_family, make_tokenizer
from weitiao import pipeline
from weitiao.chat.session import Session
from weitiao.errors import UserError
from weitiao.model.generate import Sampling, answer
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.loss import deviation
from weitiao.model.template import Encoded, Template
from weitiao.recipe import load
from weitiao.train import Train, adapter

torch.set_num_threads(1)

SHORT = [("user", "1+1?"), ("assistant", "2")]
LONGER = [*SHORT, ("user", "为什么水不能兑水？"), ("assistant", "因为兑了还是水。")]
TALK = [*LONGER, ("user", "end"), ("assistant", "end")]
every_family = pytest.mark.parametrize("name", FAMILIES)


def said(template: Template, encoded: Encoded) -> list[str]:
    """Return the runs of tokens that carry loss, as text."""
    runs: list[list[int]] = []
    for place, (token, on) in enumerate(zip(encoded.ids, encoded.mask, strict=True)):
        if on and not encoded.mask[place - 1]:
            runs.append([])
        if on:
            runs[-1].append(token)
    return [template.tokenizer.decode(run) for run in runs]


def template_of(family: Family) -> Template:
    return Template(make_tokenizer(family), thinking=family.thinking)


def wanted(family: Family, messages: list[tuple[str, str]]) -> list[str]:
    return [family.lead + text + family.stop for role, text in messages if role == "assistant"]


@every_family
def test_the_answers_and_their_stops_carry_loss_and_nothing_else(name: str) -> None:
    family = FAMILIES[name]
    template = template_of(family)
    eos = template.tokenizer.convert_tokens_to_ids
    assert template.stop_ids == tuple(dict.fromkeys((eos(family.stop), eos(family.eos))))
    for messages in (SHORT, TALK):
        one = template.encode(messages, "last")
        assert said(template, one) == wanted(family, messages[-1:])
        assert (one.stops, one.turns) == (1, 1)
        asked = template.prompt(messages[:-1])
        assert one.ids[: len(asked)] == asked
        assert one.mask.index(True) == len(asked)
        chat = [{"role": role, "content": content} for role, content in messages]
        theirs = template.tokenizer.apply_chat_template(chat, chat_template=template.jinja, tokenize=True)["input_ids"]
        assert one.ids[: len(theirs)] == theirs
        assert one.ids[len(theirs) :] == ([eos("<|user|>")] if name == "glm4" else [])
    if family.turns == "all":
        assert said(template, template.encode(TALK)) == wanted(family, TALK)


CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
TOOLS = [
    ("user", "1+1?"), ("assistant", CALL), ("tool", '{"sum": 2}'), ("tool", "two\nlines"), ("assistant", "2"),
]  # fmt: skip


@every_family
def test_what_a_tool_said_is_passed_on_and_carries_no_loss_or_is_refused(name: str) -> None:
    family = FAMILIES[name]
    template = template_of(family)
    if not family.tools:
        with pytest.raises(
            UserError, match=r"leaves out what the role `tool` says|takes no conversation of user, assist"
        ):
            template.encode(TOOLS, "last")
        with pytest.raises(UserError):
            template.prompt(TOOLS[:-1])
        return
    one = template.encode(TOOLS, "last")
    assert said(template, one) == wanted(family, TOOLS[-1:])
    text = template.text(TOOLS, generate=False)
    assert all(content in text for _, content in TOOLS)
    asked = template.prompt(TOOLS[:-1])
    assert one.ids[: len(asked)] == asked
    assert not any(one.mask[: len(asked)])
    if family.turns == "all":
        call, answer = wanted(family, TOOLS)
        if name == "glm4":  # an answer ends where what follows it begins
            call = call.replace(family.stop, "<|observation|>")
        assert said(template, template.encode(TOOLS)) == [call, answer]


def test_an_answer_without_thinking_where_the_template_asks_for_none() -> None:
    plain, strip = (Template(make_tokenizer(FAMILIES["qwen3"]), thinking=how) for how in ("keep", "strip"))
    assert said(plain, plain.encode(SHORT)) == ["<think>\n\n</think>\n\n2<|im_end|>"]
    assert said(strip, strip.encode(SHORT)) == ["2<|im_end|>"]
    assert plain.encode(SHORT).ids == strip.encode(SHORT).ids
    assert strip.text(SHORT[:1], generate=True) == plain.text(SHORT[:1], generate=True) + "<think>\n\n</think>\n\n"
    again = make_tokenizer(FAMILIES["qwen3"])
    again.chat_template = strip.jinja
    assert Template(again).encode(SHORT) == strip.encode(SHORT)
    assert Template(again, thinking="strip").jinja == strip.jinja


def test_a_prompt_that_opens_a_thought() -> None:
    tokenizer = make_tokenizer(FAMILIES["deepseek_r1"])
    assert Template(tokenizer).opens_thinking
    with pytest.raises(UserError, match="changes what was said") as error:
        Template(tokenizer).encode(SHORT)
    assert "thinking: strip" in error.value.hint
    assert not Template(tokenizer, thinking="strip").opens_thinking


def test_a_template_that_strips_thinking_from_earlier_answers_trains_the_last() -> None:
    template = Template(make_tokenizer(FAMILIES["qwen3"]))
    thought = "<think>\nwater\n</think>\n\n水"
    talk = [("user", "a"), ("assistant", thought), ("user", "b"), ("assistant", thought)]
    with pytest.raises(UserError, match="changes what was said") as error:
        template.encode(talk)
    assert "turns: last" in error.value.hint
    assert said(template, template.encode(talk, "last")) == [thought + "<|im_end|>"]
    assert template.text(talk, generate=False).count("water") == 1


def test_a_system_message_that_moves_trains_the_last() -> None:
    template = Template(make_tokenizer(FAMILIES["mistral"]))
    talk = [("system", "短"), *TALK]
    with pytest.raises(UserError, match="changes what was said"):
        template.encode(talk)
    assert said(template, template.encode(talk, "last")) == [" end</s>"]


@every_family
def test_generation_blocks_mark_what_the_prompts_tell(name: str) -> None:
    """Where a template has no `generation` block, one is put around its answers; where it has one, it is taken out."""
    family = FAMILIES[name]
    if "generation %}" in family.jinja:
        other = family.jinja.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    elif name == "qwen3":  # it writes an answer in several pieces
        head, tail = (
            "{{- '<|im_start|>assistant\n' }}{%- if loop",
            "{{- '<|im_end|>\n' }}{%- elif message.role == 'tool' %}",
        )
        other = family.jinja.replace(head, head.replace("{%- if", "{% generation %}{%- if"))
        other = other.replace(tail, tail.replace("{%- elif", "{% endgeneration %}{%- elif"))
    else:
        spots = {"llama3": "{{ content }}", "glm4": "{{ '<|' + role + '|>\n' + message['content'] }}"}
        spot = spots.get(name) or next(part for part in _PARTS if part in family.jinja)
        other = family.jinja.replace(spot, _marked(spot))
    assert other != family.jinja
    one, two = template_of(family), template_of(family)
    two.tokenizer.chat_template = other
    two = Template(two.tokenizer, thinking=family.thinking)
    assert one.stop_ids == two.stop_ids
    for turns in ("all", "last") if family.turns == "all" else ("last",):
        for messages in (SHORT, TALK):
            assert one.encode(messages, turns) == two.encode(messages, turns)


# What writes a turn in each form; in a condition, so that only the assistant's are marked.
_PARTS = (
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}",
    "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}",
    "{{- ' ' + message['content'] | trim + eos_token }}",
    "{{ ' ' + message['content'] + eos_token }}",
    "{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}",
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}",
)


def _marked(spot: str) -> str:
    marked = "{% generation %}" + spot + "{% endgeneration %}"
    if "role" not in spot and "trim }}" not in spot and "content }}" not in spot:
        return marked
    return "{% if message['role'] == 'assistant' %}" + marked + "{% else %}" + spot + "{% endif %}"


@every_family
def test_packed_records_have_the_losses_they_have_alone(name: str, tmp_path: Path) -> None:
    """Records longer and shorter than the sliding window, by the model's own head and plainest attention."""
    model = adapter.lay(load_model(str(make_family(name, tmp_path)), device="cpu"), Train(r=2), "base", 0)
    with torch.no_grad():
        for part, value in model.named_parameters():
            if "lora_B" in part:
                value.normal_(std=0.1)
    some = [Encoded(list(range(10, 10 + size)), [place > 3 for place in range(size)], 1, 1) for size in (11, 60, 23)]
    assert deviation(model, some) < 1e-5


@every_family
def test_the_line_from_training_to_comparing(name: str, tmp_path: Path, run_line: Callable[..., Any]) -> None:
    family, base = FAMILIES[name], make_family(name, tmp_path / "base")
    done = run_line(base, f"max_steps: 2, turns: {family.turns}", f"thinking: {family.thinking}\n")
    facts = {item.stage.name: item.manifest["facts"] for item in done}
    assert facts["train"]["stops_trained"] == facts["train"]["rows"] == 4
    merged = facts["merge"]
    assert (merged["same"], merged["alike"]) == (merged["prompts"], True)
    place = next(item.stored.folder for item in done if item.stage.name == "merge") / "model"
    template, model = Template(load_tokenizer(str(place))), load_model(str(place), device="cpu")
    assert set(template.stop_ids) <= set(merged["stop_ids"])
    sampling = Sampling(max_new_tokens=6)
    asked = [[("user", "1+1?")], [("user", "为什么水不能兑水？因为兑了还是水，所以兑水没有用。")], TALK[:-1]]
    together = answer(model, template, asked, sampling, batch_tokens=10_000)
    for messages, one in zip(asked, together, strict=True):
        ids = torch.tensor([template.prompt(messages)])
        theirs = model.generate(ids, max_new_tokens=6, do_sample=False, eos_token_id=list(template.stop_ids))
        new = [token for token in theirs[0, ids.shape[1] :].tolist() if token not in template.stop_ids]
        assert one.text == template.tokenizer.decode(new, skip_special_tokens=True)
    session = Session(model, template, sampling)
    assert "".join(session.ask("1+1?")) == together[0].text
    "".join(session.ask("b"))


@pytest.fixture
def run_line(tmp_path: Path) -> Callable[..., Any]:
    def run(base: Path, train: str, extra: str = "") -> Any:
        rows = [[("user", f"问题{n}？"), ("assistant", f"答案是{n}。")] for n in range(6)] + [TALK, LONGER]
        texts = [{"messages": [{"role": role, "content": text} for role, text in row]} for row in rows]
        (tmp_path / "data.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        (tmp_path / "r.yaml").write_text(
            f"model: {base}\n{extra}source: {{inputs: [data.jsonl]}}\n"
            "split: {ratios: {train: 0.5, test: 0.5}, in_order: true}\n"
            f"export:\ntrain: {{max_length: 256, {train}}}\nmerge: {{tokens: 4, prompts: 3}}\n"
            "compare: {max_new_tokens: 6, samples: 100}\n",
            encoding="utf-8",
        )
        return pipeline.run(load(tmp_path / "r.yaml", pipeline.SETTINGS))

    return run
