"""Engines run a plain function over chunks of a table; they know no records. What comes out is the same with each."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import polars as pl

C = TypeVar("C")
R = TypeVar("R")

# What is done with the rows that are equal in a column, wherever they come from: the column, and a function of them.
Meeting = tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]
# Emit a table for each chunk, let its rows meet once or more, return what is left, in no order, in this schema.
Shuffle = Callable[[Callable[[Any], pl.DataFrame], Sequence[Any], Sequence[Meeting], Mapping[str, Any]], pl.DataFrame]


class Engine(Protocol):
    """Where the work is done: `local`, the processes of this machine, or `ray`, a cluster."""

    def run(self, function: Callable[[C], R], chunks: Sequence[C], *, slow: bool = False) -> Iterator[tuple[int, R]]:
        """Yield (index, result) of `function` for each chunk, in the order in which they finish.

        Where it is `slow`, one chunk alone may take longer than it takes processes to start.
        """
        ...

    def check(self, paths: Sequence[Path]) -> None:
        """Hold that all who work see these files; raises UserError."""
        ...

    def rest(self) -> None:
        """End what is kept for the next work, which gives back its memory."""
        ...

    @property
    def shuffled(self) -> Shuffle | None:
        """What makes rows of different chunks meet; None where all of them fit into this process."""
        ...


_named: dict[str, Engine] = {}


def named(name: str) -> Engine:
    """Return an engine, imported now: `local` or `ray`."""
    return _named.setdefault(name, cast(Engine, importlib.import_module(f"weitiao.engine.{name}")))


def rest() -> None:
    """Have the engines that may have been given work end what they keep: a model needs the memory."""
    for name in {"local", *_named}:
        named(name).rest()
