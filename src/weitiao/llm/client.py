"""Ask a teacher many things at once: each answer is kept the moment it arrives, nothing known is asked again."""

import os
import re
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import anyio
import orjson
from anyio.from_thread import start_blocking_portal

from weitiao.errors import UserError
from weitiao.llm import Asked, Teacher, Translator, checks
from weitiao.llm.answer import again, judge
from weitiao.llm.cache import Cache, Key, keys
from weitiao.llm.call import Failure, Messages, Reason, Reply, Request, Said
from weitiao.llm.dialect import Dialect, Kind, Speech, Trouble
from weitiao.llm.money import Purse
from weitiao.llm.pace import Pace, Patience
from weitiao.stage import Reporter, Silent
from weitiao.talk import t

Item = TypeVar("Item")
Came = TypeVar("Came")
Outcome = Reply | Failure
Todo = Sequence[tuple[Key, Request]]
# Seconds between looks at what has arrived: a reader who wakes for each answer takes the interpreter from the calls.
_LOOK = 0.05
# Below this a key is a word such as EMPTY that servers without keys are given, and answers may hold it.
_SECRET = 8
# Seconds until a server that does not answer a knock is taken for absent.
_CONNECT = 30
# A request may be refused for being too many this many times as often as it may meet a fault.
_REFUSALS = 5


def ask_all(
    requests: Sequence[Request],
    teacher: Teacher,
    cache: Cache,
    step: str,
    reporter: Reporter | None = None,
    patience: Patience | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """Yield (index, reply or failure) for each request: first what the cache knows, then what arrives, as it does.

    Charges are booked on `step`; at the end of its budget the requests that are left fail with `Reason.BUDGET`. Raises
    UserError where no request can be answered (key, address, account, a server that is gone), after the calls under
    way have ended; what they brought is kept. A failed request is asked again the next time, but not
    one whose answer was cut at the token limit.
    """
    reporter = reporter or Silent()
    places: dict[Key, list[int]] = {}
    for index, key in enumerate(keys(teacher, requests)):
        places.setdefault(key, []).append(index)
    outcomes = _outcomes([(key, requests[at[0]]) for key, at in places.items()], teacher, cache, step, patience)

    def arriving() -> Iterator[tuple[int, Outcome]]:
        for item in outcomes:
            if isinstance(item, str):
                reporter.say(item)
            else:
                for index in places[item[0]]:
                    yield index, item[1]

    return reporter.track(arriving(), len(requests), "Asking the teacher")


def _outcomes(
    todo: Todo, teacher: Teacher, cache: Cache, step: str, patience: Patience | None
) -> Iterator[tuple[Key, Outcome] | str]:
    left = []
    for key, request in todo:
        if outcome := cache.known(key, request):
            yield key, outcome
        else:
            left.append((key, request))
    if not left:
        return
    # What failed before waits, so that a row that never answers does not stand before those that were never asked.
    left.sort(key=lambda item: cache.failure(item[0]) is not None)
    arriving: Iterable[tuple[Key, Outcome] | str]
    if isinstance(teacher, Translator):
        from weitiao.llm.translate import translations  # loads torch

        arriving = translations(left, teacher, cache, step)
    elif teacher.endpoint is None:
        from weitiao.llm.local import answers  # loads torch, too

        arriving = answers(left, teacher, cache, step)
    else:
        arriving = arrivals(_Chats(teacher, cache, step, patience, Dialect(teacher)), left)
    asked = set()
    for item in arriving:
        if not isinstance(item, str):
            asked.add(item[0])
        yield item
    yield from ((key, Failure(Reason.BUDGET)) for key, _ in left if key not in asked)


def arrivals(asking: "Asking[Item, Came]", todo: Sequence[Item]) -> Iterator[tuple[Key, Came] | str]:
    """Run the asking in a thread of its own, so that a slow reader of the results delays no call."""
    with start_blocking_portal() as portal:
        future = portal.start_task_soon(asking.run, todo)
        try:
            ended = False
            while not ended:
                ended = bool(wait([future], _LOOK).done)
                while not asking.out.empty():
                    yield asking.out.get()
            future.result()
        finally:
            future.cancel()


class Asking(ABC, Generic[Item, Came]):
    """One run through a list of things to ask; what came of each is kept and put out as it arrives."""

    def __init__(self, teacher: Asked, cache: Cache, step: str, patience: Patience | None, dialect: Speech) -> None:
        self.teacher, self.cache, self.step, self.patience = teacher, cache, step, patience or Patience()
        self.secret = secret(teacher)
        self.url = f"{teacher.endpoint}/{dialect.path}"
        self.dialect = dialect
        self.out: SimpleQueue[tuple[Key, Came] | str] = SimpleQueue()
        self.stopped: UserError | None = None

    @abstractmethod
    async def _ask(self, item: Item) -> bool:
        """Ask, keep and put out what came of it; False where the asking has ended before."""

    async def run(self, todo: Sequence[Item]) -> None:
        """Ask all; raises UserError where no call can succeed."""
        self.purse = Purse(self.teacher, self.cache, self.step)
        self.pace = Pace(self.teacher.concurrency, self.patience)
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers["Authorization"] = f"Bearer {self.secret}"
        async with (
            aiohttp.ClientSession(
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self.teacher.timeout, sock_connect=_CONNECT),
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=proxy(self.url),
            ) as self.http,
            anyio.create_task_group() as tasks,
        ):
            left = iter(todo)
            # More than there are turns, so that those who wait to try again keep no turn from being used.
            for _ in range(min(len(todo), 4 * self.teacher.concurrency)):
                tasks.start_soon(self._work, left)
        if self.stopped:
            raise self.stopped

    async def _work(self, left: Iterator[Item]) -> None:
        for item in left:
            if not await self._ask(item):
                return

    async def _said(self, request: Request, messages: Messages) -> Said | Failure | None:
        """Return what the model said, trying as often as there is sense in it; None where the asking has ended."""
        tries: Counter[Kind] = Counter()
        while not self.stopped:
            body = self.dialect.body(request, messages)
            async with self.pace:
                met = await self._call(orjson.dumps(body))
            if met is None or isinstance(met, Said):
                return met
            if met.kind is not Kind.ROW:
                tries[met.kind] += 1
                if failure := await self._wait(met, tries):
                    return failure
            elif not self._learnt(met, body, self.dialect.body(request, messages)):
                return Failure(met.reason, detail=met.message)
        return None

    async def _wait(self, met: Trouble, tries: Counter[Kind]) -> Failure | None:
        """Wait for the next try; returns the failure where there is to be none."""
        faults, busy = tries[Kind.FAULT], tries[Kind.BUSY]
        if met.kind is Kind.BUSY or met.reason is Reason.TIMEOUT:
            self.pace.refused(met.wait, again=tries[met.kind] > 1)
        tried = faults >= self.teacher.attempts
        if met.kind is Kind.ALL or (tried and met.reason is Reason.NO_SERVER) or (busy and self.pace.weary(met.wait)):
            self._stop(met)
        elif tried or busy >= _REFUSALS * self.teacher.attempts:  # others are answered meanwhile
            return Failure(met.reason, met.raw, met.message)
        elif not met.wait:
            await self.pace.rest(self.patience.backoff(faults + busy))
        return None

    def _learnt(self, met: Trouble, body: dict[str, Any], now: dict[str, Any]) -> bool:
        """Tell whether the call would now be put otherwise than it was."""
        if body == now:  # else another call has learnt it meanwhile
            note = self.dialect.learn(met, body)
            if note is None:
                return False
            self.out.put(note)
        return True

    async def _call(self, content: bytes) -> Said | Trouble | None:
        """Make one call and book it; None where it may not be made any more."""
        charge = None if self.stopped else await self.purse.take(content)
        if charge is None:
            return None
        began = time.monotonic()
        met = await self._post(content)
        if isinstance(met, Said):
            self.purse.settle(charge, met.usage)
            self.pace.answered(time.monotonic() - began)
        elif met.lost:
            self.purse.lose(charge)
        else:
            self.purse.cancel(charge)
        return met

    async def _post(self, content: bytes) -> Said | Trouble:
        try:
            async with self.http.post(self.url, data=content, allow_redirects=False) as response:
                # Servers like to repeat a wrong key in what they say about it.
                content = self._hide(await response.read())
            return self.dialect.read(response.status, response.headers, content)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Trouble(Kind.FAULT, Reason.NO_SERVER, str(error))
        except TimeoutError:
            return Trouble(Kind.FAULT, Reason.TIMEOUT, f"{self.teacher.timeout:g} s", lost=True)
        except aiohttp.ClientError as error:
            return Trouble(Kind.FAULT, Reason.BROKEN, self._hide(str(error).encode()).decode(), lost=True)

    def _stop(self, met: Trouble) -> None:
        """End the asking for everybody; calls under way may still arrive."""
        address = self.teacher.endpoint
        if met.kind is Kind.ALL:
            message = t("The teacher at {address} refuses: {message}", address=address, message=met.message)
            hint = checks(self.teacher, lost=met.message[:3] in ("404", "405"))
        elif met.kind is Kind.BUSY:
            message = t("The teacher at {address} has no room: {message}", address=address, message=met.message)
            hint = t("Run again later; what has arrived is kept")
        else:
            message = t("No connection to the teacher at {address}: {message}", address=address, message=met.message)
            hint = t("Is the server up? What has arrived is kept")
        self.stopped = self.stopped or UserError(message, hint)
        self.pace.end.set()

    def _hide(self, content: bytes) -> bytes:
        return content.replace(self.secret.encode(), b"***") if len(self.secret) >= _SECRET else content


