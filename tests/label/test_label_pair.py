"""Preference pairs: a worse answer is kept beside the good one where it is one, and comes out as a pair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_server import Fault, Server

import labelling
from labelling import EN, ZH, asks, events, facts, row, step
from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.pipeline import Done

Label = Callable[..., Done]
WORSE = "鱼当然会淹死，所以要给它戴救生圈。⟨helpful 2⟩"


def worse(text: str) -> Callable[[str], Fault]:
    return lambda prompt: Fault(text=text) if "只写这个回答本身" in prompt else labelling.script()(prompt)


def test_a_worse_answer_stands_beside_the_good_one(label: Label, server: Server) -> None:
    server.script = worse(WORSE)
    done = label([ZH[0], asks("水能不能兑水？")], "pair", trap=True)
    assert facts(done, "rejected") == [{"text": WORSE, "teacher": "m"}, None]
    assert (step(done, "pair")["asked"], step(done, "pair")["paired"]) == (3, 1)
    assert events(done, "skipped") == [("pair", "skipped", "no answer")]
    (asked,) = {body["messages"][0]["content"] for body in server.bodies if "只写" in body["messages"][0]["content"]}
    assert "上了圈套" in asked
    assert ZH[0]["messages"][1]["content"] in asked


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ZH[0]["messages"][1]["content"], "like the chosen answer"),
        ("Of course fish can drown, so give them a ring.", "another language"),
        ("抱歉，我无法回答这个问题。", "declines to answer"),
        ("鱼不会淹死，因为它用鳃呼吸水里的氧。", "not worse than the chosen answer"),
    ],
)
def test_what_makes_no_pair_is_told_with_its_words(label: Label, server: Server, text: str, reason: str) -> None:
    server.script = worse(text)
    done = label([ZH[0]], "pair")
    assert facts(done, "rejected") == [None]
    (noted,) = done.stored.ledger().filter(reason=reason).rows(named=True)
    assert orjson.loads(noted["detail"])["rejected"] == text


def test_the_marks_of_the_judge_are_not_paid_twice(label: Label, server: Server) -> None:
    server.script = worse(WORSE)
    done = label([ZH[0]], "judge", "pair")
    marked = [text for body in server.bodies if "`sure`" in (text := body["messages"][0]["content"])]
    assert len(marked) == len(set(marked)) > 2
    assert facts(done, "rejected")[0]["text"] == WORSE


def test_without_a_check_nobody_marks(label: Label, server: Server) -> None:
    server.script = worse("鱼不会淹死，因为它用鳃呼吸水里的氧。")
    done = label([ZH[0], ZH[1]], {"pair": {"check": False, "limit": 1}})
    assert (len(server.bodies), step(done, "pair")["paired"]) == (1, 1)
    assert events(done, "skipped") == [("pair", "skipped", "beyond the limit")]


def test_the_worst_of_several_samples_is_kept_where_it_is_worse(label: Label, server: Server) -> None:
    texts = ["看前提，淹死。⟨helpful 5⟩", "看前提，淹死。⟨helpful 2⟩", "看前提，淹死。⟨helpful 4⟩"]
    server.script = labelling.script(answers=lambda _, number: texts[number % 3])
    done = label([asks("鱼会不会淹死？")], {"answer": {"samples": 3, "keep_worst": True}}, teacher_concurrency=1)
    assert facts(done, "rejected") == [{"text": texts[1], "teacher": "m"}]


def test_a_pair_is_exported_as_trainers_of_preferences_read_it(server: Server, tmp_path: Path) -> None:
    server.script = worse(WORSE)
    known: Any = {"prompt": "Which?", "chosen": "This one.", "rejected": "<think>\nhm\n</think>\n\nThat one."}
    lines = [ZH[0], known, EN[1]]
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    stage = {"steps": [{"pair": {"limit": 1}}], "teacher": {"endpoint": server.address, "model": "m"}}
    data = {
        "source": {"inputs": [str(tmp_path / "data.jsonl")]},
        "thinking": "strip",
        "label": stage,
        "export": {"format": "llamafactory-preference"},
    }
    done = pipeline.run(plain_recipe(data, "run"), tmp_path / "runs")[-1]
    rows = [orjson.loads(line) for line in (done.stored.folder / "all.jsonl").read_bytes().splitlines()]
    assert [(one["chosen"]["value"], one["rejected"]["value"]) for one in rows] == [
        (ZH[0]["messages"][1]["content"], WORSE),
        ("This one.", "That one."),
    ]
    assert done.manifest["facts"]["does_not_fit"] == {"a conversation without a rejected answer": 1}
    (entry,) = orjson.loads((done.stored.folder / "dataset_info.json").read_bytes()).values()
    assert entry["ranking"] is True
    assert entry["columns"] == {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}


def test_a_row_of_its_own_that_is_called_rejected_is_no_answer(label: Label, server: Server) -> None:
    server.script = worse(WORSE)
    done = label([row("鱼会不会淹死？", rejected=True)], "pair")
    assert facts(done, "rejected")[0]["text"] == WORSE
