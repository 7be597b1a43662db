"""How a server is asked and what its responses mean; what it does not know is learnt from its refusals."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Protocol

import orjson
from pydantic import BaseModel, ValidationError

from weitiao.llm import Teacher, Translator
from weitiao.llm.answer import instruction, strict_schema
from weitiao.llm.call import Messages, Reason, Request, Said, Usage
from weitiao.talk import t


class Kind(Enum):
    """Whose trouble it is, and so what to do."""

    BUSY = 1  # the server asks for less: wait, however often
    FAULT = 2  # the server or the network failed: try again, but only so often
    ROW = 3  # this request cannot be answered
    ALL = 4  # no request can be answered: the key, the address or the account is wrong


@dataclass(frozen=True)
class Trouble:
    """A call that brought no answer. `lost`: there may have been one, and it may have been charged."""

    kind: Kind
    reason: Reason
    message: str = ""
    wait: float | None = None  # seconds, where the server names them
    param: str = ""
    raw: str = ""  # what came instead of an answer
    lost: bool = False


_FILTERS = (
    "content_filter",
    "content_policy",
    "inspection_failed",
    "inspectionfailed",
    "content exists risk",
    "moderation",
)
_NO_MONEY = ("insufficient_quota", "insufficient balance", "exceeded_current_quota", "billing_hard_limit", "arrearage")
_FORMATS = ("json_schema", "json_object", "")
_FORMAT_WORDS = ("response_format", "json_schema", "json_object", "guided", "grammar", "structured output")
_DROPPABLE = ("temperature", "top_p", "seed")


class Speech(Protocol):
    """How one kind of call is put, at which `path`, and what its responses mean."""

    path: str

    def body(self, request: Request, messages: Messages | None = None) -> dict[str, Any]:
        """Return the body of the call; `messages` stand in for those of the request."""

    def learn(self, trouble: Trouble, body: Mapping[str, Any]) -> str | None:
        """Return what will be put otherwise from now on, for people, or None."""

    def read(self, status: int, headers: Mapping[str, str], content: bytes) -> Said | Trouble:
        """Return what a response means."""


class Dialect:
    """The body of a call for this server: begins with what OpenAI takes, leaves out what is refused."""

    path = "chat/completions"

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.format = _FORMATS[0 if teacher.endpoint else -1]  # a model in a folder is told in words
        self.limit_key = "max_tokens"
        self.left_out: set[str] = set()

    def body(self, request: Request, messages: Messages | None = None) -> dict[str, Any]:
        """Return the body of the call; `messages` stand in for those of the request."""
        sampling = self.teacher.sampling
        if "seed" in sampling and self.teacher.seed is not None:
            sampling["seed"] = self.teacher.seed + request.sample
        if self.limit_key not in sampling and "max_tokens" in sampling:
            sampling[self.limit_key] = sampling.pop("max_tokens")
        asked = messages or request.messages
        shape: dict[str, Any] = {}
        if request.schema and self.format == "json_schema":
            schema = {"name": request.schema.__name__, "strict": True, "schema": strict_schema(request.schema)}
            shape = {"response_format": {"type": "json_schema", "json_schema": schema}}
        elif request.schema and not isinstance(self.teacher, Translator):
            asked = told(asked, request.schema)
            shape = {"response_format": {"type": self.format}} if self.format else {}
        return {
            "model": self.teacher.model,
            "messages": [{"role": role, "content": content} for role, content in asked],
            **{name: value for name, value in sampling.items() if name not in self.left_out},
            **shape,
        }

    def learn(self, trouble: Trouble, body: Mapping[str, Any]) -> str | None:
        """Return what will be left out from now on, for people, or None where the refusal has another ground."""
        message = trouble.message.lower()
        if "max_completion_tokens" in message and "max_tokens" in body:
            self.limit_key = "max_completion_tokens"
            return t("The server wants max_completion_tokens instead of max_tokens")
        for name in _DROPPABLE:
            if name in body and (trouble.param == name or (name in message and "support" in message)):
                self.left_out.add(name)
                return t("The server takes no {name}: it is left out", name=name)
        form = body.get("response_format", {}).get("type", "")
        if form and any(word in message for word in _FORMAT_WORDS):
            self.format = _FORMATS[_FORMATS.index(form) + 1]
            return t("The server does not know {name}: the shape of the answer is asked for in words", name=form)
        return None

    def read(self, status: int, headers: Mapping[str, str], content: bytes) -> Said | Trouble:
        """Return what a response means."""
        return read(status, headers, content)


def told(messages: Messages, schema: type[BaseModel]) -> Messages:
    """Return the messages with the shape of the answer said at their end."""
    *before, (role, content) = messages
    return (*before, (role, f"{content}\n\n{instruction(schema)}"))


def read(status: int, headers: Mapping[str, str], content: bytes) -> Said | Trouble:
    """Return what a response means."""
    if status == 200:
        try:
            body = _Body.model_validate(orjson.loads(content))
            return body.said()
        except (orjson.JSONDecodeError, ValidationError):
            # Some routers send the error of the server behind them with status 200.
            inner = _error(content)
            code = inner.code if isinstance(inner.code, int) else 0
            if not 400 <= code < 600:
                raw = content[:2000].decode(errors="replace")
                return Trouble(Kind.FAULT, Reason.NOT_CHAT, raw=raw, lost=True)
            status = code
    return refusal(status, headers, content)


def refusal(status: int, headers: Mapping[str, str], content: bytes) -> Trouble:
    """Return what a response means that brings no answer."""
    error = _error(content)
    message, named = error.message[:2000], f"{error.code} {error.type} {error.message}".lower()
    if 400 <= status < 500 and any(word in named for word in _FILTERS):
        return Trouble(Kind.ROW, Reason.FILTER, message)
    if status in (401, 402, 403, 404, 405) or status < 400 or any(word in named for word in _NO_MONEY):
        return Trouble(Kind.ALL, Reason.REFUSED, f"{status} {message}".strip())
    if status in (429, 503, 529) and "too large" not in named:  # for the quota of a minute: waiting helps nothing
        return Trouble(Kind.BUSY, Reason.BUSY, message, wait=wait_named(headers))
    if status in (408, 409, 425) or status >= 500:
        return Trouble(Kind.FAULT, Reason.SERVER, f"{status} {message}".strip())
    return Trouble(Kind.ROW, Reason.REFUSED, f"{status} {message}".strip(), param=error.param or "")


def wait_named(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after", "").strip()
        if not value:
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


class _Message(BaseModel):
    content: str | list[dict[str, Any]] | None = None
    reasoning_content: str | None = None  # DeepSeek, Qwen, LMDeploy
    reasoning: str | None = None  # vLLM, Ollama, OpenRouter
    refusal: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(part.get("text") or "") for part in self.content)
        return self.content or ""


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Details(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek

    def usage(self) -> Usage:
        cached = self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None
        return Usage(self.prompt_tokens, self.completion_tokens, cached or self.prompt_cache_hit_tokens or 0)


class _Body(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None

    def said(self) -> Said | Trouble:
        if not self.choices:
            return Trouble(Kind.FAULT, Reason.NOT_CHAT, raw="no choices", lost=True)
        first, usage = self.choices[0], self.usage.usage() if self.usage else Usage()
        message, finish = first.message, first.finish_reason or ""
        if finish == "insufficient_system_resource":  # DeepSeek broke off for want of machines
            return Trouble(Kind.FAULT, Reason.SERVER, finish, lost=True)
        thought = message.reasoning_content or message.reasoning or ""
        return Said(message.text, thought, finish, usage, message.refusal or "")


class _Error(BaseModel):
    message: str = ""
    code: int | str | None = None
    type: str | None = None
    param: str | None = None


def _error(content: bytes) -> _Error:
    """Read the several shapes in which servers say what is wrong."""
    try:
        data = orjson.loads(content)
        inner = data.get("error", data) if isinstance(data, dict) else {}
        if isinstance(inner, dict):
            detail = inner.get("message") or inner.get("detail") or inner
            text = detail if isinstance(detail, str) else orjson.dumps(detail).decode()
            return _Error.model_validate({**inner, "message": text})
        return _Error(message=str(inner))
    except (orjson.JSONDecodeError, ValidationError):
        return _Error(message=content[:2000].decode(errors="replace"))
