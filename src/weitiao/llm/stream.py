"""One answer of a server as it is written: the same address, key and wording as `client`, for somebody who waits."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, Field, ValidationError

from weitiao.errors import UserError
from weitiao.llm import Teacher, checks
from weitiao.llm.call import Messages, Request, Said
from weitiao.llm.client import proxy, secret
from weitiao.llm.dialect import Dialect, read
from weitiao.talk import t

_CONNECT = 30
# A line of a stream that is longer than this is no piece of an answer.
_LONGEST = 1 << 20


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta = Field(default_factory=_Delta)
    finish_reason: str | None = None


class _Event(BaseModel):
    choices: list[_Choice] = Field(default_factory=list)
    error: object = None


@dataclass(frozen=True)
class Heard:
    """What came next of an answer; `finish` with the last."""

    text: str
    finish: str | None = None


async def stream(teacher: Teacher, messages: Messages, key: str = "") -> AsyncGenerator[Heard]:
    """Yield the answer as it comes; `key` stands in for that of the environment. Raises UserError where none comes."""
    dialect, held = Dialect(teacher), key or secret(teacher)
    url = f"{teacher.endpoint}/chat/completions"
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {held}"} if held else {})}
    timeout = aiohttp.ClientTimeout(total=teacher.timeout, sock_connect=_CONNECT)
    try:
        async with aiohttp.ClientSession(
            headers=headers, timeout=timeout, proxy=proxy(url), read_bufsize=_LONGEST
        ) as http:
            while True:
                body = dialect.body(Request(messages))
                async with http.post(
                    url, data=orjson.dumps({**body, "stream": True}), allow_redirects=False
                ) as response:
                    if response.status == 200:
                        async for heard in _heard(response):
                            yield heard
                        return
                    trouble = read(response.status, response.headers, await response.content.read(_LONGEST))
                if isinstance(trouble, Said) or dialect.learn(trouble, body) is None:
                    said = "" if isinstance(trouble, Said) else trouble.message.replace(held or "\0", "***")
                    raise _refused(teacher, said)
    except TimeoutError:
        raise _refused(teacher, f"{teacher.timeout:g} s") from None
    except (aiohttp.ClientError, HttpProcessingError, ValueError) as error:
        raise _refused(teacher, str(error)) from None


async def _heard(response: aiohttp.ClientResponse) -> AsyncGenerator[Heard]:
    async for line in response.content:
        name, _, data = line.decode(errors="replace").partition(":")
        if name != "data" or not data.strip():
            continue
        if data.strip() == "[DONE]":
            return
        try:
            event = _Event.model_validate(orjson.loads(data))
        except (orjson.JSONDecodeError, ValidationError):
            raise ValueError(t("what came is no piece of an answer")) from None
        if event.error:
            raise ValueError(orjson.dumps(event.error).decode())
        for choice in event.choices[:1]:
            yield Heard(choice.delta.content or "", choice.finish_reason)


def _refused(teacher: Teacher, message: str) -> UserError:
    return UserError(
        t("No answer from {address}: {message}", address=teacher.endpoint, message=message),
        t("Is the server up, and does it have the model {model}?", model=teacher.model)
        if urlsplit(teacher.endpoint or "").path
        else checks(teacher),
    )
