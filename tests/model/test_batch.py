"""A batch under way: rows that join late and leave early say what they say alone, and are told how likely it was."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from families import make_family
from weitiao.model.batch import Batch, Row, Sampling
from weitiao.model.load import load_model

torch.set_num_threads(1)
STOPS = (2, 300)
TOKENS = st.lists(st.integers(3, 299), min_size=1, max_size=30)
SAMPLING = st.builds(
    Sampling,
    max_new_tokens=st.integers(1, 20),
    temperature=st.sampled_from([0.0, 0.0, 1.0]),
    top_p=st.sampled_from([0.5, 1.0]),
    top_k=st.sampled_from([0, 7]),
    repetition_penalty=st.sampled_from([1.0, 1.3]),
    seed=st.integers(0, 5),
)


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> PreTrainedModel:
    loaded: PreTrainedModel = load_model(str(tiny_llama), dtype="float32")
    return loaded


def alone(model: PreTrainedModel, prompt: list[int], sampling: Sampling) -> list[int]:
    row = Row(prompt, sampling)
    batch = Batch(model, STOPS)
    said = batch.join([row])
    while said:
        said = batch.step()
    return row.said


def joining(model: PreTrainedModel, rows: list[tuple[Row, int, int]]) -> None:
    """Let each row join at its step, and taken out after so many more, until all have ended."""
    batch = Batch(model, STOPS)
    left, step = list(rows), 0
    while left or batch.rows:
        batch.leave([row for row, start, stay in rows if start + stay == step])
        batch.step()
        now = [row for row, start, _ in left if start <= step and (batch.joinable or not batch.rows)]
        if not batch.joinable:
            now = now[:1]
        if now:
            assert {token.row for token in batch.join(now)} == set(now)
        left = [item for item in left if item[0] not in now]
        step += 1
    assert step < 500


@settings(max_examples=20)
@given(asked=st.lists(st.tuples(TOKENS, SAMPLING, st.integers(0, 25), st.integers(1, 40)), min_size=1, max_size=8))
def test_whoever_joins_or_leaves_says_what_it_says_alone(
    model: PreTrainedModel, asked: list[tuple[list[int], Sampling, int, int]]
) -> None:
    rows = [(Row(prompt, sampling), start, stay) for prompt, sampling, start, stay in asked]
    joining(model, rows)
    for row, start, stay in rows:
        whole = alone(model, row.prompt, row.sampling)
        assert row.said == whole[: len(row.said)]
        assert len(row.said) == len(whole) or len(row.said) >= min(stay, len(whole))
        assert start >= 0


@pytest.mark.parametrize("name", ["gemma3", "mistral"])  # windows of 24 tokens
def test_sliding_attention_is_joined(name: str, tmp_path: Path) -> None:
    loaded = load_model(str(make_family(name, tmp_path)), dtype="float32")
    drawn = torch.Generator().manual_seed(0)
    rows = []
    for start, size in ((0, 3), (0, 40), (4, 25), (9, 1), (9, 60)):
        prompt = torch.randint(5, 90, (size,), generator=drawn).tolist()
        rows.append((Row(prompt, Sampling(max_new_tokens=30)), start, 12 if size == 40 else 99))
    joining(loaded, rows)
    for row, _, _ in rows:
        assert row.said == alone(loaded, row.prompt, row.sampling)[: len(row.said)]


def test_a_token_comes_with_its_likelihood(model: PreTrainedModel) -> None:
    told, plain = Row([5, 6, 7], Sampling(4, repetition_penalty=1.5), told=2), Row([8], Sampling(4))
    batch = Batch(model, ())
    said = [*batch.join([plain, told]), *batch.step()]
    assert [token.likely is None for token in said] == [True, False, True, False]
    with torch.no_grad():
        logits = model(torch.tensor([[5, 6, 7, *told.said]])).logits[0].log_softmax(-1)
    for place, token in enumerate((said[1], said[3]), 2):
        assert token.likely is not None
        assert token.likely.logprob == pytest.approx(float(logits[place, token.id]), abs=1e-4)
        assert [index for index, _ in token.likely.top] == logits[place].topk(2).indices.tolist()


def test_the_cache_is_no_wider_than_its_longest_row(model: PreTrainedModel) -> None:
    long, short = Row([9] * 50, Sampling(3)), Row([9] * 4, Sampling(30))
    batch = Batch(model, ())
    batch.join([long, short])
    for _ in range(4):
        batch.step()
    assert batch.rows == [short]
    assert batch._cache.layers[0].keys.shape == (1, 2, 8, 8)
