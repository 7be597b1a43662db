"""What tests of the studio share: where it is, what it says on stderr, and the browser."""

from dataclasses import dataclass
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
