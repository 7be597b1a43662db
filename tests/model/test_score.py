"""Losses: packed and masked as they are, they equal a naive loop over one record at a time."""

from pathlib import Path

import orjson
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.score import answer_only, losses
from weitiao.model.template import Encoded, Template

torch.set_num_threads(1)

CHATS = [
    [("user", "水"), ("assistant", "水也是水。")],
    [("user", "Why?"), ("assistant", "Because."), ("user", "为什么水不能兑水？"), ("assistant", "因为兑了还是水。")],
    [("system", "短。"), ("user", "a"), ("assistant", "")],
    [("user", "石油也是油"), ("assistant", "它有毒。" * 8)],
]


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> PreTrainedModel:
    loaded: PreTrainedModel = load_model(str(tiny_llama), dtype="float32")
    return loaded


@pytest.fixture(scope="module")
def template(tiny_llama: Path) -> Template:
    return Template(load_tokenizer(str(tiny_llama)))


def naive(model: PreTrainedModel, item: Encoded) -> tuple[float, int]:
    """Sum the loss token by token from the whole model's logits."""
    with torch.no_grad():
        chances = model(torch.tensor([item.ids])).logits[0].double().log_softmax(-1)
    places = [place for place in range(1, len(item.ids)) if item.mask[place]]
    return -sum(float(chances[place - 1, item.ids[place]]) for place in places), len(places)


@pytest.mark.parametrize("batch_tokens", [1, 60, 100_000])
def test_losses_equal_a_naive_loop(model: PreTrainedModel, template: Template, batch_tokens: int) -> None:
    encoded = [template.encode(chat) for chat in CHATS]
    for found, item in zip(losses(model, encoded, batch_tokens), encoded, strict=True):
        total, count = naive(model, item)
        assert found[1] == count
        assert found[0] / count == pytest.approx(total / count, abs=1e-5)


def test_only_supervised_tokens_count(model: PreTrainedModel, template: Template) -> None:
    item = template.encode(CHATS[0])
    silent = Encoded(item.ids, [False] * len(item.ids), 0, 0)
    first = Encoded(item.ids, [True] * len(item.ids), 0, 0)  # nothing predicts the first token
    assert losses(model, [silent, first], 1000)[0] == (0.0, 0)
    assert losses(model, [silent, first], 1000)[1][1] == len(item.ids) - 1
    assert losses(model, [], 1000) == []


def test_only_the_last_answer_is_the_reference(template: Template) -> None:
    item = answer_only(template, CHATS[1])
    said = [token for token, carries in zip(item.ids, item.mask, strict=True) if carries]
    assert template.tokenizer.decode(said) == "因为兑了还是水。<|im_end|>"
    assert item.ids == template.encode(CHATS[1]).ids


def test_scoring_leaves_the_model_as_it_was(model: PreTrainedModel, template: Template) -> None:
    model.train()
    losses(model, [template.encode(CHATS[0])], 100)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    model.eval()


def test_stories_have_their_known_losses(stories: Path) -> None:
    golden = orjson.loads((stories / "golden.json").read_bytes())["nll"]
    model = AutoModelForCausalLM.from_pretrained(stories, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(stories)
    encoded = [[tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)] for text in golden]
    found = losses(model, [Encoded(ids, [True] * len(ids), 0, 0) for ids in encoded], 1000)
    for (total, count), (mean, tokens) in zip(found, golden.values(), strict=True):
        assert count in (tokens, tokens - 1)
        assert total / count == pytest.approx(mean, abs=1e-4)
