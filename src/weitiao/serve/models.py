"""The models of a server by name: those loaded when it starts, and those loaded at the first question."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial

from weitiao.model.pair import Place
from weitiao.model.shelf import Shelf
from weitiao.serve import Limits
from weitiao.serve.metrics import Metrics
from weitiao.serve.refusal import Refusal
from weitiao.serve.worker import Heard, Worker, stopping
from weitiao.talk import t

# More kinds of weights at once than anybody has memory for: a thread each.
_THREADS = 64


@dataclass(frozen=True)
class Group:
    """Models that share their weights, so they are loaded together; with another `stamp` they are loaded anew."""

    names: tuple[str, ...]
    stamp: object
    places: Callable[[], Mapping[str, Place]] = field(compare=False)


class Models:
    """Who answers under which name. But for loading, all is called from the server's own thread."""

    def __init__(
        self, named: Mapping[str, Place], found: Callable[[], Sequence[Group]], limits: Limits, metrics: Metrics
    ) -> None:
        """Load `named` now; what is `found`, which may change over time, is loaded at the first question."""
        self.limits, self.metrics, self._found = limits, metrics, found
        self.carry: Callable[[Heard], None] = lambda heard: None  # brings pieces to those who ordered
        self.closing = False
        self._named = tuple(named)
        self._one = threading.Lock()  # transformers builds models under a setting of the whole process
        self._threads = ThreadPoolExecutor(_THREADS, "model")
        self._workers = [self._worker(named)] if named else []
        self._loaded: dict[Group, Future[Worker]] = {}
        self._running: list[Future[None]] = []
        self._ended: Callable[[], None] = lambda: None
        metrics.watch(lambda: sum(w.running for w in self._workers), lambda: sum(w.waiting for w in self._workers))

    def names(self) -> list[str]:
        """Return the names that can be asked for now."""
        return [*self._named, *(name for group in self._found() for name in group.names)]

    def hold(self, name: str) -> None:
        """Raise Refusal for a model that is not here."""
        if name not in (names := self.names()):
            message = t("No model `{name}` here: there are {names}", name=name, names=", ".join(names))
            raise Refusal(404, message, code="model_not_found", param="model")

    async def worker(self, name: str) -> Worker:
        """Return who answers under `name`, loaded if it was not; raises Refusal, and UserError where it cannot be."""
        self.hold(name)
        if name in self._named:
            return self._workers[0]
        group = next(group for group in self._found() if name in group.names)
        if group not in self._loaded:
            self._retire(group)
            self._loaded[group] = self._threads.submit(copy_context().run, self._load, group)
        loading = self._loaded[group]
        try:
            return await asyncio.shield(asyncio.wrap_future(loading))
        finally:
            if loading.done() and not loading.cancelled() and loading.exception():
                self._loaded.pop(group, None)  # the next who asks may have better luck

    def begin(self, ended: Callable[[], None]) -> None:
        """Let answers be given; `ended` is called when that breaks down."""
        self._ended = ended
        for worker in self._workers:
            self._start(worker)

    def close(self) -> None:
        """Take nobody any more; answers under way go on."""
        self.closing = True
        for worker in self._workers:
            worker.close()

    def break_off(self) -> None:
        """End answers under way where they are."""
        for worker in self._workers:
            worker.break_off()

    def end(self) -> None:
        """Wait for all threads; raises what one of them died of."""
        self.close()
        self.break_off()
        self._threads.shutdown()
        for running in self._running:
            running.result()

    def _load(self, group: Group) -> Worker:
        with self._one:
            worker = self._worker(group.places())
        if self.closing:
            raise stopping()
        self._workers.append(worker)
        self._start(worker)
        return worker

    def _worker(self, places: Mapping[str, Place]) -> Worker:
        return Worker(Shelf(places), self.limits, self.metrics, lambda heard: self.carry(heard))

    def _start(self, worker: Worker) -> None:
        running = self._threads.submit(copy_context().run, worker.run)
        running.add_done_callback(lambda done: self._ended() if done.exception() else None)
        self._running.append(running)

    def _retire(self, group: Group) -> None:
        """Let go the weights that stand in the way of newer ones of the same name, after their last answer."""
        for held in [held for held in self._loaded if {*held.names} & {*group.names}]:
            self._loaded.pop(held).add_done_callback(partial(_let_go, self._workers))


def _let_go(workers: list[Worker], loading: Future[Worker]) -> None:
    if not loading.exception():
        worker = loading.result()
        worker.close()
        workers.remove(worker)
