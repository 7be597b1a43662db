"""Chat templates by the names that XTuner gives them, for base models without one; the data is in templates.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from weitiao.errors import UserError
from weitiao.talk import t


@dataclass(frozen=True)
class _Parts:
    """What stands around the texts: `{system}`, `{input}` and `{round}` are filled in.

    An answer ends in `suffix`, without one in the end of text; `sep` stands between an answer and the next question.
    """

    instruction: str
    system: str = "{system}\n"
    suffix: str = ""
    sep: str = "\n"


def names() -> tuple[str, ...]:
    """Return the names of all templates."""
    return tuple(_all())


def stop_of(name: str) -> str:
    """Return the token in which answers end, or nothing where it is the end of text."""
    return _parts(name).suffix


def named(name: str) -> str:
    """Return the Jinja text of the template `name`; raise UserError if there is none."""
    parts = _parts(name)
    suffix = _text(parts.suffix) if parts.suffix else "eos_token"
    return (
        "{{ bos_token or '' }}{% set state = namespace(round=0) %}{% for message in messages %}"
        "{% if message.role == 'system' %}{{ " + _text(parts.system) + " }}"
        "{% elif message.role == 'user' %}{% set state.round = state.round + 1 %}{{ " + _text(parts.instruction) + " }}"
        "{% elif message.role == 'assistant' %}"
        "{% generation %}{{ message.content + " + suffix + " }}{% endgeneration %}"
        "{{ " + _text(parts.sep) + " }}"
        "{% else %}{{ raise_exception('no role ' + message.role) }}{% endif %}{% endfor %}"
    )


def _parts(name: str) -> _Parts:
    if name not in _all():
        raise UserError(
            t("No chat template `{name}`", name=name),
            t("`auto` is the model's own; by name there are {names}", names=", ".join(names())),
        )
    return _all()[name]


@cache
def _all() -> dict[str, _Parts]:
    data = tomllib.loads(resources.files("weitiao.model").joinpath("templates.toml").read_text("utf-8"))
    return {name: _Parts(**data[parts["like"]] if "like" in parts else parts) for name, parts in data.items()}


def _text(text: str) -> str:
    """Return a Jinja expression that gives `text` with its fields filled in."""
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
    values = {"system": "message.content", "input": "message.content", "round": "state.round | string"}
    for field, value in values.items():
        quoted = quoted.replace("{" + field + "}", f"' + {value} + '")
    return quoted
