"""The pages of the steps: what their tables say comes in and goes out is what the steps do, in both languages."""

import json
import re
from pathlib import Path

import pytest

from weitiao import record
from weitiao.pipeline import SETTINGS, run
from weitiao.prepare import OTHERS, STEPS, Prepare
from weitiao.recipe import bind, plain_value
from weitiao.step import Step

FOLDER = Path(__file__).parents[2] / "docs" / "steps"
PAGES = sorted(path for path in FOLDER.glob("*.md") if "." not in path.stem)
# A recipe's step, and behind it a table of texts before and after.
TABLE = re.compile(r"```yaml\n(.*?)```\n+\|[^\n]*\|\n\|[- |]+\|\n((?:\|[^\n]*\|\n)+)", re.DOTALL)


def tables(page: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    found = TABLE.findall(page.read_text(encoding="utf-8"))
    return [(steps, [_row(line) for line in rows.splitlines()]) for steps, rows in found]


def _row(line: str) -> tuple[str, str]:
    before, after = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:3])
    return before, after


def _text(cell: str) -> str:
    """Return the text that a cell shows: between backquotes, `⏎` for a line end."""
    return cell.strip("`").strip(" ").replace("\\|", "|").replace("⏎", "\n")


def after(steps: str, texts: list[str], folder: Path) -> list[str | None]:
    """Return the texts after the steps, None where the record goes; ` → ` parts question and answer."""
    talks = [list(zip(("user", "assistant"), text.split(" → "), strict=False)) for text in texts]
    told = [[{"role": role, "content": content} for role, content in talk] for talk in talks]
    rows = [{"messages": talk} if len(talk) > 1 else {"text": talk[0]["content"]} for talk in told]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = {
        "name": "page",
        "source": {"inputs": [str(folder / "rows.jsonl")]},
        "prepare": {"steps": plain_value(steps)},
    }
    stored = run(bind(recipe, SETTINGS, FOLDER), folder / "runs")[-1].stored
    left = {one.row: " → ".join(text for _, text in one.messages) for one in record.to_records(stored.records())}
    return [left.get(row) for row in range(1, len(texts) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_are_true(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    found = tables(page)
    assert found, f"{page.name} shows no table"
    for steps, rows in found:
        results = after(steps, [_text(before) for before, _ in rows], tmp_path)
        for (before, shown), result in zip(rows, results, strict=True):
            expected = {"*stays*": _text(before), "*goes*": None}.get(shown, _text(shown))
            assert result == expected, f"{page.name}: {before}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_both_languages_show_the_same(page: Path) -> None:
    chinese = page.with_suffix(".zh-CN.md")
    there = [
        (steps, [(b, {"*不变*": "*stays*", "*删去*": "*goes*"}.get(a, a)) for b, a in rows])
        for steps, rows in tables(chinese)
    ]
    assert there == tables(page)
    heads = [re.findall(r"^#+", path.read_text(encoding="utf-8"), re.MULTILINE) for path in (page, chinese)]
    assert heads[0] == heads[1]


def test_each_step_that_a_recipe_names_has_its_page() -> None:
    shown = " ".join(steps for page in PAGES for steps, _ in tables(page))
    assert PAGES
    assert {step.step_name() for step in (*STEPS, *OTHERS)} - set(re.findall(r"\w+", shown)) == set()


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: str(kind.step_name()))
def test_a_step_is_written_as_a_recipe_would(kind: type[Step]) -> None:
    needed = {name: ("x",) for name, field in kind.model_fields.items() if field.is_required()}
    settings = {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    assert Prepare(steps=(kind(**needed),)).model_dump() == {"steps": ({kind.step_name(): settings | needed},)}
