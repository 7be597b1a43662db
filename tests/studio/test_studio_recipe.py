"""The Recipe page in a browser: values are checked as typed, and a run is started, watched, stopped and resumed."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Page, expect
from studio_look import Site

from weitiao.store import Run

Look = Callable[..., Page]
Open = Callable[..., AbstractContextManager[Site]]
RECIPE = """\
# A recipe of two stages
model: tiny
source:
  inputs: [posts.jsonl]   # ours
prepare:
  steps:
    - tidy_whitespace
    # too short to say anything
    - drop_short: {min_chars: 2}
split:
  ratios: {train: 0.8, validation: 0.2}
export:
  format: openai
train:
  r: 2
  epochs: 200
  accumulate: 1
  max_steps: 4000  # many: it is stopped
  evaluate_every: 100
  probe_every: 1000
  probe_tokens: 4
  max_length: 64
  record_losses: false
  save_every: 5
  probes: ["What is 3 plus 3?"]
"""


def make(folder: Path, recipe: str = RECIPE) -> Path:
    """Make a project with some rows."""
    folder.mkdir()
    rows = [{"question": f"What is {n} plus {n}?", "answer": f"It is {2 * n}, of course."} for n in range(40)]
    (folder / "posts.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, open_studio: Open) -> Iterator[tuple[Path, Site]]:
    folder = make(tmp_path_factory.mktemp("bench") / "sums")
    with open_studio(folder) as site:
        yield folder, site
    end(folder)


def end(folder: Path) -> None:
    """End what goes on without the studio."""
    run = Run(folder / "runs" / "recipe")
    for _ in range(600):
        if (pid := run.writer()) is None:
            return
        os.killpg(pid, signal.SIGINT)
        time.sleep(0.1)


def stage(page: Page, name: str) -> None:
    """Open the form of a stage."""
    expect(page.locator(".next")).not_to_be_empty()  # all is drawn, and presses arrive
    page.get_by_role("group", name="Stages").get_by_role("button", name=re.compile(f"^{name}")).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def text(page: Page) -> str:
    return page.get_by_label("The recipe's text").get_by_role("textbox").input_value()


def test_a_wrong_value_is_refused_at_its_field(bench: tuple[Path, Site], look: Look) -> None:
    folder, site = bench
    page = look(f"{site.url}/recipe")
    stage(page, "train")
    field = page.get_by_label("max_steps", exact=True)
    field.fill("-3")
    wrong = page.locator(".q-field", has=field).get_by_role("alert")
    expect(wrong).to_contain_text("it must be at least 1")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    expect(page.get_by_role("button", name="train wrong")).to_be_visible()
    field.fill("7")
    expect(wrong).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    saved = (folder / "recipe.yaml").read_text()
    assert saved == RECIPE.replace("max_steps: 4000  # many", "max_steps: 7  # many")
    field.fill("4000")
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    assert (folder / "recipe.yaml").read_text() == RECIPE


def test_steps_are_added_moved_and_taken_out(bench: tuple[Path, Site], look: Look) -> None:
    page = look(f"{bench[1].url}/recipe")
    stage(page, "prepare")
    page.get_by_label("Move drop_short up").click()
    area = page.get_by_role("textbox", name="The recipe's text")
    moved = "    # too short to say anything\n    - drop_short: {min_chars: 2}\n    - tidy_whitespace\n"
    expect(area).to_have_value(re.compile(re.escape(moved)))
    page.get_by_label("Add a step").click()
    page.get_by_role("option", name="fold_width").click()
    expect(area).to_have_value(re.compile(re.escape(moved + "    - fold_width\n")))
    page.get_by_label("Take tidy_whitespace out").click()
    expect(area).not_to_have_value(re.compile("tidy_whitespace"))
    area.fill(RECIPE.replace("drop_short: {min_chars: 2}", "cap: {mots: 3}"))
    expect(page.get_by_text("recipe.yaml:9: prepare.steps[1].cap.mots: no such key")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(area).to_have_value(RECIPE)
    expect(page.locator(".steps li")).to_have_count(2)


def test_what_somebody_else_saved_is_not_overwritten(bench: tuple[Path, Site], look: Look) -> None:
    folder, site = bench
    one, other = look(f"{site.url}/recipe"), look(f"{site.url}/recipe")
    for page, value in ((one, "3"), (other, "5")):
        stage(page, "train")
        page.get_by_label("r", exact=True).fill(value)
        expect(page.get_by_role("button", name="Save")).to_be_enabled()
    one.get_by_role("button", name="Save").click()
    expect(one.get_by_role("button", name="Save")).to_be_disabled()
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("Somebody else changed recipe.yaml meanwhile")).to_be_visible()
    assert "  r: 3\n" in (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    expect(one.get_by_label("r", exact=True)).to_have_value("2")  # it had nothing of its own to lose


def test_a_run_is_started_watched_stopped_and_resumed(bench: tuple[Path, Site], look: Look) -> None:
    site = bench[1]
    page, other = look(f"{site.url}/recipe"), look(f"{site.url}/train")
    expect(other.get_by_role("heading", name="Nothing is trained yet")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    status = page.get_by_role("region", name="The run").get_by_role("status")
    expect(status).to_have_text(re.compile(r"^train runs · [\d,]+ / 4,000 steps · .* left$"))
    expect(page.get_by_role("log")).to_contain_text("Held-out loss")
    expect(page.get_by_role("button", name="prepare finished")).to_be_visible()

    # Another visitor, and the same one after a reload, see the same run; a second one is refused.
    expect(other.get_by_role("row", name=re.compile(r"recipe trains · .* left"))).to_be_visible()
    expect(other.get_by_role("img", name=re.compile(r"^Loss: .* recipe: [\d.]+ at step 1, "))).to_be_visible()
    expect(other.locator(".chart.large svg path[stroke^='var(--run-1)']").first).to_be_attached()
    expect(other.get_by_role("heading", name="What is 3 plus 3?")).to_be_visible()
    other.goto(f"{site.url}/recipe")
    expect(other.get_by_role("log")).to_contain_text("Held-out loss")
    stage(other, "train")
    other.get_by_label("Run again from this stage on").click()
    expect(other.get_by_text("It runs already")).to_be_visible()

    other.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("Stopped: what is finished is safe, and the next run goes on from there")
    expect(page.get_by_role("log")).to_contain_text("Interrupted. What is finished is safe")

    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("Going on after step")
    expect(page.get_by_role("log")).to_contain_text("found finished")
    page.get_by_role("button", name="Stop").click()
    expect(status).to_contain_text("Stopped")


def test_a_changed_value_says_what_would_run_again(bench: tuple[Path, Site], look: Look) -> None:
    page = look(f"{bench[1].url}/recipe")
    stage(page, "export")
    page.get_by_label("Run to the end of this stage").click()
    expect(page.get_by_text("The run has ended in order")).to_be_visible()
    next_ = page.locator(".next")
    expect(next_).to_contain_text("sourcefinished, is not run again")
    stage(page, "prepare")
    page.get_by_label("min_chars", exact=True).fill("3")
    expect(next_).to_contain_text(re.compile(r"prepareruns again, changed: steps"))
    expect(next_).to_contain_text(re.compile(r"splitruns again if what it reads comes out otherwise"))
    expect(next_).to_contain_text("trainruns: there is nothing yet")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Save the recipe first: the run reads the file")).to_be_visible()


def test_a_run_outlives_the_studio(open_studio: Open, look: Look, tmp_path: Path) -> None:
    folder = make(tmp_path / "long")
    run = Run(folder / "runs" / "recipe")
    with open_studio(folder) as site:
        page = look(f"{site.url}/recipe")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("region", name="The run").get_by_role("status")).to_contain_text("steps")
        pid = run.writer()
    assert pid is not None
    try:
        assert run.writer() == pid
        with open_studio(folder, token="a-token-of-16-characters") as site:
            page = look(f"{site.url}/recipe")
            page.get_by_label("Token").fill("a-token-of-16-characters")
            page.get_by_role("button", name="Log in").click()
            status = page.get_by_role("region", name="The run").get_by_role("status")
            expect(status).to_contain_text("train runs")
            page.get_by_role("button", name="Stop").click()
            expect(status).not_to_contain_text("Stopping")
            expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
            stage(page, "source")
            page.get_by_label("inputs", exact=True).fill("[/etc/passwd]")  # who only has the token reads no other files
            expect(page.get_by_text("/etc/passwd leads out of the project")).to_be_visible()
            expect(page.get_by_role("button", name="Save")).to_be_disabled()
    finally:
        end(folder)
