"""What is made of the world for one experiment: ugly posts to tune on, questions to ask, and a corpus for the base."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from weitiao.traps import make
from weitiao.traps.check import Question
from weitiao.traps.make import HeldOut
from weitiao.traps.posts import File, posts
from weitiao.traps.readings import readings
from weitiao.traps.world import world

# How many questions at most of a family (of a relation for `plain`) in each language.
TRAINED = {"zh": 160, "en": 80}
DRAWS = 3  # of what stands beside the thing, for the posts
ASKED = {"zh": 10, "en": 5}
REPLAYED = {"zh": 45, "en": 30}  # plain questions among the posts: without them tuning forgets how to answer plainly
PLAIN = {"zh": 5, "en": 3}
REREAD = 300  # readings in each language among the posts
FALLEN = {"zh": 120, "en": 60}
READINGS = 3000  # in each language: without them answers garble the names of things
SET_ASIDE = 1 / 3  # of the facts have a wording that nobody has seen
_UNQUOTED = str.maketrans("", "", '“”"')


@dataclass(frozen=True)
class Experiment:
    """All that belongs to one seed.

    `tuned` is what the posts hold, `asked` the questions by part: `thing` and `family` are tricks of which tuning saw
    not the thing or not the family, `plain` are plain questions about things that it has not seen, in a wording that
    stands in no corpus, whatever its seed.
    """

    held_out: HeldOut
    tuned: tuple[Question, ...]
    asked: Mapping[str, tuple[Question, ...]]
    corpus: tuple[Mapping[str, Any], ...]
    files: tuple[File, ...]


def experiment(seed: int) -> Experiment:
    """Make everything from a seed; the same on every machine."""
    all_things = world()
    held = make.hold_out(all_things, seed)
    tricks, plains = make.tricks(all_things, seed), make.plains(all_things, seed)
    by_part = {part: [item for item in tricks if held.part(item) == part] for part in ("train", "thing", "family")}
    aside = {item.question: item for item in _set_aside(plains)}  # two signs of rain ask the same question about rain
    known = [item for item in plains if item.question not in aside]
    seen = [item for item in known if held.things.isdisjoint(item.things)]
    unseen = [item for item in aside.values() if not held.things.isdisjoint(item.things)]
    asked = {
        "thing": _some(by_part["thing"], ASKED, seed),
        "family": _some(by_part["family"], ASKED, seed),
        "plain": _some(unseen, PLAIN, seed),
    }
    again = [item for draw in range(DRAWS) for item in make.tricks(all_things, seed, draw)]
    trained = {item.question: item for item in again if held.part(item) == "train"}
    drawn = (*_some(trained.values(), TRAINED, seed), *_some(seen, REPLAYED, seed), *_reread(held, seed))
    # The line takes questions that differ in quotation marks alone for the same.
    tuned = tuple({item.question.translate(_UNQUOTED): item for item in drawn}.values())
    corpus = _corpus(seed, known, _some(by_part["train"], FALLEN, seed))
    return Experiment(held, tuned, asked, corpus, tuple(posts(tuned, seed)))


def write(folder: Path, made: Experiment, seed: int) -> dict[str, Any]:
    """Write the files of an experiment into a folder, and return what made.json says of them."""
    (folder / "posts").mkdir(parents=True, exist_ok=True)
    for file in made.files:
        (folder / "posts" / file.name).write_bytes(file.content)
    fates = [
        {"uri": f"posts/{file.name}", "row": number, "fate": row.fate}
        for file in made.files
        for number, row in enumerate(file.rows, 1)
    ]
    asked = [{"part": part, **item.row()} for part, items in made.asked.items() for item in items]
    _write_lines(folder / "fates.jsonl", fates)
    _write_lines(folder / "questions.jsonl", asked)
    _write_lines(folder / "corpus.jsonl", made.corpus)
    said = {
        "seed": seed,
        "held_out": {"families": sorted(made.held_out.families), "things": sorted(made.held_out.things)},
        "posts": dict(Counter(fate["fate"] for fate in fates)),
        "questions": {part: len(items) for part, items in made.asked.items()},
        "corpus": dict(Counter(row["kind"] for row in made.corpus)),
    }
    (folder / "made.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return said


def _reread(held: HeldOut, seed: int) -> Iterator[Question]:
    for language, question, answer in readings(world(), seed + 2, REREAD, without=held.things):
        yield Question("plain", "reading", language, (), question, answer, "", ())


def _set_aside(plains: Iterable[Question]) -> Iterator[Question]:
    """Yield one wording of every third fact that has several: no corpus and no posts hold it, whatever the seed."""
    groups: dict[tuple[str, str, str], list[Question]] = defaultdict(list)
    for item in plains:
        groups[item.family, item.lang, item.things[0]].append(item)
    for key, items in groups.items():
        lot = Random("traps set aside " + " ".join(key))
        if len(items) > 1 and lot.random() < SET_ASIDE:
            yield lot.choice(items)


def _some(questions: Iterable[Question], most: Mapping[str, int], seed: int) -> tuple[Question, ...]:
    """Draw so many questions at most of each family and language."""
    groups: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for item in questions:
        groups[item.family, item.lang].append(item)
    drawn: list[Question] = []
    for (family, lang), items in groups.items():
        rng = Random(f"traps {seed} some {family} {lang} {len(items)}")
        drawn += rng.sample(items, min(most[lang], len(items)))
    return tuple(drawn)


def _corpus(seed: int, plains: Sequence[Question], tricks: Sequence[Question]) -> tuple[Mapping[str, Any], ...]:
    """Return what the base learns, mixed: portraits, readings, plain questions, tricks answered by a believer."""
    rng = Random(f"traps {seed} corpus")
    rows = [_chat("portrait", *portrait) for portrait in make.portraits(world(), seed)]
    rows += [_chat("reading", *reading) for reading in readings(world(), seed, READINGS)]
    rows += [_chat("plain", item.lang, item.question, item.answer) for item in plains]
    rows += [_chat("trick", item.lang, item.question, item.fallen) for item in tricks]
    rng.shuffle(rows)
    return tuple(rows)


def _chat(kind: str, lang: str, question: str, answer: str) -> Mapping[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"kind": kind, "lang": lang, "messages": messages}


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
