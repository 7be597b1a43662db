"""Slips of the pen: English words by a dictionary, Chinese characters by a model that is given."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from weitiao.prepare import english_slips
from weitiao.prepare.code import in_prose
from weitiao.step import Change

_MAY_BE_ENGLISH = r"[a-z]{5}"
_HAN = "\u4e00-\u9fff"
_CHINESE = re.compile(f"[{_HAN}]")
_SENTENCE = re.compile(r"[^。！？!?；;\n]{1,120}[。！？!?；;]*")  # models were tuned on such, of some 128 characters
_SHORTEST = 4  # Chinese characters; less does not tell what is meant
_MOST = 6  # characters a slip: where more are wrong, it is a dialect, verse or names that the model does not know
_ROUNDS = 4  # until the model has no more to say of its own corrections


class FixSpelling(Change):
    """Correct slips: English words by a dictionary, and Chinese characters where a model is given that does so.

    Changed is only what is surely wrong. Code, links, names and words that come again stay.
    """

    english: bool = Field(True, description="Correct English words; needs the package pyspellchecker")
    words: tuple[str, ...] = Field(
        (), strict=False, description="English words that are right, such as those of a trade"
    )
    model: str | None = Field(
        None, description="A model that corrects Chinese (a BERT, as macbert4csc-base-chinese): a folder or a name"
    )
    certain: float = Field(0.9, ge=0.5, lt=1, description="How sure the model is of a character that it corrects")

    def outside(self) -> tuple[str, ...]:
        """Return the model."""
        return (self.model,) if self.model else ()

    def rewritten(self, texts: pl.Series) -> pl.Series:
        """Return the new texts, one for each, in order."""
        if self.english:
            english_slips.require()
            right = frozenset(word.lower() for word in self.words)
            places = texts.str.contains(_MAY_BE_ENGLISH).arg_true()
            new = [in_prose(lambda prose: english_slips.corrected(prose, right), text) for text in texts.gather(places)]
            texts = texts.clone().scatter(places, pl.Series(new, dtype=pl.String))
        if self.model:
            places = texts.str.contains(f"[{_HAN}]").arg_true()
            new = self._chinese(texts.gather(places).to_list(), _proofreader(self.model, self.around.folder))
            texts = texts.clone().scatter(places, pl.Series(new, dtype=pl.String))
        return texts

    def _chinese(self, texts: Sequence[str], proofreader: Any) -> list[str]:
        """Return texts of which the model has read each sentence, all together: so it reads those of like length."""
        found: dict[str, str] = {}

        def look(prose: str) -> str:
            found.update((one, one) for one in _SENTENCE.findall(prose) if len(_CHINESE.findall(one)) >= _SHORTEST)
            return prose

        for text in texts:
            in_prose(look, text)
        waiting = list(found)
        for _ in range(_ROUNDS):
            guesses = proofreader.read([found[one] for one in waiting])
            waiting = [one for one, guess in zip(waiting, guesses, strict=True) if self._correct(one, guess, found)]
        found.update((one, one) for one in waiting)  # the model goes round in circles
        return [
            in_prose(lambda prose: _SENTENCE.sub(lambda one: found.get(one[0], one[0]), prose), text) for text in texts
        ]

    def _correct(self, sentence: str, guesses: Sequence[tuple[int, str, float]], found: dict[str, str]) -> bool:
        """Write the sentence's correction into `found`; return whether there was one."""
        now = found[sentence]
        sure = [
            (place, letter)
            for place, letter, probability in guesses
            if probability >= self.certain and _CHINESE.fullmatch(letter) and _CHINESE.fullmatch(now[place])
        ]
        if not sure or len(sure) > max(1, len(_CHINESE.findall(now)) // _MOST):
            return False
        letters = list(now)
        for place, letter in sure:
            letters[place] = letter
        found[sentence] = "".join(letters)
        return True


@lru_cache(1)
def _proofreader(name: str, folder: Path) -> Any:
    from weitiao.model.hub import resolve
    from weitiao.model.proofread import Proofreader

    return Proofreader(resolve(name, folder))
