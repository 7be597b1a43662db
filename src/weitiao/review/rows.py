"""Rows of the review database read as what they are, and the query for what a person may be given next."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import BindParameter, Row, Select, and_, bindparam, exists, literal, select, union_all

from weitiao.review.decision import Item, Said
from weitiao.review.tables import CONFLICT, OPEN, SECOND, SKIPPED, decisions, items


@lru_cache(maxsize=1000)
def candidates(others: tuple[int, ...], adjudicates: bool, most: int) -> Select[Any]:
    """Return the query for the keys of the first items that a person may be given; values: project, person, now.

    Each pool is asked by its index: what others have decided first or skipped last, by each of the `others`. The query
    is kept, because putting it together takes longer than answering it.
    """
    own = items.c.project == bindparam("project")
    now: BindParameter[float] = bindparam("now")
    touched = exists().where(decisions.c.project == bindparam("project"), decisions.c.item == items.c.key)
    touched = touched.where(decisions.c.person == bindparam("person"), holding())
    pools = [(1, OPEN, 0), *((1, SECOND, one) for one in others), *((2, SKIPPED, one) for one in others)]
    pools += [(0, CONFLICT, 0)] * adjudicates
    found = []
    for order, pool, whose in pools:
        free = select(items.c.key, items.c.rank)
        free = free.where(own, items.c.pool == pool, items.c.whose == whose, items.c.until < now)
        free = free if pool == OPEN else free.where(~touched)
        part = free.order_by(items.c.rank).limit(most).subquery()
        found.append(select(part.c.key, part.c.rank, literal(order).label("first")))
    every = union_all(*found).subquery()
    return select(every.c.key).order_by(every.c.first, every.c.rank).limit(most)


def holding() -> Any:
    """Return the condition that a row is a decision and was not taken back."""
    other = decisions.alias()
    return and_(decisions.c.verdict != "undo", ~exists().where(other.c.undoes == decisions.c.id))


def said_of(row: Row[Any]) -> Said:
    """Read a decision."""
    return Said(row.id, row.person, row.verdict, row.ruling, orjson.loads(row.said), row.seconds, row.at)


def item_of(row: Row[Any], opinions: Sequence[Said] = ()) -> Item:
    """Read an item as a person is shown it."""
    body = orjson.loads(row.body)
    facts = body["facts"]
    return Item(
        key=row.key,
        record=row.record,
        source=row.source,
        reasons=tuple(orjson.loads(row.reasons)),
        detail={name: value for name, value in (facts.get("review") or {}).items() if name != "why"},
        judge=facts.get("judge"),
        messages=tuple((turn["role"], turn["content"]) for turn in body["messages"]),
        facts=facts,
        origin=body["origin"],
        until=row.until,
        opinions=tuple(opinions),
    )
