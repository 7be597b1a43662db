"""The OpenAI-compatible API: requests become orders for the worker, and its pieces become responses."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from weitiao.errors import UserError
from weitiao.model.batch import Row
from weitiao.serve.body import ChatAsked, TextAsked
from weitiao.serve.metrics import Metrics
from weitiao.serve.order import Order, Piece, Pieces
from weitiao.serve.refusal import Refusal
from weitiao.serve.shape import ChatShape, Shape, Whole
from weitiao.serve.worker import Heard, Worker
from weitiao.talk import t

T = TypeVar("T")
_GONE = 499  # as nginx notes a client that went away


def build(worker: Worker, metrics: Metrics) -> FastAPI:
    """Return the application that hands requests to `worker`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker.carry = partial(_carry, asyncio.get_running_loop())
        yield

    app = FastAPI(title="weitiao", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    desk = _Desk(worker, metrics)

    @app.post("/v1/chat/completions")
    async def chat(asked: ChatAsked, request: Request) -> Response:
        return await desk.answer(asked, ChatShape(asked.model, asked.told is not None), request)

    @app.post("/v1/completions")
    async def text(asked: TextAsked, request: Request) -> Response:
        return await desk.answer(asked, Shape(asked.model, asked.told is not None), request)

    @app.get("/v1/models")
    async def models() -> Response:
        return _json({"object": "list", "data": [_model(name) for name in worker.shelf.batches]})

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        desk.hold(name)
        return _json(_model(name))

    @app.get("/health")
    async def health() -> Response:
        return _json({"status": "stopping" if worker.closing else "ok"}, 503 if worker.closing else 200)

    @app.get("/metrics")
    async def figures() -> Response:
        return Response(metrics.text(), media_type=metrics.content_type)

    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(500, _refused)
    return app


class _Desk:
    """Takes requests in and gives answers out."""

    def __init__(self, worker: Worker, metrics: Metrics) -> None:
        self.worker, self.metrics = worker, metrics
        # One thread: long texts hold up neither the answers of others nor each other's tokenizer.
        self.reader = ThreadPoolExecutor(1, "reader")

    def hold(self, name: str) -> None:
        """Raise Refusal for a model that is not here."""
        if name not in self.worker.shelf.templates:
            names = ", ".join(self.worker.shelf.templates)
            message = t("No model `{name}` here: there are {names}", name=name, names=names)
            raise Refusal(404, message, code="model_not_found", param="model")

    async def answer(self, asked: ChatAsked | TextAsked, shape: Shape, request: Request) -> Response:
        """Answer a request, whole or streamed."""
        self.hold(asked.model)
        asked.hold()
        template = self.worker.shelf.templates[asked.model]
        read_in = copy_context().run  # so that what is wrong is said in the language in force
        prompts = await asyncio.get_running_loop().run_in_executor(self.reader, read_in, asked.prompts, template)
        self._fit(prompts)
        heard: Pieces = asyncio.Queue()
        limits = self.worker.limits
        samplings = asked.samplings(limits.max_new_tokens, min(self.worker.shelf.room, limits.batch_tokens))
        rows = [Row(prompt, sampling, asked.told) for prompt in prompts for sampling in samplings]
        orders = [Order(asked.model, template, row, asked.stops, heard, index) for index, row in enumerate(rows)]
        read = sum(map(len, prompts))
        self.worker.take(orders)
        if asked.stream:
            tell = bool(asked.stream_options and asked.stream_options.include_usage)
            return StreamingResponse(
                self._events(orders, heard, shape, read if tell else None),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            )
        answers = await _while_there(request, self._wholes(orders, heard))
        if answers is None:
            return Response(status_code=_GONE)
        return _json(shape.whole(answers, _usage(read, orders)))

    def _fit(self, prompts: Sequence[Sequence[int]]) -> None:
        room = self.worker.shelf.room
        if (longest := max(map(len, prompts))) >= room:
            message = t("The prompt has {size} tokens, the model holds {room} with its answer", size=longest, room=room)
            raise Refusal(400, message, code="context_length_exceeded", param="messages")
        if max(map(max, prompts)) >= (words := self.worker.shelf.words):
            raise Refusal(400, t("The model has {count} tokens", count=words), param="prompt")

    async def _pieces(self, orders: Sequence[Order], heard: Pieces) -> AsyncGenerator[Piece]:
        """Yield the pieces of all answers; whoever stops listening frees their places."""
        going = len(orders)
        try:
            while going:
                piece = await heard.get()
                going -= piece.finish is not None
                yield piece
        finally:
            if going:
                self.metrics.gone += 1
                self.worker.drop(orders)

    async def _wholes(self, orders: Sequence[Order], heard: Pieces) -> list[Whole]:
        wholes = [Whole() for _ in orders]
        async with aclosing(self._pieces(orders, heard)) as pieces:
            async for piece in pieces:
                if piece.error:
                    raise Refusal(503, piece.error, headers={"Retry-After": "1"})
                wholes[piece.index].add(piece)
        return wholes

    async def _events(
        self, orders: Sequence[Order], heard: Pieces, shape: Shape, read: int | None
    ) -> AsyncIterator[bytes]:
        """Yield the events of a stream; with `read`, the tokens of the prompts, the last tells the usage."""
        async with aclosing(self._pieces(orders, heard)) as pieces:
            for event in shape.opening(len(orders)):
                yield _event(event)
            async for piece in pieces:
                if piece.error:
                    yield _event(Refusal(503, piece.error).body)
                    return
                if piece.text or piece.said or piece.finish:
                    yield _event(shape.bit(piece))
        if read is not None:
            yield _event(shape.usage(_usage(read, orders)))
        yield b"data: [DONE]\n\n"


def _carry(loop: asyncio.AbstractEventLoop, heard: Heard) -> None:
    """Bring pieces from the worker's thread to the loop, all of a step at once."""
    if loop.is_closed():
        return

    def spread() -> None:
        for order, piece in heard:
            order.heard.put_nowait(piece)

    loop.call_soon_threadsafe(spread)


async def _while_there(request: Request, answer: Awaitable[T]) -> T | None:
    """Await an answer; None where the client has gone before."""
    working = asyncio.ensure_future(answer)
    watching = asyncio.ensure_future(_going(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _going(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, error: Exception) -> Response:
    """Say in OpenAI's format what is wrong."""
    if isinstance(error, Refusal):
        return error.response()
    if isinstance(error, UserError):
        return Refusal(400, str(error)).response()
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, str(error.detail), headers=error.headers).response()
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return Refusal(400, f"{where}: {first['msg']}".removeprefix(": "), param=where or None).response()
    return Refusal(500, t("The server has a bug: {kind}", kind=type(error).__name__)).response()


def _usage(read: int, orders: Sequence[Order]) -> dict[str, int]:
    said = sum(order.tokens for order in orders)
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "weitiao"}


def _json(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
