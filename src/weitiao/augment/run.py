"""The augment stage: each step asks or makes, its children pass the guards, and the yield is told."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import orjson
import polars as pl

from weitiao import ledger, record
from weitiao.augment import Augment, Near
from weitiao.augment.expand import Ask, Child, Derive, Expand, Make, Teach, Verdict, question
from weitiao.augment.guards import Guard
from weitiao.llm.call import FINAL, UNASKED, Failure, Reply
from weitiao.llm.desk import Desk, Question, failed, open_desk
from weitiao.llm.money import Plan
from weitiao.record import Record
from weitiao.similar.vectors import Floats
from weitiao.stage import Job, Outcome
from weitiao.talk import t

BEYOND = "beyond the limit"
FAR = "far from its parent"
NOTHING = "nothing made of it"
_SHORT = 2000  # characters of what a teacher said in vain that the ledger keeps


def run(job: Job) -> Outcome:
    """Copy the records that are there, and write what the steps make behind them."""
    parts = job.inputs["records"].parts()
    settings = job.settings(Augment)
    with _desk(job, settings) as desk:
        work = _Work([pl.read_parquet(path) for path in parts], desk, job.seed)
        yields = [work.take(step) for step in settings.steps]
        facts = {**desk.facts(), "again": desk.tally.again}
    for index, path in enumerate(parts):
        shutil.copyfile(path, job.draft.part(index))
    for index, made in enumerate(yields, len(parts)):
        job.draft.write(index, record.to_frame(made.kept), made.ledger())
        job.reporter.say(made.line())
    told = [made.told() for made in yields]
    gone = sum((Counter(row["dropped"]) for row in told), Counter())
    failures = sum(sum(made.failed.values()) + made.unchecked - made.unasked for made in yields)
    total, added = sum(len(frame) for frame in work.frames), sum(row["kept"] for row in told)
    said = {
        "records": f"{total:,}",
        "added": f"{added:,}",
        "made": f"{sum(row['made'] for row in told):,}",
        "calls": f"{sum(row['asked'] + row['checked'] for row in told):,}",
        "failed": f"{failures:,}",
    }
    facts |= {
        "steps": told,
        "said": said,
        "brief": not settings.wanted and not settings.translations,
    }
    return Outcome(total + added + gone.total(), total + added, dict(gone.most_common()), facts)


def plan(job: Job) -> dict[str, Plan]:
    """Return what each step would ask, by its name, as far as the answers that are known lead."""
    settings = job.settings(Augment)
    with _desk(job, settings, planning=True) as desk:
        work = _Work([pl.read_parquet(path) for path in job.inputs["records"].parts()], desk, job.seed)
        for step in settings.steps:
            work.take(step)
        return desk.plans


def _desk(job: Job, settings: Augment, *, planning: bool = False) -> AbstractContextManager[Desk]:
    embedder, translations = settings.embedding, settings.translations
    return open_desk(job, settings, settings.wanted, planning=planning, embedder=embedder, translations=translations)


@dataclass
class _Yield:
    """What came of one step."""

    step: Expand
    asked: int = 0
    answered: int = 0
    made: int = 0
    checked: int = 0
    kept: list[Record] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unasked: int = 0  # of those that failed or were not checked, the ones that nobody was asked about
    unchecked: int = 0  # of those dropped, the ones that only lack the teacher's check
    events: list[dict[str, Any]] = field(default_factory=list)

    def note(self, action: ledger.Action, key: str, reason: str, detail: object = None, before: str = "") -> None:
        """Write a row of the ledger."""
        row = {"id": key, "action": action, "reason": reason, "detail": orjson.dumps(detail).decode()}
        self.events.append({**row, "before": before or None})

    def put(self, outcomes: Sequence[Reply | Failure]) -> int:
        """Return how many questions were put, to the teacher or to what it said before."""
        unasked = sum(isinstance(one, Failure) and one.reason in UNASKED for one in outcomes)
        self.unasked += unasked
        return len(outcomes) - unasked

    def skip(self, one: Record, reason: str, detail: object = None) -> None:
        """Note a record of which nothing is made."""
        self.skipped[reason] += 1
        self.note("skipped", one.id, reason, detail)

    def fail(self, ask: Ask, failure: Failure) -> None:
        """Note a question that has no answer."""
        self.failed[str(failure.reason)] += 1
        parents = [parent.id for parent in ask.parents]
        self.note("failed", parents[0], failure.reason, _cut(failed(failure, {"parents": parents, **ask.note})))

    def drop(self, child: Record, reason: str, detail: dict[str, Any]) -> None:
        """Note a child that is not let in."""
        self.dropped[reason] += 1
        text = "\n".join(text for _, text in child.messages)
        self.note("dropped", child.id, reason, {"parents": list(child.parents), **_cut(detail)}, text)

    def keep(self, child: Record) -> None:
        """Let a child in."""
        self.kept.append(child)
        self.note("made", child.id, "new record", {"parents": list(child.parents), **child.facts["augment"]})

    def ledger(self) -> pl.DataFrame:
        """Return the rows of the ledger."""
        rows = pl.DataFrame(self.events, schema={name: ledger.SCHEMA[name] for name in _NOTED})
        return ledger.events(rows.with_columns(step=pl.lit(self.step.step_name())))

    def told(self) -> dict[str, Any]:
        """Return the yield for the manifest."""
        return {
            "step": self.step.step_name(),
            "asked": self.asked,
            "answered": self.answered,
            "failed": dict(self.failed.most_common()),
            "made": self.made,
            "checked": self.checked,
            "unchecked": self.unchecked,
            "dropped": dict(self.dropped.most_common()),
            "kept": len(self.kept),
            "skipped": dict(self.skipped.most_common()),
        }

    def line(self) -> str:
        """Return the yield as one line."""
        text = t(
            "{step}: asked {asked}, made {made}, checked {checked}, kept {kept}",
            step=self.step.step_name(),
            asked=f"{self.asked:,}",
            made=f"{self.made:,}",
            checked=f"{self.checked:,}",
            kept=f"{len(self.kept):,}",
        )
        for told, counts in (
            (t("not kept"), self.dropped),
            (t("no answer"), self.failed),
            (t("left alone"), self.skipped),
        ):
            if counts:
                reasons = ", ".join(f"{t(reason)} {number:,}" for reason, number in counts.most_common())
                text += f"  ({told}: {reasons})"
        return text


_NOTED = ("id", "action", "reason", "detail", "before")


class _Work:
    """The records so far, and the steps that work on them one after the other."""

    def __init__(self, frames: list[pl.DataFrame], desk: Desk, seed: int) -> None:
        self.frames, self.desk, self.seed = frames, desk, seed
        self.guard = Guard(frames)
        self.new: list[Record] = []
        self.apart = count(1)

    def take(self, step: Expand) -> _Yield:
        """Let a step work; what it makes and the guards let in are records for those that follow."""
        made = _Yield(step)
        records = list(self._fit(step, made)) if isinstance(step, Derive) else []
        if isinstance(step, Teach):
            children = self._asked(step, step.asks(records, self.seed), made)
        else:
            assert isinstance(step, Make)
            children = list(step.make(records, self.seed))
            used = {key for child in children for key in child.record.parents}
            for one in records:
                if one.id not in used:
                    made.skip(one, NOTHING)
        made.made = len(children)
        known = {one.id: one for one in records}
        real = [child for child in children if not child.planned]
        judged = self.guard.judge([(child, [known[key] for key in child.record.parents]) for child in real])
        left = [child for child in children if child.planned]
        for child, against in zip(real, judged, strict=True):
            if against:
                made.drop(child.record, *against)
            else:
                left.append(child)
        self._check(step, self._near(step, left, known, made), made)
        self.new += made.kept
        return made

    def _fit(self, step: Derive, made: _Yield) -> Iterator[Record]:
        """Yield the records that a step works on, and note why it leaves the others alone."""
        left = step.limit
        for one in self._records(step.children):
            reason = step.unfit(one) or (BEYOND if left == 0 else None)
            if reason:
                made.skip(one, reason)
                continue
            left = left and left - 1
            yield one

    def _records(self, children: bool) -> Iterator[Record]:
        for frame in self.frames:
            yield from record.to_records(frame)
        if children:
            yield from list(self.new)

    def _asked(self, step: Teach, asks: Iterator[Ask], made: _Yield) -> list[Child]:
        """Ask, and ask what follows from the answers, until there are children; they stand in the order of the asks."""
        children: list[tuple[int, Child]] = []
        waiting = list(enumerate(asks))
        turn = 0
        while waiting:
            turn += 1
            name = step.step_name() + (f"-{turn}" if turn > 1 else "")
            outcomes = self.desk.ask(name, [ask.question for _, ask in waiting])
            made.asked += made.put(outcomes)
            more: list[tuple[int, Ask]] = []
            for (place, ask), outcome in zip(waiting, outcomes, strict=True):
                found = self._read(step, ask, outcome, made)
                children += [(place, one) for one in found if isinstance(one, Child)]
                more += [(place, one) for one in found if isinstance(one, Ask)]
            waiting = more
        return [child for _, child in sorted(children, key=lambda item: item[0])]

    def _read(self, step: Teach, ask: Ask, outcome: Reply | Failure, made: _Yield) -> list[Child | Ask]:
        """Return what an answer amounts to; while planning, what one of the expected length would."""
        if isinstance(outcome, Reply):
            made.answered += 1
            assert outcome.data
            found = list(step.read(ask, outcome.data))
            if not found:
                made.skip(ask.parents[0], NOTHING, ask.note)
            return found
        if not self.desk.planning or outcome.reason in FINAL:
            made.fail(ask, outcome)
            return []
        return [_apart(one, next(self.apart)) for one in step.read(ask, step.expected(ask))]

    def _near(self, step: Expand, children: list[Child], known: Mapping[str, Record], made: _Yield) -> Sequence[Child]:
        """Return the children that may be the question of their parents, by their vectors, if such are wanted."""
        held = [child for child in children if child.same]
        if not held or not isinstance(near := self.desk.embedder, Near):
            return children
        parents = [known[child.record.parents[0]] for child in held]
        # What is planned has its parent's text, and what is to come another.
        own = [f"{question(child.record)}{f' {n}' if child.planned else ''}" for n, child in enumerate(held)]
        texts = [*own, *(question(parent) for parent in parents)]
        found = self.desk.embed(f"{step.step_name()}-embedding", texts)
        if self.desk.planning:
            return children
        scores: dict[str, tuple[float, str]] = {}
        gone = set()
        for child, parent, one, other in zip(held, parents, found, found[len(held) :], strict=False):
            if isinstance(one, Failure) or isinstance(other, Failure):
                failure = one if isinstance(one, Failure) else other
                assert isinstance(failure, Failure)
                made.unchecked += 1
                made.drop(child.record, str(failure.reason), failed(failure, {}))
                gone.add(child.record.id)
            else:
                scores[child.record.id] = cosine(one, other), parent.id
        records = {child.record.id: child.record for child in held}
        for key, action, detail in _weighed(scores, near.similarity):
            if action == "dropped":
                made.drop(records[key], FAR, detail)
                gone.add(key)
            else:
                made.note("spared", key, FAR, detail)
        return [child for child in children if child.record.id not in gone]

    def _check(self, step: Expand, children: Sequence[Child], made: _Yield) -> None:
        """Let the teacher check what has something to check, and keep what it has nothing against."""
        questions = [child.check for child in children if child.check]
        said = self.desk.ask(f"{step.step_name()}-check", questions, temperature=0.0)
        made.checked = made.put(said)
        outcomes = iter(said)
        for child in children:
            outcome = next(outcomes) if child.check else None
            if isinstance(outcome, Failure) and not self.desk.planning:
                made.unchecked += 1
                made.drop(child.record, str(outcome.reason), failed(outcome, {}))
                continue
            verdict = outcome.data if isinstance(outcome, Reply) else None
            assert verdict is None or isinstance(verdict, Verdict)
            if verdict and (reason := verdict.against()):
                made.drop(child.record, reason, {"why": verdict.why})
            else:
                made.keep(self._signed(step, child.record))

    def _signed(self, step: Expand, child: Record) -> Record:
        """Return a child with the teacher's name, where one made it and no other is named."""
        own = child.facts["augment"]
        if not isinstance(step, Teach) or "teacher" in own:
            return child
        own = {**own, "teacher": self.desk.teacher_name}
        return replace(child, facts={**child.facts, "augment": own})


def cosine(one: Floats, other: Floats) -> float:
    """Return the cosine of two vectors, 0 where one is nothing."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return round(float(one @ other) / lengths, 6) if lengths else 0.0


def _weighed(scores: Mapping[str, tuple[float, str]], least: float) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield what goes for its score, and what just stays: id, action and particulars."""
    rows = [(key, "similarity", score, least, of) for key, (score, of) in scores.items()]
    kinds = {"id": pl.String, "setting": pl.String, "score": pl.Float64, "threshold": pl.Float64, "of": pl.String}
    weighed = ledger.weighed(pl.DataFrame(rows, schema=kinds, orient="row"), "<")
    for key, action, detail in weighed.select("id", "action", "detail").iter_rows():
        yield key, action, orjson.loads(detail)


def _apart(one: Child | Ask, number: int) -> Child | Ask:
    """Return what is planned, to be counted beside what is like it: the answers to come will differ."""
    if isinstance(one, Ask):
        return replace(one, question=_sample(one.question, number))
    return replace(one, planned=True, check=one.check and _sample(one.check, number))


def _sample(question: Question, number: int) -> Question:
    return replace(question, sample=question.sample + number)


def _cut(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: text[:_SHORT] if isinstance(text, str) else text for name, text in detail.items()}
