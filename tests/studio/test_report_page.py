"""The report of a comparison that was really made, as the file that people hand around, in a browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from studio_look import width

from weitiao.compare.filters import became
from weitiao.talk import translate

Opened = Callable[..., Page]
WORDS = "水火土木金日月山川田人口"  # what the questions ask, in their order
HALVES = ["odd", '"><b>even']


@pytest.fixture
def report(compared: Path, tmp_path: Path) -> Path:
    """The page alone, in a folder where nothing else is."""
    path = tmp_path / "report.html"
    path.write_bytes((compared / "runs" / "recipe" / "compare" / "report.html").read_bytes())
    return path


@pytest.fixture
def rows(compared: Path) -> list[dict[str, Any]]:
    facts = orjson.loads((compared / "runs" / "recipe" / "compare" / "report.json").read_bytes())
    found: list[dict[str, Any]] = facts["records"]
    return found


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    """Open the report; at the end the browser has said nothing, and asked nobody."""
    wrong: list[str] = []
    contexts = []

    def open_page(*, phone: bool = False, dark: bool = False) -> Page:
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        contexts.append(context)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        context.on("console", lambda said: wrong.append(said.text))
        context.on("dialog", lambda dialog: wrong.append(dialog.message))
        context.on("request", lambda asked: wrong.append(asked.url) if asked.url != report.as_uri() else None)
        page = context.new_page()
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def shown(page: Page) -> list[int]:
    """Return the numbers of the pairs that can be seen."""
    ids = page.locator("#pairs .pair:visible").evaluate_all("found => found.map(one => one.id)")
    assert page.locator("#shown").inner_text() == str(len(ids))
    return [int(one.removeprefix("pair-")) for one in ids]


def test_the_pairs_are_filtered(opened: Opened, rows: list[dict[str, Any]]) -> None:
    page = opened()
    everything = [*range(1, len(rows) + 1)]
    assert shown(page) == everything
    verdicts, measures = page.locator('[data-choice="verdict"]'), page.locator('[data-choice="measure"]')
    names = {"by likelihood": "likelihood", "by overlap": "overlap", "by check": "right"}
    for text, measure in names.items():
        measures.get_by_role("button", name=text).click()
        counts = []
        for word, verdict in (("won", "win"), ("tied", "tie"), ("lost", "loss")):
            verdicts.get_by_role("button", name=word).click()
            wanted = [
                place for place, row in zip(everything, rows, strict=True) if row["verdict"].get(measure) == verdict
            ]
            assert shown(page) == wanted
            counts.append(len(wanted))
        assert sum(counts) == sum(measure in row["verdict"] for row in rows)
    verdicts.get_by_role("button", name="all").click()
    page.get_by_label("did not end by itself").check()
    cut = [
        n for n, row in zip(everything, rows, strict=True) if not (row["before"]["stopped"] and row["after"]["stopped"])
    ]
    assert shown(page) == cut
    page.get_by_label("did not end by itself").uncheck()
    field = page.get_by_placeholder("Search all texts")
    field.fill("山？")
    assert shown(page) == [
        place for place, row in zip(everything, rows, strict=True) if "山" in row["question"][-1]["content"]
    ]
    field.fill(" 山。 \u3000 山？ ")  # all of the words, in any order, in question, answers and reference
    assert shown(page) == [WORDS.index("山") + 1]
    field.fill("山 火。")
    assert shown(page) == []
    field.fill(rows[3]["id"])
    assert shown(page) == [4]
    # A link to a pair that is filtered away shows it.
    page.locator(".chart a").first.click()
    expect(page.locator("#pairs .pair:target")).to_be_visible()
    assert shown(page) == everything


def test_the_pairs_are_filtered_by_group_and_by_what_became_of_the_check(
    opened: Opened, rows: list[dict[str, Any]]
) -> None:
    page = opened()
    half, check = page.get_by_label("half"), page.get_by_label("check result")
    for text in HALVES:
        mine = [place for place, row in enumerate(rows, start=1) if row["groups"] == [text]]
        half.select_option(label=f"{text} · {len(mine)}")
        assert shown(page) == mine
    half.select_option("")
    (how,) = became(rows[0])
    check.select_option(label=f"{how} · 1")
    assert shown(page) == [1]
    page.get_by_role("button", name="中文").click()
    assert check.locator("option:checked").inner_text() == f"{translate('zh', how)} · 1"
    assert half.locator("option").first.inner_text() == "全部"
    assert shown(page) == [1]


def test_where_nothing_fits_the_page_says_so_and_takes_the_filters_off(opened: Opened) -> None:
    page = opened(phone=True)
    nothing, everything = page.get_by_text("No question fits all of these filters."), shown(page)
    expect(nothing).to_be_hidden()
    page.get_by_label("check result").select_option(index=1)
    page.get_by_label("half").select_option(index=1)
    page.get_by_placeholder("Search all texts").fill("in no text at all")
    assert shown(page) == []
    expect(nothing).to_be_visible()
    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()
    page.get_by_role("button", name="Take the filters off").focus()
    page.keyboard.press("Enter")
    assert shown(page) == everything
    expect(nothing).to_be_hidden()
    expect(page.get_by_placeholder("Search all texts")).to_be_focused()
    assert page.locator(".filters select").evaluate_all("found => found.map(one => one.value)") == ["", ""]


def test_the_keyboard_is_enough_for_the_filters(opened: Opened) -> None:
    page = opened()
    won = page.locator('[data-choice="verdict"]').get_by_role("button", name="won")
    won.focus()
    page.keyboard.press("Enter")
    expect(won).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(won).to_have_attribute("aria-pressed", "false")
    life = page.locator("#pair-1 .life summary")
    life.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#pair-1 .life ol")).to_be_visible()


def test_a_pair_tells_its_words_and_its_life(opened: Opened, rows: list[dict[str, Any]]) -> None:
    page = opened()
    pair = page.locator("#pair-1")
    shaded = pair.locator(".shaded")
    expect(shaded.first).to_be_hidden()
    pair.locator(".whole summary").click()
    expect(shaded).to_have_count(2)
    for place, side in enumerate(("before", "after")):
        text = "".join(piece for piece, _ in rows[0][side]["pieces"])
        assert shaded.nth(place).inner_text().endswith(text)
        dark = sum(loss >= 0.694 for _, loss in rows[0][side]["pieces"])
        assert shaded.nth(place).locator("i").count() == pytest.approx(dark, abs=1)
    pair.locator(".whole summary").click()
    expect(shaded.first).to_be_hidden()
    pair.locator(".life summary").click()
    life = pair.locator(".life")
    expect(life.locator("li").first).to_contain_text("asked.jsonl")
    expect(life.locator("p.note code").last).to_have_text(f"weitiao trace {rows[0]['id']}")


def test_the_language_is_switched(opened: Opened) -> None:
    page = opened()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#figures h2 .zh")).to_be_visible()
    expect(page.locator("#figures h2 .en")).to_be_hidden()
    expect(page.get_by_placeholder(translate("zh", "Search all texts"))).to_be_visible()
    chinese = page.title()
    assert re.search("[\u4e00-\u9fff]", chinese)
    page.get_by_role("button", name="English").click()
    expect(page.locator("#figures h2 .zh")).to_be_hidden()
    assert page.title() != chinese


def test_on_a_phone_each_link_of_the_page_is_seen_whole(opened: Opened) -> None:
    page = opened(phone=True)
    for name in ("中文", "English"):
        page.get_by_role("button", name=name).click()
        nav = page.locator(".bar nav")
        assert nav.evaluate("nav => nav.scrollWidth <= nav.clientWidth && nav.scrollHeight <= nav.clientHeight")
        boxes = [link.bounding_box() for link in nav.get_by_role("link").all()]
        assert len(boxes) == 4
        assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


@pytest.mark.parametrize(("phone", "dark"), [(False, True), (True, False)])
def test_the_report_can_be_used_by_all(opened: Opened, phone: bool, dark: bool) -> None:
    page = opened(phone=phone, dark=dark)
    for name in ("中文", "English"):
        page.get_by_role("button", name=name).click()
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert width(page) == (390 if phone else 1280)
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
        found = Axe().run(page, options=options)
        assert not found.response["violations"], found.generate_report()
