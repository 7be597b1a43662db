"""Vectors of texts from any OpenAI-compatible address, kept and paid for as answers are: each text once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from weitiao.llm import Embedder
from weitiao.llm.cache import Cache, Key, identity
from weitiao.llm.call import Failure, Messages, Reason, Request, Said, Usage
from weitiao.llm.client import Asking, arrivals
from weitiao.llm.dialect import Kind, Trouble, refusal
from weitiao.llm.money import BYTES_PER_TOKEN, Plan, cost
from weitiao.llm.pace import Patience
from weitiao.stage import Reporter, Silent

Vector = NDArray[np.float32]
# A call that is refused for one of these is tried again in halves: one text too long takes no other with it.
_OF_ONE = (Reason.REFUSED, Reason.FILTER)


def embed_all(
    texts: Sequence[str],
    embedder: Embedder,
    cache: Cache,
    step: str,
    reporter: Reporter | None = None,
    patience: Patience | None = None,
) -> list[Vector | Failure]:
    """Return the vector of each text, or why it has none, in order; like texts are asked once.

    What is known, booked, kept and tried again, and when there is a UserError, is as for `client.ask_all`.
    """
    reporter = reporter or Silent()
    found, left = _known(texts, embedder, cache)
    left.sort(key=lambda key: cache.failure(key) is not None)
    batches = [left[start : start + embedder.batch] for start in range(0, len(left), embedder.batch)]
    if batches:
        asking = _Embedding(embedder, cache, step, patience, _Inputs(embedder))
        for item in reporter.track(arrivals(asking, batches), len(left), "Asking for vectors"):
            if isinstance(item, str):
                reporter.say(item)
            else:
                found[item[0].messages] = item[1]
    return [found.get(text, Failure(Reason.BUDGET)) for text in texts]


def plan(texts: Sequence[str], embedder: Embedder, cache: Cache) -> Plan:
    """Return what `embed_all` would ask: calls, texts known already, and the first calls as sent."""
    found, left = _known(texts, embedder, cache)
    tokens = sum(len(key.messages.encode()) for key in left) // BYTES_PER_TOKEN
    price = embedder.price
    money = None if price is None else cost(price, Usage(tokens))
    samples = [_Inputs(embedder).body(_request(left[:3]))] if left else []
    return Plan(ceil(len(left) / embedder.batch), len(found), tokens, 0, money, money, samples)


def _known(texts: Sequence[str], embedder: Embedder, cache: Cache) -> tuple[dict[str, Vector | Failure], list[Key]]:
    """Return what is known of the texts, and the keys of the others, each once."""
    who, model = identity(embedder)
    sampling = orjson.dumps(embedder.sampling, option=orjson.OPT_SORT_KEYS).decode()
    found: dict[str, Vector | Failure] = {}
    left = []
    for text in dict.fromkeys(texts):
        key = Key(who, model, text, sampling, "vector", 0)
        if not text.strip():
            found[text] = Failure(Reason.NO_TEXT)
        elif (kept := cache.vector(key)) is None:
            left.append(key)
        else:
            found[text] = np.frombuffer(kept, dtype="<f4")
    return found, left


def _request(keys: Sequence[Key]) -> Request:
    return Request(tuple(("text", key.messages) for key in keys))


class _Row(BaseModel):
    index: int
    embedding: list[float]


class _Used(BaseModel):
    prompt_tokens: int = 0


class _Body(BaseModel):
    data: list[_Row]
    usage: _Used | None = None


@dataclass(frozen=True)
class _Vectors(Said):
    """The vectors that a call brought, in the order of its texts."""

    rows: tuple[Vector, ...] = ()


class _Inputs:
    """How texts are sent, and what comes back."""

    path = "embeddings"

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def body(self, request: Request, messages: Messages | None = None) -> dict[str, Any]:
        """Return the body of the call."""
        texts = [text for _, text in messages or request.messages]
        return {"model": self.embedder.model, "input": texts, **self.embedder.sampling}

    def learn(self, trouble: Trouble, body: Mapping[str, Any]) -> str | None:
        """Learn nothing: there is one way to put it."""
        return None

    def read(self, status: int, headers: Mapping[str, str], content: bytes) -> Said | Trouble:
        """Return the vectors; what has none, or a number that is none, is no answer."""
        if status != 200:
            return refusal(status, headers, content)
        try:
            body = _Body.model_validate_json(content)
        except ValidationError:
            return Trouble(Kind.FAULT, Reason.NOT_VECTORS, raw=content[:2000].decode(errors="replace"), lost=True)
        rows = tuple(np.array(row.embedding, dtype="<f4") for row in sorted(body.data, key=lambda row: row.index))
        if not all(len(row) and np.isfinite(row).all() for row in rows):
            return Trouble(Kind.FAULT, Reason.NOT_VECTORS, lost=True)
        return _Vectors("", "", "", Usage(body.usage.prompt_tokens if body.usage else 0), rows=rows)


class _Embedding(Asking[Sequence[Key], Vector | Failure]):
    """Ask for vectors, a batch of texts a call."""

    async def _ask(self, item: Sequence[Key]) -> bool:
        request = _request(item)
        said = await self._said(request, request.messages)
        if said is None:
            return False
        if isinstance(said, Failure) and said.reason in _OF_ONE and len(item) > 1:
            half = len(item) // 2
            return await self._ask(item[:half]) and await self._ask(item[half:])
        if isinstance(said, _Vectors) and len(said.rows) != len(item):
            said = Failure(Reason.NOT_VECTORS, detail=f"{len(said.rows)} != {len(item)}")
        for place, key in enumerate(item):
            if isinstance(said, _Vectors):
                self.cache.keep_vector(key, said.rows[place].tobytes(), self.step)
                self.out.put((key, said.rows[place]))
            else:
                assert isinstance(said, Failure)
                self.cache.keep(key, said, self.step)
                self.out.put((key, said))
        return True
