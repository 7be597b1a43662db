"""Which models a run has: the one before training, and the one after it."""

from dataclasses import dataclass
from pathlib import Path

import orjson

from weitiao.errors import UserError
from weitiao.model import tokens
from weitiao.model.hub import resolve
from weitiao.model.load import load_tokenizer
from weitiao.model.named import stop_of
from weitiao.model.quantise import Quantised, noted
from weitiao.model.template import AUTO, Template, Thinking, missing
from weitiao.talk import t


@dataclass(frozen=True)
class Place:
    """Where a model is: a folder, the folder of an adapter on top of it, and whether its own code may run."""

    model: str
    adapter: str | None = None
    trust: bool = False

    @property
    def trained_on(self) -> Quantised | None:
        """How the base was quantised when the adapter was trained; it is answered from in full precision."""
        return noted(Path(self.adapter)) if self.adapter else None


def template(place: Place, name: str = AUTO, thinking: Thinking = "keep") -> Template:
    """Return the chat template of a model: the named one, else the one its adapter was trained with, else its own."""
    grown = place.adapter and tokens.trained_in(Path(place.adapter))  # such an adapter has its own tokenizer
    tokenizer = load_tokenizer(place.adapter if place.adapter and grown else place.model, trust=place.trust)
    jinja = Path(place.adapter or place.model) / "chat_template.jinja"
    if name == AUTO and place.adapter and jinja.is_file():
        tokenizer.chat_template = jinja.read_text(encoding="utf-8")
    return Template(tokenizer, name, thinking)


def speaks(place: Place, name: str) -> bool:
    """Tell whether a model has the tokens of the template `name`: a base may get them in training only."""
    tokenizer = load_tokenizer(place.model, trust=place.trust)
    return name == AUTO or place.adapter is not None or stop_of(name) not in missing(tokenizer, name)


def before(name: str, folder: Path, train: Path | None, *, trust: bool = False) -> Place:
    """Return the base model that the recipe names; `tiny` is the one that the train stage made on the spot."""
    if name != "tiny":
        return Place(resolve(name, folder, code=trust), trust=trust)
    if train is None:
        raise UserError(
            t("The model `tiny` is made by the train stage, which has not run"),
            t("Name a model: `model:` in the recipe, or --before"),
        )
    return Place(str(train / "base"))


def after(train: Path | None, merge: Path | None, base: str | None = None, *, trust: bool = False) -> Place:
    """Return the tuned model: merged if it was merged, else the whole model trained, else its adapter on `base`."""
    if merge is not None:
        return Place(str(merge / "model"), trust=trust)
    if train is None:
        raise UserError(
            t("No tuned model: neither the train nor the merge stage has run"),
            t("Run them with `weitiao run RECIPE`, or name a model with --after"),
        )
    if (train / "model").is_dir():
        return Place(str(train / "model"), trust=trust)
    return named(str(train / "adapter"), train, base, trust=trust)


def is_trained(run: Path) -> bool:
    """Tell whether a run's folder holds what the train stage makes."""
    return any((run / "train" / name).is_dir() for name in ("adapter", "model"))


def named(name: str, folder: Path, base: str | None = None, *, trust: bool = False) -> Place:
    """Return the model, adapter or run folder called `name`, seen from `folder`; an adapter goes on `base`.

    Without `base` it goes on the one made beside it, else on the one that its configuration names.
    """
    local = (folder / Path(name).expanduser()).resolve()
    if is_trained(local):
        merged = local / "merge" if (local / "merge" / "model").is_dir() else None
        return after(local / "train", merged, base, trust=trust)
    if not (local / "adapter_config.json").is_file():
        return Place(resolve(name, folder, code=trust), trust=trust)
    if base is None and (local.parent / "base" / "config.json").is_file():
        base = str(local.parent / "base")
    if base is not None:
        return Place(resolve(base, folder, code=trust), str(local), trust)
    stated = orjson.loads((local / "adapter_config.json").read_bytes()).get("base_model_name_or_path")
    if not stated:
        raise UserError(t("{path} does not say which model it belongs to", path=local), t("Name it: MODEL --adapter A"))
    # Recipes name models from their own folder: RECIPE/runs/NAME/train/adapter.
    home = local.parents[3] if local.parts[-2:] == ("train", "adapter") and len(local.parents) > 3 else folder
    return Place(resolve(stated, home, code=trust), str(local), trust)
