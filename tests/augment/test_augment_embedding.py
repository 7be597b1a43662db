"""A child that is far from its parent by its vector is another question: it goes, with its score."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from augmenting import EN, POST_EN, Augmented, made, row, rows_of, told
from llm_server import Server

from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.stage import Silent

REPHRASE: dict[str, Any] = {"rephrase": {"styles": ["casual", "formal"], "check": False}}
VECTORS = {"Dear": [0.6, 0.8], "so I": [0.9, 0.436]}  # of what is put formally, and casually; others are [1, 0]


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def vector(text: str) -> list[float]:
    return VECTORS.get(text[:4], [2.0, 0.0])


def near(server: Server, **settings: Any) -> dict[str, Any]:
    return {"endpoint": server.address, "model": "mini", "similarity": 0.7, "attempts": 1, **settings}


def test_what_is_far_goes_and_what_just_stays_is_noted(augment: Augmented, server: Server) -> None:
    server.vector = vector
    done = augment(EN, REPHRASE, embedding=near(server))
    assert Counter(one.facts["augment"]["style"] for one in made(done)) == {"casual": 2}
    assert told(done, "rephrase")["dropped"] == {"far from its parent": 2}
    assert rows_of(done, "dropped") == [("rephrase", "far from its parent")] * 2
    parents = {one: kept.parents[0] for kept in made(done) for one in [kept.id]}
    details = {
        action: [(row["id"], orjson.loads(row["detail"])) for row in rows.iter_rows(named=True)]
        for (action,), rows in done.stored.ledger().group_by("action")
    }
    for _, detail in details["dropped"]:
        assert (detail["score"], detail["goes"], detail["threshold"], detail["setting"]) == (
            0.6,
            "<",
            0.7,
            "similarity",
        )
        assert detail["of"] in detail["parents"]
    assert {key: detail["of"] for key, detail in details["spared"]} == parents
    facts = done.manifest["facts"]
    assert facts["embedding"] == {"model": "mini", "at": "local", "sampling": {}}
    assert facts["cost"]["calls"] == 5  # four to the teacher, one for six vectors
    calls = sum(server.asked.values())
    again = augment(EN, REPHRASE, embedding=near(server, similarity=0.5))
    assert len(made(again)) == 4
    assert sum(server.asked.values()) == calls


def test_only_what_is_to_be_the_same_question_is_held_against_it(augment: Augmented, server: Server) -> None:
    server.vector = lambda text: [1.0, 0.0] if text == EN[0]["messages"][0]["content"] else [0.0, 1.0]
    steps = [{"ask_passages": {"check": False}}, "character_noise", {"merge_turns": {"turns": 2}}]
    done = augment([*EN, POST_EN], *steps, embedding=near(server))
    assert told(done, "character_noise")["dropped"] == {"far from its parent": 1}
    assert told(done, "ask_passages")["kept"] > 0
    assert "far from its parent" not in told(done, "merge_turns")["dropped"]


def test_without_a_teacher_it_works_and_costs(augment: Augmented, server: Server) -> None:
    prices = {"mini": {"input": 1000.0, "output": 0}}
    done = augment(EN, "character_noise", teacher=None, embedding=near(server, prices=prices))
    assert told(done, "character_noise")["kept"] == 2
    assert done.manifest["facts"]["cost"] == {
        "calls": 1,
        "prompt": 20,
        "completion": 0,
        "money": pytest.approx(0.02),
        "unknown": 0.0,
    }


def test_without_a_vector_nothing_is_let_in_and_it_is_asked_again(augment: Augmented, server: Server) -> None:
    rows = [*EN, row("[refused] Who is there? Nobody")]
    done = augment(rows, "character_noise", embedding=near(server))
    assert told(done, "character_noise")["dropped"] == {"request refused by the server": 1}
    assert (told(done, "character_noise")["unchecked"], done.manifest["facts"]["again"]) == (1, True)
    before = sum(server.answered.values())
    assert augment(rows, "character_noise", embedding=near(server)).fresh
    assert sum(server.answered.values()) == before


def test_the_plan_counts_the_calls(augment: Augmented, server: Server, tmp_path: Any) -> None:
    rows = b"".join(orjson.dumps(one) + b"\n" for one in EN)
    (tmp_path / "data.jsonl").write_bytes(rows)
    teacher = {"endpoint": server.address, "model": "m"}
    stage = {"steps": [{"rephrase": {"styles": ["casual", "formal"]}}], "teacher": teacher}
    for batch, calls in ((64, 1), (2, 3)):  # two questions, and four that are to come
        data = {"source": {"inputs": ["data.jsonl"]}, "augment": {**stage, "embedding": near(server, batch=batch)}}
        plans = pipeline.preview(plain_recipe(data, "run"), tmp_path / "runs")
        assert {name: plan.calls for name, plan in plans.items()} == {
            "augment/rephrase": 4,
            "augment/rephrase-embedding": calls,
            "augment/rephrase-check": 4,
        }
    assert not server.asked


def test_a_batch_does_not_keep_vectors_waiting_and_that_is_said(augment: Augmented, server: Server) -> None:
    server.vector = vector
    rows = [*EN]
    data = {
        "source": {"inputs": ["data.jsonl"]},
        "augment": {
            "steps": ["character_noise"],
            "embedding": near(server),
            "batch": "batch",
            "teacher": {"endpoint": server.address, "model": "m"},
        },
    }
    augment(rows, "character_noise")
    said = "augment/character_noise-embedding: calls for vectors do not wait for the batch, they go out at once"
    told = Heard()
    pipeline.preview(plain_recipe(data, "plan"), Path("runs"), reporter=told)
    assert (told.lines.count(said), sum(server.asked.values())) == (1, 0)
    done = pipeline.run(plain_recipe(data, "plan"), Path("runs"), reporter=told)[-1]
    assert (told.lines.count(said), done.manifest["facts"]["cost"]["calls"]) == (2, 1)
