"""Records in other languages than those wanted."""

from typing import Any, ClassVar

import polars as pl
from pydantic import Field, field_validator, model_validator

from weitiao.ledger import Goes
from weitiao.prepare.languages import NAMES, UNKNOWN, languages
from weitiao.step import Batch, Measure
from weitiao.talk import t


class KeepLanguages(Measure):
    """Drop records in other languages; what a text is in cannot always be told, and then it stays.

    The language is a fact of each record that stays: `keep_languages.language`.
    """

    reason: ClassVar[str] = "wrong language"
    goes: ClassVar[Goes] = ">="
    languages: tuple[str, ...] = Field(
        ("zh", "en"),
        strict=False,
        min_length=1,
        description="Languages that stay: zh (simplified and traditional), zh-hant, yue, ja, ko, en, de …",
    )
    certainty: float = Field(0.5, ge=0, le=1, description="How sure it must be that a text is in another language")

    @model_validator(mode="before")
    @classmethod
    def _by_names(cls, value: Any) -> Any:
        return {"languages": value} if isinstance(value, list) else value

    @field_validator("languages")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in NAMES:
                raise ValueError(
                    t("{name} is no language that can be told: {names}", name=name, names=", ".join(NAMES))
                )
        return names

    def measured(self, batch: Batch) -> pl.DataFrame:
        """Return the language of what was asked and answered, or of the passage."""
        texts = batch.texts(("user", "assistant", "passage"))
        return texts.select("id").hstack(languages(texts["text"]))

    def weighed(self, figures: pl.DataFrame) -> pl.DataFrame:
        """Return how sure it is that a text is in another language."""
        name = pl.col("language")
        wanted = [name.is_in([*self.languages, UNKNOWN]), *(name.str.starts_with(f"{one}-") for one in self.languages)]
        return figures.filter(~pl.any_horizontal(wanted)).select(
            "id", "language", setting=pl.lit("certainty"), score="certainty", threshold=pl.lit(self.certainty)
        )
