"""What the page about serve tells people to type runs, in both languages."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from serve_ask import NANO, Opened

from weitiao.cli import serve as command
from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load
from weitiao.serve import Limits

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "serve.md", DOCS / "serve.zh-CN.md")
WRITTEN = "http://127.0.0.1:8000/v1"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_both_pages_have_the_same_blocks() -> None:
    for language in ("console", "python", "sh", "yaml"):
        assert blocks(PAGES[0], language) == blocks(PAGES[1], language) != []


def test_what_the_page_asks_is_answered(
    open_server: Opened, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with open_server() as service:
        for block in blocks(PAGES[0], "python"):
            exec(block.replace(WRITTEN, service.url), {})
        assert len(capsys.readouterr().out) > 10
        root = service.url.removesuffix("/v1")
        lines = [line for block in blocks(PAGES[0], "sh") for line in block.splitlines()]
        assert len(lines) == 4
        for line in lines:
            words = shlex.split(line.replace(WRITTEN, service.url).replace(WRITTEN.removesuffix("/v1"), root))
            done = subprocess.run([*words, "--fail"], capture_output=True, text=True, check=True)
            assert done.stdout
        (tmp_path / "recipe.yaml").write_text(
            blocks(PAGES[0], "yaml")[0].replace(WRITTEN, service.url), encoding="utf-8"
        )
        assert load(tmp_path / "recipe.yaml", SETTINGS).sections


def test_the_page_tells_the_flags_with_their_defaults() -> None:
    for page in PAGES:
        told = dict(re.findall(r"^\| `--([\w-]+)` \| ([\d.]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert len(told) >= 6
        for name, value in told.items():
            assert float(value) == Limits.model_fields[name.replace("-", "_")].default


def test_names_and_adapters(tmp_path: Path) -> None:
    (tmp_path / "work" / "train" / "adapter").mkdir(parents=True)
    assert command._named(str(tmp_path / "work/train/adapter")) == ("work", str(tmp_path / "work/train/adapter"))
    assert command._named("polite=work/adapter") == ("polite", "work/adapter")
    assert command._named("Qwen/Qwen3-0.6B") == ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B")
    assert command._named(NANO) == ("nano", NANO)
    with pytest.raises(UserError, match="Two are called nano"):
        command._places("nano", [f"nano={NANO}"], False)
    with pytest.raises(UserError, match="is no adapter"):
        command._places("nano", [f"other={NANO}"], False)
