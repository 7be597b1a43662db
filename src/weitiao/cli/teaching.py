"""`weitiao augment | label`: the data stages that may ask a teacher, on plain files, each by a recipe."""

import shutil
from pathlib import Path
from typing import Any

import typer

from weitiao import pipeline
from weitiao.cli import COMMANDS
from weitiao.cli.data import Inputs, Ledger, Out, Seed, WorkDir, checked_recipe, running, tell, write_records
from weitiao.cli.dry import DryAsk
from weitiao.cli.teacher import (
    Budget,
    Endpoint,
    KeyEnv,
    MaxTokens,
    Price,
    TeacherName,
    paid_folder,
    teacher_settings,
    tell_plan,
)
from weitiao.cli.terminal import AsJson, Steps, Terminal, listed, with_flags
from weitiao.llm import Taught
from weitiao.recipe import Recipe
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


def _command(stage: str) -> None:
    """Add the command of a stage: both take the same flags, beside those of their settings."""

    @app.command(stage, help=t(COMMANDS[stage][1]))
    @with_flags("source", without=("inputs",))
    @with_flags(stage, without=("steps", "teacher"), into="settings")
    def command(
        inputs: Inputs,
        out: Out,
        steps: Steps,
        source: dict[str, Any],
        settings: dict[str, Any],
        endpoint: Endpoint = None,
        teacher: TeacherName = None,
        key_env: KeyEnv = None,
        price: Price = None,
        budget: Budget = None,
        max_tokens: MaxTokens = None,
        dry_run: DryAsk = False,
        seed: Seed = None,
        ledger: Ledger = None,
        work_dir: WorkDir = None,
        as_json: AsJson = False,
    ) -> None:
        asked = teacher_settings(endpoint, teacher, key_env, price, budget, max_tokens)
        own = {**settings, "steps": listed(steps), **({"teacher": asked} if asked else {})}
        head: dict[str, Any] = {} if seed is None else {"seed": seed}
        data = {**head, "source": {"inputs": inputs, **source}, stage: own}
        recipe = checked_recipe(data, out, (".jsonl", ".parquet"))
        if dry_run:
            tell_plan(pipeline.preview(recipe, work_dir or paid_folder(out), reporter=Terminal()), as_json)
        else:
            kept = recipe.section(stage, Taught).asked
            _run(recipe, out, paid_folder(out) if kept else None, ledger, work_dir, as_json)


for _stage in pipeline.TEACHING:
    _command(_stage)


def _run(
    recipe: Recipe, out: Path, paid: Path | None, ledger: Path | None, work_dir: Path | None, as_json: bool
) -> None:
    """Run such a recipe; what was paid for stays."""
    with running(recipe, work_dir or paid, ledger, out) as done:
        write_records(done[-1], out)
        tell(done, out, as_json)
        if paid and not work_dir:
            for item in done:
                shutil.rmtree(item.stored.folder)
            again = any(item.manifest["facts"].get("again") for item in done)
            told = "What was paid for is kept in {folder}; the same command asks only what failed"
            whole = "Answers that were paid for are kept in {folder}; the same command asks for none again"
            Terminal().say(t(told if again else whole, folder=paid))
