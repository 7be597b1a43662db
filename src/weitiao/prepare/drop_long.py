"""Records with too much text."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.prepare.lengths import outside
from weitiao.step import Batch, DropRecords


class DropLong(DropRecords):
    """Drop records whose passage, question or answer is too long."""

    reason: ClassVar[str] = "too long"
    max_chars: int = Field(20_000, ge=1, description="Characters that a passage has at most")
    max_question_chars: int = Field(20_000, ge=1, description="Characters that the questions have at most")
    max_answer_chars: int = Field(20_000, ge=1, description="Characters that the answers have at most")

    def gone(self, batch: Batch) -> pl.DataFrame:
        """Return the records that are too long, with the part and its length."""
        limits = {"passage": self.max_chars, "question": self.max_question_chars, "answer": self.max_answer_chars}
        return outside(batch, limits, above=True)
