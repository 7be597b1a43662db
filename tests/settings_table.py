"""Tables of settings for the pages of docs: a row for each field, from what the code says of it.

    python tests/settings_table.py augment en

prints those of a page, to be put into it; tests hold that they stand there.
"""

import sys
from collections.abc import Collection, Iterator

import orjson
from pydantic.fields import FieldInfo

from weitiao.augment import STEPS as MAKING
from weitiao.augment import Augment, Near
from weitiao.augment.expand import Derive, Teach
from weitiao.augment.fill_templates import Template
from weitiao.label import STEPS as LABELLING
from weitiao.label import Label
from weitiao.llm import Price, Teacher, Translation
from weitiao.recipe import Settings
from weitiao.talk import translate

_NEEDED = {"en": "needed", "zh": "必填"}


def page(name: str, language: str) -> list[str]:
    """Return the rows of a page."""
    return list(_augment(language) if name == "augment" else _label(language))


def _augment(language: str) -> Iterator[str]:
    yield from rows("augment", Augment, language)
    yield from rows("teacher", Teacher, language)
    yield from rows("teacher.prices", Price, language)
    yield from rows("embedding", Near, language, without=Teacher.model_fields)
    common = [*Derive.model_fields, "check"]
    for step in MAKING:
        yield from rows(step.step_name(), step, language, without=common)
    yield from rows("fill_templates.templates", Template, language)
    yield from rows("back_translate.models", Translation, language)
    yield from rows("*", Teach, language)


def _label(language: str) -> Iterator[str]:
    yield from rows("label", Label, language)
    for step in LABELLING:
        yield from rows(step.step_name(), step, language)


def rows(prefix: str, kind: type[Settings], language: str, without: Collection[str] = ()) -> Iterator[str]:
    """Yield a row for each field of some settings: name, default, meaning."""
    for name, field in kind.model_fields.items():
        if name not in without:
            default = _NEEDED[language] if field.is_required() else f"`{_default(field)}`"
            yield f"| `{prefix}.{name}` | {default} | {translate(language, field.description or '')} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return value if isinstance(value, str) and value else orjson.dumps(value).decode().replace(",", ", ")


if __name__ == "__main__":
    print("\n".join(page(*sys.argv[1:])))