class _Chats(Asking[tuple[Key, Request], Outcome]):
    """Ask for answers in words."""

    async def _ask(self, item: tuple[Key, Request]) -> bool:
        key, request = item
        outcome = await self._outcome(request)
        if outcome is None:
            return False
        self.cache.keep(key, outcome, self.step)
        self.out.put((key, outcome))
        return True

    async def _outcome(self, request: Request) -> Outcome | None:
        said = await self._said(request, request.messages)
        if not isinstance(said, Said):
            return said
        outcome = judge(request, said)
        if isinstance(outcome, Reply) or (messages := again(request, outcome)) is None:
            return outcome
        more = await self._said(request, messages)
        if not isinstance(more, Said):
            return outcome
        better = judge(request, more)
        return replace(better, usage=said.usage + more.usage) if isinstance(better, Reply) else better


def proxy(url: str) -> str | None:
    """Return the proxy that the environment names; aiohttp's own look would also take passwords from .netrc."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def secret(teacher: Asked) -> str:
    """Return the key from the environment, empty where the teacher needs none."""
    if teacher.key_env is None:
        return ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", teacher.key_env):
        raise UserError(t("`key_env` is the name of an environment variable, not the key itself"))
    value = os.environ.get(teacher.key_env, "").strip()
    if not value:
        raise UserError(
            t("The environment variable {name} is not set", name=teacher.key_env),
            t("It holds the teacher's key: export {name}=…", name=teacher.key_env),
        )
    return value
