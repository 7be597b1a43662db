"""The names that `list-cfg` shows: recipes made from a table of models, methods and data."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

from weitiao.errors import UserError
from weitiao.talk import t
from weitiao.train import Train

_TABLES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "tables.toml").read_text(encoding="utf-8"))

# XTuner's map functions and the shapes that their rows have here.
SHAPES: dict[str, str] = _TABLES["shapes"]

# What `--system-template NAME` stands for in XTuner.
SYSTEMS: dict[str, str] = _TABLES["systems"]


def names(pattern: str = "") -> list[str]:
    """Return the names that hold `pattern`, in any case."""
    return [name for name in _all() if pattern.lower() in name]


def generate(name: str) -> dict[str, Any]:
    """Return the recipe of a name as plain data; raises UserError for a name that there is not."""
    known = _all()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = t("Did you mean `{name}`?", name="`, `".join(near)) if near else "weitiao xtuner list-cfg"
        raise UserError(t("No config is called {name}", name=name), hint)
    model, method, data = known[name]
    rows = _TABLES["data"][data]
    settings = {"epochs": rows["epochs"], **_TABLES["train"], **_TABLES["methods"][method]}
    return {
        "model": _TABLES["models"][model],
        # A base model's special tokens are untrained: XTuner's rule is `default` for it, and a chat model's own.
        **({} if "chat" in model or "instruct" in model else {"template": "default"}),
        "seed": 42,
        "source": {"inputs": list(rows["inputs"]), "shape": SHAPES[rows["map"]]},
        "export": {},
        "train": {key: settings[key] for key in Train.model_fields if key in settings},
        "merge": {},
    }


def system(name: str) -> str:
    """Return the system message that XTuner calls `name`; raises UserError for one that there is not."""
    if name not in SYSTEMS:
        raise UserError(
            t("There is no system message `{name}`", name=name),
            t("There are {names}; any other text goes in with --system", names=", ".join(SYSTEMS)),
        )
    return SYSTEMS[name]


def not_carried(name: str) -> list[str]:
    """Return the settings of a name that training has no place for."""
    method = _TABLES["methods"][_all()[name][1]]
    return [f"{key}: {value}" for key, value in method.items() if key not in Train.model_fields]


def _all() -> dict[str, tuple[str, str, str]]:
    methods = [name for name in _TABLES["methods"] if name != "full" or "method" in Train.model_fields]
    return {
        f"{model}_{method}_{data}": (model, method, data)
        for model in _TABLES["models"]
        for method in methods
        for data in _TABLES["data"]
    }
