"""What a request may hold, checked; and the prompt and the sampling that it means."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from weitiao.model.batch import Sampling
from weitiao.model.template import Template
from weitiao.serve.refusal import Refusal
from weitiao.talk import t

# What changes no answer here, and what is fine as long as it asks for nothing.
_IGNORED = {"metadata", "parallel_tool_calls", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user"}
_NEUTRAL: dict[str, tuple[JsonValue, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
    "tool_choice": ("auto", "none"),
}
Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class StreamOptions(_Body):
    """What a stream tells beside the answer."""

    include_usage: bool | None = None


class Asked(_Body):
    """What both kinds of request share; null is as good as nothing."""

    model: str
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=10)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1, le=1 << 30)
    repetition_penalty: float | None = Field(None, ge=0.01, le=100)
    seed: int | None = None
    n: int | None = Field(None, ge=1, le=64)
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def hold(self) -> None:
        """Raise Refusal for what is asked for and not known here: it would be lost without a word."""
        for name, value in (self.model_extra or {}).items():
            if name not in _IGNORED and value is not None and value not in _NEUTRAL.get(name, ()):
                message = t("`{name}` is not supported", name=name)
                raise Refusal(400, message, code="unsupported_parameter", param=name)

    @property
    def stops(self) -> list[str]:
        """The texts that end an answer."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def samplings(self, default: int, most: int) -> list[Sampling]:
        """Return how each of the `n` answers, of `most` tokens, is drawn; later seeds follow on the first."""
        seed = secrets.randbits(31) if self.seed is None else self.seed
        return [
            Sampling(
                min(self.limit or default, most),
                1.0 if self.temperature is None else self.temperature,
                1.0 if self.top_p is None else self.top_p,
                max(0, self.top_k or 0),
                self.repetition_penalty or 1.0,
                seed + number,
            )
            for number in range(self.n or 1)
        ]

    @property
    def limit(self) -> int | None:
        """Most tokens of an answer, where the request says it."""
        return self.max_tokens


class Message(_Body):
    """One message of a conversation; a content of parts is their texts."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the message as chat templates know it: arguments of calls are objects, `developer` is `system`."""
        told: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role, "content": self._text()}
        if self.tool_calls:
            told["tool_calls"] = [_called(call) for call in self.tool_calls]
        return told | {
            key: value for key, value in (("tool_call_id", self.tool_call_id), ("name", self.name)) if value is not None
        }

    def _text(self) -> str:
        if isinstance(self.content, list):
            if other := [part for part in self.content if not isinstance(part.get("text"), str)]:
                kind = other[0].get("type")
                raise Refusal(400, t("Parts of type `{kind}` are not supported", kind=kind), param="messages")
            return "".join(part["text"] for part in self.content)
        if self.content is None and not self.tool_calls:
            raise Refusal(400, t("A message has no content"), param="messages")
        return self.content or ""


class ChatAsked(Asked):
    """The body of `/v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)

    def hold(self) -> None:
        """Raise Refusal for what is asked for and not known here, or would not be told."""
        super().hold()
        if self.top_logprobs and not self.logprobs:
            raise Refusal(400, t("`top_logprobs` needs `logprobs: true`"), param="top_logprobs")

    @property
    def limit(self) -> int | None:
        """Most tokens of an answer, by either name."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def told(self) -> int | None:
        """How many likeliest tokens are told with each; None: not even its own likelihood."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def prompts(self, template: Template) -> list[list[int]]:
        """Return the tokens of the conversation; raises UserError where the template cannot say it."""
        chat = [message.plain() for message in self.messages]
        if self.tools or any({"tool_calls", "tool_call_id", "name"} & message.keys() for message in chat):
            return [template.prompt_with_tools(chat, self.tools or [])]
        return [template.prompt([(message["role"], message["content"]) for message in chat])]


class TextAsked(Asked):
    """The body of `/v1/completions`."""

    prompt: str | Annotated[list[str], Field(min_length=1)] | Ids | Annotated[list[Ids], Field(min_length=1)]
    logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def told(self) -> int | None:
        """How many likeliest tokens are told with each."""
        return self.logprobs

    def prompts(self, template: Template) -> list[list[int]]:
        """Return the tokens of each prompt, begun as the model's texts begin."""
        asked = self.prompt if isinstance(self.prompt, list) and not isinstance(self.prompt[0], int) else [self.prompt]
        found = [template.tokenizer(one)["input_ids"] if isinstance(one, str) else list(one) for one in asked]
        if not all(found):
            raise Refusal(400, t("A prompt is empty"), param="prompt")
        return found


def place(location: Sequence[str | int]) -> str:
    """Return the way to a field as a request writes it: of a type that pydantic tried there it says nothing."""
    known = {name for kind in (ChatAsked, TextAsked, Message, StreamOptions) for name in kind.model_fields}
    return ".".join(str(part) for part in location if isinstance(part, int) or part in known)


def _called(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call with its arguments as an object, which they are the JSON of."""
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = orjson.loads(function["arguments"])
    except orjson.JSONDecodeError:
        raise Refusal(400, t("The arguments of a tool call are no JSON"), param="messages") from None
    return {**call, "function": {**function, "arguments": arguments}}
