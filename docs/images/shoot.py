"""Takes the pictures of the studio that the docs show: `make screenshots`, after `make demo`."""

import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from weitiao import pipeline
from weitiao.recipe import load
from weitiao.review import place

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
    Shot("review", "en", "light"),
    Shot("review", "zh", "dark"),
    Shot("review", "zh", "light", phone=True),
    Shot("recipe", "en", "light"),
    Shot("recipe", "zh", "dark"),
    Shot("recipe", "zh", "light", phone=True),
    Shot("train", "en", "dark"),
    Shot("train", "zh", "light"),
    Shot("train", "en", "light", phone=True),
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


# What people are asked to look at in the pictures: question, answer, what the judge said, and a better answer.
QUEUE = {
    "en": (
        (
            "Can a fish drown?",
            "No. A fish has gills, so water is to it what air is to us.",
            "It can: where a pond lacks oxygen, fish suffocate. Right of most water, wrong as it stands.",
            "Hardly. A fish has gills, so water is to it what air is to us; but where that lacks oxygen, it can drown.",
        ),
        (
            "Can a fish die of thirst?",
            "Nearly, in salt water: the sea draws water out of a fish, so it drinks.",
            "",
            "",
        ),
        ("Can a duck drown?", "It can, if its feathers are wet through: air in them keeps it afloat.", "", ""),
        ("Can a fish catch a cold?", "No. It has no nose to run, but its gills can be inflamed.", "", ""),
    ),
    "zh": (
        (
            "鱼会不会淹死？",
            "不会。鱼用鳃呼吸，水对鱼就像空气对人一样。",
            "会的：池塘缺氧的时候，鱼会窒息。这个回答在大多数水里成立，照字面说就错了。",
            "多半不会。鱼用鳃呼吸，水对鱼就像空气对人一样；不过水里缺氧时，鱼也会窒息。",
        ),
        ("鱼会不会渴死？", "在海里差一点：海水会把鱼体内的水吸走，所以海鱼要喝水。", "", ""),
        ("鸭子会不会淹死？", "会，羽毛湿透的时候：平时是羽毛里的空气托着它。", "", ""),
        ("鱼会不会感冒？", "不会流鼻涕，不过鱼鳃会发炎。", "", ""),
    ),
}


def draw_queue(folder: Path, language: str) -> str:
    """Write a project whose records wait for people; return its recipe."""
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        for asked, said, *_ in QUEUE[language]
    ]
    (folder / "fish.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    recipe = folder / "recipe.yaml"
    sections = "source: {inputs: [fish.jsonl], licence: CC0-1.0}\nprepare: {}\nreview: {queue: all}\n"
    recipe.write_text(f"model: nano\n{sections}merge: {{}}\n", encoding="utf-8")
    checked = load(recipe, pipeline.SETTINGS)
    ids = pipeline.run(checked, folder / "runs", last="review")[0].stored.records()["id"].to_list()
    with closing(place.desk(checked, folder / "runs" / "recipe")) as desk:
        desk.draw("pictures", (_queued(n, rows[n], ids[n], QUEUE[language][n][2]) for n in range(len(rows))))
    return str(recipe)


def _queued(number: int, row: dict[str, object], key: str, reason: str) -> dict[str, object]:
    facts = {"judge": {"harmless": 5, "honest": 2.5, "helpful": 4, "reason": reason, "sure": False}}
    return {
        "key": f"k{number}", "record": key, "source": key, "rank": number, "planted": "", "audited": True,
        "doubled": False, "reasons": json.dumps(["judge unsure"]),
        "body": json.dumps({"id": key, **row, "origin": {"uri": "fish.jsonl", "row": number + 1}, "facts": facts}),
    }  # fmt: skip


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
        for shot in (shot for shot in SHOTS if shot.page == "review"):
            with tempfile.TemporaryDirectory() as folder:
                (project := Path(folder) / "fish").mkdir()
                with served(draw_queue(project, shot.language)) as waiting:
                    take(browser, waiting, shot)
        with served(recipe) as open_to_all, served(recipe, "--token", "a-token-for-pictures") as closed:
            take(browser, open_to_all, Shot("chat", "en", "light"))  # the models are loaded now: no picture waits
            for shot in (shot for shot in SHOTS if shot.page != "review"):
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
    expect(page.locator("h1").first).to_be_attached(timeout=90_000)
    if shot.page == "chat":
        converse(page, shot.language)
    if shot.page == "review":
        mend(page, shot)
    if shot.page == "data":
        examine(page, shot.phone)
    if shot.page == "recipe":
        page.locator(".stage").nth(-4).click()  # train
        page.locator(".next p, .next dl").wait_for()
    if shot.page == "train":
        page.locator(".chart svg").first.wait_for()
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


def mend(page: Page, shot: Shot) -> None:
    """Say who one is, mark, and in the wide pictures begin an edit."""
    page.locator("#given").fill("Wei")
    page.keyboard.press("Enter")
    expect(page.locator("article[data-key]")).to_be_visible(timeout=90_000)
    page.keyboard.press("5")
    if not shot.phone:
        expect(page.locator(".relatives")).to_be_visible(timeout=90_000)
        page.keyboard.press("e")
        page.locator("article textarea").last.fill(QUEUE[shot.language][0][3])


def examine(page: Page, phone: bool) -> None:
    """Open a record, where there is room for it beside the list."""
    expect(page.locator(".record").first).to_be_visible()
    page.locator("summary").first.click() if phone else page.locator(".record").nth(1).click()
    if not phone:
        expect(page.locator(".panel .life")).to_be_visible()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "examples/traps/recipe.yaml")
