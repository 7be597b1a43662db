"""How many calls are under way at once: as many as the server takes, found out from what it refuses."""

import random
import time
from dataclasses import dataclass

import anyio

_START = 16


@dataclass(frozen=True)
class Patience:
    """Seconds to wait: before the first retry, at most before one, and in all for a server that refuses everything."""

    first: float = 0.5
    longest: float = 60.0
    quiet: float = 900.0

    def backoff(self, times: int) -> float:
        """Return the pause before the retry number `times`, from 1: doubled each time, with jitter."""
        return random.uniform(0.5, 1.0) * min(self.longest, self.first * 2.0 ** min(times - 1, 30))


class Pace:
    """Turns for calls. An answer allows one more at once, up to `most`; a refusal takes one away.

    So a server with 50 places that refuses 14 of 64 is asked by 50 at once in the next round. After a refusal there is
    no growth for a while, which doubles with each refusal that follows growth: a pause that the server asks for after
    a probe must stay rare.
    """

    def __init__(self, most: int, patience: Patience) -> None:
        self.most, self.patience = most, patience
        self.limit = float(min(most, _START))
        self.heard = time.monotonic()  # when the server last answered
        self.end = anyio.Event()  # set when nobody need wait any longer
        self._turns = anyio.CapacityLimiter(int(self.limit))
        self._clear = 0.0  # until when the server wants no calls
        self._steady = 0.0  # until when there is no growth
        self._hold = 0.5
        self._refused = False

    async def __aenter__(self) -> None:
        await self._turns.acquire()
        while (pause := self._clear - time.monotonic()) > 0 and not self.end.is_set():
            # Not all at the same instant.
            await self.rest(pause + random.uniform(0, min(1.0, pause / 10)))

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()

    async def rest(self, seconds: float) -> None:
        """Wait, at most until the end."""
        with anyio.move_on_after(seconds):
            await self.end.wait()

    def answered(self) -> None:
        """Note an answer: the server could take more."""
        self.heard = now = time.monotonic()
        if now < self._steady or self.limit >= self.most:
            return
        before = int(self.limit)
        # Twice as many in each round until the first refusal, then one more in each round.
        self._set(self.limit + (1 / self.limit if self._refused else 1))
        if int(self.limit) > before:
            self._hold = max(0.5, self._hold / 2)

    def refused(self, wait: float | None = None) -> None:
        """Note a refusal, with the seconds that the server asks to wait."""
        now = time.monotonic()
        if now >= self._steady:
            self._hold = min(60.0, self._hold * 4)
        self._steady = now + self._hold + (wait or 0)
        self._refused = True
        self._set(self.limit - 1)
        self._clear = max(self._clear, now + (wait or 0))

    def weary(self, wait: float | None) -> bool:
        """Tell whether there is no point in waiting any longer."""
        return max(wait or 0, time.monotonic() - self.heard) > self.patience.quiet

    def _set(self, limit: float) -> None:
        self.limit = min(float(self.most), max(1.0, limit))
        self._turns.total_tokens = int(self.limit)
