"""The table of checkpoints: losses, probe answers side by side, and what was learned by heart, called out."""

from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from weitiao.compare import charts
from weitiao.compare import report as page
from weitiao.compare.learning import MOST, Answer, learning

# The tutorial's story: right at 300, a parrot at 600.
RIGHT, PARROT = "会，鱼也要氧气。", "因为兑了还是水。"
FACTS: dict[str, Any] = {
    "curve": {
        "train": [(step, 6 - step / 150) for step in range(1, 601)],
        "held_out": [(0, 6.0), (150, 4.0), (300, 3.0), (450, 3.5), (600, 4.0)],
    },
    "probes": [
        {
            "question": "鱼会淹死吗？",
            "answers": [{"step": step, "text": text} for step, text in ((0, "水"), (300, RIGHT), (600, PARROT))],
        }
    ],
    "found": {
        "train": {
            "kept_step": 600,
            "best": {"step": 300, "held_out_loss": 3.0},
            "overfitting": {"step": 300, "lowest": 3.0, "last": 4.0, "evaluations": 2},
            "parroted": [{"step": 600, "question": "鱼会淹死吗？", "record": "r", "place": "data.jsonl:7"}],
        }
    },
}


def test_a_column_a_checkpoint() -> None:
    found = learning(FACTS)
    assert found is not None
    expected: list[Any] = [
        (0, None, 6.0, False, False),
        (300, pytest.approx(6 - 150.5 / 150), 3.0, True, False),
        (600, pytest.approx(6 - 450.5 / 150), 4.0, False, True),
    ]
    assert [tuple(vars(one).values()) for one in found.checkpoints] == expected
    assert found.questions == [("鱼会淹死吗？", [Answer("水"), Answer(RIGHT), Answer(PARROT, "data.jsonl:7")])]
    assert (found.rise, found.by_heart) == (300, True)
    assert [text.partition(" ")[0] for text, _ in found.signs] == ["Overfitting:", "Training", "Parroting:"]


def test_the_best_that_was_kept_is_not_blamed() -> None:
    train = {**FACTS["found"]["train"], "kept_step": 300}
    found = learning({**FACTS, "found": {"train": train}})
    assert found is not None
    assert not found.by_heart
    assert ("Training kept that step.", {"kept": 300}) in found.signs


def test_without_probes_the_held_out_losses_are_the_columns_and_never_too_many() -> None:
    many = [(step, 5.0) for step in range(100)]
    found = learning({"curve": {"train": [], "held_out": many}, "probes": [], "found": {"train": {"kept_step": 42}}})
    assert found is not None
    steps = [one.step for one in found.checkpoints]
    assert len(steps) == MOST
    assert steps == sorted({0, 42, 99, *steps})
    assert learning({"curve": {"train": [], "held_out": []}, "probes": [], "found": {}}) is None


def test_the_curve_marks_the_checkpoints_and_the_rise() -> None:
    lines = charts.curve(FACTS["curve"], [0, 300, 600], 300)
    assert lines is not None
    assert [step for _, step in lines.marks] == [0, 300, 600]
    middle = (charts.LEFT + charts.WIDTH - charts.RIGHT) / 2
    assert lines.rise is not None
    assert list(lines.rise) == pytest.approx([middle, middle - charts.LEFT])


@pytest.mark.parametrize(("language", "said"), [("en", "repeats data.jsonl:7 word for word"), ("zh", "逐字重复")])
def test_the_page_calls_it_out(report: dict[str, Any], language: str, said: str) -> None:
    settings = {**report["settings"], "after": None}
    found = {**report["found"], **FACTS["found"]}
    found["train"] = {**_TRAIN, **found["train"]}
    facts = {**report, **FACTS, "found": found, "settings": settings}
    tree = LexborHTMLParser(page.html(facts, language))
    assert [node.text() for node in tree.css("table.checkpoints td.parrot .said")] == [PARROT]
    assert len(tree.css("table.checkpoints tbody tr")) == 3
    assert len(tree.css("line.mark")) == 3
    assert len(tree.css(".hero .caution")) >= 3
    assert said in page.markdown(facts, language)


def test_a_training_that_left_only_a_curve_still_has_a_page(report: dict[str, Any]) -> None:
    facts = {**report, "curve": {"train": [(1, 3.0), (2, 2.0)], "held_out": []}, "probes": []}
    tree = LexborHTMLParser(page.html(facts, "en"))
    assert len(tree.css("polyline.train")) == 1
    assert not tree.css("table.checkpoints")


_TRAIN = {
    "base": "b", "rows": 1, "tokens": 1, "supervised": 1, "stops_trained": 1, "steps": 600, "trained": 1,
    "parameters": 1, "template": "plain", "loss": [6.0, 2.0], "held_out_loss": [6.0, 4.0],
    "chosen": {"learning_rate": 2e-4, "epochs": 3.0, "max_length": 1024, "accumulate": 1},
}  # fmt: skip
