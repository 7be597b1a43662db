"""How far a teacher's marks agree with people: of two answers, does it mark the one higher that people hold better?

    python -m benchmarks.judge PAIRS.json --endpoint URL --teacher NAME [--key-env NAME]

PAIRS.json is a list of {input, output_1, output_2, label: 1 or 2}, as LLMBar has them (https://arxiv.org/abs/2310.07641).
Answers are judged one by one, as `weitiao label` does, so no answer stands before another.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from weitiao import pipeline
from weitiao.cli.teacher import teacher_settings
from weitiao.cli.terminal import Terminal, plain_recipe
from weitiao.intervals import agreement
from weitiao.record import to_records

_MARKS = ("harmless", "honest", "helpful")  # what comes first counts first


@dataclass(frozen=True)
class Pair:
    """Which of two answers people hold better, which the judge marks higher (0: neither), and which is longer."""

    people: int
    judge: int
    longer: int


def judge(file: Path, teacher: Mapping[str, Any], runs: Path) -> tuple[list[Pair], dict[str, Any]]:
    """Return what people and judge think of each pair, and what the stage tells of the judge."""
    pairs = orjson.loads(file.read_bytes())
    rows = runs / "answers.jsonl"
    runs.mkdir(parents=True, exist_ok=True)
    with rows.open("wb") as out:
        for number, pair in enumerate(pairs):
            for side in (1, 2):
                turns = [("user", pair["input"]), ("assistant", pair[f"output_{side}"])]
                messages = [{"role": role, "content": text} for role, text in turns]
                out.write(orjson.dumps({"messages": messages, "place": [number, side]}) + b"\n")
    data = {"source": {"inputs": [str(rows)]}, "label": {"steps": ["judge"], "teacher": dict(teacher)}}
    done = pipeline.run(plain_recipe(data, "judge"), runs, reporter=Terminal())[-1]
    marks = {
        tuple(one.facts["source"]["place"]): tuple(one.facts["judge"][name] for name in _MARKS)
        for one in to_records(done.stored.records())
        if "judge" in one.facts
    }
    found = [
        Pair(pair["label"], _higher(marks[number, 1], marks[number, 2]), _higher(*_lengths(pair)))
        for number, pair in enumerate(pairs)
        if {(number, 1), (number, 2)} <= marks.keys()
    ]
    return found, done.manifest["facts"]


def report(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return agreement with people, and how often the longer answer is marked higher, beside how often it is better."""
    said = agreement(
        [(pair.judge, pair.people) for pair in pairs], [str(at) for at in range(len(pairs))], (1, 2, 0), samples=10_000,
        seed=42,
    )  # fmt: skip
    decided = [pair for pair in pairs if pair.judge and pair.longer]
    return {
        "people": said,
        "ties": sum(not pair.judge for pair in pairs),
        "longer": {
            "pairs": len(decided),
            "judge": sum(pair.judge == pair.longer for pair in decided),
            "people": sum(pair.people == pair.longer for pair in decided),
        },
    }


def _higher(one: Any, other: Any) -> int:
    return 1 if one > other else 2 if other > one else 0


def _lengths(pair: Mapping[str, str]) -> tuple[int, int]:
    return len(pair["output_1"]), len(pair["output_2"])


def main(
    pairs: Path,
    endpoint: Annotated[str, typer.Option()],
    teacher: Annotated[str, typer.Option()],
    key_env: Annotated[str | None, typer.Option()] = None,
    runs: Annotated[Path, typer.Option()] = Path("runs/judge"),
) -> None:
    """Judge the answers, and print how far people agree."""
    found, _ = judge(pairs, teacher_settings(endpoint, teacher, key_env, None, None), runs)
    sys.stdout.buffer.write(orjson.dumps(report(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    typer.run(main)
