"""`weitiao ledger funnel | why`: where the records of a run went, and what another threshold would have kept."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from weitiao import pipeline, trace
from weitiao import why as reasons
from weitiao.cli import COMMANDS
from weitiao.cli.terminal import AsJson, console, emit
from weitiao.errors import UserError
from weitiao.pipeline import Done
from weitiao.recipe import load
from weitiao.talk import t
from weitiao.why import Case, Limit

app = typer.Typer(add_completion=False, rich_markup_mode=None)
verbs = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(verbs, name="ledger", help=t(COMMANDS["ledger"][1]))

Place = Annotated[
    Path | None,
    typer.Argument(metavar="[RECIPE|RUN]", help=t("A recipe or the folder of a run [default: the one here]")),
]
Runs = Annotated[Path | None, typer.Option(help=t("Where runs are kept [default: beside the recipe]"))]

_SHOWN = 600  # characters of a text


@app.callback()
def _group() -> None:
    pass


@verbs.callback()
def _verbs() -> None:
    pass


@verbs.command(help=t("Show how many records came to each step, and where the others went"))
def funnel(place: Place = None, runs: Runs = None, as_json: AsJson = False) -> None:
    """Print the funnel of a finished run."""
    run = _run(place, runs)
    rows = trace.funnel(run)
    if as_json:
        emit({"run": str(run), "funnel": rows})
        return
    Console(highlight=False).print(_funnel_table(rows))


@verbs.command(help=t("Show what went for one reason, borderline cases first, and try another threshold"))
def why(
    reason: Annotated[str, typer.Argument(help=t("A reason of the ledger, or the name of a step: near-duplicate"))],
    place: Place = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="[SETTING=]NUMBER", help=t("Another threshold to try, on the ledger alone")),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help=t("How many cases are shown"))] = 20,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Print the cases of a reason."""
    run = _run(place, runs)
    found = reasons.why(run, reason, _thresholds(at or ()), limit)
    if as_json:
        emit({"run": str(run), **asdict(found)})
        return
    for one in found.limits:
        print(_limit_line(one))
    out = Console(highlight=False)
    for line in (line for case in found.cases for line in _case_lines(case)):
        out.print(line, markup=False, soft_wrap=isinstance(line, str))


def show_funnel(done: Iterable[Done]) -> None:
    """Draw the funnel of the stages that were run now, where somebody looks."""
    fresh = {item.stage.name: item.manifest for item in done if item.fresh}
    if console.is_terminal and "prepare" in fresh:
        console.print(_funnel_table(trace.funnel_rows(fresh)))


def _funnel_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "step"):
        table.add_column(t(name))
    for name in ("in", "changed", "gone", "out"):
        table.add_column(t(name), justify="right")
    table.add_column(t("reason"))
    before = ""
    for row in rows:
        gone = sum(row["dropped"].values())
        said = ", ".join(f"{t(reason)} {count:,}" for reason, count in row["dropped"].items())
        numbers = (f"{number:,}" if number else "" for number in (row["changed"], gone))
        stage = "" if row["stage"] == before else t(row["stage"])
        step = "" if row["step"] == row["stage"] else row["step"]  # a stage as a whole
        table.add_row(stage, step, f"{row['in']:,}", *numbers, f"{row['out']:,}", Text(said))
        before = row["stage"]
    return table


def _run(place: Path | None, runs: Path | None) -> Path:
    """Return the folder of the run that is meant."""
    if place is not None and place.is_file():
        recipe = load(place, pipeline.SETTINGS)
        place = (runs or recipe.folder / "runs") / recipe.project.name
    found = trace.find_runs(place, runs, "runs/NAME")
    if len(found) > 1:
        names = ", ".join(str(run) for run in found)
        raise UserError(t("Which run? There are {names}", names=names), t("Name one: runs/NAME, or its recipe"))
    return found[0]


def _thresholds(given: Iterable[str]) -> dict[str, float]:
    at: dict[str, float] = {}
    for text in given:
        setting, _, number = text.rpartition("=")
        try:
            at[setting] = float(number)
        except ValueError:
            raise UserError(t("--at {text}: write it as 0.8, or similarity=0.8", text=text)) from None
    return at


def _limit_line(limit: Limit) -> str:
    """Say how many a limit let go, and how many another would."""
    counts = t("{dropped} went, {spared} just stayed", dropped=f"{limit.dropped:,}", spared=f"{limit.spared:,}")
    if limit.at_any:
        told = t("{dropped} went at any threshold: word for word the same, one edit apart, or held whole by the other",
            dropped=f"{limit.dropped:,}")  # fmt: skip
        return f"{limit.step}: {told}"
    if limit.threshold is None:
        return f"{limit.step}: " + (t("{dropped} went", dropped=f"{limit.dropped:,}") if not limit.spared else counts)
    said = f"{limit.step}, {limit.setting} {limit.goes} {limit.threshold:g}: {counts}"
    if limit.at is None:
        return said
    gone = t("at least {count}", count=f"{limit.gone:,}") if limit.at_least else f"{limit.gone:,}"
    tried = t("at {at}: {back} would stay, {gone} more would go", at=f"{limit.at:g}", back=f"{limit.back:,}", gone=gone)
    return f"{said}; {tried}"


def _case_lines(case: Case) -> Iterator[str | Table]:
    """Yield what a case is, and under it its text, beside that of its twin."""
    rule = "" if case.score is None else f"{case.score:.4g} "
    rule += "" if case.threshold is None else f"({case.setting} {case.goes} {case.threshold:g}) "
    rule += t("(at any threshold) ") if case.score is not None and case.twin and case.threshold is None else ""
    twin = t(" beside {id}", id=case.twin) if case.twin else ""
    yield f"\n{t(case.action)} {rule}{case.id}{twin}"
    texts = [case.text, case.twin_text] if case.twin_text else [case.text]
    table = Table.grid(padding=(0, 2), expand=True)
    for _ in texts:
        table.add_column(ratio=1)
    table.add_row(*(Text(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…") for text in texts))
    yield table
