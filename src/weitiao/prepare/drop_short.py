"""Records with too little text."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.prepare.lengths import outside
from weitiao.step import Batch, DropRecords


class DropShort(DropRecords):
    """Drop records whose passage, question or answer is too short."""

    reason: ClassVar[str] = "too short"
    min_chars: int = Field(4, ge=0, description="Characters that a passage has at least")
    # `你是谁` is a whole question.
    min_question_chars: int = Field(1, ge=0, description="Characters that the questions have at least")
    min_answer_chars: int = Field(1, ge=0, description="Characters that the answers have at least")

    def gone(self, batch: Batch) -> pl.DataFrame:
        """Return the records that are too short, with the part and its length."""
        limits = {"passage": self.min_chars, "question": self.min_question_chars, "answer": self.min_answer_chars}
        return outside(batch, limits, above=False)
