"""What a stage is to the pipeline, and what it is given when it runs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from weitiao.engine import Engine, named
from weitiao.recipe import Recipe, Settings
from weitiao.store import Draft, Stored

S = TypeVar("S", bound=Settings)
T = TypeVar("T")
# The variable of the environment that names a file where a run notes how far it is.
PROGRESS = "WEITIAO_PROGRESS"


class Reporter(Protocol):
    """Where a stage says how far it is; the command line draws bars, tests say nothing."""

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Pass `items` on, showing rate and time left; `what` names one item."""
        ...

    def say(self, text: str) -> None:
        """Say a line that stays."""
        ...


class Silent:
    """A reporter that says nothing."""

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Pass `items` on."""
        yield from items

    def say(self, text: str) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Job:
    """One stage of one recipe about to run."""

    recipe: Recipe
    stage: str
    draft: Draft
    inputs: dict[str, Stored]  # the finished stages that it reads, by name
    reporter: Reporter = field(default_factory=Silent)
    # The stage as it stands finished, where nothing but what people have decided since is different.
    earlier: Stored | None = None

    def settings(self, kind: type[S]) -> S:
        """Return the settings of this stage."""
        return self.recipe.section(self.stage, kind)

    @property
    def seed(self) -> int:
        """The recipe's seed."""
        return self.recipe.project.seed

    @property
    def engine(self) -> Engine:
        """Who does the work on chunks."""
        return named(self.recipe.project.engine)

    @property
    def folder(self) -> Path:
        """Where the stage writes."""
        return self.draft.folder


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: `kept` of `total` records went on.

    `refused` counts what is in the ledger as gone, by reason: total = kept + sum(refused), or the stage is wrong.
    `facts` is what else the manifest keeps.
    """

    total: int
    kept: int
    refused: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    unit: str = "records"


@dataclass(frozen=True)
class Stage:
    """One station of the line. `entry` is imported when the stage starts: its libraries are loaded only then."""

    name: str
    settings: type[Settings]
    entry: str  # `module:function`, a function from Job to Outcome
    done: str  # `Prepared {kept} of {total} records`
    brief: str = ""  # said in its place where the fact `brief` is true: no teacher had a part, or people have yet to
    reads: tuple[str, ...] = ()  # stages whose output it reads, as far as the recipe has them
    needs: tuple[str, ...] = ()  # those of them without which it cannot run
    reads_records: bool = False  # it reads the records of the last stage before it that gives some, as `records`
    gives_records: bool = False
    project: tuple[str, ...] = ()  # keys of the recipe's head that change its result: `seed`, `model`
    outside: Callable[[Recipe], object] | None = None  # digest of what it reads beyond the run: files, a model
    files: Callable[[Recipe], dict[str, str]] | None = None  # files of records read for it alone, by the input's name
    plan: str = ""  # of a stage that asks a teacher: `module:function`, from Job to what it would ask
    ready: Callable[[Recipe, bool], None] | None = None  # raises UserError where it could not; true: nobody asked yet
    decided: str = (
        ""  # of a stage where people decide: `module:function`, from recipe and run's folder to what they did
    )
    beside: tuple[str, ...] = ()  # settings that say who works, not what comes of it: with others it is the same stage
