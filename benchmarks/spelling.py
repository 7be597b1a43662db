"""How right `fix_spelling` is: slips planted in English texts, and SIGHAN 2015 where a model for Chinese is given.

    python -m benchmarks.spelling [--model FOLDER]

Reads `../shared/data`. A slip is one that hands and ears make: a letter left out, doubled, moved, replaced or followed
by one beside it on the keyboard, or another vowel. F0.5 counts precision twice as much as recall; what is changed in
clean text counts as wrong in it, weighed as if one word in a hundred were a slip.
"""

import argparse
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from spellchecker import SpellChecker

from weitiao.prepare.fix_spelling import FixSpelling

DATA = Path(__file__).parents[2] / "shared" / "data"
ALPACA = DATA / "formats" / "alpaca" / "alpaca_en_999.json"
SIGHAN = DATA / "text" / "spelling_zh" / "sighan_2015_train_1000.tsv"
_WORD = re.compile(r"[A-Za-z]+")
_PLAIN = re.compile(r"(?<![\w.'-])[a-z]{5,}(?![\w'-]|\.\w)")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SLIPS_AMONG = 0.01  # of the words

Rewrite = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Score:
    """Slips made right, slips made other words, all slips; and words or characters of clean text, changed and all."""

    right: int
    wrong: int
    slips: int
    changed: int
    clean: int

    @property
    def precision(self) -> float:
        """The share of changes that are right, if one word in a hundred is a slip."""
        every = self.clean * _SLIPS_AMONG / self.slips
        return every * self.right / max(every * (self.right + self.wrong) + self.changed, 1e-9)

    @property
    def recall(self) -> float:
        """The share of slips that are made right."""
        return self.right / self.slips

    @property
    def f05(self) -> float:
        """Precision and recall in one figure."""
        return 1.25 * self.precision * self.recall / max(0.25 * self.precision + self.recall, 1e-9)


def ours(texts: Sequence[str]) -> list[str]:
    """Correct English texts by the step."""
    return FixSpelling().rewritten(pl.Series(texts, dtype=pl.String)).to_list()


def alone(texts: Sequence[str]) -> list[str]:
    """Correct them by the library alone: each word that it does not know becomes the likeliest near it."""
    speller = SpellChecker(distance=1)

    def better(word: re.Match[str]) -> str:
        return word[0] if speller.known([word[0]]) else speller.correction(word[0]) or word[0]

    return [_PLAIN.sub(better, text) for text in texts]


def english(rewrite: Rewrite, seed: int = 0) -> Score:
    """Plant a slip in each text, and see what becomes of it and of the clean ones."""
    rows = json.loads(ALPACA.read_text(encoding="utf-8"))
    texts = ["\n".join(row[name] for name in ("instruction", "input", "output")) for row in rows]
    speller, draw = SpellChecker(distance=1), random.Random(seed)
    planted = []
    for text in texts:
        words = [word for word in _PLAIN.finditer(text) if speller.known([word[0]])]
        if words:
            found = draw.choice(words)
            slip = _slip(found[0], draw)
            while speller.known([slip]):
                slip = _slip(found[0], draw)
            planted.append((found[0], slip, text[: found.start()] + slip + text[found.end() :]))
    changed = sum(len(_changes(text, new)) for text, new in zip(texts, rewrite(texts), strict=True))
    right = wrong = 0
    for (word, slip, text), new in zip(planted, rewrite([text for _, _, text in planted]), strict=True):
        of_slip = [better for worse, better in _changes(text, new) if worse == slip]
        right += word in of_slip
        wrong += bool(of_slip) and word not in of_slip
    return Score(right, wrong, len(planted), changed, sum(len(_PLAIN.findall(text)) for text in texts))


def chinese(model: str) -> Score:
    """Correct SIGHAN's sentences, and clean posts, by a model."""
    step = FixSpelling(english=False, model=model)
    pairs = [line.split("\t") for line in SIGHAN.read_text(encoding="utf-8").splitlines()]
    same = [(worse, better) for worse, better in pairs if len(worse) == len(better)]
    right = wrong = slips = 0
    for (worse, better), new in zip(same, step.rewritten(pl.Series([one for one, _ in same])), strict=True):
        for slip, meant, letter in zip(worse, better, new, strict=True):
            slips += slip != meant
            right += slip != meant == letter
            wrong += letter not in (slip, meant)
    rows = map(json.loads, (DATA / "ruozhiba" / "train.jsonl").read_text(encoding="utf-8").splitlines())
    posts = [message["content"] for row in rows for message in row["messages"]]
    new_posts = step.rewritten(pl.Series(posts))
    changed = sum(
        one != other for old, new in zip(posts, new_posts, strict=True) for one, other in zip(old, new, strict=True)
    )
    return Score(right, wrong, slips, changed, sum(map(len, posts)))


def _slip(word: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(word))
    match draw.choice(("left out", "doubled", "moved", "beside", "vowel")):
        case "left out":
            return word[:at] + word[at + 1 :]
        case "doubled":
            return word[:at] + word[at] + word[at:]
        case "moved" if at < len(word) - 1 and word[at] != word[at + 1]:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "vowel" if word[at] in "aeiou":
            return word[:at] + draw.choice("aeiou".replace(word[at], "")) + word[at + 1 :]
        case _:
            row = next(row for row in _ROWS if word[at] in row)
            place = row.index(word[at])
            key = draw.choice(row[max(0, place - 1) : place] + row[place + 1 : place + 2])
            return word[:at] + draw.choice((word[at], "")) + key + word[at + 1 :]


def _changes(old: str, new: str) -> list[tuple[str, str]]:
    words = _WORD.findall(old), _WORD.findall(new)
    return [(one, other) for one, other in zip(*words, strict=False) if one != other]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model that corrects Chinese")
    model = parser.parse_args().model
    found = {"English, fix_spelling": english(ours), "English, pyspellchecker alone": english(alone)}
    if model:
        found[f"Chinese, {model}"] = chinese(model)
    print("| what | slips | right | wrong | clean | changed | precision | recall | F0.5 |\n" + "|---" * 9 + "|")
    for what, one in found.items():
        print(f"| {what} | {one.slips} | {one.right} | {one.wrong} | {one.clean:,} | {one.changed} ", end="")
        print(f"| {one.precision:.2f} | {one.recall:.2f} | {one.f05:.2f} |", flush=True)


if __name__ == "__main__":
    main()
