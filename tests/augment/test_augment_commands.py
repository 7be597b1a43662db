"""The flags of a teacher, and what a dry run tells."""

import orjson
import pytest

from weitiao.cli.teacher import teacher_settings, tell_plan
from weitiao.errors import UserError
from weitiao.llm.money import Plan

BODY = {"model": "m", "messages": [{"role": "user", "content": "鱼？"}], "temperature": 0.7}


def test_flags_make_a_teacher_as_a_recipe_would() -> None:
    assert teacher_settings(None, None, None, None, None) == {}
    assert teacher_settings("http://x/v1", "m", "KEY", "2,8", 1.5) == {
        "model": "m",
        "endpoint": "http://x/v1",
        "key_env": "KEY",
        "budget": 1.5,
        "prices": {"m": {"input": 2.0, "output": 8.0}},
    }
    with pytest.raises(UserError, match="Missing: --teacher"):
        teacher_settings("http://x/v1", None, None, None, None)
    with pytest.raises(UserError, match="--price 2"):
        teacher_settings(None, "m", None, "2", None)


@pytest.mark.parametrize(
    ("likely", "most", "said"),
    [
        (None, None, "cost unknown: no price is given"),
        (None, 1.0, "cost 2.0000 at most"),
        (0.25, 1.0, "cost about 0.5000, 2.0000 at most"),
    ],
)
def test_a_plan_is_told_with_the_first_prompt(
    capsys: pytest.CaptureFixture[str], likely: float | None, most: float | None, said: str
) -> None:
    one = Plan(1000, 2, 30, 40, most, likely, [BODY])
    tell_plan({"augment/a": one, "augment/b": one}, False)
    out = capsys.readouterr().out
    assert f"In all: 2,000 calls; {said}\n" in out
    assert '--- augment/a\n[user]\n鱼？\n{"model":"m","temperature":0.7}\n' in out
    assert "--- augment/b\n[user]\n鱼？\n(and what stands under augment/a)\n" in out


def test_a_plan_as_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    tell_plan({"augment/a": Plan(1, 2, 30, 40, 1.0, None, [BODY])}, True)
    told = orjson.loads(capfdbinary.readouterr().out)
    assert (told["calls"], told["most"], told["likely"]) == (1, 1.0, None)
    assert told["steps"]["augment/a"]["samples"] == [BODY]
