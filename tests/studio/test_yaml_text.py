"""One value of a recipe is changed, and every other character stays."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from weitiao.errors import UserError
from weitiao.recipe import Location, plain_value
from weitiao.studio import yaml_text as text_

RECIPE = """\
# ours
model: nano   # the small one
seed: 42

prepare:
  steps:
    - strip_html
    # short ones say nothing
    - drop_short: {min_chars: 4}  # of four characters
    - drop_long:
        max_chars: 90
        # so far
    # at last
    - cap

train:
  epochs: 3     # thrice
  targets: [q_proj, v_proj]
  probes:
    - Who?
    - "What: now?"
# the end
merge:
compare: {limit: 3, judge: {endpoint: "http://127.0.0.1/v1"}}
"""


def drawn(text: str, new: str) -> tuple[list[str], list[str]]:
    """Return the lines that went, and those that came."""
    old, now = text.splitlines(), new.splitlines()
    return [line for line in old if line not in now], [line for line in now if line not in old]


@pytest.mark.parametrize(
    ("location", "value", "gone", "came"),
    [
        (("seed",), "7", ["seed: 42"], ["seed: 7"]),
        (("model",), "tiny", ["model: nano   # the small one"], ["model: tiny   # the small one"]),
        (("train", "epochs"), "0.5", ["  epochs: 3     # thrice"], ["  epochs: 0.5     # thrice"]),
        (("train", "r"), "8", [], ["  r: 8"]),
        (("train", "targets"), "all-linear", ["  targets: [q_proj, v_proj]"], ["  targets: all-linear"]),
        (("train", "probes"), "[Why]", ["  probes:", "    - Who?", '    - "What: now?"'], ["  probes: [Why]"]),
        (("train", "probes", 0), "Why?", ["    - Who?"], ["    - Why?"]),
        (("merge", "dtype"), "float16", ["merge:"], ["merge: {dtype: float16}"]),
        (("compare", "limit"), "4", [RECIPE.splitlines()[-1]], [RECIPE.splitlines()[-1].replace("3", "4", 1)]),
        (("compare", "part"), "x", [RECIPE.splitlines()[-1]], [RECIPE.splitlines()[-1][:-1] + ", part: x}"]),
        (("prepare", "steps", 0, "strip_html", "a"), "1", ["    - strip_html"], ["    - {strip_html: {a: 1}}"]),
        (("prepare", "steps", 2, "drop_long", "max_chars"), "5", ["        max_chars: 90"], ["        max_chars: 5"]),
        (("split", "in_order"), "true", [], ["split: {in_order: true}"]),
        (("export", "format"), "hf", [], ["export: {format: hf}"]),
    ],
)
def test_one_value_changes(location: Location, value: str, gone: list[str], came: list[str]) -> None:
    new = text_.put(RECIPE, location, value)
    assert drawn(RECIPE, new) == (gone, came)


@pytest.mark.parametrize(
    ("location", "gone"),
    [
        (("seed",), ["seed: 42"]),
        (("train", "epochs"), ["  epochs: 3     # thrice"]),
        (("train", "probes"), ["  probes:", "    - Who?", '    - "What: now?"']),
        (("prepare", "steps", 1), RECIPE.splitlines()[7:9]),
        (("prepare", "steps", 3), ["        # so far", "    # at last", "    - cap"]),
        (("train",), RECIPE.splitlines()[15:21]),
    ],
)  # fmt: skip
def test_what_is_dropped_is_gone_and_no_more(location: Location, gone: list[str]) -> None:
    assert drawn(RECIPE, text_.drop(RECIPE, location)) == (gone, [])


def test_in_one_line_too() -> None:
    assert text_.drop("a: [x, y, z]", ("a", 0)) == "a: [y, z]"
    assert text_.drop("a: [x, y, z]", ("a", 2)) == "a: [x, y]"
    assert text_.drop("a: {x: 1}", ("a", "x")) == "a: {}"
    assert text_.move("a: [x, y,  z]", ("a", 2), 0) == "a: [z, x,  y]"
    assert text_.add("a: []", ("a",), "x") == "a: [x]"
    assert text_.put("", ("seed",), "1") == "seed: 1\n"
    assert text_.put("a: 1", ("seed",), "1") == "a: 1\nseed: 1\n"


def test_steps_move_with_their_comments() -> None:
    new = text_.move(RECIPE, ("prepare", "steps", 1), 0)
    assert new.splitlines()[6:9] == [
        "    # short ones say nothing",
        "    - drop_short: {min_chars: 4}  # of four characters",
        "    - strip_html",
    ]
    assert text_.move(new, ("prepare", "steps", 0), 1) == RECIPE


def test_a_section_stands_where_its_stage_does() -> None:
    order = ["source", "prepare", "split", "train", "merge", "compare"]
    new = text_.add_section(RECIPE, "split", order)
    assert list(plain_value(new)) == ["model", "seed", "prepare", "split", "train", "merge", "compare"]
    assert "# the end" in text_.add_section(RECIPE, "source", order)
    assert text_.add_section("", "train", order) == "train: {}\n"


def test_what_would_change_more_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be changed from here"):
        text_.put("a: &x {k: 1}\nb: *x\n", ("b", "k"), "2")
    with pytest.raises(UserError, match="not YAML"):
        text_.put("a: [", ("b",), "2")


names = st.text("abcdefgh", min_size=1, max_size=3)
scalars = st.one_of(
    st.integers(), st.booleans(), st.text(max_size=12), st.floats(allow_nan=False, allow_infinity=False)
)
trees = st.dictionaries(
    names, st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(names, scalars, max_size=3)), min_size=1
)


@given(trees, st.booleans(), st.data())
def test_any_value_can_be_put_anywhere(tree: dict[str, Any], flow: bool, data: st.DataObject) -> None:
    dumped = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, default_flow_style=flow, width=10_000)
    tree = plain_value(dumped)
    key = data.draw(st.sampled_from(sorted(tree)))
    value = data.draw(scalars)
    at = (key,)
    if isinstance(tree[key], dict):
        at = (key, data.draw(names))  # type: ignore[assignment]
    new = text_.put(dumped, at, text_.written(value))
    found = plain_value(new)
    for part in at:
        found = found[part]
    assert found == value
    assert {name: item for name, item in plain_value(new).items() if name != key} == {
        name: item for name, item in tree.items() if name != key
    }


@given(scalars)
def test_what_is_written_reads_the_same(value: object) -> None:
    assert plain_value(f"a: {text_.written(value)}") == {"a": value}


def test_values_are_shown_on_one_line() -> None:
    found = text_.values(RECIPE)
    assert found["train", "epochs"] == "3"
    assert found["train", "probes"] == '[Who?, "What: now?"]'.replace("Who?", '"Who?"')
    assert found["prepare", "steps", 2, "drop_long"] == "{max_chars: 90}"
    assert found["prepare", "steps", 0] == "strip_html"
    assert found[("merge",)] == ""
    assert text_.values("a: [") == {}
    assert text_.values("a: |\n  x\n  y\nb: 1")[("a",)] == '"x\\ny\\n"'
