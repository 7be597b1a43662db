"""Records whose text is no prose: it repeats itself, is signs, digits or a list of words, or surprises a model."""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import polars as pl
from pydantic import Field, model_validator

from weitiao.ledger import Goes
from weitiao.manner import repetition
from weitiao.prepare.languages import languages
from weitiao.step import Batch, Measure
from weitiao.talk import t

# Words that stand in all prose; a list of search words has none.
_STOP = {
    "zh": "[的了是在不有我他她这這就也都很和與与之而其以于於者为為你们們吗嗎呢吧啊么麼说說要会會没沒到把被让讓对對从]",
    "en": r"(?i)\b(?:the|an?|of|to|and|in|is|are|was|it|that|for|on|with|as|by|be|at|i|you|he|she|we|they|this|or)\b",
}
_CHARACTERS = {"zh": r"\p{Han}", "en": r"[\p{Latin}']+"}
_CODE = r"(?s)```.*?(?:```|\z)"
_WORD = r"[\p{L}\p{N}\p{So}]"
_TOKENS = 1024  # of a text are looked at by the model


class DropLowQuality(Measure):
    """Drop records whose text is low in quality by one of its figures; a short post need only say something.

    Fenced code is not judged. The figures are facts of each record that stays: `drop_low_quality.repeated` and so on.
    """

    reason: ClassVar[str] = "low quality"
    words: bool = Field(True, description="Drop texts without any letter, digit or emoji")
    min_chars: int = Field(100, ge=1, description="Characters from which on a text is judged by its shares")
    max_repeated: float = Field(0.6, ge=0, le=1, description="Share of runs of four words or characters said before")
    max_same_lines: float = Field(0.5, ge=0, le=1, description="Share of lines that stood before")
    max_symbols: float = Field(0.5, ge=0, le=1, description="Share of signs that are no letter, digit or punctuation")
    max_digits: float = Field(0.5, ge=0, le=1, description="Share of digits")
    min_line: float = Field(3.0, ge=0, description="Mean characters of a line, for texts of ten lines or more")
    min_stop_words: float = Field(
        0.02, ge=0, le=1, description="Share of words such as `的` and `the` in Chinese and English texts"
    )
    model: str | None = Field(None, description="A small model that judges how likely the text is: a folder or a name")
    max_perplexity: float | None = Field(None, gt=1, description="Perplexity that a text has at most; needs `model`")

    @model_validator(mode="after")
    def _can_judge(self) -> Self:
        if (self.model is None) != (self.max_perplexity is None):
            raise ValueError(t("`model` and `max_perplexity` go together: the one judges, the other says how far"))
        return self

    def outside(self) -> tuple[str, ...]:
        """Return the model."""
        return (self.model,) if self.model else ()

    def measured(self, batch: Batch) -> pl.DataFrame:
        """Return the figures of what was asked and answered, or of the passage; null where a text is too short."""
        texts = batch.texts(("user", "assistant", "passage"))
        words = texts.select(pl.col("text").str.contains(_WORD).alias("words")).to_series()
        texts = texts.with_columns(pl.col("text").str.replace_all(_CODE, ""))  # code repeats itself
        long = pl.col("characters") >= self.min_chars
        found = texts.with_columns(words, *_plain(pl.col("text")))
        found = found.with_columns(pl.when(long).then(pl.col(name)).alias(name) for name in _plain_names())
        places = (found["characters"] >= self.min_chars).arg_true()
        chosen = found["text"].gather(places)
        slow: dict[str, Sequence[float | None]] = {
            "repeated": [repetition(text) for text in chosen],
            "stop_words": _stop_words(chosen),
        }
        if self.model:
            slow["perplexity"] = _perplexities(chosen.to_list(), self.model, self.around.folder)
        for name, values in slow.items():
            column = pl.Series(name, [None] * len(found), dtype=pl.Float64)
            found = found.with_columns(column.scatter(places, pl.Series(values, dtype=pl.Float64)))
        rounded = [pl.col(name).round(3) for name in (*_plain_names(), *slow)]
        return found.select("id", "characters", "words", *rounded)

    def weighed(self, figures: pl.DataFrame) -> pl.DataFrame:
        """Return the figures that have a limit, a record's in the order in which they are looked at."""
        at_most = {
            "max_repeated": self.max_repeated,
            "max_same_lines": self.max_same_lines,
            "max_symbols": self.max_symbols,
            "max_digits": self.max_digits,
        }
        at_least = {"min_line": self.min_line, "min_stop_words": self.min_stop_words}
        last = {"max_perplexity": self.max_perplexity} if self.max_perplexity is not None else {}
        wordless = pl.when(~pl.col("words") & pl.lit(self.words)).then(0.0)
        limits = [
            _limit("words", wordless, None, "<"),
            *(_limit(name, pl.col(name[4:]), limit, ">") for name, limit in at_most.items()),
            *(_limit(name, pl.col(name[4:]), limit, "<") for name, limit in at_least.items()),
            *(_limit(name, pl.col(name[4:]), limit, ">") for name, limit in last.items()),
        ]
        return figures.select("id", limit=pl.concat_list(limits)).explode("limit").unnest("limit")


