"""Vectors come once for each text, whatever the server does, and are kept and paid for as answers are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llm_server import Server, vector_of

from weitiao.errors import UserError
from weitiao.llm import Embedder, Price
from weitiao.llm.cache import Cache
from weitiao.llm.call import Failure, Reason
from weitiao.llm.embed import Vector, embed_all, plan
from weitiao.llm.pace import Patience

Embed = Callable[..., list[Vector | Failure]]


@pytest.fixture
def embed(server: Server, cache: Cache) -> Embed:
    def run(texts: list[str], **settings: Any) -> list[Vector | Failure]:
        return embed_all(texts, embedder(server, **settings), cache, "embed", patience=Patience(0.02, 1.0, 60))

    return run


def embedder(server: Server, **settings: Any) -> Embedder:
    return Embedder.model_validate({"endpoint": server.address, "model": "m", "timeout": 5, **settings})


def test_each_text_has_its_vector_and_is_asked_once(embed: Embed, server: Server) -> None:
    texts = ["水", "fire", "水", *(f"text {number}" for number in range(7))]
    for _ in range(2):
        for text, vector in zip(texts, embed(texts, batch=4), strict=True):
            assert isinstance(vector, np.ndarray)
            assert vector.dtype == np.float32
            assert vector.tolist() == vector_of(text)
    assert set(server.asked.values()) == {1}
    assert [len(body["input"]) for body in server.bodies] == [4, 4, 1]
    embed([*texts, "new"], batch=4)
    assert [body["input"] for body in server.bodies[3:]] == [["new"]]


def test_other_settings_and_other_models_have_their_own(embed: Embed, server: Server) -> None:
    for settings in ({}, {"extra": {"dimensions": 8}}, {"model": "other"}, {"batch": 1, "concurrency": 2}):
        embed(["text"], **settings)
    assert [(body["model"], body.get("dimensions")) for body in server.bodies] == [
        ("m", None),
        ("m", 8),
        ("other", None),
    ]


@pytest.mark.parametrize("fault", ["429", "429 later", "500", "hang up"])
def test_what_passes_is_tried_again(embed: Embed, fault: str) -> None:
    assert isinstance(embed([f"[{fault}] text", "other"])[0], np.ndarray)


def test_one_text_that_is_refused_takes_no_other_with_it(embed: Embed, server: Server) -> None:
    texts = [*(f"text {number}" for number in range(5)), "[refused] text", " "]
    came = embed(texts)
    assert [isinstance(one, np.ndarray) for one in came] == [True] * 5 + [False] * 2
    assert came[5:] == [Failure(Reason.REFUSED, detail="400 context too long"), Failure(Reason.NO_TEXT)]
    before = sum(server.answered.values())
    assert embed(texts)[5] == came[5]
    assert sum(server.answered.values()) == before  # the refused one alone was asked again


@pytest.mark.parametrize("fault", ["not json", "null body"])
def test_what_is_no_vector_is_none(embed: Embed, fault: str) -> None:
    (failure,) = embed([f"[{fault}] text"], attempts=1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.NOT_VECTORS


def test_numbers_that_are_none_and_vectors_that_lack(embed: Embed, server: Server) -> None:
    server.vector = lambda text: []
    assert embed(["text"], attempts=1) == [Failure(Reason.NOT_VECTORS)]


def test_a_wrong_key_ends_it(embed: Embed, server: Server) -> None:
    server.key = "right"
    with pytest.raises(UserError, match="refuses"):
        embed(["text"])


def test_the_budget_holds_and_the_plan_says_what_it_takes(embed: Embed, server: Server, cache: Cache) -> None:
    prices = {"m": Price(input=1_000_000, output=0)}
    texts = [f"text {number}" for number in range(6)]
    told = plan(texts, embedder(server, prices=prices, batch=2), cache)
    assert (told.calls, told.known, told.prompt_tokens, told.most_tokens) == (3, 0, 9, 0)
    assert told.most_cost == told.likely_cost == 9
    assert told.samples == [{"model": "m", "input": texts[:3]}]
    came = embed(texts, prices=prices, batch=2, budget=60, concurrency=1)  # a call is 45 bytes at most, and 10 tokens
    assert [isinstance(one, np.ndarray) for one in came] == [True] * 4 + [False] * 2
    assert came[4] == Failure(Reason.BUDGET)
    assert cache.spent("embed").cost == 20
    assert plan(texts, embedder(server, prices=prices, batch=2), cache).calls == 1


def test_what_a_call_sets_itself_is_no_extra_key(server: Server) -> None:
    with pytest.raises(ValueError, match="input"):
        embedder(server, extra={"input": "x"})
    assert embedder(server, endpoint="http://localhost/v1/embeddings").endpoint == "http://localhost/v1"
