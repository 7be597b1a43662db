"""Records with an insult, a slur or a threat, by a list of words."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import polars as pl
from pydantic import Field

from weitiao.errors import UserError
from weitiao.ledger import Goes
from weitiao.similar import matching_key
from weitiao.step import Batch, DropByScore
from weitiao.talk import problem_of, t

_OWN = Path(__file__).with_name("insults.txt")


class DropToxic(DropByScore):
    """Drop records whose text holds words of a list: a small one of our own, and one of the user's.

    It knows words, not meaning: who quotes an insult goes, who insults in fair words stays.
    """

    reason: ClassVar[str] = "toxic"
    goes: ClassVar[Goes] = ">="
    lexicon: str | None = Field(
        None, description="A text file of further words, one a line; `!` before what is harmless"
    )
    own: bool = Field(True, description="Also look for the insults, slurs and threats of the list that comes along")
    least: int = Field(1, ge=1, description="How many of the words a record must hold to go")

    def outside(self) -> tuple[str, ...]:
        """Return the user's list."""
        return (self.lexicon,) if self.lexicon else ()

    def scores(self, batch: Batch) -> pl.DataFrame:
        """Return how many of the words the records hold, and which."""
        files = [_OWN] if self.own else []
        if self.lexicon:
            files.append(self.around.folder / Path(self.lexicon).expanduser())
        words = _read(tuple(files))
        texts = batch.texts(("user", "assistant", "passage"))
        found = texts.select("id", words=words.found(pl.col("text")))
        held = pl.col("words").list.len().cast(pl.Int64)
        return found.filter(held > 0).select(
            "id", "words", setting=pl.lit("least"), score=held, threshold=pl.lit(self.least, dtype=pl.Int64)
        )


@dataclass(frozen=True)
class _Words:
    """What is looked for: Han entries in the text without signs, Latin ones as words."""

    han: tuple[str, ...]
    harmless: tuple[str, ...]
    latin: str

    def found(self, text: pl.Expr) -> pl.Expr:
        """Return which words a text holds, each as often as it does."""
        # The longest first, so that what is harmless is seen before the word inside it.
        patterns = sorted({*self.han, *filter(_is_han, self.harmless)}, key=lambda one: (-len(one), one))
        # A text that no key holds, for a list without any.
        han = matching_key(text).str.extract_many(patterns or [" "], leftmost=True)
        han = han.list.eval(pl.element().filter(pl.element().is_in(list(self.han))))
        plain = text.str.normalize("NFKC").str.to_lowercase().str.replace_all("’", "'")
        for one in self.harmless:
            plain = plain if _is_han(one) else plain.str.replace_all(one, "", literal=True)
        return pl.concat_list(han, plain.str.extract_all(self.latin))


def _is_han(word: str) -> bool:
    return not word.isascii()


@lru_cache(4)
def _read(files: tuple[Path, ...]) -> _Words:
    lines: list[str] = []
    for file in files:
        try:
            lines += file.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            said = t("Cannot read the list of words {path}: {error}", path=file, error=problem_of(error))
            raise UserError(said) from None
        except UnicodeDecodeError:
            raise UserError(t("The list of words {path} is not UTF-8", path=file)) from None
    entries = [line.strip().lower() for line in lines if line.strip() and not line.startswith("#")]
    harmless = tuple(entry[1:].strip() for entry in entries if entry.startswith("!"))
    wanted = [entry for entry in entries if not entry.startswith("!")]
    latin = [re.escape(one.rstrip("*")) + r"\w*" * one.endswith("*") for one in wanted if not _is_han(one)]
    han = pl.Series([one for one in wanted if _is_han(one)], dtype=pl.String)
    # Without any, a pattern that nothing fits.
    pattern = rf"(?-u:\b)(?:{'|'.join(latin)})(?-u:\b)" if latin else r"[^\s\S]"
    return _Words(tuple(pl.select(matching_key(pl.lit(han))).to_series()), harmless, pattern)
