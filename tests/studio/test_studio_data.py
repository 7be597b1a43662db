"""The Data page in a browser: from the funnel to a record's life, by mouse and keys, with addresses to send."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import orjson
import pytest
from playwright.sync_api import Page, expect
from studio_look import Site, width

from weitiao import pipeline
from weitiao.browse import Query
from weitiao.recipe import load
from weitiao.studio.data import Address

Look = Callable[..., Page]

ROWS = [
    ("石油是怎么来的？", "古代的生物埋在地下，几百万年后成了石油。"),
    ("Is   petroleum a rock oil?", "Yes: petra is rock, and oleum is oil."),
    ("红灯停绿灯行，那黄灯呢？", "已过停止线的可以继续走，没过的停下来。"),
    ("红灯停绿灯行，那黄灯呢？", "已过停止线的可以继续走，没过的停下来。"),
    ("<img src=x onerror=alert(1)> 是什么？", '"><script>alert(2)</script>{{constructor.constructor("alert(3)")()}}'),
    ("Can I cut water with a knife?", "The knife parts it, but it closes again: a liquid keeps no shape."),
]
STEPS = "[tidy_whitespace, drop_exact_duplicates]"
RECIPE = f"model: nano\nsource: {{inputs: [qa.jsonl]}}\nprepare: {{steps: {STEPS}}}\nexport: {{}}\n"


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, open_studio: Callable[..., AbstractContextManager[Site]]
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("data") / "riddles"
    folder.mkdir()
    rows = [orjson.dumps({"instruction": asked, "input": "", "output": said}) for asked, said in ROWS]
    (folder / "qa.jsonl").write_bytes(b"".join(row + b"\n" for row in rows))
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    pipeline.run(load(folder / "recipe.yaml", pipeline.SETTINGS))
    with open_studio(folder) as site:
        yield site


def shown(page: Page, count: int) -> None:
    """Hold that so many records answer."""
    expect(page.locator(".middle h2")).to_have_text(f"{count} record{'s' * (count != 1)}")
    expect(page.locator(".found li")).to_have_count(count)


def test_from_the_funnel_to_what_went_and_back(site: Site, look: Look) -> None:
    page = look(f"{site.url}/data")
    shown(page, 6)
    page.get_by_role("link", name="exact duplicate 1").click()
    shown(page, 1)
    expect(page.locator(".record .chip")).to_have_text("prepare: exact duplicate")
    assert "is=fate%3Aprepare%2Fdrop_exact_duplicates" in page.url
    page.go_back()
    shown(page, 6)
    page.go_forward()
    shown(page, 1)
    page.reload()
    shown(page, 1)


def test_a_search_and_the_keys_lead_to_a_life(site: Site, look: Look) -> None:
    page = look(f"{site.url}/data")
    shown(page, 6)
    page.keyboard.press("/")
    expect(page.get_by_label("Search the texts")).to_be_focused()
    page.keyboard.type("rock oil")
    shown(page, 1)
    expect(page.locator(".record mark").first).to_have_text("rock")
    assert page.url.endswith("/data?q=rock+oil")
    page.locator(".middle h2").click()
    page.keyboard.press("j")
    expect(page.locator(".record").first).to_be_focused()
    page.keyboard.press("Enter")
    life = page.get_by_label("The record")
    expect(life.locator(".difference")).to_have_text("Is␣␣␣␣petroleum a rock oil?")
    expect(life.locator("del")).to_have_text("␣␣␣")
    expect(life.locator("ins")).to_have_text("␣")
    assert re.search(r"&id=[0-9a-f]{20}$", page.url)
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_be_hidden()


@pytest.mark.parametrize(("leave", "asked"), [("Enter", "knife"), ("Escape", "oil")])
def test_the_search_takes_what_is_typed_at_once_and_is_left_by_a_key(
    site: Site, look: Look, leave: str, asked: str
) -> None:
    page = look(f"{site.url}/data")
    shown(page, 6)
    page.keyboard.type(f"/{asked}")
    expect(page.get_by_label("Search the texts")).to_have_value(asked)
    page.keyboard.press(leave)
    page.keyboard.press("j")
    expect(page.locator(".record").first).to_be_focused()
    shown(page, 1)
    expect(page.locator(".record mark").first).to_have_text(asked)
    assert page.url.endswith(f"/data?q={asked}")


@pytest.mark.parametrize("zh", [False, True])
def test_the_filters_are_seen_whole(site: Site, look: Look, zh: bool) -> None:
    page = look(f"{site.url}/data?is=fate:prepare/drop_exact_duplicates/exact duplicate&is=fate:on", zh=zh)
    expect(page.locator(".filters .q-chip").first).to_be_visible()
    assert page.locator(".filters").evaluate("(all) => all.scrollWidth - all.clientWidth") == 0
    cut = "(labels) => labels.filter((label) => label.scrollWidth > label.clientWidth).length"
    assert page.locator(".filters .q-field__label, .filters .q-chip .ellipsis").evaluate_all(cut) == 0


def test_j_goes_on_with_the_life_open(site: Site, look: Look) -> None:
    page = look(f"{site.url}/data")
    shown(page, 6)
    page.locator(".record").first.click()
    expect(page.locator(".panel .said").first).to_have_text(ROWS[0][0])
    page.keyboard.press("j")
    expect(page.locator(".panel .said").first).to_have_text("Is petroleum a rock oil?")
    page.keyboard.press("k")
    expect(page.locator(".panel .said").first).to_have_text(ROWS[0][0])


def test_what_stands_in_the_data_is_text(site: Site, look: Look) -> None:
    page = look(f"{site.url}/data?q=onerror%3Dalert")
    shown(page, 1)
    page.locator(".record").click()
    expect(page.locator(".panel .said").first).to_have_text(ROWS[4][0])
    expect(page.locator(".panel .said").last).to_have_text(ROWS[4][1])
    assert page.locator(".data img, .data script").count() == 0


def test_nothing_found_says_what_to_do_in_chinese_on_a_phone(site: Site, look: Look) -> None:
    page = look(f"{site.url}/data?q=没有这句话", phone=True, zh=True)
    expect(page.get_by_role("heading", name="没有符合的记录")).to_be_visible()
    page.get_by_role("link", name="显示全部记录").click()
    expect(page.locator(".found li")).to_have_count(6)
    assert width(page) == 390
    page.get_by_role("button", name="筛选").click()
    expect(page.get_by_label("去向")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("去向")).to_be_hidden()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address(), "/data?"),
        (Address(Query("石油", ("fate:on", "part:train"), 3, 9, "length", True), 7, "ab"), None),
        (Address(Query(sort="judge.score")), "/data?sort=judge.score"),
    ],
)
def test_an_address_says_all_and_is_read_back(address: Address, text: str | None) -> None:
    written = address.write()
    assert text in (None, written)
    assert Address.read(written.partition("?")[2]) == address


def test_an_address_of_nonsense_is_read_as_far_as_it_goes() -> None:
    assert Address.read("?page=-1&min=x&max=²&id=%00&q=" + "a" * 999) == Address(Query("a" * 200), 1, "\0")
