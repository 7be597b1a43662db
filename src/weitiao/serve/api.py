"""The OpenAI-compatible API: requests become orders at the desk, and the pieces become responses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from weitiao.errors import UserError
from weitiao.serve.body import ChatAsked, TextAsked, place
from weitiao.serve.desk import Desk, Ordered
from weitiao.serve.refusal import Refusal
from weitiao.serve.shape import ChatShape, Shape, Whole
from weitiao.serve.worker import Heard
from weitiao.talk import t

T = TypeVar("T")
_METHODS = {"chat/completions": "POST", "completions": "POST", "models": "GET"}
_GONE = 499  # as nginx notes a client that went away


def build(desk: Desk) -> FastAPI:
    """Return the application that hands requests to `desk`."""
    models = desk.models

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models.carry = partial(_carry, asyncio.get_running_loop())
        yield

    app = FastAPI(title="weitiao", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    @app.post("/v1/chat/completions")
    async def chat(asked: ChatAsked, request: Request) -> Response:
        return await _answer(desk, asked, ChatShape(asked.model, asked.told is not None), request)

    @app.post("/v1/completions")
    async def text(asked: TextAsked, request: Request) -> Response:
        return await _answer(desk, asked, Shape(asked.model, asked.told is not None), request)

    @app.get("/v1/models")
    async def listed() -> Response:
        return _json({"object": "list", "data": [_model(name) for name in models.names()]})

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        models.hold(name)
        return _json(_model(name))

    @app.get("/health")
    async def health() -> Response:
        return _json({"status": "stopping" if models.closing else "ok"}, 503 if models.closing else 200)

    @app.get("/metrics")
    async def figures() -> Response:
        return Response(models.metrics.text(), media_type=models.metrics.content_type)

    @app.api_route("/v1/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def unknown(rest: str) -> Response:
        if rest in _METHODS:
            raise HTTPException(405, headers={"Allow": _METHODS[rest]})
        raise HTTPException(404)

    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(500, _refused)
    return app


async def _answer(desk: Desk, asked: ChatAsked | TextAsked, shape: Shape, request: Request) -> Response:
    """Answer a request, whole or streamed."""
    ordered = await desk.order(asked)
    if asked.stream:
        tell = bool(asked.stream_options and asked.stream_options.include_usage)
        return StreamingResponse(
            _events(ordered, shape, tell),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
    answers = await _while_there(request, _wholes(ordered))
    if answers is None:
        return Response(status_code=_GONE)
    return _json(shape.whole(answers, _usage(ordered)))


async def _wholes(ordered: Ordered) -> list[Whole]:
    wholes = [Whole() for _ in ordered.orders]
    async with aclosing(ordered.pieces()) as pieces:
        async for piece in pieces:
            if piece.error:
                raise Refusal(503, piece.error, headers={"Retry-After": "1"})
            wholes[piece.index].add(piece)
    return wholes


async def _events(ordered: Ordered, shape: Shape, tell: bool) -> AsyncIterator[bytes]:
    """Yield the events of a stream; with `tell`, the last tells the usage."""
    async with aclosing(ordered.pieces()) as pieces:
        for event in shape.opening(len(ordered.orders)):
            yield _event(event)
        async for piece in pieces:
            if piece.error:
                yield _event(Refusal(503, piece.error).body)
                return
            if piece.text or piece.said or piece.finish:
                yield _event(shape.bit(piece))
    if tell:
        yield _event(shape.usage(_usage(ordered)))
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
        first, *more = error.errors()
        others = [one for one in more if one["loc"][:2] == first["loc"][:2]]
        # Of a value that may be this or that, the furthest that pydantic came tells what is wrong.
        first = max((first, *others), key=lambda one: len(one["loc"]))
        if first["type"] == "json_invalid":
            return Refusal(400, t("The request is no JSON: {error}", error=first["ctx"]["error"])).response()
        where = place(first["loc"][1:])
        return Refusal(400, f"{where}: {first['msg']}".removeprefix(": "), param=where or None).response()
    return Refusal(500, t("The server has a bug: {kind}", kind=type(error).__name__)).response()


def _usage(ordered: Ordered) -> dict[str, int]:
    read, said = ordered.read, ordered.said
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "weitiao"}


def _json(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
