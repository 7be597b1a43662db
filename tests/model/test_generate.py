"""Generation: batched equals one by one, stops where the template says, samples by seed, never breaks a character."""

from pathlib import Path

import orjson
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from weitiao.model import batch, generate
from weitiao.model.batch import Row
from weitiao.model.generate import Answer, Sampling, answer, answers, batches, pieces, stream
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.template import Template

torch.set_num_threads(1)

PROMPTS = [
    [("user", text)]
    for text in ("水", "Why is the sky blue?", "为什么水不能兑水？", "a b", "石油也是油，为啥没人用它来炒菜？", "x")
]


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> PreTrainedModel:
    loaded: PreTrainedModel = load_model(str(tiny_llama), dtype="float32")
    return loaded


@pytest.fixture(scope="module")
def template(tiny_llama: Path) -> Template:
    return Template(load_tokenizer(str(tiny_llama)))


def one_by_one(model: PreTrainedModel, template: Template, sampling: Sampling) -> list[Answer]:
    return [answer(model, template, [prompt], sampling, batch_tokens=1)[0] for prompt in PROMPTS]


def test_batched_answers_equal_those_given_one_by_one(model: PreTrainedModel, template: Template) -> None:
    greedy = Sampling(max_new_tokens=40)
    together = answer(model, template, PROMPTS, greedy, batch_tokens=10_000)
    assert together == one_by_one(model, template, greedy)
    assert together == answer(model, template, PROMPTS, greedy, batch_tokens=150)
    assert len({said.text for said in together}) > 1


def test_greedy_is_what_transformers_generates(model: PreTrainedModel, template: Template) -> None:
    for prompt in PROMPTS:
        ids = template.prompt(prompt)
        whole = model.generate(
            torch.tensor([ids]), max_new_tokens=20, do_sample=False, eos_token_id=list(template.stop_ids)
        )[0].tolist()
        said = answer(model, template, [prompt], Sampling(max_new_tokens=20), batch_tokens=1)[0]
        assert said.text == template.tokenizer.decode(whole[len(ids) :], skip_special_tokens=True)


def test_sampling_depends_on_seed_and_prompt_not_on_the_batch(model: PreTrainedModel, template: Template) -> None:
    drawn = Sampling(max_new_tokens=20, temperature=1.0, top_p=0.9, top_k=50, repetition_penalty=1.1, seed=1)
    together = answer(model, template, PROMPTS, drawn, batch_tokens=10_000)
    assert together == one_by_one(model, template, drawn)
    assert together == answer(model, template, PROMPTS[::-1], drawn, batch_tokens=10_000)[::-1]
    other = Sampling(max_new_tokens=20, temperature=1.0, top_p=0.9, top_k=50, repetition_penalty=1.1, seed=2)
    assert together != answer(model, template, PROMPTS, other, batch_tokens=10_000)


@pytest.mark.parametrize(
    "narrow",
    [
        Sampling(max_new_tokens=12, temperature=0.7, top_k=1),
        Sampling(max_new_tokens=12, temperature=0.7, top_p=0.0),
        Sampling(max_new_tokens=12, temperature=1e-4),
    ],
)
def test_sampling_from_the_likeliest_alone_is_greedy(
    model: PreTrainedModel, template: Template, narrow: Sampling
) -> None:
    greedy = answer(model, template, PROMPTS, Sampling(max_new_tokens=12), batch_tokens=500)
    assert answer(model, template, PROMPTS, narrow, batch_tokens=500) == greedy


def test_draws_follow_the_chances() -> None:
    sampling = Sampling(temperature=1.0, max_new_tokens=4000)
    row = Row([0], sampling)
    choice = batch._Choice([row], 4, torch.device("cpu"))
    logits = torch.tensor([[0.5, 0.125, 0.25, 0.125]]).log()
    for _ in range(4000):
        row.said.append(int(choice.next(logits)))
    drawn = torch.tensor(row.said)
    assert torch.allclose(torch.bincount(drawn) / 4000, torch.tensor([0.5, 0.125, 0.25, 0.125]), atol=0.02)


def test_repetition_penalty_lowers_what_was_seen() -> None:
    sampling = Sampling(repetition_penalty=2.0)
    choice = batch._Choice([Row([1], sampling)], 3, torch.device("cpu"))
    logits = torch.tensor([[1.0, 1.5, -1.0]])
    assert [int(choice.next(logits)) for _ in range(2)] == [0, 1]


