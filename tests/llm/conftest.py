"""A faulty teacher on a real socket, a cache, and settings with short waits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_ask import Ask
from llm_server import Server, serving

from weitiao.llm import Teacher
from weitiao.llm.cache import Cache
from weitiao.llm.call import Request
from weitiao.llm.client import Outcome, ask_all
from weitiao.llm.pace import Patience


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "answers.sqlite") as cache:
        yield cache


@pytest.fixture
def ask(server: Server, cache: Cache) -> Ask:
    """Ask the server, with other settings where they are given; returns the outcomes by index."""

    def run(requests: list[Request], quiet: float = 60, **settings: Any) -> dict[int, Outcome]:
        teacher = Teacher.model_validate({"endpoint": server.address, "model": "m", "timeout": 5, **settings})
        return dict(ask_all(requests, teacher, cache, "label", patience=Patience(0.02, 1.0, quiet)))

    return run
