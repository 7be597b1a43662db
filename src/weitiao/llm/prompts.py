"""Prompts: files in both languages, filled in by one engine; a user's copies stand in for those that ship."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from weitiao.errors import UserError
from weitiao.store import digest, make_folder, write_whole
from weitiao.talk import LANGUAGES, t

SHIPPED = Path(__file__).parent.parent / "prompts"
_ENDING = ".j2"
# A recipe may be a stranger's, and so may its prompts: the sandbox lets them fill in texts, and nothing more.
_PLACE = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def names() -> list[str]:
    """Return the names of all prompts."""
    return sorted(path.stem for path in (SHIPPED / LANGUAGES[0]).glob(f"*{_ENDING}"))


def read(name: str, language: str, folder: Path = SHIPPED) -> str:
    """Return a prompt as it is written; raises UserError where there is none of this name."""
    if name not in names():
        raise UserError(
            t("There is no prompt `{name}`", name=name),
            t("Prompts are {names}, in the folders zh and en", names=", ".join(names())),
        )
    path = folder / language / f"{name}{_ENDING}"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(t("Cannot read {path}: {error}", path=path, error=error)) from None


def copy(name: str, folder: Path) -> list[Path]:
    """Write a prompt in each language to `folder`, to be edited; raises UserError where one stands there already."""
    paths = [folder / language / f"{name}{_ENDING}" for language in LANGUAGES]
    texts = [read(name, language) for language in LANGUAGES]
    for path in paths:
        if path.exists():
            raise UserError(t("{path} is there already", path=path), t("Edit it, or take another folder"))
    for path, text in zip(paths, texts, strict=True):
        make_folder(path.parent)
        write_whole(path, text.encode())
    return paths


def about(name: str, language: str) -> str:
    """Return what a prompt is for: the comment that it begins with."""
    return read(name, language).partition("#}")[0].removeprefix("{#").strip()


class Prompts:
    """The prompts of a stage, read and checked before any is used; `folder` holds the user's copies, if there are any.

    Raises UserError for a folder that is not there, a file that no prompt is named after, and what is no template.
    """

    def __init__(self, folder: Path | None, wanted: Iterable[str]) -> None:
        own = _found(folder) if folder else set()
        self._texts: dict[tuple[str, str], tuple[Path, str]] = {}
        for name in wanted:
            for language in LANGUAGES:
                path = Path(language) / f"{name}{_ENDING}"
                place = folder if folder and path in own else SHIPPED
                self._texts[name, language] = (place / path, text := read(name, language, place))
                if place is not SHIPPED:
                    _hold_names(text, read(name, language), place / path)
        self._templates = {key: template(text, path) for key, (path, text) in self._texts.items()}

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each prompt by `language/name`."""
        return {f"{language}/{name}": digest(text) for (name, language), (_, text) in self._texts.items()}

    def fill(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        """Return a prompt with its values filled in."""
        path, _ = self._texts[name, language]
        return fill(self._templates[name, language], values, path)


def template(text: str, path: Path) -> Template:
    """Return the template in `text`; raises UserError where it is none."""
    try:
        return _PLACE.from_string(text)
    except TemplateSyntaxError as error:
        raise UserError(
            t("{path}:{line}: no template: {error}", path=path, line=error.lineno, error=error.message)
        ) from None


def fill(filled: Template, values: Mapping[str, Any], path: Path) -> str:
    """Return a template with `values`, and with `mark`, which no text in them can know, to part them by."""
    try:
        return filled.render(**values, mark=f"#{digest(values)[:10]}")
    except (TemplateError, TypeError) as error:
        raise UserError(
            t("{path} cannot be filled in: {error}", path=path, error=error),
            t("It may name what the prompt that ships names: `weitiao prompts list` tells it"),
        ) from None


def _hold_names(text: str, shipped: str, path: Path) -> None:
    """Raise UserError for a copy that names what it is not given, or leaves out what the teacher is asked about."""
    template(text, path)
    tree, known = _PLACE.parse(text), meta.find_undeclared_variables(_PLACE.parse(shipped)) | {"mark"}
    named = meta.find_undeclared_variables(tree)
    if strange := sorted((node.lineno, node.name) for node in tree.find_all(nodes.Name) if node.name in named - known):
        raise UserError(
            t("{path}:{line}: nothing is called `{name}` here", path=path, line=strange[0][0], name=strange[0][1]),
            t("It may name {names}", names=", ".join(sorted(known))),
        )
    if missing := sorted(_material(shipped) - named):
        raise UserError(
            t("{path} does not name `{name}`: the teacher would never see it", path=path, name=missing[0]),
            t("Write it where it belongs: {place}", place="{{ " + missing[0] + " }}"),
        )


def _material(shipped: str) -> set[str]:
    """Return what a prompt is about: the values that always stand between its marks."""
    always = re.sub(r"{% if .*?{% endif %}", "", shipped, flags=re.DOTALL)
    between = re.search(r"^(?:{% for [^\n]*\n)?{{ mark }} .*^{{ mark }} ", always, re.DOTALL | re.MULTILINE)
    used = re.findall(r"{{ (\w+)|{% for \w+ in (\w+)", between[0]) if between else []
    values = meta.find_undeclared_variables(_PLACE.parse(shipped)) - {"mark"}
    return {name for pair in used for name in pair} & values


def _found(folder: Path) -> set[Path]:
    """Return the user's copies, relative to their folder."""
    if not folder.is_dir():
        raise UserError(
            t("There is no folder of prompts {folder}", folder=folder),
            t("Make one with `weitiao prompts copy NAME {folder}`", folder=folder),
        )
    known = {Path(language) / f"{name}{_ENDING}" for language in LANGUAGES for name in names()}
    found = {path.relative_to(folder) for path in folder.rglob(f"*{_ENDING}")}
    if strange := sorted(found - known):
        raise UserError(
            t("{path} is no prompt: it would never be used", path=folder / strange[0]),
            t("Prompts are {names}, in the folders zh and en", names=", ".join(names())),
        )
    return found
