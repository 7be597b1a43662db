"""What a CONFIG names: a recipe of ours, a config of XTuner's, or one of the names that `list-cfg` shows."""

import os
import re
from pathlib import Path
from typing import Any

from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS
from weitiao.recipe import Recipe, bind, load
from weitiao.talk import t
from weitiao.xtuner.carry import Imported, import_config
from weitiao.xtuner.carrying import Note
from weitiao.xtuner.names import generate, not_carried
from weitiao.xtuner.render import render

_HUB = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def is_recipe(config: str) -> bool:
    """Tell whether CONFIG is a recipe of ours."""
    return Path(config).suffix in (".yaml", ".yml")


def made(config: str) -> Imported:
    """Return the recipe that a config of XTuner's, or a name, becomes; its paths start in the working folder."""
    if Path(config).suffix == ".py" or Path(config).is_file():
        return import_config(Path(config))
    recipe = generate(config)
    notes = [Note(0, what, t("there is no such setting here"), lost=True) for what in not_carried(config)]
    return Imported(recipe, notes)


def recipe_of(config: str) -> Recipe:
    """Return the checked recipe of any CONFIG."""
    if is_recipe(config):
        return load(Path(config), SETTINGS)
    return bind(made(config).recipe, SETTINGS, Path.cwd(), where=config)


def text_of(imported: Imported, config: str, folder: Path) -> str:
    """Return the recipe as a commented file that will stand in `folder`."""
    head = [t("From {config}. Each key has beside it what XTuner calls it", config=config)]
    for name in _hub_names(imported.recipe):
        head.append(t("files are read: hf download {name} --repo-type dataset --local-dir {name}", name=name))
    return render(_moved(imported.recipe, folder), head)


def check_data(recipe: dict[str, Any]) -> None:
    """Raise UserError where the data is a data set on the hub that is not on this machine."""
    for name in _hub_names(recipe):
        hint = f"hf download {name} --repo-type dataset --local-dir {name}"
        raise UserError(t("The data set {name} is not here", name=name), hint)


def _hub_names(recipe: dict[str, Any]) -> list[str]:
    """Return the inputs that are names on the hub and not yet files here."""
    inputs = [name for name in recipe["source"]["inputs"] if _HUB.fullmatch(name) and not Path(name).suffix]
    return [name for name in inputs if not Path(name).exists()]


def _moved(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the recipe with its relative paths seen from `folder`, not from the working folder."""
    model, inputs = recipe["model"], recipe["source"]["inputs"]
    if model.startswith(".") or Path(model).is_dir():
        model = _seen_from(folder, model)
    return {**recipe, "model": model, "source": {**recipe["source"], "inputs": [_seen_from(folder, x) for x in inputs]}}


def _seen_from(folder: Path, name: str) -> str:
    if Path(name).is_absolute() or name.startswith("~") or folder.resolve() == Path.cwd():
        return name
    return Path(os.path.relpath(name, folder)).as_posix()
