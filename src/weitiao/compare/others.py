"""Further models that are not loaded as ours are: a GGUF file, and a model behind an address."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weitiao.compare import Compare, Server
from weitiao.compare.ask import TOO_LONG, Log, Round
from weitiao.compare.measures import Said
from weitiao.errors import UserError
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Reason, Reply, Request
from weitiao.llm.client import ask_all, secret
from weitiao.llm.money import Purse
from weitiao.model.generate import Sampling
from weitiao.model.llama import Engine, installed
from weitiao.record import parted
from weitiao.stage import Reporter
from weitiao.talk import t

STEP = "compare.models"
# What a server says that is no whole answer, and yet what the model says; and the rest that is the question's fault.
_ANSWERS = (Reason.LENGTH, Reason.FILTER, Reason.DECLINED, Reason.EMPTY)
_UNANSWERED = (Reason.REFUSED,)


@dataclass(frozen=True)
class Gguf:
    """A GGUF file, as llama.cpp runs it with the template inside."""

    name: str
    path: Path
    folder: Path
    reads: str = "the file's own"
    gap: str = TOO_LONG

    @classmethod
    def of(cls, name: str, path: Path, folder: Path) -> "Gguf":
        """Look whether the file can be run; raises UserError where it is not there, or what runs it is not."""
        if not path.is_file():
            raise UserError(t("No model at {path}", path=path), t("Give the path of a GGUF file"))
        installed()
        return cls(name, path, folder)

    def said(self, rounds: Sequence[Round], settings: Compare, seed: int, reporter: Reporter) -> list[dict[str, Said]]:
        """Ask one question after the other; the engine is loaded unless all is known."""
        logs = [Log(self.folder / f"{self.name}{one.name}.jsonl") for one in rounds]
        if any(len(log.rows) < len(one.questions) for one, log in zip(rounds, logs, strict=True)):
            with Engine(self.path, settings.batch_tokens) as engine:
                for one, log in zip(rounds, logs, strict=True):
                    sampling = Sampling(one.max_new_tokens, settings.temperature, seed=seed)
                    left = [question for question in one.questions if question.id not in log.rows]
                    for question in reporter.track(left, len(left), f"Asking the model {self.name}"):
                        log.add(question.id, _heard(engine, question.record.messages, sampling))
        return [{key: Said(**row) for key, row in log.rows.items() if row} for log in logs]


def _heard(engine: Engine, messages: Sequence[tuple[str, str]], sampling: Sampling) -> dict[str, Any]:
    """Return what the engine said, and the loss of the reference; nothing where they do not fit."""
    answer = engine.answer(messages[:-1], sampling)
    if answer is None or not engine.holds(messages):
        return {}
    thought, said = parted(answer.text)
    losses = engine.losses(messages)
    scored = {} if losses is None else {"loss": math.fsum(losses), "loss_tokens": len(losses)}
    return {**asdict(answer), "text": said, "thinking": thought, **scored}


@dataclass(frozen=True)
class Remote:
    """A model behind an address. It gives no likelihoods of texts that it has not written itself."""

    name: str
    server: Server
    cache: Path
    folder: Path
    reads: str = "its server's own"
    gap: str = "refused by a model's server"

    @classmethod
    def of(cls, name: str, server: Server, cache: Path, folder: Path) -> "Remote":
        """Look whether the server can be asked, before anything is spent; raises UserError for a key or prices."""
        with Cache(cache) as kept:
            keys(server, [])
            secret(server)
            Purse(server, kept, STEP)
        return cls(name, server, cache, folder)

    def said(self, rounds: Sequence[Round], settings: Compare, seed: int, reporter: Reporter) -> list[dict[str, Said]]:
        """Ask many at once; raises UserError where the server leaves some without an answer."""
        found = []
        for one in rounds:
            log = Log(self.folder / f"{self.name}{one.name}.jsonl")
            left = [question for question in one.questions if question.id not in log.rows]
            server = self.server.asked(one.max_new_tokens, settings.temperature, seed)
            requests = [Request(tuple(question.asked)) for question in left]
            failed: Counter[str] = Counter()
            with Cache(self.cache) as cache:
                for index, outcome in ask_all(requests, server, cache, STEP, reporter):
                    if isinstance(outcome, Failure) and outcome.reason not in (*_ANSWERS, *_UNANSWERED):
                        failed[outcome.reason] += 1
                    else:
                        log.add(left[index].id, _told(outcome, server))
            if failed:
                raise self._silent(failed, len(one.questions))
            found.append({key: Said(**row) for key, row in log.rows.items() if row})
        return found

    def _silent(self, failed: Counter[str], total: int) -> UserError:
        reasons = ", ".join(f"{t(reason)} {count}" for reason, count in failed.most_common())
        return UserError(
            t(
                "{name} leaves {count} of {total} questions without an answer: {reasons}",
                name=self.name,
                count=failed.total(),
                total=total,
                reasons=reasons,
            ),
            t("Run again: what has arrived is kept. Or raise its budget, or compare without it"),
        )


def _told(outcome: Reply | Failure, server: Server) -> dict[str, Any]:
    """Return what the model said as a row; nothing where the server refused the question."""
    if isinstance(outcome, Reply):
        said = {"text": outcome.text, "tokens": outcome.usage.completion, "thinking": outcome.reasoning}
        return {**said, "stopped": True}
    if outcome.reason in _UNANSWERED:
        return {}
    thought, text = parted(outcome.raw)
    cut = outcome.reason in (Reason.LENGTH, Reason.FILTER)
    tokens = server.limit if outcome.reason is Reason.LENGTH else None
    return {"text": text, "tokens": tokens, "thinking": thought, "stopped": not cut}
