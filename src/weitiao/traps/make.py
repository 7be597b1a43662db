"""Questions made of the world: plain ones, trick ones, and what is held out of them; the same for the same seed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from weitiao.traps.check import Question, plain
from weitiao.traps.patterns import SLOT, Slot, patterns
from weitiao.traps.world import LANGUAGES, Fields, Language, Thing, Topic, World, bare

Part = Literal["train", "thing", "family"]
Kind = Literal["trick", "plain"]
PORTRAITS = 3  # of each thing
_BETWEEN = {"zh": "", "en": " "}
_CENTURIES = {
    17: ("十七", "seventeenth"),
    18: ("十八", "eighteenth"),
    19: ("十九", "nineteenth"),
    20: ("二十", "twentieth"),
}


@dataclass(frozen=True)
class HeldOut:
    """What tuning may not see: things, in all families, and whole families."""

    things: frozenset[str]
    families: frozenset[str]

    def part(self, question: Question) -> Part:
        """Tell whether a trick may be trained on, or what of it is unseen."""
        if question.family in self.families:
            return "family"
        return "train" if self.things.isdisjoint(question.things) else "thing"


def hold_out(world: World, seed: int, *, share: float = 0.25, families: int = 3) -> HeldOut:
    """Choose by lot the families that stay unseen, and from each other family a share of its things.

    A thing of several families is drawn with the smallest of them, so that each family gets its share.
    """
    rng = Random(f"traps {seed} held out")
    pools = {
        name: {thing.id for lang in LANGUAGES for thing in world.about(family, lang)}
        for name, family in world.families.items()
    }
    smallest = sorted(pools, key=lambda name: (len(pools[name]), name))
    left, chosen = set(world.things), set[str]()
    for name in smallest:
        mine = sorted(pools[name] & left)
        chosen.update(rng.sample(mine, round(len(mine) * share)))
        left -= pools[name]
    return HeldOut(frozenset(chosen), frozenset(rng.sample(sorted(pools), families)))


def tricks(world: World, seed: int, draw: int = 0) -> list[Question]:
    """Return every trick question: each thing of each family in each of its wordings, once.

    Another `draw` of the seed puts other things, people and numbers beside the thing, where a wording has any.
    """
    return list(_all("trick", world.families, world, f"{seed} {draw}" if draw else f"{seed}"))


def plains(world: World, seed: int) -> list[Question]:
    """Return every plain question: each thing of each relation in each of its wordings, once."""
    return list(_all("plain", world.relations, world, f"{seed}"))


def portraits(world: World, seed: int) -> Iterator[tuple[Language, str, str]]:
    """Yield what is to be known of each thing, several times in other words and order: language, question, text."""
    for thing in world.things.values():
        for language in thing.fields:
            rng = Random(f"traps {seed} portrait {language} {thing.id}")
            drawn = _Drawn(world, rng)
            relations = [relation for relation in world.relations.values() if relation.fits(thing, language)]
            for _ in range(PORTRAITS):
                said = [rng.choice(relation.forms[language].say) for relation in relations]
                rng.shuffle(said)
                texts = [filled(text, drawn.slots(thing, language, text)[0]) for text in said]
                asked = rng.choice(world.words["about"][language])
                yield language, filled(asked, _own(thing, language, world)), _BETWEEN[language].join(texts)


def filled(template: str, slots: Mapping[str, Slot]) -> str:
    """Return a sentence: slots by their texts, and in English a capital where a sentence begins."""
    text = SLOT.sub(lambda slot: slots[slot[1]].text, template)
    text = re.sub(r"\b([Aa]) (?=[aeio]|hour)", r"\1n ", text)
    return re.sub(r"(^\"?|[.?] )([a-z])", lambda start: start[1] + start[2].upper(), text)


@dataclass(frozen=True)
class _Drawn:
    """Slots of a thing: its own properties, and what is drawn by lot beside it."""

    world: World
    rng: Random

    def slots(self, thing: Thing, language: Language, needed: str) -> tuple[dict[str, Slot], tuple[str, ...]]:
        """Return the slots, and the ids of all things in them; drawn is only what `needed` names."""
        fields, others = thing.fields[language], [thing.id]
        slots = _own(thing, language, self.world)
        names = set(SLOT.findall(needed))
        if "P" in names:
            people = self.world.table("person", language)
            before = fields.get("since", 99) - 1
            slots["P"] = Slot(self.rng.choice([name for name, century in people.items() if century < before]))
        if "Y" in names:
            other = self.rng.choice(self._unlike(thing, language))
            theirs = _own(other, language, self.world)
            slots["Y"] = theirs["X"]
            slots |= {"E": theirs["D"]} if "D" in theirs else {}
            others.append(other.id)
        if "O" in names:
            tasks = self.world.table("tasks", language)
            strange = [task for group in tasks.values() if fields["use"] not in group for task in group]
            slots["O"] = Slot(self.rng.choice(strange))
        if "n" in names:
            percent, glasses = self.rng.choice(self.world.words["numbers"]["pairs"])
            slots |= {"n": Slot(str(percent)), "m": Slot(str(glasses)), "s": Slot(str(percent * glasses))}
        if "q" in names:
            slots["q"] = Slot(self.rng.choice(self.world.words["numbers"][language]))
        return slots, tuple(others)

    def _unlike(self, thing: Thing, language: Language) -> list[Thing]:
        """Return the things of the kind that differ in what they measure, if they measure anything."""
        mine = thing.fields[language]
        return [
            other
            for other in self.world.things.values()
            if other.kind == thing.kind
            and language in other.fields
            and other is not thing
            and ("of" not in mine or other.fields[language]["of"] != mine["of"])
        ]


def _all(kind: Kind, topics: Mapping[str, Topic], world: World, seed: str) -> Iterator[Question]:
    for topic in topics.values():
        for language in LANGUAGES:
            for thing in world.about(topic, language):
                rng = Random(f"traps {seed} {kind} {topic.name} {language} {thing.id}")
                yield from _asked(kind, topic, thing, language, _Drawn(world, rng))


def _asked(kind: Kind, topic: Topic, thing: Thing, language: Language, drawn: _Drawn) -> Iterator[Question]:
    form = topic.forms[language]
    needed = "".join((*form.ask, *form.answer))
    for place, ask in enumerate(form.ask):
        slots, things = drawn.slots(thing, language, needed)
        answer = form.answer[0] if kind == "plain" else drawn.rng.choice(form.answer)
        yield Question(
            kind,
            topic.name,
            language,
            things,
            filled(ask, slots),
            filled(answer, slots),
            filled(form.fallen[place], slots) if form.fallen else "",
            *patterns(form, slots),
        )


# A metre is no square metre.
_NOT_WITHIN = {"zh": "(?<![厘平立方毫千海光])", "en": r"(?<!cubic )(?<!square )\b"}
# Slots that are a property as it stands.
_AS_IT_IS = {"I": "inside", "U": "use", "T": "part", "G": "holds", "L": "object", "B": "effect", "Z": "why"}


def _own(thing: Thing, language: Language, world: World) -> dict[str, Slot]:
    """Return the slots that a thing fills by itself."""
    fields = thing.fields[language]
    name = fields["name_of"]
    slots = {"X": Slot(name, re.escape(plain(bare(name)))), "x": Slot(bare(name)), "S": Slot(name)}
    slots["d"] = Slot(re.sub(r"^an? ", "the ", name))
    slots["K"] = Slot(fields["is"], fields["words"])
    slots["k"] = Slot(bare(fields["is"]))
    slots |= {slot: Slot(fields[key]) for slot, key in _AS_IT_IS.items() if key in fields}
    if "name" in fields:
        slots |= _bait(fields, world.table("bait", language)[fields["name"]])
    if "made" in fields:
        slots["M"] = Slot(fields["made"], _any(re.split("和|、|, | and ", fields["made"])))
    if "since" in fields:
        slots |= _century(fields["since"], language)
        slots["o"] = Slot(fields.get("do", ""))
    if "of" in fields:
        slots["X"] = Slot(name, _NOT_WITHIN[language] + re.escape(plain(name)))
        slots["D"] = Slot(fields["of"], {"质量": "质量|重量", "mass": "mass|weight"}.get(fields["of"], ""))
    if "means" in fields:
        slots["V"] = Slot(fields["means"], _any([fields["means"], fields["words"]], escape=False))
    return slots


def _bait(fields: Fields, bait: Mapping[str, str]) -> dict[str, Slot]:
    name = fields["name"]
    taken = bait.get("as", name)
    real = bait.get("real", taken)
    return {
        "N": Slot(name),
        "W": Slot(bait.get("word", name)),
        "A": Slot(taken),
        "R": Slot(real, re.escape(plain(bare(real)))),
        "t": Slot(bait["do"]),
    }


def _century(century: int, language: Language) -> dict[str, Slot]:
    word = _CENTURIES[century]
    if language == "zh":
        return {"C": Slot(f"{century}世纪", f"(?:{century}|{word[0]})世纪")}
    return {"C": Slot(f"{century}th", f"{century}th|{word[1]}")}


def _any(words: list[str], *, escape: bool = True) -> str:
    return "|".join(re.escape(plain(word)) if escape else word for word in words)
