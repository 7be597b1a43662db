"""What the run of a recipe has to be asked by now: its base, its adapter and checkpoints, and the merged model."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from weitiao.model import pair, tokens
from weitiao.model.pair import Place
from weitiao.recipe import Recipe
from weitiao.serve.models import Group


def groups(recipe: Recipe, run: Path, taken: frozenset[str] = frozenset()) -> list[Group]:
    """Return the models of the run's folder, those together that share their weights. Nothing is loaded or fetched.

    Names that are `taken` are left to those who have them.
    """
    return [group for group in _groups(recipe, run) if not taken & {*group.names}]


def _groups(recipe: Recipe, run: Path) -> list[Group]:
    train, merge = run / "train", run / "merge"
    adapters = {name: folder for name, folder in _trained(train).items() if (folder / "adapter_config.json").is_file()}
    alone = {name: folder for name, folder in adapters.items() if tokens.trained_in(folder)}
    beside = {name: folder for name, folder in adapters.items() if name not in alone}
    made = recipe.project.model != "tiny" or (train / "base").is_dir()
    found = [_group(recipe, train, beside, base=made)] if made or beside else []
    found += [_group(recipe, train, {name: folder}) for name, folder in alone.items()]
    whole = {name: folder for name, folder in _trained(train).items() if (folder / "config.json").is_file()}
    if (merge / "model").is_dir():
        whole["merged"] = merge / "model"
    found += [Group((name,), _stamp([folder]), partial(_whole, recipe, name, folder)) for name, folder in whole.items()]
    return found


def _trained(train: Path) -> dict[str, Path]:
    """Return what the train stage left, by name: the newest checkpoints last."""
    steps = sorted(int(number) for place in train.glob("checkpoint-*") if (number := place.name[11:]).isdecimal())
    named = {
        "adapter": train / "adapter",
        "trained": train / "model",
        **{f"checkpoint-{step}": train / f"checkpoint-{step}" for step in steps},
    }
    return {name: folder for name, folder in named.items() if folder.is_dir()}


def _whole(recipe: Recipe, name: str, folder: Path) -> dict[str, Place]:
    return {name: Place(str(folder), trust=recipe.project.trust_remote_code)}


def _group(recipe: Recipe, train: Path, adapters: Mapping[str, Path], *, base: bool = False) -> Group:
    names = (*(("base",) if base else ()), *adapters)

    def places() -> dict[str, Place]:
        trust = recipe.project.trust_remote_code
        plain = pair.before(recipe.project.model, recipe.folder, train, trust=trust)
        return {name: Place(plain.model, str(adapters[name]), trust) if name in adapters else plain for name in names}

    return Group(names, _stamp([train / "base", *adapters.values()]), places)


def _stamp(folders: list[Path]) -> tuple[tuple[int, int], ...]:
    """Return what changes when a folder is made anew."""
    stats = [folder.stat() for folder in folders if folder.is_dir()]
    return tuple((stat.st_ino, stat.st_mtime_ns) for stat in stats)
