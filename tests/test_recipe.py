"""Recipes: what is right is read, what is wrong is named by file, line and key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from weitiao.errors import UserError
from weitiao.recipe import Settings, bind, load, plain_value
from weitiao.step import Step, one_of
from weitiao.talk import set_language


class Boil(Step):
    """Boil."""

    minutes: int = Field(3, ge=1)


class Salt(Step):
    """Salt."""


class Cook(Settings):
    """Cook."""

    rest_time: int = 0
    heat: float = Field(1.0, gt=0, le=10)
    lid: bool = False
    steps: list[one_of(Boil, Salt)] = Field(default_factory=list)  # type: ignore[valid-type]


_COLON = "YAML wants the colon `:` and a blank after it: "
SECTIONS = {"cook": Cook}


@pytest.fixture(autouse=True)
def english() -> None:
    set_language("en")


def write(folder: Path, text: str) -> Path:
    path = folder / "soup.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_read(tmp_path: Path) -> None:
    recipe = load(write(tmp_path, "seed: 7\ncook:\n  heat: 2e-1\n  steps: [salt, boil: {minutes: 5}]\n"), SECTIONS)
    cook = recipe.section("cook", Cook)
    assert recipe.project.name == "soup"
    assert recipe.folder == tmp_path
    assert recipe.project.seed == 7
    assert cook == Cook(heat=0.2, steps=[Salt(), Boil(minutes=5)])


def test_an_absent_stage_is_not_part_of_the_recipe_and_an_empty_one_has_its_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "seed: 1\n"), SECTIONS).sections == {}
    assert load(write(tmp_path, "cook:\n"), SECTIONS).sections == {"cook": Cook()}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("cok: {}\n", "soup.yaml:1: cok: no such key", "Did you mean `cook`?"),
        ("cook:\n  heat: 1\n  lidd: true\n", "soup.yaml:3: cook.lidd: no such key", "Did you mean `lid`?"),
        ("cook:\n  xyz: 1\n", "soup.yaml:2: cook.xyz: no such key", "Possible here: rest_time, heat, lid, steps"),
        ("cook:\n  heat: hot\n", "soup.yaml:2: cook.heat is `hot`: it must be a number", ""),
        ("cook:\n  heat: '1'\n", 'soup.yaml:2: cook.heat is "1": it must be a number', ""),
        ("cook:\n  heat: 0\n", "soup.yaml:2: cook.heat is 0: it must be greater than 0.0", ""),
        ("cook:\n  heat: 11\n", "soup.yaml:2: cook.heat is 11: it must be at most 10.0", ""),
        ("cook:\n  lid: 1\n", "soup.yaml:2: cook.lid is 1: it must be true or false", ""),
        ("cook:\n  lid: yes\n", "soup.yaml:2: cook.lid is `yes`: it must be true or false", ""),
        ("cook:\n  rt: 1\n", "soup.yaml:2: cook.rt: no such key", "Did you mean `rest_time`?"),
        ("cook: 3\n", "soup.yaml:1: cook is 3: it must be a mapping of keys to values", ""),
        ("name: a/b\n", "soup.yaml:1: name is `a/b`: only letters, digits, `.`, `_` and `-` are allowed", ""),
        ("seed: 1.5\n", "soup.yaml:1: seed is 1.5: it must be a whole number", ""),
        ("seed: 1\nseed: 2\n", "soup.yaml:2: the key `seed` stands twice", ""),
        ("seed: [1\n", "soup.yaml:2: not YAML: expected ',' or ']', but got '<stream end>'", ""),
        ("name：x\nseed: 1\n", "soup.yaml:1: not YAML: the colon is a full-width one", f"{_COLON}name: x"),
        ("name：x\n", "soup.yaml:1: not YAML: the colon is a full-width one", f"{_COLON}name: x"),
        (
            "cook:\n  heat: 1\n  lid：true\nseed: 3\n",
            "soup.yaml:3: not YAML: the colon is a full-width one",
            f"{_COLON}lid: true",
        ),
        (
            "cook:\n  heat：1\n",
            "soup.yaml:1: cook is `heat：1`: it must be a mapping of keys to values",
            f"{_COLON}heat: 1",
        ),
        (
            "cook: {heat：1}\n",
            "soup.yaml:1: cook.heat：1: no such key",
            "Did you mean `heat`?",
        ),
        (
            "cook:\n\theat: 1\n",
            "soup.yaml:2: not YAML: a tab stands there",
            "YAML indents with blanks: two for each step",
        ),
        ("- seed\n", "soup.yaml is not a recipe: it must be a mapping of keys to values", ""),
        (
            "cook:\n  steps:\n  - boil: {minute: 3}\n",
            "soup.yaml:3: cook.steps[0].boil.minute: no such key",
            "Did you mean `minutes`?",
        ),
        (
            "cook:\n  steps:\n  - salt\n  - boil: {minutes: 0}\n",
            "soup.yaml:4: cook.steps[1].boil.minutes is 0: it must be at least 1",
            "",
        ),
        (
            "cook:\n  steps: salt\n",
            "soup.yaml:2: cook.steps is `salt`: it must be a list",
            "Write it in brackets: [salt]",
        ),
        ("cook:\n  steps: [bake]\n", "soup.yaml:2: cook.steps[0] is `bake`: it must be one of boil, salt", ""),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, text), SECTIONS)
    assert caught.value.message.replace(f"{tmp_path}/", "") == message
    assert caught.value.hint == hint


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No recipe at"):
        load(tmp_path / "no.yaml", SECTIONS)


def test_overrides_are_read_as_yaml_and_named_when_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, "cook:\n  heat: 1\n")
    recipe = load(path, SECTIONS, ["cook.heat=3e0", "cook.lid=true", "seed=5"])
    assert recipe.section("cook", Cook) == Cook(heat=3.0, lid=True)
    assert recipe.project.seed == 5
    with pytest.raises(UserError, match=r"--set cook\.heat=hot: cook\.heat is `hot`"):
        load(path, SECTIONS, ["cook.heat=hot"])
    with pytest.raises(UserError, match="write it as key=value"):
        load(path, SECTIONS, ["cook.heat"])


@given(st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)))
def test_plain_values_come_back(value: object) -> None:
    assert plain_value(str(value)) == value


@pytest.mark.parametrize("text", ["no", "2024-01-01", "on", "zh", "12:30", "[a", "0x"])
def test_what_looks_like_text_is_text(text: str) -> None:
    assert plain_value(text) == text


def test_bind_takes_plain_data(tmp_path: Path) -> None:
    assert bind({"cook": {"lid": True}}, SECTIONS, tmp_path).section("cook", Cook).lid
