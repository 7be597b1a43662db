"""The page about the studio says the same in both languages, and shows pictures that are there."""

import re
from pathlib import Path

from weitiao.serve import run

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH, CHINESE = ((DOCS / name).read_text(encoding="utf-8") for name in ("studio.md", "studio.zh-CN.md"))


def test_both_pages_show_the_same_commands() -> None:
    found = [re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for text in (ENGLISH, CHINESE)]
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert f"{run._TOKEN} characters" in ENGLISH


def test_the_pictures_are_there_and_small() -> None:
    named = {name for text in (ENGLISH, CHINESE) for name in re.findall(r"\(images/(\S+?)\)", text)}
    assert named
    pictures = sorted((DOCS / "images").glob("*.png"))
    assert named <= {path.name for path in pictures}
    assert sum(path.stat().st_size for path in pictures) < 1_000_000
