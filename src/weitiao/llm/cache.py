"""The cache of answers and the book of charges: one SQLite file, written the moment something is known."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from weitiao.errors import UserError
from weitiao.llm import Asked, Teacher, family
from weitiao.llm.answer import judge
from weitiao.llm.call import FINAL, Failure, Reason, Reply, Request, Said, Usage
from weitiao.store import digest, make_folder
from weitiao.talk import t

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, family TEXT, model TEXT, messages TEXT, sampling TEXT, schema TEXT, sample INTEGER,
    text TEXT NOT NULL, reasoning TEXT NOT NULL, finish TEXT NOT NULL,
    prompt INTEGER NOT NULL, completion INTEGER NOT NULL, cached INTEGER NOT NULL, step TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
    key TEXT PRIMARY KEY, family TEXT, model TEXT, text TEXT, sampling TEXT, vector BLOB NOT NULL,
    step TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    key TEXT PRIMARY KEY, reason TEXT NOT NULL, raw TEXT NOT NULL, detail TEXT NOT NULL,
    step TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
    id INTEGER PRIMARY KEY, step TEXT NOT NULL, model TEXT NOT NULL, at TEXT NOT NULL, known INTEGER NOT NULL,
    prompt INTEGER NOT NULL, completion INTEGER NOT NULL, cached INTEGER NOT NULL, cost REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS charges_by_step ON charges (step);
"""


@dataclass(frozen=True)
class Key:
    """What makes two answers interchangeable, readable in the file and digested for looking up.

    * `family`: who stands behind the address (`llm.family`): two services give one name to different models, but a
      server's port and path say nothing. For a local model it is `folder`.
    * `model`: the name on the server. A folder adds a digest of its files' sizes and times: it may be trained anew.
    * `messages`: all of them, to the letter; a changed prompt is another question.
    * `sampling`: temperature, limits, seed and the extra keys of the body, for they change what is said.
    * `schema`: the shape asked for; an answer in another shape is no answer.
    * `sample`: the second sample of a question is not the first.

    Not in it: the key of the account, timeouts, concurrency, attempts, prices and budget, which change no answer; and
    how the server was told the shape (by schema or in words), which is its affair.
    """

    family: str
    model: str
    messages: str
    sampling: str
    schema: str
    sample: int

    @cached_property
    def digest(self) -> str:
        """The short form."""
        return digest([self.family, self.model, self.messages, self.sampling, self.schema, self.sample])


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def keys(teacher: Teacher, requests: Sequence[Request]) -> list[Key]:
    """Return the key of each request to a teacher; raises UserError if a local teacher is no model folder."""
    (who, model), sampling = identity(teacher), _json(teacher.sampling)
    schemas = {request.schema for request in requests}
    shapes = {schema: _json(schema and schema.model_json_schema()) for schema in schemas}
    return [
        Key(who, model, _json(request.messages), sampling, shapes[request.schema], request.sample)
        for request in requests
    ]


def identity(teacher: Asked) -> tuple[str, str]:
    """Return the family and the model; raises UserError if a local teacher is no model folder."""
    if teacher.endpoint is not None:
        return family(teacher.endpoint), teacher.model
    folder = Path(teacher.model).expanduser().resolve()
    if not (folder / "config.json").is_file():
        raise UserError(
            t("{path} is not a model: it has no config.json", path=folder),
            t("Give the address where it answers (--endpoint, `endpoint:`), or the folder of a model, or `nano`"),
        )
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    state = digest([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files])
    return "folder", f"{folder.name}@{state}"


@dataclass(frozen=True)
class Spent:
    """What a step has cost so far; `unknown` of `cost` is for calls whose answer was lost, at the most it can be."""

    calls: int
    usage: Usage
    cost: float
    unknown: float


