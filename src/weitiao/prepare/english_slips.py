"""English words that are slips of a common one, by a dictionary of how often words are written.

A correction that is wrong is worse than none: what may be a name, a term, a foreign or a derived word stays.
"""

import re
from collections import Counter
from collections.abc import Collection
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from weitiao.errors import UserError
from weitiao.similar.keys import common_head
from weitiao.talk import t

# Small letters only: names and most terms have a capital. Beside digits, marks of code or addresses is no prose.
_WORD = re.compile(r"(?<![\w@#$%&/\\.'’_=<-])[a-z]{3,}(?![\w@/\\'’_=>(-]|[.:]\w)")
_SHORTEST, _LONGEST = 5, 20  # letters; of shorter words, one in two is another word by one edit
_OFTEN, _TIMES = 1_000, 10  # in the dictionary's own texts; so often more than the next word that is one edit away
_SHARE, _FEW = 0.75, 4  # of the words but slips that are known, if a text is English; of fewer nothing is told
_FOREIGN = ("a", "i", "o", "u")  # destino, priori: no common English word ends so
_BEFORE = (
    "anti auto bio co counter cyber de dis eco electro geo hydro hyper il im in inter ir macro mega micro mini mis mono"
    " multi nano neuro non out over photo poly post pre re semi sub super tele thermo trans ultra un under"
)
_BEHIND = (
    "able ability al ally ation ations d ed ers er es est ful hood ible ic ical ied ier ies iest ily ing ings isation"
    " ise ised ises ish ising ism ist ists ity ive ization ize ized izes izing less like ly ment ments ness or ors r rs"
    " s ship wise y"
)
_BRITISH = (
    ("our", "or"),
    ("is", "iz"),
    ("ys", "yz"),
    ("ogue", "og"),
    ("ll", "l"),
    ("mme", "m"),
    ("tre", "ter"),
    ("ence", "ense"),
    ("ae", "e"),
    ("oe", "e"),
)
_VOWELS = frozenset("aeiouy")
_KEYS = {
    letter: (row, place + row / 2)
    for row, keys in enumerate(("qwertyuiop", "asdfghjkl", "zxcvbnm"))
    for place, letter in enumerate(keys)
}
_SOUND_ALIKE = frozenset(map(frozenset, ("ck", "cs", "ks", "sz", "dt", "mn", "fv", "gj", "kq")))


def require() -> None:
    """Raise UserError if the dictionary is not installed."""
    if find_spec("spellchecker") is None:
        raise UserError(
            t("The step `{step}` needs the package {name}", step="fix_spelling", name="pyspellchecker"),
            "pip install 'weitiao[spelling]'",
        )


def corrected(text: str, right: Collection[str]) -> str:
    """Return an English text in which slips are words again; words among `right`, and other texts, stay."""
    words = Counter(_WORD.findall(text))
    unknown = [word for word in words if not _is_known(word)]
    known = len(words) - len(unknown)
    if not unknown or known < max(_FEW, len(unknown)):
        return text
    meant = {word: better for word in unknown if word not in right and (better := _meant(word))}
    if not meant or known < max(_SHARE * (len(words) - len(meant)), 2 * len(meant)):
        return text
    # Who makes a slip makes it once; a word of a trade comes again.
    return _WORD.sub(lambda word: meant.get(word[0], word[0]) if words[word[0]] == 1 else word[0], text)


@cache
def _dictionary() -> Any:
    from spellchecker import SpellChecker

    return SpellChecker(language="en", distance=1)


def _is_known(word: str) -> bool:
    return word in _dictionary().word_frequency.dictionary


@lru_cache(10_000)
def _meant(word: str) -> str:
    """Return the one common word that is one edit away; "" where there is none, or the word may be right."""
    if (
        not _SHORTEST <= len(word) <= _LONGEST
        or word.endswith(_FOREIGN)
        or _is_derived(word)
        or _is_british(word)
        or _is_compound(word)
    ):
        return ""
    often = _dictionary().word_frequency.dictionary
    near = sorted(((often[one], one) for one in _dictionary().edit_distance_1(word) if one in often), reverse=True)
    if not near or near[0][0] < max(_OFTEN, _TIMES * (near[1][0] if len(near) > 1 else 0)):
        return ""
    return near[0][1] if _is_slip(word, near[0][1]) else ""


def _is_slip(word: str, meant: str) -> bool:
    """Say whether a hand or an ear slips so: a letter left out, doubled or moved, a vowel, a key or a sound beside."""
    head = common_head(word, meant)
    if not head:  # hardly a slip is in the first letter
        return False
    if len(word) < len(meant):
        return True
    if len(word) > len(meant):
        letter, beside = word[head], (word[head - 1], *word[head + 1 : head + 2])
        return letter in _VOWELS or any(letter == one or _are_near(letter, one) for one in beside)
    return word[head : head + 2] == meant[head : head + 2][::-1] or _are_near(word[head], meant[head])


def _are_near(one: str, other: str) -> bool:
    if {one, other} <= _VOWELS or frozenset((one, other)) in _SOUND_ALIKE:
        return True
    if not {one, other} <= _KEYS.keys():  # don't
        return False
    (row, place), (other_row, other_place) = _KEYS[one], _KEYS[other]
    return abs(row - other_row) <= 1 and abs(place - other_place) <= 1


def _is_derived(word: str) -> bool:
    """Say whether a word is made of a known one: recommender, texted, nonstick."""
    heads = [head for head in _BEFORE.split() if word.startswith(head) and len(word) >= len(head) + 4]
    stems = [word, *(word[len(head) :] for head in heads)]
    return any(_is_known(stem) or _is_inflected(stem) for stem in stems)


def _is_inflected(word: str) -> bool:
    for tail in _BEHIND.split():
        if word.endswith(tail) and len(word) >= len(tail) + 3:
            stem = word.removesuffix(tail)
            stems = [stem, stem + "e"] + [stem + "y"] * (tail[0] == "i") + [stem[:-1]] * (stem[-2] == stem[-1])
            if any(map(_is_known, stems)):
                return True
    return False


def _is_british(word: str) -> bool:
    known = (_is_known(word.replace(one, other)) for one, other in _BRITISH if one in word)
    return any(known) or (word.endswith("re") and _is_known(word[:-2] + "er"))


def _is_compound(word: str) -> bool:
    """Say whether a word is two common ones: backend."""
    often = _dictionary().word_frequency.dictionary
    cuts = range(3, len(word) - 2)
    return any(min(often.get(word[:cut], 0), often.get(word[cut:], 0)) >= _OFTEN for cut in cuts)
