"""Money: what calls cost, the purse that no call may overdraw, and the price of a step before it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import orjson

from weitiao.errors import UserError
from weitiao.llm import Asked, Price, Teacher
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Request, Usage
from weitiao.llm.dialect import Dialect
from weitiao.talk import t

# Bytes of UTF-8 for a token: about 4 letters in English, and 1.4 characters of 3 bytes in Chinese.
BYTES_PER_TOKEN = 4


def cost(price: Price | None, usage: Usage) -> float:
    """Return the money for a call; 0 where the price is not known."""
    if price is None:
        return 0.0
    cached = price.input if price.cached is None else price.cached
    fresh = usage.prompt - usage.cached
    return (fresh * price.input + usage.cached * cached + usage.completion * price.output) / 1e6


def most(teacher: Asked, body: bytes) -> Usage:
    """Return the most tokens that a call can take: no token is shorter than a byte."""
    return Usage(len(body), teacher.limit)


def stage_of(step: str) -> str:
    """Return the stage whose budget pays for a step, from `stage/step`."""
    return step.partition("/")[0]


def hold_price(teacher: Asked) -> None:
    """Raise UserError for a budget without the price by which it is kept."""
    if teacher.budget is not None and teacher.price is None and teacher.endpoint is not None:
        raise UserError(
            t("The budget cannot be kept: no price is known for {model}", model=teacher.model),
            t("Give it: --price IN,OUT, or `prices` in the recipe, with `input` and `output` for a million tokens"),
        )


class Purse:
    """The budget of a stage, of which `step` is one (`stage/step`).

    A call is charged with the most it can cost before it is sent, then with what it did cost.
    So the book never says less than was spent, not even when the process is killed with calls under way.
    """

    def __init__(self, teacher: Asked, cache: Cache, step: str) -> None:
        hold_price(teacher)
        self.teacher, self.cache, self.step = teacher, cache, step
        self.spent = cache.spent(stage_of(step)).cost
        self.open: dict[int, tuple[Usage, float]] = {}
        self.empty = False
        self._changed = anyio.Event()

    async def take(self, body: bytes) -> int | None:
        """Book the call and return its charge; waits for calls under way; None if the budget has no room for it."""
        usage = most(self.teacher, body)
        worst = cost(self.teacher.price, usage)
        while not self.empty and self.teacher.budget is not None and self.spent + worst > self.teacher.budget:
            if not self.open:
                self.empty = True
                break
            await self._changed.wait()
        if self.empty:
            return None
        charge = self.cache.charge(self.step, self.teacher.model, usage, worst, known=False)
        self.open[charge] = (usage, worst)
        self.spent += worst
        return charge

    def settle(self, charge: int, usage: Usage) -> None:
        """Book what an answer cost; a server that does not tell its tokens is taken at the most."""
        bound, worst = self.open[charge]
        real = bound if usage == Usage() else usage
        self.cache.settle(charge, real, cost(self.teacher.price, real))
        self._close(charge, cost(self.teacher.price, real) - worst)

    def cancel(self, charge: int) -> None:
        """Take back the charge of a call that the server refused."""
        self.cache.cancel(charge)
        self._close(charge, -self.open[charge][1])

    def lose(self, charge: int) -> None:
        """Leave the charge of a call at the most: its answer was lost, and may have been charged."""
        self._close(charge, 0)

    def _close(self, charge: int, change: float) -> None:
        del self.open[charge]
        self.spent += change
        self._changed.set()
        self._changed = anyio.Event()


@dataclass(frozen=True)
class Plan:
    """What a step would do: calls to make, answers known already, tokens and money, and the first bodies as sent.

    Tokens of the prompts are estimated from their bytes; `most_tokens` and `most_cost` are for answers that all reach
    the limit; `likely_cost` is for answers as long as those that this step got before, None where there are none.
    """

    calls: int
    known: int
    prompt_tokens: int
    most_tokens: int
    most_cost: float | None
    likely_cost: float | None
    samples: list[dict[str, Any]]


def plan(requests: Sequence[Request], teacher: Teacher, cache: Cache, step: str, *, samples: int = 3) -> Plan:
    """Return what asking `requests` would take, without asking."""
    asked = dict(zip(keys(teacher, requests), requests, strict=True))
    unknown = {key: request for key, request in asked.items() if cache.known(key, request) is None}
    bodies = [Dialect(teacher).body(request) for request in unknown.values()]
    prompt = sum(len(orjson.dumps(body["messages"])) for body in bodies) // BYTES_PER_TOKEN
    longest = len(bodies) * teacher.limit
    usual = cache.usual(step, teacher.model)
    price = teacher.price

    def money(completion: float | None) -> float | None:
        return None if price is None or completion is None else cost(price, Usage(prompt, round(completion)))

    likely = None if usual is None else usual * len(bodies)
    return Plan(
        len(bodies), len(requests) - len(bodies), prompt, longest, money(longest), money(likely), bodies[:samples]
    )
