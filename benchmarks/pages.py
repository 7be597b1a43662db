"""How well the text of web pages is found: F1 over words and Han characters, beside trafilatura's own.

    python -m benchmarks.pages FOLDER

FOLDER holds `readability/*/source.html` with `expected.html` (Mozilla's cases), and `news/*.html` with
`*.expected.txt`.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trafilatura
from selectolax.lexbor import LexborHTMLParser

from weitiao.source.articles import article

_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")


@dataclass(frozen=True)
class Case:
    """A page, and the text that should come out."""

    name: str
    html: str
    expected: str


@dataclass(frozen=True)
class Score:
    """How much of what was found is right, how much of what is right was found."""

    f1: float
    precision: float
    recall: float


def cases(folder: Path) -> list[Case]:
    """Return the pages of a folder that have an expected text."""
    known = []
    for page in sorted(folder.glob("readability/*/source.html")):
        expected = _visible((page.parent / "expected.html").read_text(encoding="utf-8"))
        known.append(Case(page.parent.name, page.read_bytes().decode("utf-8", "replace"), expected))
    for expected_file in sorted(folder.glob("news/*.expected.txt")):
        page = expected_file.with_name(expected_file.name.replace(".expected.txt", ".html"))
        html = page.read_bytes().decode("utf-8", "replace")
        known.append(Case(page.stem, html, expected_file.read_text(encoding="utf-8")))
    return known


def score(found: str, expected: str) -> Score:
    """Compare two texts as bags of words and Han characters."""
    ours, wanted = (Counter(_TOKEN.findall(text.lower())) for text in (found, expected))
    shared = (ours & wanted).total()
    if not shared:
        return Score(0.0, 0.0, 0.0)
    precision, recall = shared / ours.total(), shared / wanted.total()
    return Score(2 * precision * recall / (precision + recall), precision, recall)


def mean(scores: Sequence[Score]) -> Score:
    """Return the mean over pages."""
    count = len(scores)
    sums = (sum(one.f1 for one in scores), sum(one.precision for one in scores), sum(one.recall for one in scores))
    return Score(*(total / count for total in sums))


def of_weitiao(html: str) -> str:
    """Return the article that weitiao finds."""
    found = article(html)
    return found.text if found else ""


def of_trafilatura(html: str) -> str:
    """Return the article that trafilatura finds by itself."""
    return trafilatura.extract(html, include_comments=False) or ""


def of_everything(html: str) -> str:
    """Return all text of the page."""
    return _visible(html)


def _visible(html: str) -> str:
    tree = LexborHTMLParser(html)
    for node in tree.css("script, style, noscript, template"):
        node.decompose()
    return tree.body.text(separator=" ") if tree.body else ""


def main() -> None:
    """Print the table."""
    known = cases(Path(sys.argv[1]))
    print(f"{len(known)} pages")
    print(f"{'':<14}{'F1':>8}{'precision':>11}{'recall':>8}")
    for name, take in (("weitiao", of_weitiao), ("trafilatura", of_trafilatura), ("all text", of_everything)):
        figures = mean([score(take(case.html), case.expected) for case in known])
        print(f"{name:<14}{figures.f1:>8.3f}{figures.precision:>11.3f}{figures.recall:>8.3f}")


if __name__ == "__main__":
    main()
