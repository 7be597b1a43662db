"""What decides what comes out of a stage: noted in its manifest, and held against what holds now."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import weitiao
from weitiao.recipe import Recipe
from weitiao.stage import Stage
from weitiao.store import Stored


def basis(stage: Stage, recipe: Recipe, home: Path, inputs: Mapping[str, Stored]) -> dict[str, Any]:
    """Return all that decides what comes out of the stage of a recipe whose run stands in `home`."""
    project = recipe.project.model_dump(mode="json")
    return {
        "version": weitiao.__version__,
        "settings": recipe.sections[stage.name].model_dump(mode="json", exclude=set(stage.beside)),
        "project": {name: project[name] for name in stage.project},
        "inputs": {name: stored.manifest["output"] for name, stored in inputs.items()},
        "outside": _outside(stage, recipe, home),
    }


def changed(stage: Stage, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what differs but for the inputs: keys of the stage or of the head, `version`, `outside`, `decided`."""
    found = [name for part in ("settings", "project") for name in {**old[part], **new[part]}
             if old[part].get(name) != new[part].get(name)]  # fmt: skip
    found += ["version"] * (old["version"] != new["version"])
    if old["outside"] != new["outside"]:
        people = stage.decided and (not stage.outside or _found(old["outside"]) == _found(new["outside"]))
        found.append("decided" if people else "outside")
    return tuple(found)


def decided_alone(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether nothing differs but what people have decided."""
    return all(old.get(name) == new[name] for name in new if name != "outside") and (
        _found(old["outside"]) == _found(new["outside"])
    )


def load(entry: str) -> Any:
    """Return the function that a stage names as `module:function`."""
    module, _, function = entry.partition(":")
    return vars(importlib.import_module(module))[function]


def _outside(stage: Stage, recipe: Recipe, home: Path) -> object:
    found = stage.outside(recipe) if stage.outside else None
    decided = load(stage.decided)(recipe, home) if stage.decided else None
    if found is None or decided is None:
        return decided if found is None else found
    return {"found": found, "decided": decided}


def _found(outside: Any) -> Any:
    return outside["found"] if isinstance(outside, dict) and "decided" in outside else outside
