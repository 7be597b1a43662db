"""Steps: one named operation on records, judged on whole columns; the base classes here write the ledger."""

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args

import polars as pl
from pydantic import GetCoreSchemaHandler, PrivateAttr, SerializerFunctionWrapHandler, model_serializer
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function, tagged_union_schema

from weitiao import ledger, record
from weitiao.recipe import Settings

Role = str

# Whose texts tell what a record is about: question and answer, or the question. A system prompt may be everywhere.
ROLES_OF = {"talk": ("user", "assistant", "passage"), "question": ("user", "passage")}


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
        """Take apart a table with the columns of `record.SCHEMA`; no id may stand twice."""
        assert frame["id"].n_unique() == len(frame), "an id stands twice"
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
        return joined.with_columns(pl.col("messages").fill_null([])).select(list(record.SCHEMA))

    def texts(self, roles: tuple[Role, ...] = ()) -> pl.DataFrame:
        """Return `id, text`, a row a record: its texts of these roles (all if none are named), joined by newlines."""
        turns = self.turns.filter(pl.col("role").is_in(roles)) if roles else self.turns
        text = turns.group_by("id", maintain_order=True).agg(text="content")
        text = text.with_columns(pl.col("text").list.join("\n"))  # within the groups it takes four times as long
        joined = self.records.select("id").join(text, on="id", how="left", maintain_order="left")
        return joined.with_columns(pl.col("text").fill_null(""))

    def without(self, noted: pl.DataFrame) -> "Batch":
        """Return the batch without the records that the events `noted` drop, and with these events."""
        if noted.is_empty():
            return self
        gone = noted.filter(pl.col("action") == "dropped").select("id")
        return replace(
            self,
            records=self.records.join(gone, on="id", how="anti", maintain_order="left"),
            turns=self.turns.join(gone, on="id", how="anti", maintain_order="left"),
            events=(*self.events, self._with_texts(ledger.events(noted))),
        )

    def _with_texts(self, noted: pl.DataFrame) -> pl.DataFrame:
        """Note with each dropped record that was changed before what it said: that stands nowhere else."""
        gone = noted.filter(pl.col("action") == "dropped")["id"].implode()
        changed = [
            event.filter((pl.col("action") == "changed") & pl.col("id").is_in(gone))["id"] for event in self.events
        ]
        if not any(len(ids) for ids in changed):
            return noted
        said = self.turns.filter(pl.col("id").is_in(pl.concat(changed).implode()))
        said = said.group_by("id").agg(messages=pl.struct("role", "content"))
        said = said.select("id", said=pl.struct("messages").struct.json_encode())
        noted = noted.join(said, on="id", how="left", maintain_order="left")
        return noted.with_columns(before=pl.coalesce("before", "said")).drop("said")

    def with_texts(self, new: pl.Series, step: str) -> "Batch":
        """Return the batch with a new text for each turn, and each one that changed noted for `step`."""
        changed = self.turns.select("id", "turn", before="content").filter(self.turns["content"] != new)
        if changed.is_empty():
            return self
        noted = changed.with_columns(step=pl.lit(step), action=pl.lit("changed"), reason=pl.lit("rewritten"))
        turns = self.turns.with_columns(new.alias("content"))
        return replace(self, turns=turns, events=(*self.events, ledger.events(noted)))

    def ledger(self) -> pl.DataFrame:
        """Return all events so far as one table."""
        return pl.concat([ledger.empty(), *self.events])


@dataclass(frozen=True)
class Around:
    """What a step finds on disk: where its relative paths start, and the records read from its `material`."""

    folder: Path = field(default_factory=Path)
    parts: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def of(self, names: Iterable[str]) -> tuple[Path, ...]:
        """Return the files of records that were read from this material."""
        return tuple(part for name in names for part in self.parts[name])


