"""The things of the world with their properties in each language, the families of tricks and the plain relations."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Thing:
    """A thing: its id, its kind, and its properties by language; a language that has no name for it is missing."""

    id: str
    kind: str
    fields: Mapping[Language, Fields]


@dataclass(frozen=True)
class Form:
    """How something is asked and answered in one language: templates with slots, and patterns of answers."""

    ask: tuple[str, ...]
    answer: tuple[str, ...]
    fallen: tuple[str, ...] = ()  # as many as `ask`
    say: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    bait: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topic:
    """A family of tricks or a plain relation: which things it is about, and its forms."""

    name: str
    kinds: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    where: Mapping[str, bool] = field(default_factory=dict)
    forms: Mapping[Language, Form] = field(default_factory=dict)

    def fits(self, thing: Thing, language: Language) -> bool:
        """Tell whether this can be asked about a thing in a language."""
        fields = thing.fields.get(language)
        if fields is None or (self.kinds and thing.kind not in self.kinds):
            return False
        return all(name in fields for name in self.has) and all(
            fields.get(name) is value for name, value in self.where.items()
        )


@dataclass(frozen=True)
class World:
    """All that is known."""

    things: Mapping[str, Thing]
    families: Mapping[str, Topic]
    relations: Mapping[str, Topic]
    words: Mapping[str, Mapping[str, Any]]

    def about(self, topic: Topic, language: Language) -> list[Thing]:
        """Return the things that a topic can be asked about, in the order of the files."""
        return [thing for thing in self.things.values() if topic.fits(thing, language)]

    def table(self, name: str, language: Language) -> Mapping[str, Any]:
        """Return a table of words.toml."""
        return self.words[name if language == "zh" else f"{name}_en"]


@cache
def world() -> World:
    """Return the world as the files beside this module have it."""
    kinds = _read("kinds")
    things = {}
    for kind, entries in _read("things").items():
        for name, entry in entries.items():
            own = entry if isinstance(entry, dict) else {"en": entry}
            things[name] = Thing(name, kind, _by_language(name, own, kinds[kind]))
    for kind, entries in _read("english").items():
        for name, entry in entries.items():
            own = {"en": name, **{key if _shared(value) else f"{key}_en": value for key, value in entry.items()}}
            fields = _by_language("", own, kinds[kind])
            things[name] = Thing(name, kind, {"en": fields["en"]})
    return World(things, _topics("families"), _topics("relations"), _read("words"))


def bare(name: str) -> str:
    """Return a name without its article or measure word."""
    return re.sub(r"^(?:an? |the |一[种个])", "", name)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("weitiao.traps") / f"{name}.toml").read_text(encoding="utf-8"))


def _shared(value: object) -> bool:
    return not isinstance(value, str)


def _by_language(name: str, own: Fields, kind: Fields) -> dict[Language, Fields]:
    """Part properties by language: texts belong to the one that their key names, all others to both."""
    found: dict[Language, Fields] = {}
    noun = "unasked" not in kind
    for language in LANGUAGES:
        called = name if language == "zh" else own.get("en", "")
        if called:
            mine, inherited = _of(language, own), _of(language, kind)
            added = {"name_of": called, "noun": noun, "plain_kind": noun and "is" not in mine}
            found[language] = {**inherited, **mine, **added}
    return found


def _of(language: str, fields: Fields) -> dict[str, Any]:
    chosen = {}
    for key, value in fields.items():
        english = key.endswith("_en")
        if _shared(value) or english == (language == "en"):
            chosen[key.removesuffix("_en")] = value
    return chosen


def _topics(name: str) -> dict[str, Topic]:
    topics = {}
    for key, entry in _read(name).items():
        forms: dict[Language, Form] = {}
        for language in LANGUAGES:
            lists = {part: tuple(values) for part, values in entry[language].items()}
            lists.setdefault("answer", lists.pop("right", ()))
            forms[language] = Form(**lists)
        topics[key] = Topic(
            key,
            tuple(entry.get("kinds", ())),
            tuple(entry.get("has", ())),
            entry.get("where", {}),
            forms,
        )
    return topics
