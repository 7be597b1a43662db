"""The Train page: several runs in one picture, and names and answers from anywhere shown as they are."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Page, expect
from studio_look import Site, width

Look = Callable[..., Page]
CORPUS = [line for line in (Path(__file__).parent / "xss.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
HOSTILE = "<img src=x onerror=alert(1)>"


def train(run: Path, losses: list[float], answers: list[str]) -> None:
    """Write the journals of a training."""
    place = run / "train"
    place.mkdir(parents=True)
    steps = [
        {
            "kind": "train",
            "step": n,
            "seconds": 2.0 * n,
            "loss": loss,
            "lr": 1e-3,
            "tokens_per_second": 90.0,
            "tokens_seen": 10 * n,
            "memory_gb": 1.0,
        }
        for n, loss in enumerate(losses, start=1)
    ]
    (place / "metrics.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in steps))
    probes = [{"step": 1, "question": text, "text": text} for text in answers]
    (place / "probes.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in probes))


@pytest.fixture(scope="module")
def studio(
    open_studio: Callable[..., AbstractContextManager[Site]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("train") / "curves"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("model: nano\ntrain: {}\n", encoding="utf-8")
    train(folder / "runs" / "recipe", [3.0, 2.0, 1.0], CORPUS)
    train(folder / "runs" / "wide", [3.5, 2.5], ["plain"])
    train(folder / "runs" / HOSTILE, [4.0, 3.0, 2.5], [])
    with open_studio(folder) as site:
        yield site


def choose(page: Page, *names: str) -> None:
    page.get_by_label("Runs", exact=True).first.click()
    for name in names:
        page.get_by_role("option", name=name).click()
        expect(page.locator(".figures").first).to_contain_text(name)
    page.keyboard.press("Escape")


@pytest.mark.parametrize("phone", [False, True])
def test_several_runs_stand_in_one_picture(studio: Site, look: Look, phone: bool) -> None:
    page = look(f"{studio.url}/train", phone=phone, dark=phone)
    chart = page.locator(".chart.large .nicegui-echart")
    expect(chart).to_have_attribute(
        "aria-label", "Loss: trained, and dashed held out. recipe: 3 at step 1, 1 at step 3"
    )
    choose(page, "wide", HOSTILE)
    for one in ("recipe: 3 at step 1, 1 at step 3", "wide: 3.5 at step 1, 2.5 at step 2", f"{HOSTILE}: 4 at step 1"):
        expect(chart).to_have_attribute("aria-label", re.compile(re.escape(one)))
    names = page.locator(".figures").first.locator("tbody th")
    expect(names).to_have_text(["recipe", "wide", HOSTILE])
    marks = page.locator(".figures .mark").evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
    drawn = chart.locator("svg path").evaluate_all(
        "all => all.map(one => getComputedStyle(one)).filter(one => one.fill === 'none').map(one => one.stroke)"
    )
    assert len({*marks}) == 3
    assert {*marks} <= {*drawn}
    assert width(page) == (390 if phone else 1280)
    page.locator("summary", has_text="The curves as a table").click()
    expect(page.get_by_role("region", name="The curves as a table").locator("tbody tr")).to_have_count(8)


def test_a_hostile_name_is_text_in_the_tooltip(studio: Site, look: Look) -> None:
    page = look(f"{studio.url}/train")
    choose(page, HOSTILE)
    expect(page.locator(".figures").first).to_contain_text(HOSTILE)
    box = page.locator(".chart.large .nicegui-echart").bounding_box()
    assert box
    tooltip = page.locator(".chart.large .nicegui-echart > div").last
    for place in range(3, 8):
        page.mouse.move(box["x"] + box["width"] * place / 10, box["y"] + box["height"] / 2)
    expect(tooltip).to_contain_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0


def test_probes_are_shown_as_they_are(studio: Site, look: Look) -> None:
    page = look(f"{studio.url}/train")
    expect(page.locator(".probe h3").first).to_be_visible()
    asked = page.locator(".probe h3").all_text_contents()
    assert asked == list(dict.fromkeys(CORPUS))
    assert {*page.locator(".probe dd").all_text_contents()} == {*CORPUS}
    page.wait_for_timeout(500)
