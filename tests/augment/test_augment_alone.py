"""The steps without any teacher, and the laws of all: nothing that is there changes, the same goes in and out."""

import re
import shutil
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from augmenting import EN, POST_ZH, ZH, made, row, rows_of, texts, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weitiao import pipeline, record
from weitiao.augment.character_noise import CharacterNoise
from weitiao.augment.evolve import WAYS
from weitiao.augment.expand import Child, groups, with_questions
from weitiao.augment.fill_templates import FillTemplates
from weitiao.augment.guards import Guard
from weitiao.augment.merge_turns import MergeTurns
from weitiao.augment.rephrase import STYLES
from weitiao.cli.terminal import plain_recipe
from weitiao.errors import UserError
from weitiao.llm.prompts import read
from weitiao.pipeline import Done
from weitiao.recipe import load
from weitiao.record import Record

TEXT = st.text(st.sampled_from("鱼会不会淹死？的在再 做是the water,.`“”12http://a "), max_size=30)
TALKS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8)


def alone(folder: Path, rows: list[Any], *steps: Any, seed: int = 42) -> Done:
    """Augment without a teacher."""
    (folder / "data.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in rows))
    data = {"source": {"inputs": ["data.jsonl"]}, "augment": {"steps": list(steps)}, "seed": seed}
    return pipeline.run(plain_recipe(data, "run"), folder / "runs")[-1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records(talks: list[tuple[str, str]]) -> list[Record]:
    return [
        Record(f"r{n}", (("user", q), ("assistant", a)), "f", n, facts={"source": {"n": n}, "split": {"part": "test"}})
        for n, (q, a) in enumerate(talks)
    ]


def test_templates_fill_each_slot_with_each_value(folder: Path) -> None:
    step = {
        "fill_templates": {
            "templates": [{"question": "{thing}会不会{fate}？", "answer": "{thing}不会。"}, "What is {word}?"],
            "slots": {"thing": ["鱼", "云"], "fate": ["淹死", "迷路"], "word": ["a quasar", "a pulsar", "a nebula"]},
            "licence": "CC0-1.0",
        }
    }
    done = alone(folder, ZH, step)
    children = made(done)
    # A record of the file asks the first one already, and nearly asks the one about the cloud.
    assert rows_of(done, "dropped") == [("fill_templates", "near-duplicate")] * 2
    assert [texts(child) for child in children] == [
        ["鱼会不会迷路？", "鱼不会。"],
        ["云会不会迷路？", "云不会。"],
        ["What is a quasar?"],
        ["What is a pulsar?"],
        ["What is a nebula?"],
    ]
    assert len({child.family for child in children}) == 2
    assert children[0].facts == {"augment": {"step": "fill_templates", "slots": {"thing": "鱼", "fate": "迷路"}}}
    assert {child.licence for child in children} == {"CC0-1.0"}


def test_of_many_ways_to_fill_some_are_drawn_by_the_seed() -> None:
    step = FillTemplates.model_validate(
        {"templates": ["{a}{b}{c}"], "slots": {name: [str(n) for n in range(100)] for name in "abc"}, "count": 20}
    )
    drawn = [child.record.messages for child in step.make([], 7)]
    assert len(set(drawn)) == 20
    assert drawn == [child.record.messages for child in step.make([], 7)]
    assert drawn != [child.record.messages for child in step.make([], 8)]


def test_a_slot_without_values_is_named_before_anything_runs(folder: Path) -> None:
    with pytest.raises(UserError, match=r"the slot \{thing\} has no values"):
        alone(folder, ZH, {"fill_templates": {"templates": ["{thing}？"]}})


@pytest.mark.parametrize(
    ("template", "place", "said"),
    [
        (
            "'{}会不会淹死？'",
            ":5: augment.steps[0].fill_templates.templates[0]",
            "a slot is written {name}, not {}",
        ),
        ("'{0}？'", ":5: augment.steps[0].fill_templates.templates[0]", "a slot is written {name}, not {0}"),
        ("'{thing？'", ":5: augment.steps[0].fill_templates.templates[0]", "a brace is open or alone"),
        ("鱼会不会淹死？", ":6: augment.steps[0].fill_templates.slots", "no template names the slot {thing}"),
        ("'{thing}{fate}？'", ":6: augment.steps[0].fill_templates.slots", "the slot {fate} has no values"),
    ],
)
def test_a_template_names_its_slots(template: str, place: str, said: str, tmp_path: Path) -> None:
    lines = ["augment:", "  steps:", "    - fill_templates:", "        templates:", f"          - {template}"]
    lines += ["        slots: {thing: [鱼, 云]}"]
    (tmp_path / "recipe.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load(tmp_path / "recipe.yaml", pipeline.SETTINGS)
    assert place in error.value.message
    assert said in error.value.message


def test_noise_in_both_languages(folder: Path) -> None:
    rows = [*ZH, *EN, row("“未”和“末”差在哪？`print` 12", "一横长短。"), row("嗯嗯嗯")]
    done = alone(folder, rows, {"character_noise": {"copies": 2}})
    assert rows_of(done, "skipped") == [("character_noise", "nothing in it to mistype")]
    children = made(done)
    parents = {one.id: one for one in record.to_records(done.stored.records())}
    for child in children:
        parent = parents[child.parents[0]]
        assert texts(child)[1:] == texts(parent)[1:]
        assert texts(child)[0] != texts(parent)[0]
    quoted = [texts(child)[0] for child in children if "“" in texts(child)[0]]
    assert quoted
    assert all("“未”和“末”" in text or "“未”合“末”" in text for text in quoted)
    assert all("`print` 12" in text for text in quoted)


@pytest.mark.parametrize(
    ("step", "wrong", "right"),
    [("rephrase: {styles: [casul]}", "casul", "casual"), ("evolve: {ways: [Deepen]}", "Deepen", "deepen")],
)
def test_what_is_nearly_a_name_is_no_description(step: str, wrong: str, right: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"augment:\n  steps:\n    - {step}\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"recipe.yaml:3: .*`{wrong}` is not the name `{right}`"):
        load(tmp_path / "recipe.yaml", pipeline.SETTINGS)


@pytest.mark.parametrize(("name", "known"), [("rephrase", STYLES), ("evolve", WAYS)])
def test_the_prompts_know_the_names(name: str, known: tuple[str, ...]) -> None:
    for language in ("zh", "en"):
        assert tuple(re.findall(r'^  "(\w+)": ', read(name, language), re.MULTILINE)) == known


def test_who_has_nobody_to_go_with_is_told(folder: Path) -> None:
    done = alone(folder, [*ZH, *EN[:1]], {"merge_turns": {"turns": 20}})
    assert rows_of(done, "skipped") == [("merge_turns", "nothing made of it")]
    assert told(done, "merge_turns")["skipped"] == {"nothing made of it": 1}


def test_turns_are_merged_within_a_language_and_a_system_message(folder: Path) -> None:
    asked = [row("Where is the treasure buried?", "Arr."), row("How deep is the seventh sea?", "Deep.")]
    pirate = [{"messages": [{"role": "system", "content": "Be a pirate."}, *one["messages"]]} for one in asked]
    done = alone(folder, [*ZH, *EN, *pirate, POST_ZH, row("没有回答")], {"merge_turns": {"turns": 20}})
    talks = [[role for role, _ in child.messages] for child in made(done)]
    turn = ["user", "assistant"]
    assert sorted(talks, key=len) == [2 * turn, ["system", *turn, *turn], 3 * turn]
    assert rows_of(done, "skipped") == [("merge_turns", "no answer")] * 2


@given(TALKS, st.integers(0, 3))
def test_a_child_of_noise_keeps_its_answer_and_follows_from_its_record_alone(
    talks: list[tuple[str, str]], seed: int
) -> None:
    step = CharacterNoise()
    fit = [one for one in records(talks) if step.unfit(one) is None]
    children = [child.record for child in step.make(fit, seed)]
    assert [child.parents for child in children] == [(one.id,) for one in fit]
    for one, child in zip(fit, children, strict=True):
        assert child.messages[1:] == one.messages[1:]
        assert child.messages[0] != one.messages[0]
        assert child.facts["source"] == one.facts["source"]
        assert "split" not in child.facts
        assert next(step.make([one], seed)).record == child


@given(TALKS, st.integers(1, 5), st.integers(0, 3))
def test_groups_hold_each_record_once(talks: list[tuple[str, str]], size: int, seed: int) -> None:
    all_of_them = records(talks * 5)
    made_of = list(groups(all_of_them, size, seed))
    assert sorted(one.id for group in made_of for one in group) == sorted(one.id for one in all_of_them)
    assert all(1 <= len(group) <= size for group in made_of)


def test_one_more_seed_changes_few_groups() -> None:
    many = records([(f"问题{n}", "") for n in range(400)])
    before = {tuple(one.id for one in group) for group in groups(many[:-1], 4, 1)}
    after = {tuple(one.id for one in group) for group in groups(many, 4, 1)}
    assert len(after - before) <= 6
    assert 100 <= len(before) < 140


@given(TALKS, TALKS)
@settings(max_examples=30)
def test_what_the_guard_lets_in_is_like_nothing_before_it(
    talks: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    there = records(talks)
    frame = record.to_frame(there)
    parent = there[0]
    step = MergeTurns()
    made_of = [step.child([parent], (("user", q), ("assistant", a)), {}, same=False) for q, a in new]
    judged = Guard([frame]).judge([(Child(one), [parent]) for one in made_of])
    kept = [one for one, against in zip(made_of, judged, strict=True) if against is None]
    assert len({one.id for one in kept}) == len(kept)
    # Whatever was let in is not let in again, and what was not still is not.
    again = Guard([frame, record.to_frame(kept)]).judge([(Child(one), [parent]) for one in made_of])
    assert all(again)


@given(rows=st.lists(st.tuples(TEXT.filter(str.strip), TEXT), min_size=1, max_size=6), seed=st.integers(0, 2))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_there_stays_as_it_is_and_the_same_comes_out_again(
    folder: Path, rows: list[tuple[str, str]], seed: int
) -> None:
    shutil.rmtree(folder / "runs", ignore_errors=True)
    steps = ["character_noise", {"merge_turns": {"turns": 2}}, {"character_noise": {"children": True, "rate": 0.3}}]
    done = alone(folder, [row(*one) for one in rows], *steps, seed=seed)
    before = pl.concat(pl.read_parquet(path) for path in sorted((folder / "runs/run/source").glob("part-*.parquet")))
    after = done.stored.records()
    assert after[: len(before)].equals(before)
    assert after["id"].n_unique() == len(after)
    ids = set(after["id"])
    assert all(set(child.parents) <= ids and child.parents for child in made(done))
    shutil.rmtree(folder / "runs")
    again = alone(folder, [row(*one) for one in rows], *steps, seed=seed)
    assert again.stored.records().equals(after)
    assert again.stored.ledger().equals(done.stored.ledger())


def test_other_texts_stand_where_the_old_ones_did() -> None:
    one = Record("a", (("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r")), "f", 1)
    assert with_questions(one, ["Q", "R"]) == (("system", "s"), ("user", "Q"), ("assistant", "a"), ("user", "R"))