class Step(Settings):
    """One named operation inside a stage; its fields are its settings, its name the snake_case of its class."""

    # A pattern of the marks that it leaves in place of what nobody may see: that stands in the ledger neither.
    hiding_marks: ClassVar[str] = ""

    _around: Around = PrivateAttr(default_factory=Around)

    @property
    def around(self) -> Around:
        """What it finds on disk."""
        return self._around

    def within(self, around: Around) -> Self:
        """Return the step as it works in these surroundings."""
        step = self.model_copy()
        step._around = around
        return step

    def material(self) -> tuple[str, ...]:
        """Return the data that are read, as a source is, for this step."""
        return ()

    def outside(self) -> tuple[str, ...]:
        """Return the other files and folders that decide what it does."""
        return ()

    @classmethod
    def step_name(cls) -> str:
        """Return the name that recipes and ledger use."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @model_serializer(mode="wrap")
    def _written(self, settings: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the step as a recipe would, with every setting: two steps with like settings stay two."""
        return {self.step_name(): settings(self)}


class RowStep(Step):
    """A step that judges each record by itself."""

    @abstractmethod
    def apply(self, batch: Batch) -> Batch:
        """Return the batch after this step."""


class Change(RowStep):
    """Change texts; the kinds below differ in who writes the new ones."""

    roles: ClassVar[tuple[Role, ...]] = ()  # whose texts it touches; all if empty

    @abstractmethod
    def rewritten(self, texts: pl.Series) -> pl.Series:
        """Return the new texts, one for each, in order."""

    def contents(self, turns: pl.DataFrame) -> pl.Series:
        """Return the new texts of turns (`id, turn, role, content`)."""
        return self.rewritten(turns["content"])

    def apply(self, batch: Batch) -> Batch:
        """Rewrite the texts and note each one that changed."""
        old = batch.turns["content"]
        if self.roles:
            places = batch.turns["role"].is_in(self.roles).arg_true()
            new = old.clone().scatter(places, self.contents(batch.turns[places]))
        else:
            new = self.contents(batch.turns)
        return batch.with_texts(new, self.step_name())


class Rewrite(Change):
    """Change texts: give `rewrite`, string expression in, string expression out."""

    @abstractmethod
    def rewrite(self, text: pl.Expr) -> pl.Expr:
        """Return the new text."""

    def rewritten(self, texts: pl.Series) -> pl.Series:
        """Return the new texts, one for each, in order."""
        return pl.select(self.rewrite(pl.lit(texts))).to_series()


class RewriteSelected(Change):
    """Change, in Python, only the texts that an expression selects: for what Polars cannot express."""

    @abstractmethod
    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where a text may need the change; the cheaper and stricter, the faster."""

    @abstractmethod
    def rewrite_one(self, text: str) -> str:
        """Return the new text of one selected text."""

    def rewritten(self, texts: pl.Series) -> pl.Series:
        """Return the new texts; Python sees the selected ones alone."""
        places = pl.select(self.selects(pl.lit(texts))).to_series().arg_true()
        if places.is_empty():
            return texts
        new = pl.Series([self.rewrite_one(text) for text in texts.gather(places)], dtype=pl.String)
        return texts.clone().scatter(places, new)  # scatter writes into the series it is called on


class RewriteTalks(RewriteSelected):
    """Change, in Python, the texts of a record together, where an expression selects one of them."""

    @abstractmethod
    def rewrite_talk(self, texts: list[str]) -> list[str]:
        """Return the new texts of one record, one for each, in order."""

    def rewrite_one(self, text: str) -> str:
        """Return the new text of a record that has no other."""
        return self.rewrite_talk([text])[0]

    def contents(self, turns: pl.DataFrame) -> pl.Series:
        """Return the new texts; Python sees the records alone of which a text is selected."""
        content = turns["content"]
        selected = turns.filter(pl.select(self.selects(pl.lit(content))).to_series())["id"]
        chosen = turns.with_row_index("place").filter(pl.col("id").is_in(selected.implode()))
        if chosen.is_empty():
            return content
        talks = chosen.group_by("id", maintain_order=True).agg("place", "content")
        new = [text for texts in talks["content"].to_list() for text in self.rewrite_talk(texts)]
        return content.clone().scatter(talks["place"].explode(), pl.Series(new, dtype=pl.String))


class DropRecords(RowStep):
    """Let records go: give `gone`, which ones, and the `reason`."""

    reason: ClassVar[str]

    @abstractmethod
    def gone(self, batch: Batch) -> pl.DataFrame:
        """Return the records that go: `id`, and `detail` (JSON text) where there is something to say."""

    def apply(self, batch: Batch) -> Batch:
        """Drop the records and note each."""
        name, reason = pl.lit(self.step_name()), pl.lit(self.reason)
        return batch.without(self.gone(batch).with_columns(step=name, action=pl.lit("dropped"), reason=reason))


class Drop(DropRecords):
    """Let records go by their text: give `where`, true where a record goes, and the `reason`."""

    roles: ClassVar[tuple[Role, ...]] = ()  # whose texts are looked at; all if empty

    @abstractmethod
    def where(self, text: pl.Expr) -> pl.Expr:
        """Return true where the record goes; `text` is its texts joined by newlines."""

    def gone(self, batch: Batch) -> pl.DataFrame:
        """Return the records whose text `where` names."""
        return batch.texts(self.roles).filter(self.where(pl.col("text"))).select("id")


class DropByScore(RowStep):
    """Let records go by a score: give `scores`, the `reason`, and on which side of its threshold a record `goes`.

    Those that just stay are noted too, so that another threshold can be tried on the ledger (see `ledger`).
    """

    reason: ClassVar[str]
    goes: ClassVar[ledger.Goes] = "<"

    @abstractmethod
    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return `id`, `setting` (the field that holds the threshold), `score` and `threshold`, a row for each score.

        A column `goes` says it for each score. Any other column goes into the detail of the ledger.
        """

    def noted(self, scores: pl.DataFrame) -> pl.DataFrame:
        """Return the ledger's events for the scores: what is `dropped`, and what was `spared`."""
        return ledger.weighed(scores, self.goes).with_columns(step=pl.lit(self.step_name()), reason=pl.lit(self.reason))

    def apply(self, batch: Batch) -> Batch:
        """Drop the records beyond the threshold; note each, and those nearest to it."""
        return batch.without(self.noted(self.scores(batch)))


