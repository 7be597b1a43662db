"""A studio on a real port, in a process of its own, and a browser that looks at it and asks nobody else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import yaml

from weitiao import pipeline
from weitiao.recipe import load

pytest.importorskip("nicegui", reason="the extra `studio` is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Page  # noqa: E402
from serve_adapters import make_adapter  # noqa: E402
from studio_look import CHROMIUM, Site  # noqa: E402

from postgres_server import postgres  # noqa: E402

__all__ = ["postgres"]
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WORDS = ["水", "火", "土", "木", "金", "日", "月", "山", "川", "田", "人", "口"]
HALVES = ["odd", '"><b>even']
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"
RECIPE = "model: nano\nsource: {inputs: [data.jsonl]}\nreview: {}\ntrain: {}\nmerge: {}\n"
# As the report is: one page whose style and script are named by their hashes.
REPORT = """<!doctype html><html lang="en" data-lang="en"><head><meta charset="utf-8"><title>Report</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{hash}'"></head>
<body><p id="said">waits</p><script>{script}</script></body></html>"""
SCRIPT = 'document.querySelector("#said").textContent = "language " + document.documentElement.dataset.lang;'
SCRIPT_HASH = "sha256-+tOH9rNoDZ8BY+sD16Yvm0yYrN3OL/IvptY0XOXXcbI="


@contextmanager
def opened(project: Path, *arguments: str, token: str = "", command: str = "serve") -> Iterator[Site]:
    """Serve the studio of a project meanwhile; ended by Ctrl-C, it ends in order."""
    words = [sys.executable, "-W", "error", "-m", "weitiao", "--lang", "en", command, str(project / "recipe.yaml")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WEITIAO_TOKEN": token, "HF_HUB_OFFLINE": "1"}
    said = project / "stderr.txt"
    with said.open("w") as errors:
        process = subprocess.Popen(
            [*words, "--port", "0", "--json", *(["--grace", "0"] if command == "serve" else []), *arguments],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=environment,
        )  # fmt: skip
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, said.read_text()
            yield Site(json.loads(line)["studio"], said)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()
    assert "Traceback" not in said.read_text()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a base, an adapter and a report."""
    folder = tmp_path_factory.mktemp("studio") / "riddles"
    run = folder / "runs" / "recipe"
    make_adapter(run / "train" / "adapter", 1)
    (run / "compare").mkdir()
    (run / "compare" / "report.html").write_text(REPORT.format(script=SCRIPT, hash=SCRIPT_HASH), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def open_studio() -> Callable[..., AbstractContextManager[Site]]:
    return opened


@pytest.fixture(scope="session")
def site(project: Path) -> Iterator[Site]:
    with opened(project) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page as a visitor; at the end nothing was asked of another host, and nothing went wrong in it."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_page(address: str, *, phone: bool = False, zh: bool = False, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 800},
            locale="zh-CN" if zh else "en-US",
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        host = urlsplit(address).netloc
        context.on("request", lambda request: _hold(request.url, host, wrong))
        context.on("weberror", lambda error: wrong.append(f"error: {error.error}"))
        context.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def _hold(url: str, host: str, wrong: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob") and parts.netloc != host:
        wrong.append(f"asked {url}")


@pytest.fixture(scope="session")
def compared(tiny_llama: Path, other_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose models answered twelve questions, one of them hostile."""
    folder = tmp_path_factory.mktemp("votes") / "votes"
    folder.mkdir()
    rows = [
        {"question": f"{word}？{HOSTILE if word == '口' else ''}", "answer": f"{word}。", "half": HALVES[place % 2]}
        for place, word in enumerate(WORDS)
    ]
    rows[0]["check"] = {"regex": "水"}  # type: ignore[assignment]
    (folder / "asked.jsonl").write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in rows))
    models = {"before": str(tiny_llama), "after": str(other_llama)}
    compare = {**models, "max_new_tokens": 12, "samples": 200, "general": False, "group_by": ["half"]}
    sections = {"model": "nano", "source": {"inputs": ["asked.jsonl"]}, "export": {}, "compare": compare}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(sections, allow_unicode=True), encoding="utf-8")
    pipeline.run(load(folder / "recipe.yaml", pipeline.SETTINGS))
    return folder
