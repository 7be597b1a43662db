"""A judge beside people: on pairs of answers that others made, where they are there, and on our own."""

from pathlib import Path

import orjson
import pytest
from llm_server import Server

import labelling
from benchmarks.judge import judge, report
from conftest import DATA

OWN = [
    {"input": f"{word}是什么？", "output_1": labelling.written(f"{word}是什么？", 0), "output_2": "不知", "label": 1}
    for word in ("石头", "月亮", "黄灯", "水杯")
]


def test_a_judge_that_agrees_and_one_that_never_does(server: Server, tmp_path: Path) -> None:
    teacher = {"endpoint": server.address, "model": "m"}
    OWN[0] |= {"label": 2}
    (tmp_path / "pairs.json").write_bytes(orjson.dumps(OWN))
    pairs, facts = judge(tmp_path / "pairs.json", teacher, tmp_path / "runs")
    found = report(pairs)
    assert (found["people"]["questions"], found["people"]["same"], found["ties"]) == (4, 3, 0)
    assert found["people"]["kappa"] == 0.0  # it says one thing of all: no better than chance
    assert found["longer"] == {"pairs": 4, "judge": 4, "people": 3}
    assert facts["controls"]["planted"] > 0


def test_on_pairs_that_people_judged(server: Server, tmp_path: Path) -> None:
    file = DATA / "judge" / "llmbar_natural.json"
    if not file.exists():
        pytest.skip(f"no {file}")
    better = {one[f"output_{one['label']}"] for one in orjson.loads(file.read_bytes())}

    def people(asked: str, answer: str) -> dict[str, int]:
        return {"harmless": 5, "honest": 5, "helpful": 5 if answer in {text.strip() for text in better} else 2}

    def longer(asked: str, answer: str) -> dict[str, int]:
        return {"harmless": 5, "honest": 5, "helpful": min(5, 1 + len(answer) // 80)}

    teacher = {"endpoint": server.address, "model": "m"}
    server.script = labelling.script(people)
    pairs, facts = judge(file, teacher, tmp_path / "one")
    agreed = report(pairs)
    assert (agreed["people"]["questions"], agreed["people"]["same"], agreed["people"]["kappa"]) == (100, 100, 1.0)
    assert set(server.asked.values()) == {1}  # a control may be one of the pairs: asked once for both
    assert 200 + 5 * 4 <= len(server.asked) <= facts["steps"][0]["asked"]
    server.script = labelling.script(longer)
    found = report(judge(file, teacher, tmp_path / "two")[0])
    assert found["people"]["low"] < found["people"]["kappa"] < 0.3
    assert found["longer"]["judge"] == found["longer"]["pairs"] > found["longer"]["people"]
