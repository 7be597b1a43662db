"""A conversation of the chat becomes a record that people review: from the button to the run's output."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from playwright.sync_api import Page, expect
from studio_look import Site, ask, ask_only, echoing

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.recipe import load
from weitiao.review import place
from weitiao.review.decision import Decision
from weitiao.studio.conversation import Manner
from weitiao.studio.page import Studio
from weitiao.studio.reviewers import Reviewers
from weitiao.studio.runner import Runner, State
from weitiao.studio.sending import FILE, mend, mended, send

Look = Callable[..., Page]
Open = Callable[..., AbstractContextManager[Site]]
RECIPE = """# fish
model: nano
source:
  inputs: [data.jsonl]  # ours
  licence: CC0-1.0
review: {audit: 0, controls: 0}
"""
TALK = [("user", "鱼会不会淹死？"), ("assistant", "会的，水里缺氧的时候。")]
MANNER = Manner(temperature=0.5, seed=3)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two records and none in doubt."""
    folder = tmp_path / "fish"
    folder.mkdir()
    said = [("鱼会不会渴死？", "海水鱼要喝水。"), ("鸭子会不会淹死？", "羽毛湿透就会。")]
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in said]
    (folder / "data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def studio_of(folder: Path) -> Studio:
    file, run = folder / "recipe.yaml", folder / "runs" / "recipe"
    recipe = load(file, pipeline.SETTINGS)
    reviewers = Reviewers(recipe, run) if "review" in recipe.sections else None
    desk: Any = SimpleNamespace()
    return Studio(recipe, file, run, desk, Runner(file, run), reviewers=reviewers)


def run(folder: Path) -> dict[str, pipeline.Done]:
    done = pipeline.run(load(folder / "recipe.yaml", pipeline.SETTINGS), folder / "runs")
    return {one.stage.name: one for one in done}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / FILE).read_bytes().splitlines()]


def test_it_is_next_in_the_queue_and_its_decision_holds_in_the_run(project: Path) -> None:
    studio = studio_of(project)
    run(project)
    first = send(studio, TALK, "wei", "merged", MANNER)
    assert (first.before, first.queued, first.lacks) == (None, False, ("source",))
    mend(studio, first.lacks)
    assert (project / "recipe.yaml").read_text() == RECIPE.replace("[data.jsonl]", "[data.jsonl, chats.jsonl]")
    second = send(studio, TALK, "bo", "merged", MANNER)
    assert (second.before or {})["who"] == "wei"
    assert (second.queued, second.lacks) == (True, ())
    assert send(studio, TALK, "bo", "merged", MANNER).queued is False
    (line,) = lines(project)
    assert line["facts"]["chat"] == {
        "who": "wei", "when": line["facts"]["chat"]["when"], "run": "recipe", "model": "merged",
        "sampling": {"temperature": 0.5, "top_p": 1.0, "max_tokens": 512, "seed": 3},
    }  # fmt: skip
    with closing(place.desk(studio.recipe, studio.run)) as desk:
        person = desk.whoami(desk.invite("wei"))
        assert person
        (item,) = desk.next(person)
        assert (item.record, item.reasons, item.messages) == (line["id"], ("sent from chat",), tuple(TALK))
        desk.decide(person, item.key, Decision(verdict="accept"))
    done = run(project)
    assert done["review"].manifest["total"] == done["review"].manifest["kept"] == 3
    assert done["review"].manifest["facts"]["reasons"] == {"sent from chat": 1}
    assert done["review"].manifest["facts"]["waiting"] == 0
    kept = done["review"].stored.records().to_dicts()[-1]
    assert kept["id"] == line["id"]
    assert kept["origin"] == {"uri": "chats.jsonl", "row": 1, "licence": "unknown"}
    facts = orjson.loads(kept["facts"])
    assert (facts["chat"], facts["review"]["by"]) == (line["facts"]["chat"], ["wei"])
    events = done["review"].stored.ledger().select("id", "action", "reason").rows()
    assert events == [(line["id"], "reviewed", "accepted")]
    assert not any(one.fresh for one in run(project).values())


def test_it_waits_for_people_where_the_run_reads_it_first(project: Path) -> None:
    (project / "recipe.yaml").write_text(RECIPE.replace("data.jsonl", "'*.jsonl'"))
    studio = studio_of(project)
    sent = send(studio, TALK, "wei", "base", MANNER)
    assert (sent.before, sent.queued, sent.lacks) == (None, False, ())
    done = run(project)
    assert done["review"].manifest["facts"]["waiting"] == 1
    longer = [*TALK, ("user", "为什么？"), ("assistant", "鳃要靠水里的氧。")]
    assert send(studio, longer, "bo", "base", MANNER).queued
    with closing(place.desk(studio.recipe, studio.run)) as desk:
        assert [item.messages for item, _ in desk.queue()] == [tuple(longer), tuple(TALK)]
        before = {item.key for item, _ in desk.queue()}
        assert run(project)["review"].manifest["facts"]["waiting"] == 2
        assert {item.key for item, _ in desk.queue()} == before


