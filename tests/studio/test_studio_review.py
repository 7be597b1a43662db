"""The Review page: a queue worked off by keys, by several people at once, and nothing typed is lost."""

import re
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import select, update
from studio_look import Site, width

from weitiao import pipeline
from weitiao.recipe import load
from weitiao.review import place
from weitiao.review.decision import Decision, Turn
from weitiao.review.desk import Desk
from weitiao.review.tables import decisions, items, people

Look = Callable[..., Page]
Open = Callable[..., AbstractContextManager[Site]]
Queue = Callable[..., Desk]
CORPUS = [line for line in (Path(__file__).parent / "xss.txt").read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def reviewed(open_studio: Open, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Desk, list[str]]]:
    """A studio of a project that waits for people: where it is, its desk, and the ids of its records."""
    folder = tmp_path_factory.mktemp("review") / "fish"
    folder.mkdir()
    said = [
        ("鱼会不会淹死？", "鱼用鳃呼吸，不会淹死。"),
        ("鱼会不会渴死？", "鱼用鳃呼吸，不会渴死。"),
        ("Can fish drown?", "No."),
    ]
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in said]
    (folder / "data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (folder / "recipe.yaml").write_text("model: nano\nsource: {inputs: [data.jsonl]}\nreview: {queue: all}\n")
    recipe = load(folder / "recipe.yaml", pipeline.SETTINGS)
    records = pipeline.run(recipe, folder / "runs", last="review")[0].stored.records()
    with open_studio(folder) as site, closing(place.desk(recipe, folder / "runs" / "recipe")) as desk:
        yield site, desk, records["id"].to_list()


@pytest.fixture
def queue(reviewed: tuple[Site, Desk, list[str]]) -> Queue:
    """Draw a queue of answers; nobody is invited any more, and nothing is decided."""
    _, desk, ids = reviewed

    def draw(answers: Sequence[str], *, doubled: int = 0) -> Desk:
        with desk.engine.begin() as connection:
            for table in (people, decisions):
                connection.execute(table.delete())
        desk.draw(
            uuid.uuid4().hex[:20], [_row(n, text, ids[n % len(ids)], n < doubled) for n, text in enumerate(answers)]
        )
        return desk

    return draw


def _row(number: int, answer: str, source: str, doubled: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"鱼会不会淹死 {number}？"}, {"role": "assistant", "content": answer}]
    facts = {"judge": {"honest": 3.5, "reason": answer, "sure": True}}
    facts["review"] = {"why": "near a threshold", "setting": "keep_honest", "score": 3.5}
    body = {"id": f"r{number}", "messages": messages, "origin": {"uri": "x", "row": 1}, "facts": facts}
    return {
        "key": uuid.uuid4().hex[:20], "record": f"r{number}", "source": source, "rank": number, "planted": "",
        "reasons": '["near a threshold"]', "audited": True, "doubled": doubled, "body": orjson.dumps(body).decode(),
    }  # fmt: skip


@pytest.fixture
def asked(reviewed: tuple[Site, Desk, list[str]]) -> Site:
    return reviewed[0]


def said(desk: Desk) -> list[Any]:
    with desk.engine.connect().execution_options(reads=True) as connection:
        return list(connection.execute(select(decisions).order_by(decisions.c.id)).all())


def noted(desk: Desk, count: int) -> list[Any]:
    """Wait until so many decisions are noted, which the page does not wait for."""
    for _ in range(600):
        if len(rows := said(desk)) >= count:
            return rows
        time.sleep(0.05)
    raise AssertionError(f"{len(rows)} of {count} are noted")


def come(look: Look, site: Site, name: str, **how: bool) -> Page:
    page = look(f"{site.url}/review", **how)
    page.locator("#given").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator("article[data-key]")).to_be_visible()
    return page


def key(page: Page) -> str:
    found = page.locator("article[data-key]").get_attribute("data-key")
    assert found
    return found


def press(page: Page, keys: str) -> None:
    for one in keys:
        before = key(page)
        page.keyboard.press(one)
        if one in "ars":
            expect(page.locator("article[data-key]")).not_to_have_attribute("data-key", before)