class Scripted:
    """Stands for a choice of tokens: says these, by the row's prompt, step by step."""

    def __init__(self, said: dict[int, list[int]]) -> None:
        self.said = said

    def __call__(self, rows: list[Row], *_: object) -> "Scripted":
        self.rows = rows
        return self

    def next(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.tensor([self.said[len(row.prompt)][len(row.said)] for row in self.rows])


def test_a_row_stops_at_the_stop_token_and_leaves_the_batch(
    model: PreTrainedModel, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = template.stop_ids[0]
    a, b = (template.tokenizer.encode(letter)[0] for letter in "ab")
    prompts = [[("user", "abcd")], [("user", "abc")], [("user", "ab")]]
    sizes = [len(template.prompt(prompt)) for prompt in prompts]
    scripted = Scripted(dict(zip(sizes, [[a, stop], [b, b, b, b, b], [stop]], strict=True)))
    monkeypatch.setattr(batch, "_Choice", scripted)
    said = list(answers(model, template, prompts, Sampling(max_new_tokens=5), batch_tokens=1000))
    assert said == [(2, Answer("", 0, True)), (0, Answer("a", 1, True)), (1, Answer("bbbbb", 5, False))]


def test_special_tokens_are_not_in_the_text(
    model: PreTrainedModel, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = template.tokenizer
    ids = [tokenizer.convert_tokens_to_ids("<|im_start|>"), *tokenizer.encode("user"), template.stop_ids[0]]
    monkeypatch.setattr(batch, "_Choice", Scripted({len(template.prompt(PROMPTS[0])): ids}))
    (said,) = answer(model, template, PROMPTS[:1], Sampling(max_new_tokens=50), batch_tokens=1)
    assert said == Answer("user", len(ids) - 1, True)


def test_a_prompt_longer_than_the_model_gets_an_empty_answer(model: PreTrainedModel, template: Template) -> None:
    prompts = [PROMPTS[0], [("user", "水" * 400)], [("user", "a" * 140)]]
    said = answer(model, template, prompts, Sampling(max_new_tokens=1000), batch_tokens=1000)
    assert said[1] == Answer("", 0, stopped=False)
    for index in (0, 2):
        assert said[index].stopped or said[index].tokens == 160 - len(template.prompt(prompts[index]))
    assert "".join(stream(model, template, prompts[1], Sampling())) == ""


def test_the_stream_says_what_the_answer_holds(model: PreTrainedModel, template: Template) -> None:
    sampling = Sampling(max_new_tokens=40, temperature=1.0)
    for prompt in PROMPTS:
        whole = answer(model, template, [prompt], sampling, batch_tokens=1)[0]
        said = list(stream(model, template, prompt, sampling))
        assert "".join(said) == whole.text


def test_generation_leaves_the_model_as_it_was(model: PreTrainedModel, template: Template) -> None:
    model.train()
    next(stream(model, template, PROMPTS[0], Sampling(max_new_tokens=4)))
    assert model.training
    model.eval()


@settings(max_examples=60)
@given(text=st.text(max_size=40))
def test_pieces_never_break_a_character(template: Template, text: str) -> None:
    ids = template.tokenizer.encode(text, add_special_tokens=False)
    said = list(pieces(template.tokenizer, ids))
    assert "".join(said) == template.tokenizer.decode(ids, skip_special_tokens=True)
    assert all(piece and ("\ufffd" not in piece or "\ufffd" in text) for piece in said)


@given(lengths=st.lists(st.integers(1, 50), max_size=30), budget=st.integers(1, 200))
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    made = list(batches(lengths, budget))
    assert sorted(index for rows in made for index in rows) == list(range(len(lengths)))
    for rows in made:
        assert len(rows) == 1 or len(rows) * max(lengths[index] for index in rows) <= budget


def test_stories_go_on_word_for_word(stories: Path) -> None:
    golden = orjson.loads((stories / "golden.json").read_bytes())
    model = AutoModelForCausalLM.from_pretrained(stories, dtype=torch.float32)
    prompt, wanted = golden["prompt_ids"], golden["greedy_ids"]
    sampling = Sampling(max_new_tokens=len(wanted) - len(prompt))
    rows: list[list[int]] = [[], []]
    for row, token, _ in generate._tokens(model, [prompt, [1, 403, 407]], sampling, ()):
        rows[row].append(token)
    assert prompt + rows[0] == wanted
    tokenizer = AutoTokenizer.from_pretrained(stories)
    assert "".join(pieces(tokenizer, wanted)) == golden["greedy_text"]