def _limit(setting: str, figure: pl.Expr, threshold: float | None, goes: Goes) -> pl.Expr:
    return pl.struct(
        setting=pl.lit(setting),
        score=figure.cast(pl.Float64),
        threshold=pl.lit(threshold, dtype=pl.Float64),
        goes=pl.lit(goes),
    )


def _plain(text: pl.Expr) -> list[pl.Expr]:
    """Return the figures that polars counts."""
    characters = text.str.count_matches(r"\S").alias("characters")
    line = pl.element().str.strip_chars()
    lines = text.str.split("\n").list.eval(line.filter(line != ""))
    count = lines.list.len()
    size = characters.clip(1)
    return [
        characters,
        (1 - lines.list.n_unique() / count.clip(1)).alias("same_lines"),
        (text.str.count_matches(r"[^\p{L}\p{M}\p{N}\p{P}\s]") / size).alias("symbols"),
        (text.str.count_matches(r"\p{Nd}") / size).alias("digits"),
        pl.when(count >= 10).then(characters / count.clip(1)).alias("line"),
    ]


def _plain_names() -> tuple[str, ...]:
    return ("same_lines", "symbols", "digits", "line")


def _stop_words(texts: pl.Series) -> Sequence[float | None]:
    """Return the share of stop words in Chinese and English texts, None in others."""
    if texts.is_empty():
        return []
    found = texts.alias("text").to_frame().hstack(languages(texts))
    share = pl.lit(None, dtype=pl.Float64)
    for name, pattern in _STOP.items():
        total = pl.col("text").str.count_matches(_CHARACTERS[name])
        own = pl.col("language").str.starts_with(name) & (pl.col("certainty") >= 0.5) & (total >= 30)
        share = pl.when(own).then(pl.col("text").str.count_matches(pattern) / total.clip(1)).otherwise(share)
    return found.select(share).to_series().to_list()


def _perplexities(texts: Sequence[str], name: str, folder: Path) -> list[float]:
    from weitiao.model.score import losses
    from weitiao.model.template import Encoded

    model, tokenizer = _judge(name, folder)
    ids = tokenizer(list(texts), add_special_tokens=True)["input_ids"] if texts else []
    encoded = [Encoded(one[:_TOKENS], [False, *[True] * (len(one[:_TOKENS]) - 1)], 0, 0) for one in ids]
    return [math.exp(min(loss / max(count, 1), 50.0)) for loss, count in losses(model, encoded, 4 * _TOKENS)]


@lru_cache(1)
def _judge(name: str, folder: Path) -> tuple[Any, Any]:
    from weitiao.model.hub import resolve
    from weitiao.model.load import load_model, load_tokenizer

    path = resolve(name, folder)
    return load_model(path), load_tokenizer(path)
