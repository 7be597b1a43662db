"""What is made of the world: laws that hold for every seed."""

import re
from collections import Counter

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from weitiao.traps import check, experiment
from weitiao.traps.make import hold_out, plains, portraits, tricks
from weitiao.traps.posts import KEPT
from weitiao.traps.world import world

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=2, phases=(Phase.generate,))  # a seed is no simpler for being small


@given(SEEDS)
@FEW
def test_every_right_answer_is_right_and_every_fallen_one_fell(seed: int) -> None:
    for item in tricks(world(), seed):
        assert check(item.answer, item) == "right", item
        assert check(item.fallen, item) == "fell", item
        assert check(item.question, item) == "other", item
    for item in plains(world(), seed):
        assert check(item.answer, item) == "right", item


@given(SEEDS)
@FEW
def test_nothing_held_out_is_in_what_tuning_sees(seed: int) -> None:
    made = experiment(seed)
    held = made.held_out
    assert all(held.things.isdisjoint(item.things) for item in made.tuned)
    assert all(held.part(item) == "train" for item in made.tuned if item.kind == "trick")
    assert {item.group for item in made.tuned}.isdisjoint(item.group for item in made.asked["thing"])
    asked = {item.question for items in made.asked.values() for item in items}
    posted = {row.question for file in made.files for row in file.rows}
    chats = {row["messages"][0]["content"]: row["kind"] for row in made.corpus if row["kind"] != "portrait"}
    assert asked.isdisjoint(posted)
    assert asked.isdisjoint(chats)
    fallen = {question for question, kind in chats.items() if kind == "trick"}
    assert fallen.isdisjoint(item.question for item in tricks(world(), seed) if held.part(item) != "train")


@given(SEEDS)
@FEW
def test_every_other_family_has_unseen_things_and_every_thing_plain_facts(seed: int) -> None:
    held = hold_out(world(), seed)
    unseen = Counter(item.family for item in tricks(world(), seed) if held.part(item) == "thing")
    assert len(held.families) == 3
    assert set(unseen) == set(world().families) - held.families
    assert min(unseen.values()) >= 8
    assert {item.things[0] for item in plains(world(), seed)} == set(world().things)


def test_the_same_seed_makes_the_same() -> None:
    assert experiment(3) == experiment(3)
    assert experiment(3).files != experiment(4).files


def test_answers_are_short() -> None:
    lengths = {"zh": 40, "en": 120}
    for item in (*tricks(world(), 1), *plains(world(), 1)):
        assert len(item.answer) <= lengths[item.lang], item.answer


def test_no_sentence_has_an_open_slot_or_a_wrong_article() -> None:
    made = [*tricks(world(), 5), *plains(world(), 5)]
    texts = [text for item in made for text in (item.question, item.answer, item.fallen)]
    texts += [text for _, *both in portraits(world(), 5) for text in both]
    assert not [text for text in texts if re.search(r"<\w>|\ban? an? |\ba [aeio]|\b[Aa]n [^aeiou8h]", text)]


def test_the_right_answer_to_one_family_is_seldom_right_to_another() -> None:
    made = {(item.family, item.lang): item for item in tricks(world(), 11)}
    wrong = [
        (item.family, other.family)
        for item in made.values()
        for other in made.values()
        if item.family != other.family and item.lang == other.lang and check(other.answer, item) == "right"
    ]
    assert len(wrong) <= 0.05 * len(made) * (len(world().families) - 1), Counter(wrong).most_common(10)


def test_kept_rows_are_the_questions() -> None:
    made = experiment(9)
    kept = [(row.question, row.answer) for file in made.files for row in file.rows if row.fate == KEPT]
    assert sorted(kept) == sorted((item.question, item.answer) for item in made.tuned)
