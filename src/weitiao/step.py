"""Steps: one named operation on records, judged on whole columns; the base classes here write the ledger."""

import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

import polars as pl
from pydantic import BeforeValidator, Discriminator, Tag

from weitiao import ledger, record
from weitiao.recipe import Settings

Role = str


@dataclass(frozen=True)
class Batch:
    """Records on their way through the steps, with what happened to them so far.

    `records` has the columns of `record.SCHEMA` but `messages`; `turns` has `id, turn, role, content`, a row a message.
    """

    records: pl.DataFrame
    turns: pl.DataFrame
    events: tuple[pl.DataFrame, ...] = field(default=())

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Batch":
        """Take apart a table with the columns of `record.SCHEMA`."""
        turns = frame.select("id", "messages").filter(pl.col("messages").list.len() > 0).explode("messages")
        turns = turns.select(
            "id",
            pl.int_range(pl.len(), dtype=pl.Int32).over("id").alias("turn"),
            pl.col("messages").struct.field("role"),
            pl.col("messages").struct.field("content"),
        )
        return cls(frame.drop("messages"), turns)

    def frame(self) -> pl.DataFrame:
        """Put the table together again, rows in their old order."""
        messages = self.turns.group_by("id", maintain_order=True).agg(pl.struct("role", "content").alias("messages"))
        joined = self.records.join(messages, on="id", how="left", maintain_order="left")
        return joined.with_columns(pl.col("messages").fill_null([])).select(record.SCHEMA)

    def texts(self, roles: tuple[Role, ...] = ()) -> pl.DataFrame:
        """Return `id, text`, a row a record: its texts of these roles (all if none are named), joined by newlines."""
        turns = self.turns.filter(pl.col("role").is_in(roles)) if roles else self.turns
        text = turns.group_by("id", maintain_order=True).agg(pl.col("content").str.join("\n").alias("text"))
        joined = self.records.select("id").join(text, on="id", how="left", maintain_order="left")
        return joined.with_columns(pl.col("text").fill_null(""))

    def without(self, dropped: pl.DataFrame, event: pl.DataFrame) -> "Batch":
        """Return the batch without the records whose `id` stands in `dropped`, and with `event` noted."""
        if dropped.is_empty():
            return self
        gone = dropped.select("id")
        return replace(
            self,
            records=self.records.join(gone, on="id", how="anti", maintain_order="left"),
            turns=self.turns.join(gone, on="id", how="anti", maintain_order="left"),
            events=(*self.events, ledger.events(event)),
        )

    def ledger(self) -> pl.DataFrame:
        """Return all events so far as one table."""
        return pl.concat([ledger.empty(), *self.events])


