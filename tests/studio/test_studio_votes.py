"""Blind voting and the report on a comparison that was really made, in a browser."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from studio_look import Site, width

from weitiao import pipeline
from weitiao.compare.votes import Ballot, Box
from weitiao.recipe import load
from weitiao.review import place as desks

Look = Callable[..., Page]


def run(folder: Path) -> dict[str, Any]:
    done = pipeline.run(load(folder / "recipe.yaml", pipeline.SETTINGS))[-1]
    facts: dict[str, Any] = orjson.loads((done.stored.folder / "report.json").read_bytes())
    return facts


@pytest.fixture(scope="module")
def studio(compared: Path, open_studio: Callable[..., AbstractContextManager[Site]]) -> Iterator[Site]:
    with open_studio(compared) as site:
        yield site


def begin(page: Page, name: str) -> None:
    page.get_by_role("button", name="Vote blind").click()
    page.get_by_label("Your name, which stands beside your votes").fill(name)
    page.get_by_role("button", name="Begin").click()


def seen(page: Page, done: int) -> list[str]:
    """Return the two answers once `done` pairs are voted on."""
    expect(page.get_by_role("status").filter(has_text=f"{done} of 12 voted on")).to_be_visible()
    return page.locator(".vote .answer .said").all_inner_texts()


def test_a_report_is_shown_as_soon_as_it_is_made(studio: Site, look: Look, compared: Path) -> None:
    made = compared / "runs" / "recipe" / "compare"
    made.rename(made.with_name("elsewhere"))
    page = look(f"{studio.url}/compare")
    expect(page.get_by_role("heading", name="Nothing is compared yet")).to_be_visible()
    made.with_name("elsewhere").rename(made)
    expect(page.get_by_role("button", name="Vote blind")).to_be_visible()


def test_a_person_votes_by_keyboard_and_the_report_counts_it(studio: Site, look: Look, compared: Path) -> None:
    run_folder = compared / "runs" / "recipe"
    facts = orjson.loads((run_folder / "compare" / "report.json").read_bytes())
    ballot, box = Ballot.of(facts["records"], facts["seed"]), Box(run_folder)
    assert len(ballot.rows) == 12
    page = look(f"{studio.url}/compare")
    begin(page, "Ann")
    order, keys = ballot.order("Ann"), "1201b2b1121b"
    for place, (pair, key) in enumerate(zip(order, keys, strict=True)):
        assert seen(page, place) == [text.strip() for text in pair.answers]
        held = page.locator(".vote").inner_text()
        assert not re.search("before|after", held, re.IGNORECASE)
        if place == 10:
            break
        page.keyboard.press(key)
    page.keyboard.press("u")
    expect(page.get_by_role("status").filter(has_text="9 of 12 voted on")).to_be_visible()
    assert seen(page, 9) == [text.strip() for text in order[9].answers]
    page.keyboard.press("2")
    expect(page.get_by_role("status").filter(has_text="10 of 12 voted on")).to_be_visible()

    # In mid-vote the page comes back to the voting, and asks before it names the sides.
    page.reload()
    assert seen(page, 10) == [text.strip() for text in order[10].answers]
    page.get_by_role("button", name="The report").click()
    expect(page.get_by_role("dialog")).to_contain_text("The report names the sides")
    page.get_by_role("button", name="Go on voting").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    wanted = ["1201b2b11" + "2"][0]
    expected = {
        pair.key: {"1": pair.sides[0], "2": pair.sides[1], "0": "tie", "b": "bad"}[key]
        for pair, key in zip(order, wanted, strict=False)
    }
    assert {one.pair: one.said for one in box.votes()} == expected
    answer = page.request.get(f"{studio.url}/votes.jsonl")
    told = [json.loads(line) for line in answer.text().splitlines()]
    assert {one["id"]: one["votes"][0]["said"] for one in told} == {
        ballot.rows[key]["id"]: said for key, said in expected.items()
    }
    assert {vote["who"] for one in told for vote in one["votes"]} == {"Ann"}

    counts = Counter(expected.values())
    ruled = run(compared)["people"]
    assert (ruled["pairs"], ruled["votes"], ruled["bad"]) == (10, 10, counts["bad"])
    assert (ruled["verdicts"]["wins"], ruled["verdicts"]["losses"]) == (counts["after"], counts["before"])


def test_two_vote_at_once_and_see_the_sides_at_the_end(studio: Site, look: Look, compared: Path) -> None:
    one, other = (look(f"{studio.url}/compare") for _ in range(2))
    begin(one, "Bob")
    begin(other, "Cai")
    for place in range(12):
        for page in (one, other):
            seen(page, place)
            page.keyboard.press("1" if place % 2 else "0")
    for page, name in ((one, "Bob"), (other, "Cai")):
        expect(page.get_by_role("heading", name="You have voted on all pairs")).to_be_visible()
        assert page.locator(".revealed li").count() == 12
        mine = [vote for vote in Box(compared / "runs" / "recipe").votes() if vote.who == name]
        assert Counter(vote.said == "tie" for vote in mine) == {True: 6, False: 6}
        page.locator(".revealed summary").first.click()
        expect(page.locator(".revealed h3").first).to_be_visible()
    facts = run(compared)
    assert facts["people"]["voters"] >= 2
    one.get_by_role("button", name="Read the report").click()
    expect(one.frame_locator("iframe").locator("#people h2 .en")).to_have_text("What people say")


@pytest.mark.parametrize("dark", [False, True])
def test_the_voting_can_be_used_by_all(studio: Site, look: Look, dark: bool) -> None:
    page = look(f"{studio.url}/compare", dark=dark, phone=dark)
    begin(page, f"Dan {dark}")
    for done in (0, 12):
        seen(page, 0)
        assert width(page) == (390 if dark else 1280)
        if done:
            for place in range(12):
                seen(page, place)
                page.keyboard.press("b")
            expect(page.locator(".revealed")).to_be_visible()
            page.locator(".revealed summary").first.click()
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
        found = Axe().run(page, options=options)
        assert not found.response["violations"], found.generate_report()
    assert width(page) == (390 if dark else 1280)


def test_the_voting_speaks_chinese(studio: Site, look: Look) -> None:
    page = look(f"{studio.url}/compare", zh=True)
    page.get_by_role("button", name="盲投").click()
    page.get_by_label("你的名字，会记在你的票旁边").fill("阿土")
    page.get_by_role("button", name="开始").click()
    expect(page.get_by_role("button", name="第一个回答更好")).to_be_visible()
    page.get_by_role("button", name="两个都不好").click()
    expect(page.get_by_text("已投 1 / 12")).to_be_visible()


def test_a_reviewer_votes_under_the_name_of_their_token(
    compared: Path, open_studio: Callable[..., AbstractContextManager[Site]], look: Look, tmp_path: Path
) -> None:
    folder = tmp_path / "votes"
    shutil.copytree(compared, folder)
    (folder / "runs" / "recipe" / "votes.jsonl").unlink(missing_ok=True)
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(f"{text}review: {{}}\n", encoding="utf-8")
    recipe = load(folder / "recipe.yaml", pipeline.SETTINGS)
    with closing(desks.desk(recipe, folder / "runs" / "recipe")) as desk:
        token = desk.invite("Wei")
    box = Box(folder / "runs" / "recipe")
    with open_studio(folder) as site:
        other = look(f"{site.url}/compare")
        expect(other.get_by_text("The report names the sides: who means to vote")).to_be_visible()
        begin(other, " Wei ")
        expect(other.get_by_text("Wei reviews here, by a token")).to_be_visible()
        other.get_by_label("Your name, which stands beside your votes").fill("Bo")
        other.get_by_role("button", name="Begin").click()
        seen(other, 0)
        other.keyboard.press("1")
        seen(other, 1)
        mine = look(f"{site.url}/login?next=/review")
        mine.locator("#given").fill(token)
        mine.keyboard.press("Enter")
        mine.wait_for_url(f"{site.url}/review")
        mine.goto(f"{site.url}/compare")
        mine.get_by_role("button", name="Vote blind").click()
        seen(mine, 0)
        expect(mine.locator(".voter")).to_have_text("Wei")
        expect(mine.get_by_label("Vote under another name")).to_have_count(0)
        for place in range(12):
            seen(mine, place)
            mine.keyboard.press("2")
        mine.get_by_role("button", name="Read the report").click()
        expect(mine.get_by_role("button", name="The report", exact=True)).to_have_attribute("aria-pressed", "true")
    assert [one.who for one in box.votes()] == ["Bo", *["Wei"] * 12]
