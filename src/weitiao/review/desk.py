"""The desk where people decide: who they are, what they are shown next, and what they say of it.

    desk = Desk.open(address, project)          one for a process, shared by its threads
    person = desk.whoami(token)                 None for a token that nobody was given
    first, *more = desk.next(person, ahead=1)   what to show now, and what to load meanwhile; [] where nothing is left
    desk.decide(person, first.key, Decision(verdict="accept", scores={"honest": 5}))
    desk.undo(person)                           the item as it was before, to be decided anew
    desk.progress(person), desk.status()        counts, fast; all figures, with their intervals

Each call is one short transaction; where the database's file is no longer the one that was opened, it raises Gone.
What `next` gives is kept for that person for `lease` seconds from the last call on; after that it is given to others,
and a decision that comes later still counts if nobody else took the item meanwhile.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, Select, and_, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from weitiao.errors import UserError
from weitiao.review import figures
from weitiao.review.decision import Decision, Item, Person, Said, settle
from weitiao.review.rows import candidates, holding, item_of, said_of
from weitiao.review.tables import (
    CONFLICT,
    DONE,
    OPEN,
    SECOND,
    SKIPPED,
    Hold,
    decisions,
    draws,
    items,
    open_engine,
    people,
)
from weitiao.talk import t

LEASE = 900
KNOWN = "noted before"
_SPARE = 16  # candidates beyond those wanted: others take some of them at the same instant
_BATCH = 500
_TRIES = 20
_FRESH = {"pool": OPEN, "whose": 0, "holder": 0, "until": 0.0, "final": None}

Row_ = Row[Any]


class Taken(UserError):
    """The item is with somebody else by now, or decided."""


class Desk:
    """One project's queue and decisions in a database."""

    def __init__(self, engine: Engine, project: str, lease: int = LEASE) -> None:
        self.engine, self.project, self.lease = engine, project, lease
        self.file = Hold(engine)
        # SQLite lets those who wait try again after ever longer whiles: within one process they stand in line instead.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    @classmethod
    def open(cls, address: str, project: str, *, lease: int = LEASE) -> "Desk":
        """Open a database, `sqlite:///FILE` or `postgresql://…`; raises UserError if it cannot be reached."""
        return cls(open_engine(address), project, lease)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    # Who decides.

    def invite(self, name: str, *, adjudicates: bool = False) -> str:
        """Return a new token for a person; it is kept as a hash alone, and an older one of theirs ends."""
        if not name.strip():
            raise UserError(t("A person needs a name"))
        token = secrets.token_urlsafe(24)
        with self._writing() as connection:
            person = self._named(connection, name.strip())
            change = update(people).where(people.c.id == person.id)
            connection.execute(change.values(token=_hash(token), adjudicates=adjudicates or person.adjudicates))
        return token

    def whoami(self, token: str) -> Person | None:
        """Return who was given this token."""
        mine = and_(people.c.project == self.project, people.c.token == _hash(token))
        with self._reading() as connection:
            row = connection.execute(select(people).where(mine)).one_or_none()
        return Person(row.id, row.name, row.adjudicates) if row else None

    def people(self) -> list[Person]:
        """Return all who were invited, or whose decisions were imported."""
        with self._reading() as connection:
            return self._people(connection)

    def invited(self, name: str = "") -> bool:
        """Tell whether anybody, or the person of this name, was given a token."""
        with self._reading() as connection:
            given = exists().where(people.c.project == self.project, people.c.token.is_not(None))
            given = given.where(people.c.name == name.strip()) if name else given
            return bool(connection.scalar(select(given)))

    # What they see and say.

    def next(self, person: Person, ahead: int = 1) -> list[Item]:
        """Return the item that the person is to decide, and up to `ahead` that come after it, kept for them alone."""
        for _ in range(_TRIES):
            found, left = self._next(person, 1 + ahead)
            if found or not left:
                break
            time.sleep(0.01)  # all that is left is in others' hands at this very instant
        return found

    def _next(self, person: Person, wanted: int) -> tuple[list[Item], bool]:
        """Return what the person is given, and whether there was something to give.

        What another transaction has locked is passed over, not waited for: two that wait for each other would be ended.
        """
        now = time.time()
        with self._writing() as connection:
            held = select(items.c.key).where(self._own(), items.c.holder == person.id, items.c.until > now)
            held = held.where(items.c.pool != DONE).order_by(items.c.rank).limit(wanted)
            keys = list(connection.scalars(held.with_for_update(skip_locked=True)))
            left: list[str] = []
            if len(keys) < wanted:
                left = list(connection.scalars(*self._candidates(connection, person, now, wanted)))
                for key in left:
                    free = self._of(key).where(items.c.pool != DONE, items.c.until < now)
                    if key not in keys and connection.execute(free.with_for_update(skip_locked=True)).one_or_none():
                        keys.append(key)
                    if len(keys) == wanted:
                        break
            mine = and_(self._own(), items.c.key.in_(keys))
            connection.execute(update(items).where(mine).values(holder=person.id, until=now + self.lease))
            rows = {row.key: row for row in connection.execute(select(items).where(mine))}
            return [self._shown(connection, rows[key]) for key in keys], bool(left)

    def decide(self, person: Person, key: str, decision: Decision) -> int:
        """Note a decision on an item that the person was given, and return its number.

        Sent twice it counts once, and late it counts if nobody else was given the item. Raises Taken else.
        """
        with self._writing() as connection:
            row = self._locked(connection, key)
            said = self._said(connection, [key])
            own = self._told(0, person, row, decision)
            free = row.holder == 0 and row.pool != CONFLICT and all(one.person != person.id for one in said)
            if (row.holder != person.id and not free) or row.pool == DONE:
                for one in said:
                    if (one.person, one.verdict, one.said) == (own.person, own.verdict, own.said):
                        return one.id
                raise Taken(t("Somebody else was given {record} meanwhile", record=row.record))
            number = self._note(connection, row, own)
            self._settle(connection, row, {"holder": 0, "until": 0.0})
        return number

    def undo(self, person: Person) -> Item | None:
        """Take back the person's last decision, and return its item, kept for them; None where there is nothing.

        The decision stays in the database, with a row behind it that undoes it. An item that somebody else is looking
        at stays theirs: it comes back through `next` when its turn is.
        """
        now = time.time()
        with self._writing() as connection:
            last = select(decisions).where(holding(), decisions.c.project == self.project)
            last = last.where(decisions.c.person == person.id).order_by(decisions.c.id.desc()).limit(1)
            found = connection.execute(last).one_or_none()
            if found is None:
                return None
            row = connection.execute(self._of(found.item).with_for_update()).one_or_none()
            undone = {"item": found.item, "record": found.record, "verdict": "undo", "undoes": found.id}
            rest = {"project": self.project, "person": person.id, "ruling": False, "said": "{}", "at": now}
            connection.execute(insert(decisions).values(**undone, **rest))
            if row is None:  # it is no longer in the queue
                return None
            free = row.holder in (0, person.id) or row.until < now
            self._settle(connection, row, {"holder": person.id, "until": now + self.lease} if free else {})
            return self._shown(connection, connection.execute(self._of(row.key)).one()) if free else None

    def give_back(self, person: Person) -> None:
        """Let others have what the person was given and has not decided, as they go."""
        with self._writing() as connection:
            mine = update(items).where(self._own(), items.c.holder == person.id)
            connection.execute(mine.values(holder=0, until=0.0))

    # How far it is.

    def progress(self, person: Person | None = None) -> dict[str, int]:
        """Return how many items there are, how many are decided, wait or are skipped, and the person's own decisions.

        Planted ones count like any other, so that nobody can tell them apart.
        """
        names = {OPEN: "open", SECOND: "second", SKIPPED: "skipped", CONFLICT: "conflict", DONE: "decided"}
        with self._reading() as connection:
            counted = select(items.c.pool, func.count().label("number")).where(self._own()).group_by(items.c.pool)
            counts: dict[int, int] = {row.pool: row.number for row in connection.execute(counted)}
            found = {"queued": sum(counts.values()), **{name: counts.get(pool, 0) for pool, name in names.items()}}
            if person:
                mine = select(func.count()).where(holding(), decisions.c.project == self.project)
                mine = mine.where(decisions.c.verdict != "skip")
                found["mine"] = connection.execute(mine.where(decisions.c.person == person.id)).scalar_one()
        return found

    def status(self) -> dict[str, Any]:
        """Return all figures as plain data: see `figures.told`."""
        with self._reading() as connection:
            columns = ("key", "reasons", "planted", "audited", "doubled", "pool", "final")
            queued = connection.execute(select(*(items.c[name] for name in columns)).where(self._own())).all()
            said = self._grouped(connection, [row.key for row in queued])
            return figures.told(queued, said, {one.id: one.name for one in self._people(connection)})

    def decided(self) -> dict[str, tuple[Said, list[Said]]]:
        """Return, by item, the decision that holds and all that was said, of real records alone."""
        with self._reading() as connection:
            done = select(items.c.key, items.c.final).where(self._own(), items.c.pool == DONE, items.c.planted == "")
            final = {row.key: row.final for row in connection.execute(done)}
            said = self._grouped(connection, list(final))
        return {key: (next(one for one in said[key] if one.id == final[key]), said[key]) for key in final}

    def mark(self) -> list[Any]:
        """Return what changes with every decision, that of the project's last one."""
        with self._reading() as connection:
            last = select(func.count(), func.max(decisions.c.id), func.max(decisions.c.at))
            return list(connection.execute(last.where(decisions.c.project == self.project)).one())

    # What the stage and the commands write.

    def draw(self, digest: str, rows: Iterable[dict[str, Any]]) -> None:
        """Make `rows` the queue, unless the one there was drawn the same way; what was decided stays decided."""
        now = time.time()
        with self._writing() as connection:
            last = select(draws.c.digest).where(draws.c.project == self.project).with_for_update()
            known = connection.scalar(last)
            if known == digest:
                return
            held = select(items.c.key, items.c.holder, items.c.until).where(self._own(), items.c.until > now)
            kept = connection.execute(held).all()
            for table in (items, draws):
                connection.execute(table.delete().where(table.c.project == self.project))
            rest = iter(rows)
            while batch := list(islice(rest, _BATCH)):
                connection.execute(insert(items), [{**_FRESH, "project": self.project, **row} for row in batch])
            for row in kept:
                same = update(items).where(self._own(), items.c.key == row.key)
                connection.execute(same.values(holder=row.holder, until=row.until))
            touched = select(items).where(
                self._own(), exists().where(decisions.c.project == self.project, decisions.c.item == items.c.key)
            )
            for item in connection.execute(touched).all():
                self._settle(connection, item, {})
            connection.execute(insert(draws).values(project=self.project, digest=digest))

    def add(self, row: dict[str, Any]) -> bool:
        """Put one more item before all others; return false where it is there already, or no queue was drawn yet.

        The next draw makes the queue anew as a whole, and has the item too if its record is among those it draws from.
        """
        with self._writing() as connection:
            drawn = select(draws.c.digest).where(draws.c.project == self.project).with_for_update()
            if connection.scalar(drawn) is None or connection.execute(self._of(row["key"])).one_or_none():
                return False
            first = connection.scalar(select(func.min(items.c.rank)).where(self._own()))
            new = {**_FRESH, "project": self.project, **row, "rank": (first or 0) - 1}
            connection.execute(insert(items).values(new))
            self._settle(connection, self._locked(connection, row["key"]), {})
        return True

    def queue(self) -> Iterator[tuple[Item, bool]]:
        """Yield the queued items in order, with all that was said of them, and whether they are decided.

        Planted ones are among them, as people would be shown them.
        """
        with self._reading() as connection:
            said = self._grouped(connection, list(connection.scalars(select(items.c.key).where(self._own()))))
            found = select(items).where(self._own()).order_by(items.c.rank)
            for row in connection.execute(found.execution_options(yield_per=_BATCH)):
                yield item_of(row, said[row.key]), row.pool == DONE

    def accept_import(self, told: Sequence[tuple[str, str, Decision]]) -> list[str | None]:
        """Note decisions that were made elsewhere, each by name, key of the item, and decision, all or none.

        Returns for each what stood against it, None where it was noted, and KNOWN for what that person has said before.
        """
        found: list[str | None] = []
        with self._writing() as connection:
            # Of two imports, or an import and a draw, one waits for the other.
            connection.execute(select(draws).where(draws.c.project == self.project).with_for_update())
            for name, key, decision in told:
                row, person = self._locked(connection, key), self._named(connection, name)
                said = self._said(connection, [key])
                own = self._told(0, person, row, decision)
                mine = [one for one in said if one.person == person.id]
                if mine or row.pool == DONE:
                    against = "decided already" if row.pool == DONE else "this person has decided"
                    found.append(KNOWN if any(one.same(own) for one in mine) else against)
                    continue
                self._note(connection, row, own)
                self._settle(connection, row, {})
                found.append(None)
        return found

    # Within.

    def _own(self) -> Any:
        return items.c.project == self.project

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._turn, self.file.held(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self.file.held(), self.engine.connect().execution_options(reads=True) as connection:
            yield connection

    def _of(self, key: str) -> Select[Any]:
        return select(items).where(self._own(), items.c.key == key)

    def _locked(self, connection: Connection, key: str) -> Row_:
        row = connection.execute(self._of(key).with_for_update()).one_or_none()
        if row is None:
            raise Taken(t("The item {key} is not in the queue: it was drawn anew", key=key))
        return row

    def _people(self, connection: Connection) -> list[Person]:
        found = select(people).where(people.c.project == self.project).order_by(people.c.id)
        return [Person(row.id, row.name, row.adjudicates) for row in connection.execute(found)]

    def _named(self, connection: Connection, name: str) -> Person:
        """Return the person of this name, who is new where there is none."""
        wanted = select(people).where(people.c.project == self.project, people.c.name == name)
        row = connection.execute(wanted).one_or_none()
        if row is None:
            try:
                with connection.begin_nested():
                    connection.execute(insert(people).values(project=self.project, name=name, adjudicates=False))
            except IntegrityError:  # another process was first
                pass
            row = connection.execute(wanted).one()
        return Person(row.id, row.name, row.adjudicates)

    def _candidates(
        self, connection: Connection, person: Person, now: float, wanted: int
    ) -> tuple[Select[Any], dict[str, Any]]:
        """Return the query for what the person may be given, and its values."""
        others = tuple(one.id for one in self._people(connection) if one.id != person.id)
        query = candidates(others, person.adjudicates, wanted + _SPARE)
        return query, {"project": self.project, "person": person.id, "now": now}

    def _said(self, connection: Connection, keys: Sequence[str]) -> list[Said]:
        """Return the decisions that hold on some items, in order."""
        found = select(decisions).where(decisions.c.project == self.project, decisions.c.item.in_(keys), holding())
        return [said_of(row) for row in connection.execute(found.order_by(decisions.c.id))]

    def _grouped(self, connection: Connection, keys: Sequence[str]) -> dict[str, list[Said]]:
        """Return the decisions that hold by item, of these items."""
        said: dict[str, list[Said]] = {key: [] for key in keys}
        found = select(decisions).where(decisions.c.project == self.project, holding()).order_by(decisions.c.id)
        for row in connection.execute(found.execution_options(yield_per=_BATCH)):
            if row.item in said:
                said[row.item].append(said_of(row))
        return said

    def _told(self, number: int, person: Person, row: Row_, decision: Decision) -> Said:
        """Return a decision as it is kept; an edit that changes nothing is consent."""
        said, verdict = decision.said(), str(decision.verdict)
        if verdict == "edit" and said["messages"] == orjson.loads(row.body)["messages"]:
            verdict = "accept"
            del said["messages"]
        ruling = row.pool == CONFLICT and person.adjudicates and verdict != "skip"
        return Said(number, person.id, verdict, ruling, said, decision.seconds, time.time())

    def _note(self, connection: Connection, row: Row_, own: Said) -> int:
        which = {"project": self.project, "item": row.key, "record": row.record, "person": own.person}
        what = {"verdict": own.verdict, "ruling": own.ruling, "said": orjson.dumps(own.said).decode()}
        done = connection.execute(insert(decisions).values(**which, **what, seconds=own.seconds, at=own.at))
        key = done.inserted_primary_key
        assert key
        return int(key[0])

    def _settle(self, connection: Connection, row: Row_, change: dict[str, Any]) -> None:
        pool, whose, final = settle(self._said(connection, [row.key]), row.doubled)
        same = update(items).where(self._own(), items.c.key == row.key)
        connection.execute(same.values(pool=pool, whose=whose, final=final, **change))

    def _shown(self, connection: Connection, row: Row_) -> Item:
        return item_of(row, self._said(connection, [row.key]) if row.pool == CONFLICT else ())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
