"""The pages of the steps: what their tables say comes in and goes out is what the steps do, in both languages."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from weitiao import record
from weitiao.prepare import OTHERS, Prepare
from weitiao.record import Record
from weitiao.step import Batch, Gather, RowStep, Step, Survey

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


def after(steps: str, texts: list[str]) -> list[str | None]:
    """Return the texts after the steps, None where the record goes; ` → ` parts question and answer."""
    prepare = Prepare.model_validate({"steps": yaml.safe_load(steps)}, strict=False)
    talks: list[Any] = [tuple(zip(("user", "assistant"), text.split(" → "), strict=False)) for text in texts]
    made = [
        Record(f"r{n}", talk if len(talk) > 1 else (("passage", talk[0][1]),), "f", n) for n, talk in enumerate(talks)
    ]
    batch = Batch.of(record.to_frame(made))
    for step in prepare.steps:
        if isinstance(step, Gather):
            judged = step.judge(step.columns(batch))
            batch = batch.without(judged, step.noted(judged))
        else:
            assert isinstance(step, (RowStep, Survey))
            batch = step.apply(batch)
    left = {one.id: " → ".join(text for _, text in one.messages) for one in record.to_records(batch.frame())}
    return [left.get(f"r{n}") for n in range(len(texts))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_are_true(page: Path) -> None:
    found = tables(page)
    assert found, f"{page.name} shows no table"
    for steps, rows in found:
        results = after(steps, [_text(before) for before, _ in rows])
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
    assert {step.step_name() for step in OTHERS} - set(re.findall(r"\w+", shown)) == set()


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: str(kind.step_name()))
def test_a_step_is_written_as_a_recipe_would(kind: type[Step]) -> None:
    settings = {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    assert Prepare(steps=(kind(),)).model_dump() == {"steps": ({kind.step_name(): settings},)}
