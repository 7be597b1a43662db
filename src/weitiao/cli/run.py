"""`weitiao run RECIPE`: the whole line, or a part of it."""

from pathlib import Path
from typing import Annotated

import typer

from weitiao import pipeline
from weitiao.cli import dry
from weitiao.cli.dry import DryRun
from weitiao.cli.ledger import show_funnel
from weitiao.cli.terminal import AsJson, EngineName, Terminal, Trust, emit, summary
from weitiao.recipe import load
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help=t("The recipe, a YAML file"))],
    first: Annotated[str | None, typer.Option("--from", help=t("Run again from this stage on"))] = None,
    last: Annotated[str | None, typer.Option("--to", help=t("End after this stage"))] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help=t("Another value for a key of the recipe: train.epochs=3"))
    ] = None,
    runs: Annotated[Path | None, typer.Option(help=t("Where runs are kept [default: beside the recipe]"))] = None,
    engine: EngineName = None,
    trust_remote_code: Trust = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run a recipe; stages that are finished and unchanged are not run again."""
    trusted = ["trust_remote_code=true"] if trust_remote_code else []
    chosen = [f"engine={engine}"] if engine else []
    checked = load(recipe, pipeline.SETTINGS, [*(overrides or ()), *trusted, *chosen])
    if dry_run:
        dry.try_all(checked, runs, last, as_json)
        return
    done = pipeline.run(checked, runs, first=first, last=last, reporter=Terminal())
    show_funnel(done)
    if waiting := done[-1].manifest["facts"].get("waiting"):
        Terminal().say(
            t(
                "{count} records wait for people (weitiao review {recipe} opens them, weitiao review status {recipe} "
                "counts); when they have decided: weitiao run {recipe}",
                count=f"{waiting:,}",
                recipe=recipe,
            )
        )
    result = summary(done)
    if as_json:
        emit(result)
        return
    for item in done:
        if report := item.manifest["facts"].get("report"):
            print(item.stored.folder / report)
