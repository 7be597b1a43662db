"""How many calls are under way at once: as many as the server takes, found out from what it refuses."""

import random
import time
from dataclasses import dataclass

import anyio

_START = 32
# Turns that the first round after a refusal adds: a refused call costs little, but not nothing.
_PROBE = 0.25
# A pause that the server asks for may take a twentieth of the time.
_RARE = 20


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
    """Turns for calls, as many at once as the server takes, up to `most`.

    A refusal takes one turn away, so a server with 50 places that refuses 14 of 64 calls gets 50 in the next round.
    Answers give turns: a quarter in the round after a refusal, then half, one, two, … as long as none is refused. Where
    the server names a time to wait, nobody calls before it is over, and growth rests much longer: a pause stays rare.
    """

    def __init__(self, most: int, patience: Patience) -> None:
        self.most, self.patience = most, patience
        self.limit = float(min(most, _START))
        self.heard = time.monotonic()  # when the server last answered
        self.end = anyio.Event()  # set when nobody need wait any longer
        self._turns = anyio.CapacityLimiter(int(self.limit))
        self._step = self.limit  # turns that this round adds
        self._round = 0  # answers in this round
        self._clear = 0.0  # until when the server wants no calls
        self._steady = 0.0  # until when there is no growth
        self._hold = 0.0  # seconds that growth rests
        self._seconds = 0.0  # that an answer takes
        self._next = 0.0  # before which no call starts

    async def __aenter__(self) -> None:
        await self._turns.acquire()
        while (pause := self._clear - time.monotonic()) > 0 and not self.end.is_set():
            # Not all at the same instant.
            await self.rest(pause + random.uniform(0, min(1.0, pause / 10)))
        # Calls that start together end together, and then wait for each other: a round is spread over half its time.
        now = time.monotonic()
        self._next = max(now, self._next + self._seconds / self.limit / 2)
        if self._next > now:
            await self.rest(self._next - now)

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()

    async def rest(self, seconds: float) -> None:
        """Wait, at most until the end."""
        with anyio.move_on_after(seconds):
            await self.end.wait()

    def answered(self, seconds: float) -> None:
        """Note an answer and how long it took: the server could take more."""
        self.heard = now = time.monotonic()
        self._seconds += (seconds - self._seconds) / 8
        if now < self._steady:
            return
        self._round += 1
        self._set(self.limit + self._step / self.limit)
        if self._round >= self.limit:
            self._round, self._step = 0, min(2 * self._step, self.limit)

    def refused(self, wait: float | None = None, *, again: bool = False) -> None:
        """Note a refusal, with the seconds that the server asks to wait.

        One that hits the same call `again` tells of that call, not of how many are under way.
        """
        now = time.monotonic()
        if not again:
            self._round, self._step = 0, _PROBE
            self._set(self.limit - 1)
        if wait:
            if now >= self._clear:  # not one that came with the last
                self._hold = min(_RARE * wait, 2 * self._hold + wait)
            self._clear = max(self._clear, now + wait)
            self._steady = self._clear + self._hold

    def weary(self, wait: float | None) -> bool:
        """Tell whether there is no point in waiting any longer."""
        return max(wait or 0, time.monotonic() - self.heard) > self.patience.quiet

    def _set(self, limit: float) -> None:
        self.limit = min(float(self.most), max(1.0, limit))
        self._turns.total_tokens = int(self.limit)
