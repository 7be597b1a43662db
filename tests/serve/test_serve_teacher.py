"""A served model is a teacher like any other: our own client asks it over HTTP."""

from pathlib import Path

from llm_ask import Verdict, asking
from serve_ask import QUESTIONS, Alone, Opened

from weitiao.llm import Teacher
from weitiao.llm.cache import Cache
from weitiao.llm.call import Failure, Reason, Reply
from weitiao.llm.client import ask_all
from weitiao.llm.pace import Patience
from weitiao.serve.run import Service


def test_our_client_asks_what_we_serve(service: Service, tmp_path: Path, alone: Alone) -> None:
    teacher = Teacher(endpoint=service.url, model="nano", temperature=0.0, max_tokens=24)
    with Cache(tmp_path / "answers.sqlite") as cache:
        said = dict(ask_all(asking(*QUESTIONS), teacher, cache, "label"))
        assert cache.spent("label").calls == len(QUESTIONS)
    for index, question in enumerate(QUESTIONS):
        wanted, outcome = alone(question, max_new_tokens=24), said[index]
        if wanted.stopped:
            assert isinstance(outcome, Reply)
            assert (outcome.text, outcome.usage.completion) == (wanted.text.strip(), wanted.tokens)
        else:
            assert isinstance(outcome, Failure)
            assert (outcome.reason, outcome.raw) == (Reason.LENGTH, wanted.text)


def test_a_crowded_server_is_waited_for(open_server: Opened, tmp_path: Path) -> None:
    requests = asking(*(f"{number} {QUESTIONS[number % 6]}" for number in range(20)))
    with open_server(places=2, waiting=4) as service, Cache(tmp_path / "answers.sqlite") as cache:
        teacher = Teacher(endpoint=service.url, model="nano", temperature=0.0, max_tokens=8, concurrency=20)
        ended = dict(ask_all(requests, teacher, cache, "label", patience=Patience(0.02, 1.0, 60)))
        assert len(ended) == 20
        assert {outcome.reason for outcome in ended.values() if isinstance(outcome, Failure)} <= {Reason.LENGTH}
        assert service.metrics.answers == 20
        assert b'status="429"' in service.metrics.text()


def test_a_shape_that_the_server_cannot_hold_is_asked_for_in_words(service: Service, tmp_path: Path) -> None:
    teacher = Teacher(endpoint=service.url, model="nano", temperature=0.0, max_tokens=8)
    with Cache(tmp_path / "answers.sqlite") as cache:
        ((_, outcome),) = ask_all(asking("a", schema=Verdict), teacher, cache, "judge")
    assert isinstance(outcome, Failure)
    assert outcome.reason in (Reason.NOT_JSON, Reason.LENGTH, Reason.SHAPE)
