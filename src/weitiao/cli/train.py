"""`weitiao train RECIPE`, or `weitiao train --model M --data F --work-dir W`: both run a recipe up to train."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from weitiao import pipeline
from weitiao.cli.terminal import (
    AsJson,
    Terminal,
    Trust,
    emit,
    hold_read,
    plain_recipe,
    settings_of,
    summary,
    with_flags,
)
from weitiao.errors import UserError
from weitiao.recipe import Recipe, load, override
from weitiao.store import make_folder, write_whole
from weitiao.talk import t
from weitiao.train import STAGE as TRAIN

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_COMMAND = "command.json"


@app.callback()
def _group() -> None:
    pass


@app.command()
@with_flags("train", without=("validation",))
def train(
    train: dict[str, Any],
    recipe: Annotated[Path | None, typer.Argument(help=t("The recipe, a YAML file"))] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help=t("Another value for a key of the recipe: train.epochs=3"))
    ] = None,
    runs: Annotated[Path | None, typer.Option(help=t("Where runs are kept [default: beside the recipe]"))] = None,
    model: Annotated[str | None, typer.Option(help=t("Without a recipe: the base model, a folder or hub name"))] = None,
    data: Annotated[list[str] | None, typer.Option(help=t("Without a recipe: files to train on"))] = None,
    validation: Annotated[list[str] | None, typer.Option(help=t("Without a recipe: files held out"))] = None,
    template: Annotated[str | None, typer.Option(help=t("Chat template by name, in place of the model's own"))] = None,
    work_dir: Annotated[Path | None, typer.Option(help=t("Without a recipe: where the run is kept"))] = None,
    seed: Annotated[int | None, typer.Option(help=t("Seed of everything that is drawn at random"))] = None,
    resume: Annotated[bool, typer.Option("--resume", help=t("Go on with the training in the work dir"))] = False,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model; what was interrupted goes on from its newest checkpoint."""
    for name in ("probes", "freeze"):
        if isinstance(train.get(name), str):
            train[name] = [train[name]]
    if str(train.get("deepspeed")).endswith(".json"):
        train["deepspeed"] = str(Path(train["deepspeed"]).absolute())
    head = {"seed": seed, "template": template, "trust_remote_code": trust_remote_code or None}
    plain_only = {"--model": model, "--data": data, "--validation": validation, "--work-dir": work_dir}
    hold_read(recipe, without=plain_only, beside={"--runs": runs})
    if recipe:
        flags = settings_of("train", train, head)
        checked, home = load(recipe, pipeline.SETTINGS, [*(overrides or ()), *flags]), runs
    else:
        given = {name: value for name, value in head.items() if value is not None}
        files = {"inputs": [*(data or ()), *(validation or ())]}
        plain: dict[str, Any] = {"model": model, **given, "source": files, "export": {}, "train": train}
        if validation:
            plain["train"] = {**train, "validation": validation}
        for text in overrides or ():
            override(plain, {}, text)
        checked, home = _plain(plain, work_dir, resume), work_dir
    done = pipeline.run(checked, home, last="train", reporter=Terminal())
    if as_json:
        emit(summary(done))
    else:
        folder = done[-1].stored.folder
        print(folder / ("model" if (folder / "model").is_dir() else "adapter"))


def _plain(data: Mapping[str, Any], work_dir: Path | None, resume: bool) -> Recipe:
    """Return the recipe of a training without one; two different trainings never share a work dir."""
    if not data["model"] or not data["source"]["inputs"] or not work_dir:
        raise UserError(
            t("Nothing to train: neither a recipe nor a model, data and a work dir"),
            "weitiao train RECIPE | weitiao train --model M --data train.jsonl --work-dir W",
        )
    recipe = plain_recipe(data)
    note = work_dir / _COMMAND
    lasting = {key: value for key, value in data["train"].items() if key not in TRAIN.beside}
    mine = orjson.dumps({**data, "train": lasting}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    there = note.read_bytes() if note.exists() else None
    if resume and there is None:
        raise UserError(t("There is nothing to resume in {folder}", folder=work_dir))
    # A try that ended over a wrong name or value has trained nothing, and the mended one is another.
    trained = (work_dir / "train").exists() or any(work_dir.glob(".train.part/checkpoint-*"))
    if trained and there not in (None, mine):
        raise UserError(
            t("{folder} holds a training with other settings or data", folder=work_dir),
            t("Take another --work-dir, or give what {path} says", path=note),
        )
    make_folder(work_dir)
    write_whole(note, mine)
    return recipe