class Measure(DropByScore):
    """Measure records and let some go by it: give `measured`, `weighed` and the `reason`.

    What was measured is a fact of those that stay, under the step's name.
    """

    @abstractmethod
    def measured(self, batch: Batch) -> pl.DataFrame:
        """Return `id` and the figures, the first of them never null, a row a record in order."""

    @abstractmethod
    def weighed(self, figures: pl.DataFrame) -> pl.DataFrame:
        """Return the scores that the figures are, as `scores` does."""

    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return the scores of what is measured."""
        return self.weighed(self.measured(batch))

    def apply(self, batch: Batch) -> Batch:
        """Measure, drop and note."""
        name, figures = self.step_name(), self.measured(batch)
        # No figure is a text that could hold this.
        known = pl.struct(pl.exclude("id")).struct.json_encode().str.replace_all(r',"\w+":null', "")
        records = record.without_fact(batch.records, name).with_columns(figures.select(known=known)["known"])
        records = records.with_columns(record.with_fact(name, pl.col("known"))).drop("known")
        return replace(batch, records=records).without(self.noted(self.weighed(figures)))


def one_of(*kinds: type[Step]) -> Any:
    """Return the type of a step in a recipe: `name`, or `name: {setting: value}`, for the steps of one stage."""
    return Annotated[Step, _OneOf(kinds)]


def kinds(annotation: Any) -> tuple[type[Step], ...]:
    """Return the steps that a list annotated as `tuple[one_of(…), ...]` may hold; nothing for any other annotation."""
    items = [item for part in get_args(annotation) for item in get_args(part)]
    return next((item.kinds for item in items if isinstance(item, _OneOf)), ())


@dataclass(frozen=True)
class _OneOf:
    """What pydantic reads off such a type."""

    kinds: tuple[type[Step], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Tell pydantic to choose the step by its name, so that an error names the step and the setting."""
        choices: dict[Any, CoreSchema] = {
            kind.step_name(): no_info_before_validator_function(_settings, handler.generate_schema(kind))
            for kind in self.kinds
        }
        return tagged_union_schema(choices, _name)


def _name(value: Any) -> str | None:
    if isinstance(value, Step):
        return value.step_name()
    if isinstance(value, dict):
        return str(next(iter(value))) if len(value) == 1 else None
    return str(value)


def _settings(value: Any) -> Any:
    """Return what stands behind the step's name; a name alone means every default."""
    settings = next(iter(value.values())) if isinstance(value, dict) else None
    if isinstance(value, Step):
        return value
    return {} if settings is None else settings
