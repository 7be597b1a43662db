"""Records with too little text."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.prepare.lengths import lengths
from weitiao.step import Batch, DropByScore


class DropShort(DropByScore):
    """Drop records whose passage, question or answer is too short."""

    reason: ClassVar[str] = "too short"
    min_chars: int = Field(4, ge=0, description="Characters that a passage has at least")
    # `你是谁` is a whole question.
    min_question_chars: int = Field(1, ge=0, description="Characters that the questions have at least")
    min_answer_chars: int = Field(1, ge=0, description="Characters that the answers have at least")

    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return the length of each part of each record."""
        return lengths(
            batch,
            {
                "passage": ("min_chars", self.min_chars),
                "user": ("min_question_chars", self.min_question_chars),
                "assistant": ("min_answer_chars", self.min_answer_chars),
            },
        )
