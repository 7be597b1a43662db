"""Practice in reading: what is asked stands in the text, and nothing held out does."""

import re

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from weitiao.traps.readings import readings
from weitiao.traps.world import bare, world

FEW = settings(max_examples=3, phases=(Phase.generate,))


@given(st.integers(0, 10_000))
@FEW
def test_each_word_of_an_answer_but_those_of_its_template_is_in_the_question(seed: int) -> None:
    for language, question, answer in readings(world(), seed, 100):
        templates = "".join(text for pair in world().words["readings"][language] for text in pair)
        for piece in re.findall(r"[a-z0-9'-]+", answer.casefold()) if language == "en" else answer.casefold():
            assert piece in question.casefold() or piece in templates.casefold(), (question, answer)


def test_the_same_seed_makes_the_same_and_half_of_it_nobody_has_heard() -> None:
    first, again, other = (list(readings(world(), seed, 200)) for seed in (5, 5, 6))
    assert first == again != other
    assert [language for language, _, _ in first] == ["zh"] * 200 + ["en"] * 200
    known = {thing.fields["zh"]["name_of"] for thing in world().things.values() if "zh" in thing.fields}
    said = [
        text
        for language, _, text in readings(world(), 7, 3000)
        if language == "zh" and re.fullmatch("[^、，“]+。", text)
    ]
    alone = [text[:-1] for text in said if "和" not in text and not text.startswith(("柜", "桌", "小", "第", "最"))]
    assert 0.3 < sum(text in known for text in alone) / len(alone) < 0.7


def test_what_is_held_out_is_not_named() -> None:
    without = frozenset(list(world().things)[::4])
    names = {bare(world().things[one].fields["en"]["name_of"]) for one in without if "en" in world().things[one].fields}
    words = {name for name in names if " " in name}
    asked = " ".join(question for _, question, _ in readings(world(), 3, 2000, without=without))
    assert not [name for name in words if f" {name}," in asked and name.split()[-1] not in _parts(without)]


def _parts(without: frozenset[str]) -> set[str]:
    """Return the last words of what may be named: with them a made-up name may be one that is held out."""
    return {
        thing.fields["en"]["name_of"].split()[-1]
        for thing in world().things.values()
        if thing.id not in without and "en" in thing.fields
    }