class Step(Settings):
    """One named operation inside a stage; its fields are its settings, its name the snake_case of its class."""

    @classmethod
    def step_name(cls) -> str:
        """Return the name that recipes and ledger use."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def spec(self) -> dict[str, Any]:
        """Return the step as a recipe would write it, with every setting."""
        return {self.step_name(): self.model_dump(mode="json")}


class RowStep(Step):
    """A step that judges each record by itself."""

    @abstractmethod
    def apply(self, batch: Batch) -> Batch:
        """Return the batch after this step."""


class Rewrite(RowStep):
    """Change texts: give `rewrite`, string expression in, string expression out."""

    roles: ClassVar[tuple[Role, ...]] = ()  # whose texts it touches; all if empty

    @abstractmethod
    def rewrite(self, text: pl.Expr) -> pl.Expr:
        """Return the new text."""

    def rewritten(self, turns: pl.DataFrame) -> pl.Series:
        """Return the new texts of all `turns`, in order."""
        return turns.select(self.rewrite(pl.col("content")).alias("content")).to_series()

    def apply(self, batch: Batch) -> Batch:
        """Rewrite the texts and note each one that changed."""
        new = self.rewritten(batch.turns)
        if self.roles:
            touched = batch.turns["role"].is_in(self.roles)
            new = pl.select(pl.when(touched).then(new).otherwise(batch.turns["content"])).to_series()
        changed = batch.turns.with_columns(new.alias("after")).filter(pl.col("after") != pl.col("content"))
        if changed.is_empty():
            return batch
        event = changed.select("id", "turn", pl.col("content").alias("before"))
        noted = event.with_columns(step=pl.lit(self.step_name()), action=pl.lit("changed"), reason=pl.lit("rewritten"))
        turns = batch.turns.with_columns(new.alias("content"))
        return replace(batch, turns=turns, events=(*batch.events, ledger.events(noted)))


class RewriteSelected(Rewrite):
    """Change, in Python, only the texts that an expression selects: for what Polars cannot express."""

    @abstractmethod
    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where a text may need the change; the cheaper and stricter, the faster."""

    @abstractmethod
    def rewrite_one(self, text: str) -> str:
        """Return the new text of one selected text."""

    def rewrite(self, text: pl.Expr) -> pl.Expr:
        """Apply `rewrite_one` where `selects` says so."""
        one = text.map_elements(self.rewrite_one, return_dtype=pl.String)
        return pl.when(self.selects(text)).then(one).otherwise(text)

    def rewritten(self, turns: pl.DataFrame) -> pl.Series:
        """Return the new texts; unlike `rewrite`, Python sees the selected ones alone."""
        content = turns["content"]
        selected = turns.select(self.selects(pl.col("content")).fill_null(False)).to_series()
        if not selected.any():
            return content
        places = selected.arg_true()
        new = pl.Series([self.rewrite_one(text) for text in content.gather(places)], dtype=pl.String)
        return content.scatter(places, new)


class Drop(RowStep):
    """Let records go: give `where`, true where a record goes, and the `reason`."""

    roles: ClassVar[tuple[Role, ...]] = ()  # whose texts are looked at; all if empty
    reason: ClassVar[str]

    @abstractmethod
    def where(self, text: pl.Expr) -> pl.Expr:
        """Return true where the record goes; `text` is its texts joined by newlines."""

    def apply(self, batch: Batch) -> Batch:
        """Drop the records and note each."""
        gone = batch.texts(self.roles).filter(self.where(pl.col("text")))
        noted = gone.select("id", step=pl.lit(self.step_name()), action=pl.lit("dropped"), reason=pl.lit(self.reason))
        return batch.without(gone, noted)


class Gather(Step):
    """See the whole data set, but only ids and small columns: give `columns` for a batch, `judge` for all."""

    reason: ClassVar[str]

    @abstractmethod
    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return `id` and the small columns that `judge` needs, a row a record."""

    @abstractmethod
    def judge(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return the records to drop: `id` and `detail` (JSON text), given the columns of all records in order."""

    def noted(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Return the ledger's events for what was judged."""
        name = self.step_name()
        return judged.with_columns(step=pl.lit(name), action=pl.lit("dropped"), reason=pl.lit(self.reason))


def one_of(*kinds: type[Step]) -> Any:
    """Return the type of a step in a recipe: `name`, or `name: {setting: value}`, for the steps of one stage."""
    tagged = [Annotated[kind, BeforeValidator(_settings), Tag(kind.step_name())] for kind in kinds]
    union: Any = tagged[0]
    for kind in tagged[1:]:
        union = union | kind
    return Annotated[union, Discriminator(_name(tuple(kinds)))]


def _name(kinds: tuple[type[Step], ...]) -> Callable[[Any], str | None]:
    def name(value: Any) -> str | None:
        if isinstance(value, Step):
            return value.step_name()
        if isinstance(value, dict):
            return str(next(iter(value))) if len(value) == 1 else None
        return str(value)

    return name


def _settings(value: Any) -> Any:
    if isinstance(value, dict):
        return next(iter(value.values())) or {}
    return {} if isinstance(value, str) else value
