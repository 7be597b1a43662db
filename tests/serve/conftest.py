"""Servers on real sockets, and what a model says alone."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from openai import OpenAI
from serve_ask import NANO, Alone, Opened

from weitiao.model.generate import Sampling, answer
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.pair import Place
from weitiao.model.template import Template
from weitiao.serve import Limits
from weitiao.serve.models import Group
from weitiao.serve.run import Address, Service

torch.set_num_threads(1)
os.environ["NO_PROXY"] = "*"


@contextmanager
def opened(
    served: dict[str, Place] | None = None,
    token: str = "",
    found: Callable[[], Sequence[Group]] = lambda: (),
    **limits: Any,
) -> Iterator[Service]:
    """Serve meanwhile, in a thread; what goes wrong there is raised at the end."""
    service = Service(served or {"nano": Place(NANO)}, Address(port=0, token=token), Limits(**limits), found=found)
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            service.run()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(60)
    assert not thread.is_alive()
    if wrong:
        raise wrong[0]


@pytest.fixture(scope="session")
def open_server() -> Opened:
    return opened


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with opened(grace=0.0) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=service.url, api_key="none", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def nano() -> Any:
    return load_model(NANO)


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(load_tokenizer(NANO))


@pytest.fixture(scope="session")
def alone(nano: Any, template: Template) -> Alone:
    """What nano says to one question when it is asked nothing else."""

    def say(question: str, **how: Any) -> Any:
        return answer(nano, template, [[("user", question)]], Sampling(**how), batch_tokens=1)[0]

    return say