class Cache:
    """Answers by key, failures beside them for reading only, and every charge by step.

    Write-ahead logging without a flush at each row: a killed process loses nothing that was kept; a power cut may
    lose the last seconds. Two processes may share the file.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.absolute().parent)
        # The caller reads while threads that ask write: every call below is one statement, and SQLite takes turns.
        self._base = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise UserError(t("Cannot open the cache of answers {path}: {error}", path=path, error=error)) from None

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def find(self, key: Key, request: Request) -> Reply | None:
        """Return the answer that was kept, if it still is one."""
        row = self._base.execute(
            "SELECT text, reasoning, finish, prompt, completion, cached FROM answers WHERE key = ?", (key.digest,)
        ).fetchone()
        if row is None:
            return None
        outcome = judge(request, Said(row[0], row[1], row[2], Usage(*row[3:])))
        return outcome if isinstance(outcome, Reply) else None

    def known(self, key: Key, request: Request) -> Reply | Failure | None:
        """Return the answer that was kept, or that it was cut at the limit, which is in the key: it would be again."""
        if reply := self.find(key, request):
            return reply
        failure = self.failure(key)
        return failure if failure and failure.reason in FINAL else None

    def keep(self, key: Key, outcome: Reply | Failure, step: str) -> None:
        """Keep what came of a request: an answer for good, a failure to be read until there is an answer."""
        if isinstance(outcome, Failure):
            failed = (key.digest, outcome.reason, outcome.raw, outcome.detail, step)
            self._base.execute(f"INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, {_NOW})", failed)
            return
        asked = (key.digest, key.family, key.model, key.messages, key.sampling, key.schema, key.sample)
        used = (outcome.usage.prompt, outcome.usage.completion, outcome.usage.cached)
        row = (*asked, outcome.text, outcome.reasoning, outcome.finish, *used, step)
        self._base.execute(f"INSERT OR REPLACE INTO answers VALUES ({'?, ' * len(row)}{_NOW})", row)

    def vector(self, key: Key) -> bytes | None:
        """Return the vector that was kept."""
        row = self._base.execute("SELECT vector FROM vectors WHERE key = ?", (key.digest,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep_vector(self, key: Key, vector: bytes, step: str) -> None:
        """Keep the vector of a text for good."""
        row = (key.digest, key.family, key.model, key.messages, key.sampling, vector, step)
        self._base.execute(f"INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?, ?, {_NOW})", row)

    def failure(self, key: Key) -> Failure | None:
        """Return how the request failed when it was last asked, if there has been no answer since."""
        row = self._base.execute(
            "SELECT reason, raw, detail FROM failures WHERE key = ? AND key NOT IN (SELECT key FROM answers)",
            (key.digest,),
        ).fetchone()
        return Failure(Reason(row[0]), row[1], row[2]) if row else None

    def charge(self, step: str, model: str, usage: Usage, cost: float, *, known: bool) -> int:
        """Book a charge and return its number; one that is not `known` yet is the most that a call can cost."""
        row = (step, model, known, usage.prompt, usage.completion, usage.cached, cost)
        written = self._base.execute(
            "INSERT INTO charges (step, model, known, prompt, completion, cached, cost, at)"
            f" VALUES (?, ?, ?, ?, ?, ?, ?, {_NOW}) RETURNING id",
            row,
        )
        return int(written.fetchall()[0][0])

    def settle(self, charge: int, usage: Usage, cost: float) -> None:
        """Replace a charge by what the call really cost."""
        self._base.execute(
            "UPDATE charges SET known = 1, prompt = ?, completion = ?, cached = ?, cost = ? WHERE id = ?",
            (usage.prompt, usage.completion, usage.cached, cost, charge),
        )

    def cancel(self, charge: int) -> None:
        """Take back the charge of a call that was refused."""
        self._base.execute("DELETE FROM charges WHERE id = ?", (charge,))

    def spent(self, step: str) -> Spent:
        """Return what a step has cost in all its runs; a stage's name stands for all its steps, `stage/step`."""
        calls, prompt, completion, cached, cost, unknown = self._base.execute(
            "SELECT count(*), total(prompt * known), total(completion * known), total(cached * known), total(cost),"
            " total(cost * (1 - known)) FROM charges WHERE step = ? OR substr(step, 1, length(?) + 1) = ? || '/'",
            (step, step, step),
        ).fetchone()
        return Spent(calls, Usage(int(prompt), int(completion), int(cached)), cost, unknown)

    def usual(self, step: str, model: str) -> float | None:
        """Return the tokens of the mean answer of a model in a step, where it has given some."""
        row = self._base.execute(
            "SELECT avg(completion) FROM charges WHERE step = ? AND model = ? AND known", (step, model)
        ).fetchone()
        return None if row[0] is None else float(row[0])


_NOW = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
