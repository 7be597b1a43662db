from typing import Any

import pytest

from weitiao.record import Record
from weitiao.stage import Silent
from weitiao.train.overfit import Parrot, Rise, parrots, rise, say

FALLING = [(step, 5.0 - step / 10) for step in range(1, 11)]
FLAT = [(step, 2.0) for step in range(1, 11)]


@pytest.mark.parametrize(("train", "held", "found"), [
    (FALLING, [5, 3, 2, 2.5, 3], Rise(4, 2, 3, 2)),
    (FALLING, [5, 3, 2.1, 2, 3], None),  # once is chance
    (FALLING, [5, 2, 3, 4, 3.9], Rise(2, 2, 3.9, 3)),  # the last steps are small
    (FALLING, [5, 2, 3, 2.1, 2.005], None),  # as good as the lowest
    (FLAT, [5, 3, 2, 2.5, 3], None),  # nothing is learned at all
    (FALLING, [2, 3, 4, 5, 6], Rise(0, 2, 6, 4)),
    (FALLING, [], None),
    ([], [1], None),
])  # fmt: skip
def test_rise(train: list[tuple[int, float]], held: list[float], found: Rise | None) -> None:
    assert rise(train, [(2 * number, float(loss)) for number, loss in enumerate(held)]) == found


RECORDS = [
    Record("a", (("user", "为什么水不能兑水？"), ("assistant", "因为兑了水之后还是水。")), "d.jsonl", 1),
    Record("b", (("user", "1+1?"), ("assistant", "2")), "d.jsonl", 2),
    Record("c", (("user", "Is silence loud?"), ("assistant", "It is what you  hear.")), "d.jsonl", 3),
]


def probe(step: int, question: str, text: str) -> dict[str, Any]:
    return {"step": step, "question": question, "text": text}


def test_parrots() -> None:
    said = [
        probe(0, "q", "It is what you hear."),
        probe(2, "q", "It is what you hear."),  # it said so before
        probe(2, "p", "因为兑了水之后还是水！\n"),
        probe(4, "p", "因为兑了水之后还是冰。"),
        probe(4, "p", "2"),  # anybody says that
        probe(4, "为什么水不能兑水？ ", "因为兑了水之后还是水。"),  # its own question
    ]
    assert parrots(said, RECORDS) == [Parrot(2, "p", "a", "d.jsonl:1")]


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_it_is_said_in_plain_words() -> None:
    notes = Notes()
    say(None, [], notes, "last")
    assert notes.said == []
    say(Rise(4, 2, 3, 2), [Parrot(2, "p", "a", "d.jsonl:1"), Parrot(2, "q", "c", "d.jsonl:3")], notes, "last")
    assert notes.said == [
        "Warning: overfitting. The held-out loss was lowest at step 4, 2.0000; the 2 since are higher, the last "
        "3.0000, while the training loss fell. Train shorter, or set keep to best",
        "Warning: parroting. At step 2, 2 probe answers repeat training records: d.jsonl:1, d.jsonl:3",
    ]
    notes = Notes()
    say(Rise(4, 2, 3, 2), [], notes, "best")
    say(Rise(0, 2, 3, 2), [], notes, "best")
    assert [line.rpartition("fell. ")[2] for line in notes.said] == [
        "That of step 4 is kept",
        "The untrained model was better: a lower learning_rate may help",
    ]
