"""Practice in taking words over as they are: small texts with a question, whose answer stands in the text.

Who answers about something in a way in which it was never spoken of must carry its name over from the question. Half of
the names are put together from pieces of others: nobody can know them by heart.
"""

import re
from collections.abc import Iterator, Sequence, Set
from random import Random

from weitiao.traps.make import filled
from weitiao.traps.patterns import Slot
from weitiao.traps.world import LANGUAGES, Language, World

Reading = tuple[Language, str, str]  # with question and answer
_SLOTS = ("A", "B", "C")
_MADE_UP = 0.5


def readings(world: World, seed: int, count: int, without: Set[str] = frozenset()) -> Iterator[Reading]:
    """Yield so many texts in each language, none about a thing of `without`; the same for the same seed."""
    for language in LANGUAGES:
        rng = Random(f"traps {seed} readings {language}")
        names = sorted(_names(world, language, without))
        for _ in range(count):
            ask, answer = rng.choice(world.words["readings"][language])
            slots = {name: Slot(text) for name, text in zip(_SLOTS, _different(names, language, rng), strict=True)}
            slots |= {name: Slot(str(rng.randint(2, 99))) for name in ("n", "m")}
            yield language, filled(ask, slots), filled(answer, slots)


def _names(world: World, language: Language, without: Set[str]) -> set[str]:
    """Return what people, tasks and things are called; whole English sentences fit into no other."""
    tasks = world.table("tasks", language)
    called = {one for group in tasks.values() for one in group} | set(world.table("person", language))
    for thing in world.things.values():
        if thing.id not in without and language in thing.fields and (language == "zh" or thing.kind != "sign"):
            called.add(thing.fields[language]["name_of"])
    return called


def _different(names: Sequence[str], language: Language, rng: Random) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < len(_SLOTS):
        found[_made_up(names, language, rng) if rng.random() < _MADE_UP else rng.choice(names)] = None
    return list(found)


def _made_up(names: Sequence[str], language: Language, rng: Random) -> str:
    """Return the beginning of a name and the end of another; in English every other time cut between words."""
    left, right = rng.choice(names), rng.choice(names)
    if language == "en" and rng.random() < 0.5:
        cut = f"{left.rpartition(' ')[0] or left} {right.rpartition(' ')[2]}"
    else:
        cut = left[: rng.randint(1, max(1, len(left) - 1))] + right[-rng.randint(1, max(1, len(right) - 1)) :]
    return re.sub(r"^an (?=[^aeio])", "a ", " ".join(cut.split()))
