"""The recipe: the YAML file of one project, checked key by key before anything runs."""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from weitiao.errors import UserError
from weitiao.talk import problem_of, t

S = TypeVar("S", bound="Settings")
Location = tuple[str | int, ...]


class Settings(BaseModel):
    """Typed settings of a stage or step; recipe key, flag, form and reference page derive from its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Project(Settings):
    """What the whole recipe shares."""

    name: str = Field("", pattern=r"^[\w.-]*$", description="Name of the run's folder; the recipe's file name if empty")
    seed: int = Field(42, ge=0, description="Seed of everything that is drawn at random")
    model: str = Field(
        "tiny",
        description="Base model: a folder, a Hugging Face name, `modelscope:` and a name, `nano`, which ships, "
        "or `tiny`, made here",
    )
    trust_remote_code: bool = Field(
        False, description="Run code that the model brings along, where transformers has no class for it"
    )
    template: str = Field(
        "auto", description="Chat template by name (`internlm2_chat`); auto: the model's own, else a plain one"
    )
    thinking: Literal["keep", "strip"] = Field(
        "keep",
        description="Thinking in answers (<think>…</think>): keep trains it; strip takes it out and asks for none",
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="Who does the work of the data stages: this machine, or a Ray cluster; the result is the same",
    )


class SettingError(UserError):
    """A wrong value or key of a recipe; `location` is the way to it, from the top."""

    def __init__(self, message: str, hint: str, location: Location) -> None:
        super().__init__(message, hint)
        self.location = location


@dataclass(frozen=True)
class _Places:
    """Where each key of the recipe was written."""

    lines: dict[Location, str] = field(default_factory=dict)
    where: str = ""

    def at(self, location: Location) -> str:
        """Return `file:line: key.key` for the key, or for the nearest key above it that was written."""
        written = location
        while written and written not in self.lines:
            written = written[:-1]
        name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in location).lstrip(".")
        return f"{self.lines.get(written, self.where)}: {name}".removeprefix(": ").removesuffix(": ")

    def unknown(self, location: Location, known: Iterable[str]) -> UserError:
        """Return the error for a key that nobody reads."""
        near = [name for name in known if _initials(name) == location[-1]]  # lr
        near = near or difflib.get_close_matches(str(location[-1]), list(known), n=1)
        message = t("{place}: no such key", place=self.at(location))
        if near:
            return SettingError(message, t("Did you mean `{name}`?", name=near[0]), location)
        return SettingError(message, t("Possible here: {names}", names=", ".join(known)), location)


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. `folder` is what its relative paths start from."""

    project: Project
    sections: dict[str, Settings]
    folder: Path
    places: _Places = field(default_factory=_Places, compare=False, repr=False)

    def at(self, location: Location) -> str:
        """Return `file:line: key.key`, by which a mistake in a key is named."""
        return self.places.at(location)

    def placed(self, location: Location, error: UserError) -> UserError:
        """Return an error about a key's value with where that was written, if it was in a recipe's text."""
        if not self.places.lines:
            return error
        return SettingError(f"{self.at(location)}: {error.message}", error.hint, location)

    @property
    def title(self) -> str:
        """The project's name, which is its folder's where the recipe has none of its own."""
        return self.folder.name if self.project.name == "recipe" else self.project.name

    def section(self, name: str, kind: type[S]) -> S:
        """Return the settings of stage `name`."""
        section = self.sections[name]
        assert isinstance(section, kind)
        return section


def load(path: Path, sections: Mapping[str, type[Settings]], overrides: Iterable[str] = ()) -> Recipe:
    """Read the recipe at `path`; each of `overrides` is a `key.key=value`, its value written as in YAML.

    Raises UserError with `file:line: key` for unknown keys, wrong types and impossible values.
    """
    path = path / "recipe.yaml" if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            t("No recipe at {path}", path=path), t("It is a YAML file; examples/ruozhiba/recipe.yaml is one")
        ) from None
    except OSError as error:
        raise UserError(t("Cannot read the recipe {path}: {error}", path=path, error=problem_of(error))) from None
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error.object) from None
    return read(text, path, sections, overrides)


def read(text: str, path: Path, sections: Mapping[str, type[Settings]], overrides: Iterable[str] = ()) -> Recipe:
    """Check `text` as `load` checks what stands at `path`."""
    data, lines = _parse(text, str(path))
    for change in overrides:
        override(data, lines, change)
    recipe = bind(data, sections, path.absolute().parent, lines, str(path))
    if recipe.project.name:
        return recipe
    return replace(recipe, project=recipe.project.model_copy(update={"name": path.stem}))


