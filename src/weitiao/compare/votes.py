"""Blind votes: people say which of two answers is better, not knowing whose it is; what they said is never deleted.

    ballot = Ballot.of(rows, seed)              the pairs of a report that can be voted on
    box = Box(run)                              its votes, a line each in votes.jsonl beside the stages
    pair = ballot.next("Ann", box.votes())      what Ann is to vote on now; None where nothing is left
    box.cast("Ann", pair, "first")              or second, tie, bad
    box.undo("Ann")                             her last vote; both lines stay

A vote is on two texts. After a run in which the models answer otherwise, the votes on what they said before no longer
count, and those on answers that are still the same do.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from weitiao.recipe import Recipe
from weitiao.store import add_line, digest

FILE = "votes.jsonl"
Choice = Literal["first", "second", "tie", "bad"]
SIDES = ("before", "after")
_VERDICTS = {1: "win", -1: "loss", 0: "tie"}
WINNERS = {"win": "after", "loss": "before", "tie": "tie"}


@dataclass(frozen=True)
class Vote:
    """What somebody said of a pair: `before` or `after` is better, `tie`, `bad` for both; `undo` takes one back."""

    who: str
    pair: str
    record: str
    said: str
    at: float  # seconds since 1970


@dataclass(frozen=True)
class Pair:
    """Two answers to a question, in the order in which a voter sees them."""

    key: str
    record: str
    question: Sequence[Mapping[str, str]]
    answers: tuple[str, str]
    sides: tuple[str, str]  # whose they are: not to be shown before the vote

    def meant(self, choice: Choice) -> str:
        """Return what a choice says of the sides."""
        return self.sides[("first", "second").index(choice)] if choice in ("first", "second") else choice


class Box:
    """The votes of a run: lines are added, never changed."""

    def __init__(self, run: Path) -> None:
        """`run` is the run's folder."""
        self.path = run / FILE

    def votes(self) -> list[Vote]:
        """Return the votes that hold, in order: the last of each voter on each pair, unless it was taken back."""
        holding: dict[tuple[str, str], Vote] = {}
        for one in self._lines():
            key = (one.who, one.pair)
            holding.pop(key, None)
            if one.said != "undo":
                holding[key] = one
        return [*holding.values()]

    def cast(self, who: str, pair: Pair, choice: Choice) -> None:
        """Add a vote; it is on the disk when this returns."""
        self._add(Vote(who, pair.key, pair.record, pair.meant(choice), time.time()))

    def undo(self, who: str, among: Iterable[str]) -> bool:
        """Take back the voter's last vote on one of the pairs `among`; return false where there is none."""
        pairs = {*among}
        mine = [one for one in self.votes() if one.who == who and one.pair in pairs]
        if mine:
            self._add(Vote(who, mine[-1].pair, mine[-1].record, "undo", time.time()))
        return bool(mine)

    def _lines(self) -> list[Vote]:
        content = self.path.read_bytes() if self.path.is_file() else b""
        return [Vote(**orjson.loads(line)) for line in content[: content.rfind(b"\n") + 1].splitlines()]

    def _add(self, vote: Vote) -> None:
        add_line(self.path, lambda _: asdict(vote))


@dataclass(frozen=True)
class Ballot:
    """The pairs of a report on which one can vote: those whose answers differ."""

    rows: Mapping[str, Mapping[str, Any]]  # by the pair's key
    seed: int

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], seed: int) -> "Ballot":
        """Take the pairs of a report's rows."""
        return cls({key_of(row): row for row in rows if not _alike(row)}, seed)

    def order(self, who: str) -> list[Pair]:
        """Return all pairs as this voter sees them: in an order of their own, either answer first by a fair coin."""
        drawn = {key: hashlib.sha256(f"{self.seed}\0{who}\0{key}".encode()).digest() for key in self.rows}
        return [self._pair(key, drawn[key][-1] & 1) for key in sorted(drawn, key=drawn.__getitem__)]

    def next(self, who: str, votes: Iterable[Vote]) -> Pair | None:
        """Return the first pair on which the voter has not voted."""
        done = {one.pair for one in votes if one.who == who}
        return next((pair for pair in self.order(who) if pair.key not in done), None)

    def _pair(self, key: str, turned: int) -> Pair:
        row = self.rows[key]
        one, other = SIDES[::-1] if turned else SIDES
        return Pair(key, row["id"], row["question"], (row[one]["text"], row[other]["text"]), (one, other))


def key_of(row: Mapping[str, Any]) -> str:
    """Return what names a pair: the question, and both answers word for word."""
    return digest([row["question"], *(row[side]["text"] for side in SIDES)])


def count(rows: Sequence[dict[str, Any]], votes: Iterable[Vote]) -> dict[str, Any] | None:
    """Set `people` in each row that was voted on, take it out of the others, and return who voted on how much.

    The verdict of several voters on a pair is that of most of them, a tie where as many like the one as the other.
    """
    said: dict[str, list[Vote]] = {}
    for one in votes:
        said.setdefault(one.pair, []).append(one)
    found, voters = [], set()
    for row in rows:
        row.pop("people", None)
        if mine := said.get(key_of(row)):
            counts = Counter(one.said for one in mine)
            lead = counts["after"] - counts["before"]
            row["people"] = {**{name: counts[name] for name in (*SIDES, "tie", "bad")}}
            row["people"]["verdict"] = _VERDICTS[(lead > 0) - (lead < 0)]
            voters |= {one.who for one in mine}
            found.append(counts)
    if not found:
        return None
    shared = [counts for counts in found if counts.total() > 1]
    return {
        "voters": len(voters),
        "votes": sum(counts.total() for counts in found),
        "pairs": len(found),
        "alike": sum(_alike(row) for row in rows),
        "bad": sum(counts["bad"] for counts in found),
        "shared": len(shared),
        "agreed": sum(len(+counts) == 1 for counts in shared),
    }


def export(rows: Iterable[Mapping[str, Any]], votes: Sequence[Vote]) -> bytes:
    """Return the votes as rows that `compare` reads, a line a pair: the conversation, `human`, and who said what."""
    kept = [dict(row) for row in rows]
    count(kept, votes)
    lines = []
    for row in kept:
        if "people" in row:
            key = key_of(row)
            one = {
                "id": row["id"],
                "messages": [*row["question"], {"role": "assistant", "content": row["reference"]}],
                "human": WINNERS[row["people"]["verdict"]],
                **{side: row[side]["text"] for side in SIDES},
                "votes": [{"who": v.who, "said": v.said, "at": v.at} for v in votes if v.pair == key],
            }
            lines.append(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


def decided(recipe: Recipe, run: Path) -> object:
    """Return what changes when people have voted once more; None where nobody has."""
    path = run / FILE
    return digest(path.read_text(encoding="utf-8")) if path.is_file() else None


def _alike(row: Mapping[str, Any]) -> bool:
    return str(row["before"]["text"]).strip() == str(row["after"]["text"]).strip()
