"""How many calls are under way, and how long one waits."""

import time

import anyio
from hypothesis import given
from hypothesis import strategies as st

from weitiao.llm.pace import Pace, Patience


@given(st.lists(st.sampled_from(["answer", "refusal", "wait"]), max_size=300), st.integers(1, 100))
def test_there_is_always_a_turn_and_never_too_many(events: list[str], most: int) -> None:
    async def live() -> None:
        pace = Pace(most, Patience())
        for event in events:
            if event == "answer":
                pace.answered(0.1)
            else:
                pace.refused(1.0 if event == "wait" else None)
            assert 1 <= pace.limit <= most

    anyio.run(live)


def test_it_finds_how_many_places_there_are_and_stays_there() -> None:
    async def live() -> None:
        pace = Pace(200, Patience())
        for _ in range(40):
            for place in range(int(pace.limit)):
                if place < 50:
                    pace.answered(0.2)
                else:
                    pace.refused()
        assert 45 <= pace.limit <= 60

    anyio.run(live)


def test_nobody_calls_while_the_server_wants_quiet() -> None:
    async def live() -> float:
        pace = Pace(10, Patience())
        began = time.monotonic()
        pace.refused(0.2)
        async with pace:
            return time.monotonic() - began

    assert 0.2 <= anyio.run(live) < 1


def test_the_end_wakes_those_who_wait() -> None:
    async def live() -> float:
        pace = Pace(10, Patience())
        pace.refused(60)
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pace.rest, 60)
            await anyio.sleep(0.01)
            pace.end.set()
        async with pace:
            return time.monotonic() - began

    assert anyio.run(live) < 1


def test_backoff_doubles_with_jitter_up_to_its_longest() -> None:
    patience = Patience(first=1, longest=10)
    for times, most in ((1, 1), (2, 2), (3, 4), (5, 10), (5000, 10)):
        assert most / 2 <= patience.backoff(times) <= most
