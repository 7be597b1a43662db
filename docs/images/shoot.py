"""Takes the pictures of the studio that the docs show: `make screenshots`, after `make demo`."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
WORDS = {
    "en": {"field": "Your question", "question": "Where did they put the dog in a hot dog?", "locale": "en-US"},
    "zh": {"field": "你的问题", "question": "都说热狗是狗，那我能不能让它看门？", "locale": "zh-CN"},
}


@dataclass(frozen=True)
class Shot:
    """One picture: a page, wide or as on a phone."""

    page: str
    language: str
    theme: Literal["light", "dark"]
    phone: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return "-".join(("studio", self.page, "phone" if self.phone else "wide", self.language, self.theme)) + ".png"


SHOTS = (
    Shot("data", "en", "light"),
    Shot("data", "zh", "dark"),
    Shot("data", "zh", "light", phone=True),
    Shot("chat", "en", "light"),
    Shot("chat", "zh", "dark"),
    Shot("chat", "zh", "light", phone=True),
    Shot("chat", "en", "dark", phone=True),
    Shot("compare", "en", "dark"),
    Shot("compare", "zh", "light"),
    Shot("compare", "en", "light", phone=True),
    Shot("login", "en", "light"),
    Shot("login", "zh", "dark", phone=True),
)


@contextmanager
def served(recipe: str, *arguments: str) -> Iterator[str]:
    """Serve the studio meanwhile; yield its address."""
    words = [sys.executable, "-m", "weitiao", "serve", recipe, "--port", "0", "--grace", "0", "--json", *arguments]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())["studio"]
        finally:
            process.terminate()


def main(recipe: str) -> None:
    """Take all pictures of the studio of `recipe`, whose run has finished."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with served(recipe) as open_to_all, served(recipe, "--token", "a-token-for-pictures") as closed:
            take(browser, open_to_all, SHOTS[0])  # the models are loaded now, and waited for in no picture
            for shot in SHOTS:
                take(browser, closed if shot.page == "login" else open_to_all, shot)
        browser.close()


def take(browser: Browser, address: str, shot: Shot) -> None:
    """Take one picture."""
    size: ViewportSize = {"width": 390, "height": 780} if shot.phone else {"width": 1280, "height": 760}
    context = browser.new_context(
        viewport=size, locale=WORDS[shot.language]["locale"], color_scheme=shot.theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{address}/{shot.page}")
    expect(page.locator("h1")).to_be_attached(timeout=90_000)
    if shot.page == "chat":
        converse(page, shot.language)
    if shot.page == "data":
        examine(page, shot.phone)
    if shot.page == "compare":
        page.frame_locator("iframe").locator("h1").wait_for()
    page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(HERE / shot.name, optimize=True)
    context.close()
    print(shot.name, (HERE / shot.name).stat().st_size)


def converse(page: Page, language: str) -> None:
    """Ask the models, and wait until all have answered."""
    words = WORDS[language]
    page.get_by_label(words["field"]).fill(words["question"])
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(2, timeout=90_000)
    for answer in page.locator(".answer").all():
        expect(answer.get_by_role("status")).to_have_text(re.compile(r"^\d"), timeout=90_000)


def examine(page: Page, phone: bool) -> None:
    """Open a record, where there is room for it beside the list."""
    expect(page.locator(".record").first).to_be_visible()
    page.locator("summary").first.click() if phone else page.locator(".record").nth(1).click()
    if not phone:
        expect(page.locator(".panel .life")).to_be_visible()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "examples/traps/recipe.yaml")
