"""How answers are written: as chat messages or as texts, whole or bit by bit, the way OpenAI writes them."""

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from weitiao.serve.order import Piece, Said


@dataclass
class Whole:
    """An answer put together from its pieces."""

    text: str = ""
    said: list[Said] = field(default_factory=list)
    finish: str | None = None

    def add(self, piece: Piece) -> None:
        """Add what comes next."""
        self.text += piece.text
        self.said += piece.said
        self.finish = piece.finish


class Shape:
    """What is written around the answers to one request to `model`."""

    prefix, whole_kind, bit_kind = "cmpl", "text_completion", "text_completion"

    def __init__(self, model: str, told: bool) -> None:
        self.told = told
        self._head = {"id": f"{self.prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}

    def whole(self, answers: Iterable[Whole], usage: dict[str, int]) -> dict[str, Any]:
        """Return the response with all answers."""
        choices = [self._choice(index, self._message(one.text), one) for index, one in enumerate(answers)]
        return {**self._head, "object": self.whole_kind, "choices": choices, "usage": usage}

    def bit(self, piece: Piece) -> dict[str, Any]:
        """Return the event that brings a piece."""
        return self._event([self._choice(piece.index, self._delta(piece.text), piece)])

    def opening(self, count: int) -> list[dict[str, Any]]:
        """Return the events that come before the first piece."""
        return []

    def usage(self, usage: dict[str, int]) -> dict[str, Any]:
        """Return the event that tells the tokens."""
        return {**self._event([]), "usage": usage}

    def _event(self, choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head, "object": self.bit_kind, "choices": choices}

    def _choice(self, index: int, held: dict[str, Any], part: Whole | Piece) -> dict[str, Any]:
        logprobs = self._logprobs(part.said) if self.told else None
        return {"index": index, **held, "logprobs": logprobs, "finish_reason": part.finish}

    def _message(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _logprobs(self, said: Sequence[Said]) -> dict[str, Any]:
        return {
            "tokens": [one.text for one in said],
            "token_logprobs": [one.logprob for one in said],
            "top_logprobs": [dict(one.top) for one in said],
        }


class ChatShape(Shape):
    """Answers as messages of the assistant."""

    prefix, whole_kind, bit_kind = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def opening(self, count: int) -> list[dict[str, Any]]:
        """Return the events that say who speaks."""
        delta = {"delta": {"role": "assistant", "content": ""}}
        return [self._event([self._choice(index, delta, Piece(index))]) for index in range(count)]

    def _message(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}

    def _logprobs(self, said: Sequence[Said]) -> dict[str, Any]:
        return {
            "content": [
                {**_token(one.text, one.logprob), "top_logprobs": [_token(*other) for other in one.top]} for one in said
            ],
            "refusal": None,
        }


def _token(text: str, logprob: float) -> dict[str, Any]:
    whole = "\ufffd" not in text  # else the token is a part of a character, whose bytes are not known here
    return {"token": text, "logprob": logprob, "bytes": list(text.encode()) if whole else None}
