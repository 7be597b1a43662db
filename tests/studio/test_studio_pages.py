"""The studio in a browser: its frame, the chat and the report."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from studio_look import Site, ask, width

from weitiao.studio.pages import PAGES
from weitiao.talk import translate

Look = Callable[..., Page]


def test_what_pages_say_of_themselves_has_its_chinese() -> None:
    texts = {text for page in PAGES for text in (page.title, *(what for _, what in page.keys))}
    assert len(texts) > 4
    for text in texts:
        assert translate("zh", text) != text


def test_two_models_answer_side_by_side(site: Site, look: Look) -> None:
    page = look(f"{site.url}/chat")
    ask(page, "Is soap better boiled or fried?")
    for name in ("base", "adapter"):
        answer = page.get_by_role("region", name=name)
        expect(answer.get_by_role("status")).to_have_text(re.compile(r"^\d+\.\d s"))
        assert answer.locator(".said").inner_text()
    boxes = [page.get_by_role("region", name=name).bounding_box() for name in ("base", "adapter")]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_a_phone_never_scrolls_sideways(site: Site, look: Look, path: str) -> None:
    page = look(site.url + path, phone=True)
    page.get_by_label("Menu").click()
    expect(page.locator(".drawer nav a[aria-current]")).to_be_visible()
    assert width(page) == 390
