"""The desk: takes requests in, whoever asks, and gives the answers out as they come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from weitiao.model.batch import Row
from weitiao.serve.body import ChatAsked, TextAsked
from weitiao.serve.models import Models
from weitiao.serve.order import Order, Piece, Pieces
from weitiao.serve.refusal import Refusal
from weitiao.serve.worker import Worker
from weitiao.talk import t


@dataclass(frozen=True)
class Ordered:
    """Answers that were asked for together."""

    orders: Sequence[Order]
    heard: Pieces
    worker: Worker
    read: int  # tokens of the prompts

    @property
    def said(self) -> int:
        """Tokens of the answers so far."""
        return sum(order.tokens for order in self.orders)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """Yield the pieces of all answers; whoever stops listening frees their places."""
        going = len(self.orders)
        try:
            while going:
                piece = await self.heard.get()
                going -= piece.finish is not None
                yield piece
        finally:
            if going:
                self.worker.metrics.gone += 1
                self.worker.drop(self.orders)


class Desk:
    """Where models are asked."""

    def __init__(self, models: Models) -> None:
        self.models = models
        # One thread: long texts hold up neither the answers of others nor each other's tokenizer.
        self._reader = ThreadPoolExecutor(1, "reader")

    async def order(self, asked: ChatAsked | TextAsked) -> Ordered:
        """Have a request answered; raises Refusal, and UserError, where it will not be."""
        self.models.hold(asked.model)
        asked.hold()
        worker = await self.models.worker(asked.model)
        shelf, limits = worker.shelf, worker.limits
        template = shelf.templates[asked.model]
        read_in = copy_context().run  # so that what is wrong is said in the language in force
        prompts = await asyncio.get_running_loop().run_in_executor(self._reader, read_in, asked.prompts, template)
        _fit(prompts, shelf.room, shelf.words)
        heard: Pieces = asyncio.Queue()
        samplings = asked.samplings(limits.max_new_tokens, min(shelf.room, limits.batch_tokens))
        rows = [Row(prompt, sampling, asked.told) for prompt in prompts for sampling in samplings]
        orders = [Order(asked.model, template, row, asked.stops, heard, index) for index, row in enumerate(rows)]
        worker.take(orders)
        return Ordered(orders, heard, worker, sum(map(len, prompts)))


def _fit(prompts: Sequence[Sequence[int]], room: int, words: int) -> None:
    if (longest := max(map(len, prompts))) >= room:
        message = t("The prompt has {size} tokens, the model holds {room} with its answer", size=longest, room=room)
        raise Refusal(400, message, code="context_length_exceeded", param="messages")
    if max(map(max, prompts)) >= words:
        raise Refusal(400, t("The model has {count} tokens", count=words), param="prompt")
