"""A training that learned nothing is called out, in the terminal and in the report."""

import pytest

from weitiao.stage import Silent
from weitiao.talk import set_language
from weitiao.train.stall import Sign, say, signs

STILL = "From step {step} on the gradient is zero: nothing is learned any more. A lower learning_rate may help"
NO_FALL = "The training loss did not fall: {first} in the first steps, {last} in the last. Look at the learning_rate"


@pytest.mark.parametrize(("losses", "gradients", "found"), [
    ([10.2, 9.0, 9.5, 8.0, 8.1, 7.9, 8.3, 7.0], [1.0] * 8, []),
    ([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0], [1.0] * 8, [(NO_FALL, {"first": "1.5000", "last": "1.5000"})]),
    ([10.2, 11.3], [2.3, 4.0], [(NO_FALL, {"first": "10.2000", "last": "11.3000"})]),
    ([10.2, 11.3, 8.5, 8.5], [2.3, 3711.0, 0.0, 0.0], [(STILL, {"step": "3"})]),
    ([10.2, 11.3, 8.5, 8.0], [2.3, 0.0, 0.0, 1.0], []),  # it came back
    ([10.2], [2.3], []),
])  # fmt: skip
def test_signs(losses: list[float], gradients: list[float], found: list[Sign]) -> None:
    assert signs(list(enumerate(losses, 1)), list(enumerate(gradients, 1))) == found


@pytest.mark.parametrize(("language", "said"), [
    ("en", f"Warning: {STILL}"), ("zh", "警告：从第 {step} 步起梯度为零，再也学不到东西。调低 learning_rate 或许有用"),
])  # fmt: skip
def test_it_is_said(language: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    reporter = Silent()
    monkeypatch.setattr(reporter, "say", heard.append)
    set_language(language)
    say([(STILL, {"step": "3"})], reporter)
    set_language("en")
    assert heard == [said.format(step=3)]
