"""What is made of the world for one experiment: ugly posts to tune on, questions to ask, and a corpus for the base."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from weitiao.traps import make
from weitiao.traps.check import Question
from weitiao.traps.make import HeldOut
from weitiao.traps.posts import File, posts
from weitiao.traps.world import world

# How many questions at most of a family (of a relation for `plain`) in each language.
TRAINED = {"zh": 60, "en": 30}
ASKED = {"zh": 10, "en": 5}
REPLAYED = {"zh": 10, "en": 5}  # plain questions among the posts: without them tuning forgets how to answer plainly
PLAIN = {"zh": 5, "en": 3}
FALLEN = {"zh": 120, "en": 60}


@dataclass(frozen=True)
class Experiment:
    """All that belongs to one seed.

    `tuned` is what the posts hold, `asked` the questions by part: `thing` and `family` are tricks of which tuning saw
    not the thing or not the family, `plain` are plain questions about things that it has not seen, in a wording that
    stands not in the corpus.
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
    seen = [item for item in plains if held.things.isdisjoint(item.things)]
    taken = {item.question for item in seen}  # two signs of rain ask the same question about rain
    unseen = [
        item
        for item in plains
        if not held.things.isdisjoint(item.things) and _has_wordings(item) and item.question not in taken
    ]
    asked = {
        "thing": _some(by_part["thing"], ASKED, seed),
        "family": _some(by_part["family"], ASKED, seed),
        "plain": _some(unseen, PLAIN, seed),
    }
    drawn = (*_some(by_part["train"], TRAINED, seed), *_some(seen, REPLAYED, seed))
    tuned = tuple({item.question: item for item in drawn}.values())
    texts = {item.question for item in asked["plain"]}
    known = [item for item in plains if item.question not in texts]
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


def _has_wordings(item: Question) -> bool:
    """Tell whether a plain question can be asked in another way too."""
    return len(world().relations[item.family].forms[item.lang].ask) > 1


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
    """Return what the base learns, in a mixed order: statements, plain questions, and tricks answered by a believer."""
    rng = Random(f"traps {seed} corpus")
    asked = world().words["fact"]
    rows = [_chat("statement", lang, rng.choice(asked[lang]), text) for lang, text in make.statements(world(), seed)]
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