def _not_utf8(path: Path, content: bytes) -> UserError:
    """Return the error for a recipe in another encoding, or for what is no text."""
    for name in ("UTF-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("GB18030", "Big5"):
        with suppress(UnicodeDecodeError):
            if content.decode(name).replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
                return UserError(
                    t("{path} is not in UTF-8; it looks like {name}", path=path, name=name),
                    t("Save it as UTF-8: iconv -f {name} -t UTF-8 {path} > new.yaml", path=path, name=name),
                )
    return UserError(t("{path} is not a recipe: it must be a mapping of keys to values", path=path))


def bind(
    data: Mapping[str, Any],
    sections: Mapping[str, type[Settings]],
    folder: Path,
    lines: Mapping[Location, str] | None = None,
    where: str = "",
) -> Recipe:
    """Check plain `data` against the settings of the stages; a stage whose key is absent is not part of the recipe."""
    places = _Places(dict(lines or {}), where)
    known = [*Project.model_fields, *sections]
    for key in data:
        if key not in known:
            raise places.unknown((key,), known)
    project = _validate(Project, {key: data[key] for key in data if key in Project.model_fields}, (), places)
    checked = {
        name: _validate(kind, data[name] or {}, (name,), places) for name, kind in sections.items() if name in data
    }
    return Recipe(project, checked, folder, places)


def _validate(kind: type[S], data: object, prefix: Location, places: _Places) -> S:
    try:
        # As JSON, strict checking still takes a list where a tuple is declared; a text is never taken for a number.
        return kind.model_validate_json(orjson.dumps(data))
    except ValidationError as error:
        raise _explain(kind, error, prefix, places) from None


def _explain(kind: type[Settings], error: ValidationError, prefix: Location, places: _Places) -> UserError:
    found = error.errors(include_url=False)
    # A key that nobody reads is often the misspelt one that is missing.
    first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
    location = prefix + tuple(part for part in first["loc"] if not _KIND.fullmatch(str(part)))
    if first["type"] == "extra_forbidden":
        return places.unknown(location, fields_at(kind, first["loc"][:-1]))
    value = first["input"]
    # A text that looks like a number or a flag is shown with its quotes: they are the mistake.
    quoted = not isinstance(value, str) or not isinstance(plain_value(value), str)
    shown = orjson.dumps(value, default=str).decode() if quoted else f"`{value}`"
    context, message = _context(first), problem(first)
    if first["type"] == "missing":
        return SettingError(f"{places.at(location)}: {message}", "", location)
    hint = ""
    expected, given = context.get("expected", context.get("expected_tags")), context.get("tag", value)
    if isinstance(given, str) and expected:
        if near := difflib.get_close_matches(given, str(expected).split(", "), n=1):
            hint = t("Did you mean `{name}`?", name=near[0])
    elif mended := _mended(value if isinstance(value, str) else str(location[-1])):
        hint = _narrow(mended)
    elif value is None and ":" in str(location[-1]):
        hint = t("YAML wants a blank after the colon: {mended}", mended=": ".join(str(location[-1]).rsplit(":", 1)))
    elif first["type"] in ("list_type", "tuple_type") and isinstance(value, str):
        hint = t("Write it in brackets: {mended}", mended=f"[{value}]")
    said = t("{place} is {value}: {message}", place=places.at(location), value=shown, message=message)
    return SettingError(said, hint, location)


def problem(found: ErrorDetails) -> str:
    """Return what pydantic found in our words, in the language in force."""
    wanted = WANTED.get(found["type"])
    return t(wanted, **_context(found)) if wanted else t(str(found.get("ctx", {}).get("error", found["msg"])))


def _context(found: ErrorDetails) -> dict[str, Any]:
    context = {key: item for key, item in found.get("ctx", {}).items() if key != "error"}
    for name in context.keys() & {"expected", "expected_tags"}:  # pydantic's "'a', 'b' or 'c'"
        context[name] = context[name].replace("'", "").replace(" or ", ", ")
    return context


# What pydantic puts behind a key that takes values of several kinds.
_KIND = re.compile(r"constrained-\w+|literal\[.*\]|bool|int|float|str")

# Pydantic's error types in our words, so that they can be said in both languages.
WANTED = {
    "missing": "this key is needed",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "string_type": "it must be text",
    "list_type": "it must be a list",
    "tuple_type": "it must be a list",
    "dict_type": "it must be a mapping of keys to values",
    "model_type": "it must be a mapping of keys to values",
    "greater_than": "it must be greater than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be at most {le}",
    "literal_error": "it must be one of {expected}",
    "too_short": "it is too short, {min_length} at least",
    "string_too_short": "it is too short, {min_length} at least",
    "too_long": "it is too long, {max_length} at most",
    "string_too_long": "it is too long, {max_length} at most",
    "extra_forbidden": "there is no such key",
    "finite_number": "it must be a number",
    "string_pattern_mismatch": "only letters, digits, `.`, `_` and `-` are allowed",
    "union_tag_invalid": "it must be one of {expected_tags}",
    "union_tag_not_found": "it must be the name of a step; its settings go behind the colon, further indented",
}


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split("_") if word)


