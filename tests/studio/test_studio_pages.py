"""The studio in a browser: its frame, the chat and the report."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from studio_look import Echo, Site, add_address, ask, ask_only, echoing, width

from weitiao.studio.chat_setup import first
from weitiao.studio.pages import PAGES
from weitiao.talk import translate

Look = Callable[..., Page]
PATHS = [page.path for page in PAGES]
CORPUS = (Path(__file__).parent / "xss.txt").read_text(encoding="utf-8").splitlines()


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


def test_an_answer_is_stopped_and_a_question_asked_again(site: Site, look: Look) -> None:
    page = look(f"{site.url}/chat")
    with echoing() as address:
        ask_only(page, address)
        ask(page, "endless talk")
        said = page.locator(".answer .said")
        expect(said).to_contain_text("and on and on")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".answer").get_by_role("status")).to_contain_text("broken off")
        assert Echo.left.wait(30)
        page.get_by_label("Edit and ask again").click()
        page.locator(".editor textarea").fill("short talk")
        page.get_by_role("button", name="Ask again").click()
        expect(said).to_have_text("short talk")
        expect(page.locator(".turn")).to_have_count(1)
        ask(page, "more")
        expect(page.locator(".answer .said").nth(1)).to_have_text("more")
        roles = [message["role"] for message in Echo.asked["messages"]]  # type: ignore[attr-defined]
        assert roles == ["user", "assistant", "user"]
        page.get_by_label("New conversation").click()
        expect(page.locator(".turn")).to_have_count(0)


def test_a_conversation_is_there_again_when_the_page_is_drawn_anew(site: Site, look: Look) -> None:
    page = look(f"{site.url}/chat")
    with echoing() as address:
        ask_only(page, address)
        ask(page, "first words")
        said = page.locator(".answer .said")
        expect(said).to_have_text("first words")
        page.get_by_role("button", name="中文", exact=True).click()
        expect(page.get_by_label("你的问题")).to_be_visible()
        expect(said).to_have_text("first words")
        expect(page.locator(".question .said")).to_have_text("first words")
        page.goto(f"{site.url}/compare")
        page.goto(f"{site.url}/chat")
        page.get_by_role("button", name="EN", exact=True).click()
        ask_only(page, address)
        ask(page, "more words")
        expect(said.last).to_have_text("more words")
        told = Echo.asked["messages"]
        assert isinstance(told, list)
        assert [message["content"] for message in told] == ["first words", "first words", "more words"]
    other = look(f"{site.url}/chat")  # another visitor, who sees nothing of it
    expect(other.get_by_role("heading", name="Ask them all")).to_be_visible()
    expect(other.locator(".turn")).to_have_count(0)
    page.get_by_label("New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Ask them all")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)
    cookie = next(one for one in page.context.cookies() if one["name"] == "weitiao_visitor")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Strict", -1)


def test_a_server_that_is_not_there_is_said(site: Site, look: Look) -> None:
    page = look(f"{site.url}/chat")
    add_address(page, "http://127.0.0.1:9/v1")
    ask(page, "Is anybody there?")
    expect(page.get_by_role("region", name="echo @ 127.0.0.1:9")).to_contain_text(
        "No answer from http://127.0.0.1:9/v1"
    )


def test_the_language_and_the_colours_are_the_visitors(site: Site, look: Look) -> None:
    page = look(f"{site.url}/chat", zh=True, dark=True)
    expect(page.get_by_label("你的问题")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.get_by_label("Your question")).to_be_visible()
    assert page.title() == "Chat · riddles"
    page.wait_for_function("window.did_handshake")  # what is pressed before is lost
    page.get_by_role("button", name="Colours as the system has them").click()
    expect(page.locator("body")).to_have_class(re.compile("body--light"))
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("body--light"))
    other = look(f"{site.url}/chat")
    expect(other.get_by_label("Your question")).to_be_visible()


def test_the_keyboard_is_enough(site: Site, look: Look) -> None:
    page = look(f"{site.url}/compare")
    expect(page.locator("iframe")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Show these keys")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_report_is_live_and_apart(site: Site, look: Look, project: Path) -> None:
    page = look(f"{site.url}/compare")
    said = page.frame_locator("iframe").locator("#said")
    expect(said).to_have_text("language en")
    inside = next(frame for frame in page.frames if "/report" in frame.url)
    assert inside.evaluate("origin") == "null"
    report = project / "runs" / "recipe" / "compare" / "report.html"
    report.write_text(report.read_text().replace("waits", "waits").replace('"language "', '"language  "'))
    expect(said).to_have_text("waits")  # a script that its policy does not name has not run


def test_an_empty_project_says_what_to_do(
    open_studio: Callable[..., AbstractContextManager[Site]], look: Look, tmp_path: Path
) -> None:
    folder = tmp_path / "a<img src=x onerror=alert(1)>"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("model: nano\ntrain: {}\n", encoding="utf-8")
    with open_studio(folder) as site:
        page = look(f"{site.url}/compare")
        expect(page.get_by_role("heading", name="Nothing is compared yet")).to_be_visible()
        expect(page.locator(".project")).to_have_text(folder.name)
        page.goto(f"{site.url}/nowhere")
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


@pytest.mark.parametrize("path", PATHS)
def test_a_phone_never_scrolls_sideways(site: Site, look: Look, path: str) -> None:
    page = look(site.url + path, phone=True)
    page.get_by_label("Menu").click()
    expect(page.locator(".drawer nav a[aria-current]")).to_be_visible()
    assert width(page) == 390


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_pages_can_be_used_by_all(site: Site, look: Look, path: str, dark: bool) -> None:
    page = look(site.url + path, dark=dark)
    expect(page.locator("h1")).to_be_attached()
    if path == "/chat":
        ask(page, "a")
        expect(page.locator(".answer").first.get_by_role("status")).to_have_text(re.compile(r"^\d"))
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    assert not found.response["violations"], found.generate_report()


def test_nothing_in_a_text_runs(site: Site, look: Look) -> None:
    assert len(CORPUS) > 30
    page = look(f"{site.url}/chat")
    with echoing() as address:
        ask_only(page, address)
        for place in range(0, len(CORPUS), 8):
            text = "\n".join(CORPUS[place : place + 8])
            ask(page, text)
            expect(page.locator(".answer .said").last).to_have_text(text, use_inner_text=True)
            expect(page.locator(".question .said").last).to_have_text(text, use_inner_text=True)
    page.wait_for_timeout(500)


def test_ctrl_c_in_mid_answer_ends_in_order(
    open_studio: Callable[..., AbstractContextManager[Site]], look: Look, project: Path
) -> None:
    with echoing() as address:
        with open_studio(project) as site:
            page = look(f"{site.url}/chat")
            ask_only(page, address)
            ask(page, "endless talk")
            expect(page.locator(".answer .said")).to_contain_text("and on and on")
        assert Echo.left.wait(30)


def test_a_page_whose_stage_the_recipe_lacks_says_how_to_add_it(
    open_studio: Callable[..., AbstractContextManager[Site]], look: Look, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: nano\n", encoding="utf-8")
    with open_studio(tmp_path) as site:
        page = look(f"{site.url}/review")
        for path, stage in (("review", "review"), ("train", "train"), ("compare", "compare")):
            page.goto(f"{site.url}/{path}")
            expect(page.locator(".state p")).to_have_text(
                f"The recipe has no stage {stage}: the + on the page Recipe adds it."
            )
            page.get_by_role("link", name="To the page Recipe").click()
            expect(page).to_have_url(f"{site.url}/recipe")
        recipe.write_text("model: nano\nreview: {}\n", encoding="utf-8")
        page.goto(f"{site.url}/review")
        expect(page.locator(".state > code")).to_have_text("weitiao serve recipe.yaml")


def test_a_named_model_stands_beside_those_of_the_run(
    open_studio: Callable[..., AbstractContextManager[Site]], look: Look, project: Path
) -> None:
    with open_studio(project, "--model", "second=nano") as site:
        page = look(f"{site.url}/chat")
        expect(page.locator(".q-chip .ellipsis")).to_have_text(["base", "adapter"])
        page.get_by_label("Models").click()
        expect(page.get_by_role("option")).to_have_text(["second", "base", "adapter"])
        assert f"Serving second, base, adapter at {site.url}/v1" in site.stderr.read_text()


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["nano", "base", "adapter", "checkpoint-5", "merged"], ["base", "merged"]),
        (["base", "checkpoint-5", "checkpoint-10"], ["base", "checkpoint-10"]),
        (["second", "base"], ["base", "second"]),
        (["one", "two", "three"], ["one", "two"]),
        ([], []),
    ],
)
def test_the_base_and_what_was_tuned_are_asked_first(names: list[str], chosen: list[str]) -> None:
    assert first(names) == chosen
