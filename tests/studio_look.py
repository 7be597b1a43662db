"""What tests of the studio share: where it is, how it is asked, and a server that says back what it hears."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, expect

CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=60_000)


@dataclass(frozen=True)
class Site:
    """A studio that runs."""

    url: str
    stderr: Path


def ask(page: Page, question: str) -> None:
    """Type a question and send it."""
    field = page.get_by_label("Your question")
    field.fill(question)
    field.press("Enter")


def width(page: Page) -> int:
    """Return how wide the page is; more than the window means that it scrolls sideways."""
    found: int = page.evaluate("document.documentElement.scrollWidth")
    return found


def add_address(page: Page, address: str) -> None:
    """Have the chat ask another server too."""
    page.get_by_text("Another address").click()
    page.get_by_label("OpenAI-compatible address, up to /v1").fill(address)
    page.get_by_label("The model's name there").fill("echo")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".q-chip").get_by_text("echo @")).to_be_visible()


class Echo(BaseHTTPRequestHandler):
    """Streams the last message back; one that begins with `endless` goes on until the asker leaves."""

    left = threading.Event()
    asked: dict[str, object]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked = body
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        said = body["messages"][-1]["content"]
        try:
            for place in range(0, len(said), 7):
                self.tell({"delta": {"content": said[place : place + 7]}})
            while said.startswith("endless"):
                time.sleep(0.02)
                self.tell({"delta": {"content": " and on"}})
        except OSError:
            self.left.set()
            return
        self.tell({"delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def tell(self, choice: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


def ask_only(page: Page, address: str) -> None:
    """Have the chat ask the server at `address`, and nobody else."""
    expect(page.get_by_label("Your question")).to_be_visible()  # not the page before it in another language
    page.wait_for_function("window.did_handshake")
    chips = page.locator(".q-chip")
    while left := chips.count():
        chips.last.locator(".q-chip__icon--remove").click()
        expect(chips).to_have_count(left - 1)  # a press before the server has answered goes by what was there before
    add_address(page, address)


@contextmanager
def echoing() -> Iterator[str]:
    """Run the server meanwhile; yield its address."""
    Echo.left.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
