"""check: what files hold and what is wrong with them, without making records of them."""

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from weitiao.export import Export, why_not
from weitiao.formats import EMPTY, NO_FAULT, BadRow, Problem
from weitiao.record import MESSAGES
from weitiao.source import Source
from weitiao.source.files import Found
from weitiao.source.first_rows import open_all
from weitiao.source.opened import Opened
from weitiao.source.reading import rows
from weitiao.source.table import place_of, understand

Messages = tuple[tuple[str, str], ...]
_SAMPLES = 2
_NAMED = 3  # rows of a kind that are named
_LIMITS = (512, 1024, 2048, 4096)  # tokens
_MEASURED = 1_000  # conversations whose tokens are counted: a tokenizer does some thousand a second


@dataclass(frozen=True)
class Spread:
    """How long texts are, in characters or tokens."""

    min: int
    median: int
    p95: int
    max: int

    @classmethod
    def of(cls, lengths: Iterable[int]) -> "Spread | None":
        """Return the spread of some lengths (nearest rank), or None if there are none."""
        ranked = sorted(lengths)
        return cls(ranked[0], _rank(ranked, 0.5), _rank(ranked, 0.95), ranked[-1]) if ranked else None


def _rank(ranked: Sequence[int], share: float) -> int:
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


@dataclass
class Report:
    """What one file holds."""

    file: Opened
    good: int = 0
    empty: int = 0
    empty_at: list[str] = field(default_factory=list)  # where the first ones stand
    left: Counter[str] = field(default_factory=Counter)  # what people skipped or rejected, by reason
    duplicates: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[str, Problem]] = field(default_factory=list)  # `file:line:field`, and what is wrong there
    questions: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    conversations: list[Messages] = field(default_factory=list)  # the first ones that have an answer
    # Why rows that can be read cannot be trained on: reason to how many, and where the first ones stand, with their
    # numbers: in a file whose rows have several lines `trace` knows them by those.
    untrainable: dict[str, tuple[int, list[tuple[str, int]]]] = field(default_factory=dict)

    @property
    def is_fine(self) -> bool:
        """Whether it has rows and none is wrong."""
        return self.good > 0 and not self.bad

    @property
    def trainable(self) -> int:
        """Rows that export would let out."""
        return self.good - sum(count for count, _ in self.untrainable.values())

    @property
    def total(self) -> int:
        """All rows, good or not; what is wrong with the file as a whole counts as one."""
        return self.good + self.empty + self.left.total() + len(self.bad)

    def plain(self) -> dict[str, Any]:
        """Return the report as plain data."""
        file = self.file
        spreads = {"questions": Spread.of(self.questions), "answers": Spread.of(self.answers)}
        return {
            "file": file.uri,
            "format": file.kind,
            "encoding": file.encoding.name,
            "encoding_guessed": file.encoding.guessed,
            "note": file.note,
            "shapes": dict(self.shapes),
            "rows": {"total": self.total, "good": self.good, "bad": len(self.bad), "empty": self.empty, **self.left},
            "trainable": self.trainable,
            "untrainable": {
                reason: {"rows": n, "first": [place for place, _ in at], "first_rows": [number for _, number in at]}
                for reason, (n, at) in self.untrainable.items()
            },
            "empty_at": self.empty_at,
            "duplicates": self.duplicates,
            "roles": dict(self.roles),
            "characters": {name: vars(spread) for name, spread in spreads.items() if spread},
            "wrong": [
                {"place": place, "reason": problem.reason, "problem": problem.said(), "mend": problem.mended()}
                for place, problem in self.bad
            ],
            "fine": self.is_fine,
        }


@dataclass(frozen=True)
class Sample:
    """A conversation as the model sees it: texts in turn, each with whether it carries loss, and its tokens."""

    pieces: list[tuple[str, bool]]
    tokens: int
    supervised: int


@dataclass(frozen=True)
class Tokens:
    """The tokens of some conversations, and how the loss falls on the first ones."""

    counted: int
    spread: Spread
    supervised: int
    total: int
    samples: list[Sample]
    p90: int
    p99: int
    over: dict[int, int]  # how many have more than so many tokens
    letters: int  # characters of the texts themselves, whose tokens follow
    cut: int
    unknown: int  # tokens that stand for what the model has none for
    pieces: int  # tokens that are a piece of a character


def check(found: Found, settings: Source) -> Iterator[Report]:
    """Yield what each file holds."""
    with tempfile.TemporaryDirectory(prefix="weitiao-") as aside:
        for file in open_all(found.files, settings, Path(aside)):
            yield _check_file(file, settings)


@dataclass(frozen=True)
class Measuring:
    """What counts tokens: a model by its folder or name, a chat template by name, and whether its own code may run."""

    model: str
    template: str = "auto"
    trust: bool = False


