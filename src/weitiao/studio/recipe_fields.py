"""What a form has to know of a setting: which values it can take, and how its default is written."""

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from weitiao.recipe import Location, Settings
from weitiao.step import Step, kinds
from weitiao.studio.yaml_text import written
from weitiao.talk import t


@dataclass(frozen=True)
class Setting:
    """One field of settings, and the way to it in the recipe."""

    location: Location
    field: FieldInfo

    @property
    def name(self) -> str:
        """Its key."""
        return str(self.location[-1])

    @property
    def about(self) -> str:
        """What it means."""
        return t(self.field.description or "")

    @property
    def choices(self) -> list[str] | None:
        """All values there are, as a recipe writes them; None where more can be typed."""
        found: list[str] = []
        for part in _parts(self.field.annotation):
            if part is bool:
                found += ["true", "false"]
            elif get_origin(part) is Literal:
                found += [written(value) for value in get_args(part)]
            elif part is NoneType:
                found.append("null")
            else:
                return None
        return found

    @property
    def is_text(self) -> bool:
        """Whether what is typed is text whatever it looks like: `1` is then a name."""
        return {*_parts(self.field.annotation)} <= {str, NoneType}

    @property
    def steps(self) -> tuple[type[Step], ...]:
        """The steps that it may list; nothing where it is no list of steps."""
        return kinds(self.field.annotation)

    @property
    def inner(self) -> type[Settings] | None:
        """The settings that it is itself, as a teacher is."""
        parts = _parts(self.field.annotation)
        return next((part for part in parts if isinstance(part, type) and issubclass(part, Settings)), None)

    @property
    def default(self) -> Any:
        """What holds where the recipe says nothing; None where it has to say something."""
        return None if self.field.is_required() else self.field.get_default(call_default_factory=True)

    @property
    def default_written(self) -> str:
        """The default as a recipe would write it."""
        if self.field.is_required():
            return t("needed")
        return t("none") if self.default is None else written(self.default)


def settings(kind: type[Settings], location: Location) -> list[Setting]:
    """Return the settings of a kind that stand at `location`."""
    return [Setting((*location, name), field) for name, field in kind.model_fields.items()]


def summary(step: type[Step]) -> str:
    """Return what a step does, in a sentence."""
    return t(" ".join((step.__doc__ or "").partition("\n\n")[0].split()))


def _parts(annotation: Any) -> list[Any]:
    """Return the types that a value may have."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [part for one in get_args(annotation) for part in _parts(one)]
    return [annotation]