def test_a_changed_text_is_open_again_and_a_dropped_one_stands_in_the_ledger(project: Path) -> None:
    prepare = "prepare:\n  steps: [tidy_whitespace, {drop_short: {min_answer_chars: 2}}]\n"
    (project / "recipe.yaml").write_text(RECIPE.replace("[data.jsonl]", "[data.jsonl, chats.jsonl]") + prepare)
    studio = studio_of(project)
    spaced, short = [TALK[0], ("assistant", "会的，  缺氧的时候。  ")], [("user", "鱼？"), ("assistant", "会")]
    for talk in (spaced, short):
        send(studio, talk, "wei", "base", MANNER)
    done = run(project)
    ledger = done["prepare"].stored.ledger()
    ids = {tuple(one["messages"][1].items())[1][1]: one["id"] for one in lines(project)}
    assert (ids["会"], "dropped", "too short") in ledger.select("id", "action", "reason").rows()
    with closing(place.desk(studio.recipe, studio.run)) as desk:
        ((item, decided),) = desk.queue()
    assert (item.record, decided) == (ids[spaced[1][1]], False)


def test_rows_of_ours_are_read_whatever_shape_the_others_have(project: Path) -> None:
    (project / "posts.csv").write_text("id,body\n1,鱼用鳃呼吸。\n")
    for setting in ("text: body", "shape: posts"):
        recipe = RECIPE.replace("[data.jsonl]", "[posts.csv, chats.jsonl]").replace(
            "licence:", f"{setting}\n  licence:"
        )
        (project / "recipe.yaml").write_text(recipe)
        send(studio_of(project), TALK, "wei", "base", MANNER)
        read = run(project)["source"].stored.records()
        assert read["messages"].to_list()[1] == [{"role": role, "content": text} for role, text in TALK]


@pytest.mark.parametrize(
    ("text", "lacks", "after"),
    [
        ("model: nano\n", ("source", "review"), "model: nano\n\nsource: {inputs: [chats.jsonl]}\n\nreview: {}\n"),
        ("source: {inputs: [a]}\n", ("source",), "source: {inputs: [a, chats.jsonl]}\n"),
        (
            "source:\n  inputs:\n    - a  # one\nsplit: {}\n",
            ("source", "review"),
            "source:\n  inputs:\n    - a  # one\n    - chats.jsonl\n\nreview: {}\nsplit: {}\n",
        ),
    ],
)
def test_what_a_recipe_lacks_is_added(text: str, lacks: tuple[str, ...], after: str) -> None:
    assert mended(text, lacks) == after


def test_while_files_are_read_it_is_refused(project: Path) -> None:
    studio = studio_of(project)
    reading: Any = SimpleNamespace(state=lambda: State(True, "source"))
    with pytest.raises(UserError, match="reading its files"):
        send(replace(studio, runner=reading), TALK, "wei", "base", MANNER)
    assert not (project / FILE).exists()


def test_from_the_button_to_the_output(project: Path, open_studio: Open, look: Look) -> None:
    run(project)
    with open_studio(project) as site:
        page = look(f"{site.url}/chat")
        with echoing() as address:
            ask_only(page, address)
            ask(page, "Can a fish drown <b>here</b>?")
            button = page.get_by_role("button", name="Send it to review as a new record")
            button.click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Your name").fill("Wei")
            dialog.get_by_role("button", name="Send").click()
            expect(dialog).to_contain_text("It is kept, but nobody will see it yet")
            expect(dialog).to_contain_text("The recipe does not read chats.jsonl")
            dialog.get_by_role("button", name="Add it to the recipe").click()
            expect(page.get_by_text("Sent to review: it is the next in the queue.")).to_be_visible()
        page.goto(f"{site.url}/review")
        page.locator("#given").fill("Wei")
        page.keyboard.press("Enter")
        expect(page.locator("article[data-key]")).to_contain_text("Can a fish drown <b>here</b>?")
        expect(page.get_by_text("Wei sent it from the chat, where echo @")).to_be_visible()
        page.keyboard.press("a")
        expect(page.get_by_role("heading", name="All is decided")).to_be_visible()
        done = run(project)
    record = done["review"].stored.records().to_dicts()[-1]
    assert record["messages"][0]["content"] == "Can a fish drown <b>here</b>?"
    facts = orjson.loads(record["facts"])
    assert (facts["review"]["verdict"], facts["review"]["why"]) == ("accept", "sent from chat")
    ledger = done["review"].stored.ledger()
    assert ledger.select("id", "action", "reason").rows() == [(record["id"], "reviewed", "accepted")]
    assert done["review"].manifest["kept"] == done["source"].manifest["kept"] == 3