def measure(conversations: Sequence[Messages], by: Measuring, folder: Path) -> Tokens | None:
    """Count the tokens of conversations under a model's template, and show the loss mask of the first ones."""
    from weitiao.model.hub import resolve
    from weitiao.model.template import Template
    from weitiao.model.tokenizer import load_tokenizer

    if not conversations:
        return None
    tokenizer = load_tokenizer(resolve(by.model, folder, weights=False, code=by.trust), trust=by.trust)
    template = Template(tokenizer, by.template)
    encoded = [template.encode(messages) for messages in conversations]
    samples = []
    for item in encoded[:_SAMPLES]:
        pieces = [(str(tokenizer.decode(ids)), on) for ids, on in _runs(item.ids, item.mask)]
        samples.append(Sample(pieces, len(item.ids), sum(item.mask)))
    lengths = sorted(len(item.ids) for item in encoded)
    spread = Spread.of(lengths)
    assert spread
    return Tokens(
        len(encoded),
        spread,
        sum(sum(item.mask) for item in encoded),
        sum(lengths),
        samples,
        p90=_rank(lengths, 0.9),
        p99=_rank(lengths, 0.99),
        over={limit: sum(length > limit for length in lengths) for limit in _LIMITS},
        **_letters(tokenizer, [text for messages in conversations for _, text in messages]),
    )


def _letters(tokenizer: Any, texts: list[str]) -> dict[str, int]:
    """Return how a tokenizer cuts texts by themselves: characters, tokens, unknown ones, pieces of a character."""
    counts = dict.fromkeys(("letters", "cut", "unknown", "pieces"), 0)
    counts["letters"] = sum(map(len, texts))
    unknown = tokenizer.unk_token_id if tokenizer.unk_token not in (tokenizer.eos_token, tokenizer.pad_token) else None
    for text in texts:
        cut = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = cut["input_ids"], cut["offset_mapping"]
        counts["cut"] += len(ids)
        counts["unknown"] += 0 if unknown is None else ids.count(unknown)
        # Tokens that share a character: each is some of its bytes.
        shared = [one[1] > other[0] for one, other in pairwise(offsets)]
        counts["pieces"] += sum(a or b for a, b in zip([False, *shared], [*shared, False], strict=True)) if ids else 0
    return counts


def _check_file(file: Opened, settings: Source) -> Report:
    report = Report(file)
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, int], Messages]] = []
    for row in rows(file, settings.shape):
        try:
            found = understand(row, file, settings)
        except BadRow as bad:
            if bad.problem.reason == EMPTY:
                report.empty += 1
                report.empty_at = [*report.empty_at, place_of(row, file, bad.problem)][:_NAMED]
            elif bad.problem.reason in NO_FAULT:
                report.left[bad.problem.reason] += 1
            else:
                report.bad.append((place_of(row, file, bad.problem), bad.problem))
            continue
        messages = tuple(found.reading.messages)
        _count(report, found.shape, messages, seen)
        waiting.append(((f"{row.uri or file.uri}:{row.place}", row.number), messages))
        if len(waiting) == _MEASURED:
            _judge(report, waiting)
    _judge(report, waiting)
    return report


def _judge(report: Report, waiting: list[tuple[tuple[str, int], Messages]]) -> None:
    """Note which conversations export would refuse; posts wait for their answers and are none."""
    if not waiting:
        return
    rows = [[{"role": role, "content": content} for role, content in messages] for _, messages in waiting]
    frame = pl.DataFrame(
        {"messages": rows, "origin": [{"uri": report.file.uri}] * len(rows)}, schema_overrides={"messages": MESSAGES}
    )
    reasons = frame.select(why_not(pl.col("messages"), Export())).to_series()
    for (place, _), reason in zip(waiting, reasons, strict=True):
        if reason is not None:
            count, places = report.untrainable.get(reason, (0, []))
            report.untrainable[reason] = (count + 1, [*places, place][:_NAMED])
    waiting.clear()


def _count(report: Report, shape: str, messages: Messages, seen: set[int]) -> None:
    report.good += 1
    report.shapes[shape] += 1
    for role, content in messages:
        report.roles[role] += 1
        if role == "assistant":
            report.answers.append(len(content))
        elif role in ("user", "passage"):
            report.questions.append(len(content))
    key = hash(messages)  # 64 bits: two of a million rows are mistaken for each other once in 40 million files
    report.duplicates += key in seen
    seen.add(key)
    if len(report.conversations) < _MEASURED and messages[-1][0] == "assistant":
        report.conversations.append(messages)


def _runs(ids: Sequence[int], mask: Sequence[bool]) -> Iterator[tuple[list[int], bool]]:
    """Yield the tokens in stretches that carry loss or do not."""
    start = 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or mask[end] != mask[start]:
            yield list(ids[start:end]), mask[start]
            start = end
