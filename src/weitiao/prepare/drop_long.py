"""Records with too much text, in characters or in tokens of a model."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import polars as pl
from pydantic import Field, model_validator

from weitiao.errors import UserError
from weitiao.ledger import Goes
from weitiao.prepare.lengths import lengths
from weitiao.step import Batch, DropByScore
from weitiao.talk import t

if TYPE_CHECKING:
    from weitiao.model.template import Template

Messages = list[tuple[str, str]]
_NOTED = 0.9  # of the limit: from there on what stays is noted


class DropLong(DropByScore):
    """Drop records whose passage, question or answer is too long, or that have too many tokens.

    The tokens are those that training would see: of the whole conversation, with the marks of the chat template.
    """

    reason: ClassVar[str] = "too long"
    goes: ClassVar[Goes] = ">"
    max_chars: int = Field(20_000, ge=1, description="Characters that a passage has at most")
    max_question_chars: int = Field(20_000, ge=1, description="Characters that the questions have at most")
    max_answer_chars: int = Field(20_000, ge=1, description="Characters that the answers have at most")
    tokens: int | None = Field(None, ge=1, description="Tokens that a record has at most; needs `model`")
    model: str | None = Field(None, description="The model whose tokens are counted: a folder or a name")
    template: str = Field("auto", description="Chat template by name; auto: the model's own, else a plain one")

    @model_validator(mode="after")
    def _can_count(self) -> Self:
        if (self.tokens is None) != (self.model is None):
            raise ValueError(t("`tokens` and `model` go together: the one says how many, the other whose"))
        return self

    def outside(self) -> tuple[str, ...]:
        """Return the model."""
        return (self.model,) if self.model else ()

    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return the length of each part of each record, and the tokens of those not too long that may have many."""
        limits = {
            "passage": ("max_chars", self.max_chars),
            "user": ("max_question_chars", self.max_question_chars),
            "assistant": ("max_answer_chars", self.max_answer_chars),
        }
        chars = lengths(batch, limits).with_columns(noted_to=pl.col("threshold") / 2)
        if self.tokens is None or self.model is None:
            return chars
        template = _template(self.model, self.around.folder, self.template)
        long = chars.filter(pl.col("score") > pl.col("threshold"))
        rest = batch.turns.join(long, on="id", how="anti", maintain_order="left")
        least = _NOTED * self.tokens
        rows = [(name, "tokens", self.tokens, size, least) for name, size in _sizes(rest, template, least)]
        return pl.concat([chars, pl.DataFrame(rows, schema=chars.schema, orient="row")])


def _sizes(turns: pl.DataFrame, template: "Template", least: float) -> Iterator[tuple[str, int]]:
    """Yield id and tokens of the records that may have more than `least`.

    A tokenizer makes at most one token of a byte, after what some do before; so short records need not be cut.
    """
    marks = len(template.encode([("user", "x"), ("assistant", "x")]).ids)
    text = pl.col("content")
    size = pl.max_horizontal(text.str.len_bytes(), text.str.normalize("NFKC").str.len_bytes()) + marks
    large = turns.filter(size.sum().over("id") > least)
    for name, talk in (
        large.group_by("id", maintain_order=True)
        .agg("role", "content")
        .select("id", pl.struct("role", "content"))
        .iter_rows()
    ):
        yield name, _tokens(template, list(zip(talk["role"], talk["content"], strict=True)), marks)


def _tokens(template: "Template", messages: Messages, marks: int) -> int:
    """Return the tokens of a conversation; of what the template does not take, those of the texts and of its marks."""
    if messages[0][0] != "passage":
        try:
            return len(template.encode(messages).ids)
        except UserError:
            pass
    ids = template.tokenizer([text for _, text in messages], add_special_tokens=False)["input_ids"]
    return sum(map(len, ids)) + (0 if messages[0][0] == "passage" else marks * len(messages))


@lru_cache(1)
def _template(model: str, folder: Path, name: str) -> "Template":
    from weitiao.model.hub import resolve
    from weitiao.model.template import Template
    from weitiao.model.tokenizer import load_tokenizer

    return Template(load_tokenizer(resolve(model, folder, weights=False)), name)