def test_a_queue_is_worked_off_by_keys(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue([f"Answer {number}." for number in range(34)], doubled=1)
    page = come(look, asked, "ann")
    assert page.url == f"{asked.url}/review"
    for _ in range(10):
        press(page, "543a")
        press(page, "r")
        press(page, "s")
    rows = noted(desk, 30)
    assert Counter(row.verdict for row in rows) == {"accept": 10, "reject": 10, "skip": 10}
    assert [row.verdict for row in rows[:3]] == ["accept", "reject", "skip"]
    scores = orjson.loads(rows[0].said)["scores"]
    assert scores == {"harmless": 5, "honest": 4, "helpful": 3}
    assert len({row.item for row in rows}) == 30
    assert all(row.seconds > 0 for row in rows)
    expect(page.locator(".far")).to_contain_text("20 by you · 19 of 34 decided · 15 left")
    last = rows[-1].item
    page.keyboard.press("u")
    expect(page.locator("article[data-key]")).to_have_attribute("data-key", last)
    page.keyboard.press("t")
    page.keyboard.type("odd, short，odd")
    page.keyboard.press("Enter")
    page.keyboard.press("c")
    page.keyboard.type("as before")
    page.keyboard.press("Escape")
    press(page, "r")
    final = noted(desk, 32)[-1]
    assert (final.verdict, final.item) == ("reject", last)
    assert orjson.loads(final.said) == {"tags": ["odd", "short"], "comment": "as before"}
    expect(page.locator(".far")).to_contain_text("21 by you · 20 of 34 decided · 14 left")
    for _ in range(4):  # those left are skipped by nobody else
        page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Nothing is left for you")).to_be_visible()
    expect(page.get_by_text("10 wait for others")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator("article[data-key]")).to_be_visible()
    assert desk.progress()["open"] == 1
    expect(page.locator(".far")).to_contain_text("24 by you · 23 of 34 decided · 11 left")


def test_an_edit_survives_and_shows_what_it_changes(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue(["鱼用鳃呼吸，不会淹死。", "Fish breathe through gills."])
    page = come(look, asked, "ann")
    expect(page.get_by_role("heading", name="Others like it")).to_be_visible()
    expect(page.locator(".life")).to_contain_text("source")
    for _ in range(2):
        chinese = "鱼" in page.locator(".assistant .said").inner_text()
        page.keyboard.press("e")
        field = page.locator(".assistant textarea")
        expect(field).to_be_focused()
        field.fill("鱼用腮呼吸，不会淹死。" if chinese else "Fish breathe with gills.")
        expect(page.locator(".change del")).to_have_text("鳃" if chinese else "through")
        expect(page.locator(".change ins")).to_have_text("腮" if chinese else "with")
        page.reload()
        expect(page.locator(".change ins")).to_have_text("腮" if chinese else "with")
        field.press("Escape")
        page.keyboard.press("a")
        expect(page.get_by_text("There is an unfinished edit").first).to_be_attached()
        page.keyboard.press("e")
        before = key(page)
        page.keyboard.press("Control+Enter")
        expect(page.locator(f"article[data-key='{before}']")).to_have_count(0)
    texts = [orjson.loads(row.said)["messages"][1]["content"] for row in noted(desk, 2)]
    assert sorted(texts) == ["Fish breathe with gills.", "鱼用腮呼吸，不会淹死。"]
    expect(page.get_by_role("heading", name="All is decided")).to_be_visible()
    expect(page.get_by_text("weitiao run recipe.yaml")).to_be_visible()
    page.keyboard.press("u")  # with what was typed, to be written on
    expect(page.locator(".change")).to_be_visible()
    expect(page.locator(".assistant textarea")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="All is decided")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator(".assistant textarea")).to_be_focused()
    page.keyboard.insert_text("\n" * 9)
    high = page.locator(".assistant textarea").bounding_box()
    page.reload()
    expect(page.locator(".assistant textarea")).to_be_focused()
    assert page.locator(".assistant textarea").bounding_box() == high
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(page.locator(".change")).to_have_count(0)


def test_what_somebody_else_took_is_said_and_nothing_typed_is_lost(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue(["One.", "Two.", "Three."])
    page = come(look, asked, "ann")
    mine = key(page)
    with desk.engine.begin() as connection:  # her time is over
        connection.execute(update(items).values(until=0.0))
    bob = desk.whoami(desk.invite("bob"))
    assert bob
    taken = [one.key for one in desk.next(bob, ahead=9)]
    assert mine in taken
    desk.decide(bob, mine, Decision(verdict="reject"))
    page.keyboard.press("e")
    page.locator("article textarea").last.fill("My better answer")
    page.keyboard.press("Control+Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Not noted: Somebody else was given")
    expect(alert).to_contain_text("My better answer")
    page.reload()
    expect(alert).to_contain_text("My better answer")
    page.get_by_role("button", name="I have seen it").click()
    expect(alert).to_have_count(0)
    assert [row.verdict for row in said(desk)] == ["reject"]


def test_what_was_decided_without_a_connection_is_noted_later(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue(["One.", "Two.", "Three."])
    page = come(look, asked, "ann")
    page.evaluate("window.socket.io.engine.close(); window.socket.disconnect()")
    press(page, "ar")
    assert said(desk) == []
    page.reload()
    assert [row.verdict for row in noted(desk, 2)] == ["accept", "reject"]
    expect(page.locator(".far")).to_contain_text("2 by you · 2 of 3 decided")


def test_what_waits_looks_so_and_what_is_decided_while_the_database_goes_is_kept(
    open_studio: Open, look: Look, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    rows = [[{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "."}] for n in "ab"]
    (folder / "data.jsonl").write_bytes(b"".join(orjson.dumps({"messages": row}) + b"\n" for row in rows))
    (folder / "recipe.yaml").write_text("model: nano\nsource: {inputs: [data.jsonl]}\nreview: {queue: all}\n")
    recipe = load(folder / "recipe.yaml", pipeline.SETTINGS)
    pipeline.run(recipe, folder / "runs", last="review")
    with open_studio(folder) as site:
        page = look(f"{site.url}/recipe")
        expect(page.locator(".next")).to_contain_text("review2 records wait for people")
        page.goto(f"{site.url}/data")
        expect(page.locator(".chip.waiting")).to_have_text(["review: waits for people"] * 2)
        page = come(look, site, "ann")
        shutil.rmtree(folder / "runs" / "recipe")
        page.keyboard.press("a")
        alert = page.get_by_role("alert").filter(has_text="was removed or replaced")
        expect(alert).to_be_visible()
        pipeline.run(recipe, folder / "runs", last="review")
        page.keyboard.press("r")  # nothing is taken any more
        alert.get_by_role("button", name="Load the page again").click()
        page.locator("#given").fill("ann")
        page.keyboard.press("Enter")
        expect(page.locator("article[data-key]")).to_be_visible()
        with closing(place.desk(recipe, folder / "runs" / "recipe")) as desk:
            assert [row.verdict for row in noted(desk, 1)] == ["accept"]


def test_an_adjudicator_sees_both_without_names(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue(["Fish breathe through gills."], doubled=1)
    texts = tuple(
        Turn(role=role, content=text)  # type: ignore[arg-type]
        for role, text in (("user", "鱼会不会淹死 0？"), ("assistant", "Fish breathe with gills."))
    )
    said = Decision(verdict="edit", messages=texts, comment="a word")
    for name, decision in (("ann", Decision(verdict="reject", scores={"honest": 1})), ("bob", said)):
        person = desk.whoami(desk.invite(name))
        assert person
        (item,) = desk.next(person)
        desk.decide(person, item.key, decision)
    page = come(look, asked, desk.invite("carol", adjudicates=True))
    opinions = page.locator(".opinions")
    expect(opinions).to_contain_text("reject honest 1")
    expect(opinions).to_contain_text("edit a word")
    expect(opinions.locator("del")).to_have_text("through")
    expect(opinions.locator("ins")).to_have_text("with")
    assert "ann" not in opinions.inner_text()
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="All is decided")).to_be_visible()


def test_eight_people_decide_each_record_once(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue([f"Answer {number}." for number in range(60)], doubled=12)
    tokens = [desk.invite(f"person {number}") for number in range(8)]
    pages = [come(look, asked, token) for token in tokens]
    for page in pages:
        page.evaluate("""() => setInterval(() => document.dispatchEvent(
            new KeyboardEvent("keydown", { key: "a", code: "KeyA", bubbles: true })), 60)""")
    for page in pages:
        expect(page.get_by_role("heading", name="All is decided")).to_be_visible()
    with desk.engine.connect().execution_options(reads=True) as connection:
        doubled = {row.key: row.doubled for row in connection.execute(select(items.c.key, items.c.doubled))}
    rows = said(desk)
    assert Counter(row.item for row in rows) == {item: 1 + twice for item, twice in doubled.items()}
    assert len({(row.item, row.person) for row in rows}) == len(rows)
    assert len({row.person for row in rows}) == 8
    assert sum(doubled.values()) == 12
    assert desk.progress()["decided"] == 60


def test_who_leaves_leaves_the_records_to_others(asked: Site, look: Look, queue: Queue) -> None:
    desk = queue(["One.", "Two."])
    page = come(look, asked, "ann")
    bob = desk.whoami(desk.invite("bob"))
    assert bob
    assert desk.next(bob) == []
    page.close()
    for _ in range(200):
        if found := desk.next(bob):
            break
        time.sleep(0.05)
    assert len(found) == 2


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_can_be_used_by_all(asked: Site, look: Look, queue: Queue, dark: bool) -> None:
    desk = queue(CORPUS)
    ann = desk.invite("ann")
    page = come(look, asked, ann, dark=dark, phone=dark)
    assert width(page) <= (390 if dark else 1280)
    for step in ("1", "e"):
        page.keyboard.press(step)
        found = Axe().run(
            page,
            context={"exclude": [["#q-loading-bar"]]},
            options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
        )
        assert not found.response["violations"], found.generate_report()
    page.locator("article textarea").last.press("Escape")
    seen = []
    for _ in CORPUS[:-1]:
        seen.append(page.locator(".assistant .said").inner_text())
        press(page, "a")
    seen.append(page.locator(".assistant .said").inner_text())
    assert sorted(seen) == sorted(text.strip() for text in CORPUS) or len(seen) == len(CORPUS)
    page.wait_for_timeout(300)


def test_it_waits_for_a_queue_and_stands_in_the_menu_of_such_recipes(site: Site, look: Look) -> None:
    page = look(f"{site.url}/review", zh=True)
    expect(page.get_by_role("heading", name="还没有排出队列")).to_be_visible()
    expect(page.get_by_text(re.compile("weitiao run recipe.yaml --to review"))).to_be_visible()


def test_two_people_decide_in_postgresql(
    open_studio: Open, look: Look, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(place.VARIABLE, postgres)
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "."}]} for n in "abcdef"
    ]
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    name = f"pg-{uuid.uuid4().hex[:8]}"
    review = "review: {queue: all, double: 1, controls: 0}"
    (tmp_path / "recipe.yaml").write_text(f"name: {name}\nmodel: nano\nsource: {{inputs: [data.jsonl]}}\n{review}\n")
    recipe = load(tmp_path / "recipe.yaml", pipeline.SETTINGS)
    pipeline.run(recipe, tmp_path / "runs", last="review")
    with open_studio(tmp_path) as site, closing(place.desk(recipe, tmp_path / "runs" / name)) as desk:
        assert desk.engine.dialect.name == "postgresql"
        pages = [come(look, site, token) for token in (desk.invite("ann"), desk.invite("bob"))]
        for _ in range(6):
            for page in pages:  # what one holds the other is given when it is decided
                expect(page.locator("article[data-key]")).to_be_visible()
                before = key(page)
                page.keyboard.press("a")
                expect(page.locator(f"article[data-key='{before}']")).to_have_count(0)
        for page in pages:
            expect(page.get_by_role("heading", name="All is decided")).to_be_visible()
        pages[0].keyboard.press("u")
        expect(pages[0].locator("article[data-key]")).to_be_visible()
        pages[0].keyboard.press("r")
        for _ in range(200):
            if desk.progress()["conflict"]:
                break
            time.sleep(0.05)
        assert (desk.progress()["decided"], desk.progress()["conflict"]) == (5, 1)
    assert not (tmp_path / "runs" / name / "review.db").exists()
