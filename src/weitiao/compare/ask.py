"""Asks one model all questions, and scores the reference answers with it; what is known survives a crash."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from weitiao.checks import Check
from weitiao.compare import Compare
from weitiao.compare.measures import Said
from weitiao.errors import UserError
from weitiao.model.generate import Sampling, answers, counted_pieces, positions
from weitiao.model.load import load_model
from weitiao.model.pair import Place
from weitiao.model.score import answer_only, token_losses
from weitiao.model.template import Encoded, Messages, Template
from weitiao.record import Record, parted
from weitiao.stage import Reporter
from weitiao.store import write_whole
from weitiao.talk import t

TOO_LONG = "too long for the model"
_SCORED_AT_ONCE = 256


@dataclass(frozen=True)
class Question:
    """A conversation up to its last answer, and that answer as the reference."""

    record: Record
    checks: tuple[Check, ...] = ()
    groups: tuple[str, ...] = ()  # the kind of question that it is, from coarse to fine

    @property
    def id(self) -> str:
        """The record's id."""
        return self.record.id

    @property
    def family(self) -> str:
        """What is drawn together when intervals are computed; a record without a family is its own."""
        return self.record.family or self.record.id

    @property
    def asked(self) -> Messages:
        """The messages that the models see."""
        return self.record.messages[:-1]

    @property
    def reference(self) -> str:
        """The answer that stands in the data."""
        return self.record.messages[-1][1]


@dataclass(frozen=True)
class Round:
    """Questions that are asked together: the ones set aside, or the general ones."""

    questions: Sequence[Question]
    max_new_tokens: int
    name: str = ""  # of its files, after the side's


class Side(Protocol):
    """One of the models."""

    @property
    def name(self) -> str:
        """What it is called in the report."""
        ...

    @property
    def reads(self) -> str:
        """Which template it reads conversations by."""
        ...

    @property
    def gap(self) -> str:
        """Why a question is not in what it said."""
        ...

    def said(self, rounds: Sequence[Round], settings: Compare, seed: int, reporter: Reporter) -> list[dict[str, Said]]:
        """Return, a round, what the model said and how it sees the references, by id; what it cannot hold is missing.

        What an interrupted try already asked is not asked again.
        """
        ...


@dataclass(frozen=True)
class Local:
    """A model that is loaded here: where it is, how it reads, and where what it says is kept meanwhile."""

    name: str
    place: Place
    template: Template
    folder: Path
    gap: str = TOO_LONG

    @property
    def reads(self) -> str:
        """Its template's name."""
        return self.template.name

    def _encode(self, questions: Sequence[Question]) -> list[Encoded]:
        """Return the tokens of each conversation with loss on the reference answer alone."""
        return [answer_only(self.template, question.record.messages) for question in questions]

    def said(self, rounds: Sequence[Round], settings: Compare, seed: int, reporter: Reporter) -> list[dict[str, Said]]:
        """Load the model, unless all is known, and ask."""
        logs = [
            (
                Log(self.folder / f"{self.name}{one.name}.jsonl"),
                Log(self.folder / f"{self.name}{one.name}-scores.jsonl"),
            )
            for one in rounds
        ]
        if any(len(log.rows) < len(one.questions) for one, both in zip(rounds, logs, strict=True) for log in both):
            model = load_model(self.place.model, adapter=self.place.adapter, trust=self.place.trust)
            for one, (told, scored) in zip(rounds, logs, strict=True):
                sampling = Sampling(one.max_new_tokens, settings.temperature, seed=seed)
                self._ask(model, one.questions, told, sampling, settings.batch_tokens, reporter)
                self._score(model, one.questions, scored, settings.batch_tokens)
        return [
            {
                question.id: Said(**self._parted(told.rows[question.id]), **scored.rows[question.id])
                for question in one.questions
                if scored.rows[question.id]
            }
            for one, (told, scored) in zip(rounds, logs, strict=True)
        ]

    def _parted(self, told: dict[str, Any]) -> dict[str, Any]:
        thought, said = parted(told["text"], opened=self.template.opens_thinking)
        return {**told, "text": said, "thinking": thought}

    def _ask(
        self,
        model: Any,
        questions: Sequence[Question],
        told: "Log",
        sampling: Sampling,
        batch_tokens: int,
        reporter: Reporter,
    ) -> None:
        left = [question for question in questions if question.id not in told.rows]
        prompts = [question.asked for question in left]
        arriving = answers(model, self.template, prompts, sampling, batch_tokens=batch_tokens)
        for index, answer in reporter.track(arriving, len(left), f"Asking the model {self.name}"):
            told.add(left[index].id, asdict(answer))

    def _score(self, model: Any, questions: Sequence[Question], scored: "Log", batch_tokens: int) -> None:
        room = positions(model)
        # Chunks begin at the same places in every try: what is packed together changes the last digits of a loss.
        for start in range(0, len(questions), _SCORED_AT_ONCE):
            chunk = questions[start : start + _SCORED_AT_ONCE]
            if all(question.id in scored.rows for question in chunk):
                continue
            encoded = self._encode(chunk)
            fits = [len(item.ids) <= room for item in encoded]
            fitting = [item for item, fit in zip(encoded, fits, strict=True) if fit]
            found = iter(zip(fitting, token_losses(model, fitting, batch_tokens), strict=True))
            for question, fit in zip(chunk, fits, strict=True):
                scored.add(question.id, self._scored(question, *next(found)) if fit else {})

    def _scored(self, question: Question, encoded: Encoded, losses: list[float]) -> dict[str, Any]:
        """Return the loss of a reference, in all and by piece of its text; what has no letters, as a stop, is none."""
        if not math.isfinite(math.fsum(losses)):
            where = f"{question.record.uri}:{question.record.row}"
            raise UserError(
                t("The model {name} is broken: it gives the reference answer of {place} no chance that is a number",
                  name=self.name, place=where),
                t("Look at what training and merge said of it, and train with a lower learning_rate"),
            )  # fmt: skip
        ids = [token for token, mask in zip(encoded.ids[1:], encoded.mask[1:], strict=True) if mask]
        pieces, place = [], 0
        for text, count in counted_pieces(self.template.tokenizer, ids):
            pieces.append((text, round(sum(losses[place : place + count]), 2)))
            place += count
        return {"loss": math.fsum(losses), "loss_tokens": len(losses), "pieces": pieces}


class Log:
    """Rows by id, a JSON line each, on disk the moment they are known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # the end of a line was lost in a crash
            write_whole(path, whole)
        self.rows: dict[str, dict[str, Any]] = {row.pop("id"): row for row in map(orjson.loads, whole.splitlines())}

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Keep a row."""
        self.rows[key] = row
        with self.path.open("ab") as file:
            file.write(orjson.dumps({"id": key, **row}, option=orjson.OPT_APPEND_NEWLINE))
