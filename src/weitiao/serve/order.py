"""An answer that somebody asked for: its place in the batch, and what is heard of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from weitiao.model.batch import Likely, Row
from weitiao.model.generate import Voice
from weitiao.model.template import Template


@dataclass(frozen=True)
class Said:
    """A token that was told, as text, with its likelihood and that of the likeliest."""

    text: str
    logprob: float
    top: list[tuple[str, float]]


@dataclass(frozen=True)
class Piece:
    """What one token more let be heard; `finish` says why it was the last: stop, length, or an `error`."""

    index: int
    text: str = ""
    said: list[Said] = field(default_factory=list)
    finish: str | None = None
    error: str | None = None


Pieces = asyncio.Queue[Piece]


class Order:
    """One answer asked for; `heard` takes its pieces. Ends at its stop strings, which are not heard."""

    def __init__(
        self, name: str, template: Template, row: Row, stops: Sequence[str], heard: Pieces, index: int
    ) -> None:
        self.name, self.row, self.heard, self.index = name, row, heard, index
        self.began = time.monotonic()
        self.tokens = 0
        self.ended = False
        self._tokenizer, self._stop_ids, self._stops = template.tokenizer, template.stop_ids, stops
        self._voice = Voice(template.tokenizer)
        self._held = ""  # what may yet turn out to be a stop string

    def hear(self, token: int, last: bool, likely: Likely | None) -> Piece:
        """Return what is heard with one token more."""
        stopped = token in self._stop_ids
        self.tokens += not stopped
        self._held += "" if stopped else self._voice.say(token)
        said = [self._said(token, likely)] if likely and not stopped else []
        if last:
            self._held += self._voice.rest()
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        place = min(found) if found else len(self._held) if last else self._sure()
        text, self._held = self._held[:place], self._held[place:]
        self.ended = last or bool(found)
        finish = None if not self.ended else "stop" if stopped or found else "length"
        return Piece(self.index, text, said, finish)

    def cut(self) -> Piece:
        """Return what is still held, of an answer whose time is over."""
        self.ended = True
        return Piece(self.index, self._held + self._voice.rest(), finish="length")

    def fail(self, error: str) -> Piece:
        """Return the end of an answer that did not come to its end."""
        self.ended = True
        return Piece(self.index, finish="error", error=error)

    def _sure(self) -> int:
        """Return how much of what is held begins no stop string."""
        longest = max(map(len, self._stops), default=0)
        for place in range(max(0, len(self._held) - longest + 1), len(self._held)):
            if any(stop.startswith(self._held[place:]) for stop in self._stops):
                return place
        return len(self._held)

    def _said(self, token: int, likely: Likely) -> Said:
        top = [(self._tokenizer.decode([other]), logprob) for other, logprob in likely.top]
        return Said(self._tokenizer.decode([token]), likely.logprob, top)
