import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from weitiao.model import loss as module
from weitiao.model.load import load_model
from weitiao.model.loss import Noise, Pack, PackedLoss, cross_entropy, deviation, pack
from weitiao.model.template import Encoded
from weitiao.train.run import checkpoint_activations

torch.set_num_threads(1)


def samples(lengths: list[int], words: int) -> list[Encoded]:
    draw = random.Random(0)
    return [
        Encoded([draw.randrange(words) for _ in range(length)], [draw.random() < 0.6 for _ in range(length)], 1, 1)
        for length in lengths
    ]


def alone(model: Any, item: Encoded) -> torch.Tensor:
    """Return the losses of one record by the library's own forward pass."""
    with torch.no_grad():
        logits = model(torch.tensor([item.ids]), use_cache=False).logits[0, :-1].float()
    targets = torch.tensor(item.ids[1:], dtype=torch.long)
    return functional.cross_entropy(logits, targets, reduction="none")[torch.tensor(item.mask[1:], dtype=torch.bool)]


@pytest.mark.parametrize("chunk", [1, 7 * 50, 2**24])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_chunked_cross_entropy_equals_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, chunk: int, bias: bool, trained: bool
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(23, 8), torch.randn(50, 8), torch.randint(0, 50, (23,))
    offset = torch.randn(50) if bias else None
    share = torch.rand(23)
    one, other = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    head = [tensor for tensor in (weight, offset) if tensor is not None]
    if trained:
        for tensor in head:
            tensor.requires_grad_()
    ours = cross_entropy(one, weight, offset, targets)
    plain = functional.cross_entropy(functional.linear(other, weight, offset), targets, reduction="none")
    assert torch.allclose(ours, plain, atol=1e-5)
    found = torch.autograd.grad((ours * share).sum(), [one, *head] if trained else [one])
    wanted = torch.autograd.grad((plain * share).sum(), [other, *head] if trained else [other])
    assert all(torch.allclose(mine, theirs, atol=1e-5) for mine, theirs in zip(found, wanted, strict=True))


@pytest.mark.parametrize("trained", [False, True])
def test_no_supervised_token(trained: bool) -> None:
    hidden, weight = torch.randn(0, 8, requires_grad=True), torch.randn(5, 8, requires_grad=trained)
    found = cross_entropy(hidden, weight, None, torch.zeros(0, dtype=torch.long))
    assert found.shape == (0,)
    found.sum().backward()
    assert hidden.grad is not None
    assert weight.grad is None or not weight.grad.any()


def test_noise_belongs_to_the_record(tiny_llama: Path) -> None:
    model = load_model(str(tiny_llama), device="cpu").train()
    items = samples([9, 30, 4], model.config.vocab_size)
    measure, noise = PackedLoss(model), Noise(5.0, "42/0")
    item = pack(items, [2, 0, 1])
    with torch.no_grad():
        together, bare = measure(item, noise), measure(item)
        assert not torch.allclose(together, bare, atol=1e-3)
        assert not torch.equal(together, measure(item, Noise(5.0, "42/1")))
        for owner, record in enumerate(item.records):
            assert torch.allclose(together[item.owners == owner], measure(pack(items, [record]), noise), atol=1e-5)
        states = torch.zeros(1, item.tokens, 32)
        most = noise.on(states, item)[0, 4:13].abs().max().item()
    assert 0.95 < most / (5 / (9 * 32) ** 0.5) <= 1


@pytest.mark.parametrize("thrifty", [False, True])
def test_packed_equals_unpacked_in_train_mode(tiny_llama: Path, thrifty: bool) -> None:
    model = load_model(str(tiny_llama), device="cpu")
    model.requires_grad_(False)
    items = samples([5, 1, 140, 3, 200, 17], model.config.vocab_size)  # 200: beyond the model's 160 positions
    expected = [alone(model, item) for item in items]
    model.train()
    model.model.layers[0].self_attn.q_proj.weight.requires_grad_()
    if thrifty:
        checkpoint_activations(model)
    item = pack(items, range(6))
    found = PackedLoss(model)(item)
    for owner, wanted in enumerate(expected):
        assert torch.allclose(found[item.owners == owner], wanted, atol=1e-5)
    found.sum().backward()
    assert item.tokens == 366
    assert item.supervised == sum(len(wanted) for wanted in expected)


def test_gradients_of_a_pack_are_those_of_its_records(tiny_llama: Path) -> None:
    model = load_model(str(tiny_llama), device="cpu").train()
    model.requires_grad_(False)
    weight = model.model.layers[0].self_attn.q_proj.weight.requires_grad_()
    measure, items = PackedLoss(model), samples([9, 30, 4], model.config.vocab_size)
    (packed,) = torch.autograd.grad(measure(pack(items, [0, 1, 2])).sum(), weight)
    single = sum(torch.autograd.grad(measure(pack(items, [index])).sum(), weight)[0] for index in range(3))
    assert torch.allclose(packed, torch.as_tensor(single), atol=1e-5)


def test_plain_attention_where_nothing_is_packed(tiny_llama: Path) -> None:
    model = load_model(str(tiny_llama), device="cpu")
    ids = torch.tensor([[0, 0, 5, 6, 7], [8, 9, 10, 11, 12]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    with torch.no_grad():
        plain, cached = model(ids, attention_mask=mask).logits, model(ids[:, :3])
        PackedLoss(model)
        assert torch.equal(model(ids, attention_mask=mask).logits, plain)
        again = model(ids[:, :3], use_cache=True)
        assert torch.equal(again.logits, cached.logits)
        step = model(ids[:, 3:4], past_key_values=again.past_key_values).logits[:, 0]
        assert torch.allclose(step, model(ids[:, :4], use_cache=False).logits[:, 3], atol=1e-5)


def test_deviation_finds_a_model_that_looks_across_borders(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(tiny_llama), device="cpu")
    items = samples([12, 9, 30], model.config.vocab_size)
    assert deviation(model, items) < 1e-5
    monkeypatch.setattr(module, "PackedLoss", Leaking)
    assert deviation(model, items) > 0.1


class Leaking(PackedLoss):
    """Forgets where records begin, as the library does when somebody passes a mask of ones."""

    def forward(self, item: Pack, noise: Noise | None = None) -> torch.Tensor:
        whole = torch.tensor([0, item.tokens], dtype=torch.int32)
        return super().forward(replace(item, borders=whole, longest=item.tokens))
