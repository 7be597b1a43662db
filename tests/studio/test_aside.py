"""Work beside the loop: it is done whoever leaves, and who left is drawn nothing."""

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("nicegui", reason="the extra `studio` is not installed")
from nicegui import Client, ui

from weitiao.studio.aside import aside


def through(coroutine: Coroutine[None, None, None]) -> None:
    """Run it in a thread of its own: Playwright has a loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, coroutine).result()


async def _told(visitor: Client, steps: list[str], call: Callable[[], str]) -> None:
    """A handler as pages have them: it looks something up and draws it."""
    with visitor:
        steps.append(await aside(call))
        ui.label("drawn")


def test_who_stays_is_drawn_what_was_found() -> None:
    async def run() -> None:
        visitor, steps = Client(ui.page("/here")), list[str]()
        await _told(visitor, steps, lambda: threading.current_thread().name)
        assert steps != [threading.current_thread().name]
        assert sum(isinstance(one, ui.label) for one in visitor.elements.values()) == 1
        visitor.delete()

    through(run())


def test_who_leaves_is_drawn_nothing_and_the_work_is_done_all_the_same() -> None:
    async def run() -> None:
        visitor, steps, done = Client(ui.page("/gone")), list[str](), list[str]()
        begun, go_on = threading.Event(), threading.Event()

        def work() -> str:
            begun.set()
            assert go_on.wait(20)
            done.append("written")
            return "found"

        task = asyncio.create_task(_told(visitor, steps, work))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        visitor.delete()
        go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (done, steps) == (["written"], [])

    through(run())


def test_the_part_that_asks_may_go_while_its_page_stays() -> None:
    async def run() -> None:
        visitor = Client(ui.page("/part"))
        with visitor:
            slot = ui.element().default_slot
        with visitor, slot:
            visitor.content.clear()
            gc.collect()
            assert await aside(lambda: "found") == "found"
        visitor.delete()

    through(run())


def test_who_left_before_it_came_to_that_has_the_work_done_too() -> None:
    async def run() -> None:
        visitor, done = Client(ui.page("/left")), list[str]()
        with visitor.content as place:
            slot = place.default_slot
        visitor.delete()
        del visitor, place
        gc.collect()
        with slot, pytest.raises(asyncio.CancelledError):
            await aside(done.append, "written")
        assert done == ["written"]

    through(run())
