"""Records with too much text."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.ledger import Goes
from weitiao.prepare.lengths import lengths
from weitiao.step import Batch, DropByScore


class DropLong(DropByScore):
    """Drop records whose passage, question or answer is too long."""

    reason: ClassVar[str] = "too long"
    goes: ClassVar[Goes] = ">"
    max_chars: int = Field(20_000, ge=1, description="Characters that a passage has at most")
    max_question_chars: int = Field(20_000, ge=1, description="Characters that the questions have at most")
    max_answer_chars: int = Field(20_000, ge=1, description="Characters that the answers have at most")

    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return the length of each part of each record."""
        return lengths(
            batch,
            {
                "passage": ("max_chars", self.max_chars),
                "user": ("max_question_chars", self.max_question_chars),
                "assistant": ("max_answer_chars", self.max_answer_chars),
            },
        )
