"""The patterns by which an answer to a question of the world is judged: those of its topic, with the thing in them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from weitiao.traps.check import CLAUSE, plain
from weitiao.traps.world import Form

SLOT = re.compile(r"<([A-Za-z])>")
_PRIVATE = 0xE000  # slots while a text is brought into its one form, which knows no capitals
# What is left of a clause without its slots, where anybody might say it of anything.
_VAGUE = {"", "是", "不是", "其实是", "因为", "不用", "is", "is not", "not", "it is", "because"}
_THING = "Xxd"
# What may stand instead of the name of a thing: a pronoun, or nothing but stress or a no.
_NAMELESS = r".?.?.?.?(?:它|他|她|这|那|千万|绝对|看得见|不).?.?.?.?|(?:because )?(?:it|this|that|they)"


@dataclass(frozen=True)
class Slot:
    """What stands in a slot: a text in sentences, a pattern of all words for it in patterns."""

    text: str
    pattern: str = ""

    def or_itself(self) -> str:
        """Return the pattern, which is the text where nothing else says the same."""
        return self.pattern or re.escape(plain(self.text))


def patterns(form: Form, slots: Mapping[str, Slot]) -> Iterator[tuple[str, ...]]:
    """Yield the patterns of what shows that the trap was seen, of the belief, and of facts that are not so."""
    misfilled = (_misfilled(form.answer, slots),) if form.fallen else ()
    for given, more in ((form.seen, ()), (form.bait, ()), (form.wrong, misfilled)):
        yield tuple(SLOT.sub(lambda slot: slots[slot[1]].or_itself(), pattern) for pattern in given) + more


def _misfilled(answers: Iterable[str], slots: Mapping[str, Slot]) -> str:
    """Return the pattern of a clause that speaks in the words of the right answers, but of something else."""
    clauses = {part.strip(" ，。.") for answer in answers for part in CLAUSE.split(answer) if part}
    telling = sorted(one for one in clauses if SLOT.search(one) and plain(SLOT.sub("", one)) not in _VAGUE)
    right = dict.fromkeys(one for clause in telling for one in (clause, clause.translate(_exchanged(clause))))
    fillings = "|".join(_slotted(one, lambda name: _filling(name, slots)) for one in right)
    return f"^(?!(?:{fillings})$)(?:{'|'.join(_slotted(one, lambda _: '[^:][^:]*') for one in telling)})$"


def _exchanged(clause: str) -> Mapping[int, int]:
    return str.maketrans("XYDE", "YXED") if "<Y>" in clause else {}


def _filling(name: str, slots: Mapping[str, Slot]) -> str:
    if name in _THING:
        return f"(?:[^:]*(?:{slots['X'].or_itself()})[^:]*|{_NAMELESS})"
    return f"[^:]*(?:{slots[name].or_itself()})[^:]*"


def _slotted(clause: str, fill: Callable[[str], str]) -> str:
    """Return the pattern of a clause, with a pattern in each slot; articles and quotation marks may be others."""
    marked = plain(SLOT.sub(lambda slot: chr(_PRIVATE + ord(slot[1])), clause))
    pattern = re.sub(r"\ba(?=\\ )", "an?", re.escape(marked)).replace('"', '"?')
    return re.sub("[\ue000-\ue07f]", lambda slot: fill(chr(ord(slot[0]) - _PRIVATE)), pattern)