def fields_at(kind: type[BaseModel], location: Location) -> list[str]:
    """Return the field names of the settings that stand at `location` inside `kind`."""
    schema = kind.model_json_schema()
    here: Any = schema
    for key in location:
        here = _resolve(here, schema)
        if isinstance(key, int):
            here = here.get("items", {})
        else:
            options = [here, *here.get("anyOf", []), *here.get("oneOf", [])]
            found = [_resolve(option, schema) for option in options]
            here = next((o["properties"][key] for o in found if key in o.get("properties", {})), None) or next(
                (o for o in found if o.get("title") == _class_name(str(key))), {}
            )
    return list(_resolve(here, schema).get("properties", {}))


def _resolve(node: Any, schema: Any) -> Any:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _class_name(step: str) -> str:
    return "".join(word.capitalize() for word in step.split("_"))


def plain_value(text: str) -> Any:
    """Read one value as a recipe would: `3` is a number, `[a, b]` a list; what is no YAML is text."""
    try:
        return yaml.load(text, Loader=_Loader)  # a subclass of the safe loader
    except yaml.YAMLError:
        return text


def outline(text: str) -> yaml.Node | None:
    """Return the nodes of a text, each with its place in it; None of an empty one. Raises yaml.YAMLError."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: `2e-4` is a number, `no` and `2024-01-01` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[1] in ("null", "merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FLOAT = r"^[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf|\.nan)$"
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(_FLOAT), list("-+0123456789."))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


def _parse(text: str, where: str) -> tuple[dict[str, Any], dict[Location, str]]:
    """Return the data and, for each key and item, the `file:line` where it stands."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        data = loader.construct_document(node) if node else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _not_yaml(text, where, line, str(error.problem)) from None
    except yaml.YAMLError as error:
        raise UserError(t("{place}: not YAML: {problem}", place=where, problem=error)) from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        if isinstance(data, str) and _mended(text):
            raise _not_yaml(text, where, 1, "")
        raise UserError(t("{path} is not a recipe: it must be a mapping of keys to values", path=where))
    lines: dict[Location, str] = {}
    if node:
        _note_lines(node, (), where, lines)
    return data, lines


def _not_yaml(text: str, where: str, line: int, problem: str) -> UserError:
    """Return the error for what is no YAML; `line` is where the parser gave up, which may come after the slip."""
    if "'\\t'" in problem:
        said = t("{place}: not YAML: {problem}", place=f"{where}:{line}", problem=t("a tab stands there"))
        return UserError(said, t("YAML indents with blanks: two for each step"))
    for number, written in reversed([*enumerate(text.splitlines()[:line], 1)]):
        if mended := _mended(written):
            problem = t("the colon is a full-width one")
            said = t("{place}: not YAML: {problem}", place=f"{where}:{number}", problem=problem)
            return UserError(said, _narrow(mended))
    return UserError(t("{place}: not YAML: {problem}", place=f"{where}:{line}", problem=problem))


def _mended(text: str) -> str:
    """Return `key：value` with the colon that YAML wants, "" for anything else."""
    found = re.match(r"\s*(?:-\s+)?([A-Za-z_]\w*)\s*：\s*(.*)", text, re.ASCII)
    return f"{found[1]}: {found[2]}".rstrip() if found else ""


def _narrow(mended: str) -> str:
    return t("YAML wants the colon `:` and a blank after it: {mended}", mended=mended)


def _note_lines(node: yaml.Node, location: Location, where: str, lines: dict[Location, str]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*location, key.value)
            at = f"{where}:{key.start_mark.line + 1}"
            if place in lines:
                raise UserError(t("{place}: the key `{key}` stands twice", place=at, key=key.value))
            lines[place] = at
            _note_lines(value, place, where, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*location, index)] = f"{where}:{item.start_mark.line + 1}"
            _note_lines(item, (*location, index), where, lines)


def override(data: dict[str, Any], lines: dict[Location, str], text: str) -> None:
    """Set one key of a recipe's plain data as `key.key=value` says, and note where that was written."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(t("--set {text}: write it as key=value, for example train.epochs=3", text=text))
    path = tuple(key.split("."))
    here = data
    for name in path[:-1]:
        if not isinstance(here.get(name), dict):
            here[name] = {}
        here = cast(dict[str, Any], here[name])
    here[path[-1]] = plain_value(value)
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], f"--set {text}")
    lines[path] = f"--set {text}"
