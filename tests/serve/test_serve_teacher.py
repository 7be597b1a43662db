"""A served model is a teacher like any other: our own client asks it over HTTP."""

from pathlib import Path

import orjson
from llm_ask import Verdict, asking
from serve_ask import QUESTIONS, Alone, Opened

from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.llm import Teacher
from weitiao.llm.cache import Cache
from weitiao.llm.call import Failure, Reason, Reply
from weitiao.llm.client import ask_all
from weitiao.llm.pace import Patience
from weitiao.record import to_records
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


def test_augment_and_label_over_http_account_for_every_record(service: Service, tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": question}]} for question in QUESTIONS]
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    teacher = {"endpoint": service.url, "model": "nano", "temperature": 0.0, "max_tokens": 24}
    data = {
        "source": {"inputs": [str(tmp_path / "data.jsonl")]},
        "augment": {"steps": [{"rephrase": {"styles": ["casual"], "check": False}}], "teacher": teacher},
        "label": {"steps": [{"answer": {"shots": 0}}], "teacher": teacher},
    }
    made, said = pipeline.run(plain_recipe(data, "run"), tmp_path / "runs")[-2:]
    # A toy keeps to no shape: each of its rephrasings is a child, or a failure with its reason.
    (told,) = made.manifest["facts"]["steps"]
    assert told["asked"] == len(QUESTIONS) == told["answered"] + sum(told["failed"].values())
    records = list(to_records(said.stored.records()))
    assert len(records) == len(QUESTIONS) + told["kept"]
    (told,) = said.manifest["facts"]["steps"]
    ledger = said.stored.ledger()
    assert told["asked"] == len(records) == told["answered"] + sum(told["failed"].values())
    assert told["written"] == sum(one.messages[-1][0] == "assistant" for one in records) == told["answered"] > 0
    assert set(ledger.filter(action="failed")["reason"]) <= {Reason.LENGTH, Reason.EMPTY}
    assert {one.id for one in records if one.messages[-1][0] != "assistant"} == set(
        ledger.filter(action="failed")["id"]
    )
