"""What an answer to a trick question is: right, fallen for the trap, a refusal, or something else."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, field_validator

from weitiao.checks import Check

Verdict = Literal["right", "fell", "refused", "other"]


@dataclass(frozen=True)
class Question:
    """A question that knows its answers.

    `family` is the family of tricks, or the relation of a plain question; `things` are the ids of what it is about.
    `answer` is right, `fallen` what somebody says who believes the question. By the patterns `seen`, `bait` and
    `wrong` any answer is judged.
    """

    kind: Literal["trick", "plain"]
    family: str
    lang: Literal["zh", "en"]
    things: tuple[str, ...]
    question: str
    answer: str
    fallen: str
    seen: tuple[str, ...]
    bait: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """What must stay on one side of a split: the family with its things."""
        return f"{self.family}:{'+'.join(self.things)}"

    def row(self) -> dict[str, Any]:
        """Return the question as a row that any reader takes: what judges an answer is the check that it carries."""
        values = asdict(self)
        patterns = {name: values.pop(name) for name in ("seen", "bait", "wrong")}
        return {**values, "check": {"trap": {"lang": self.lang, "question": self.question, **patterns}}}


class Trap(Check):
    """The answer tells the fact or names the trap, and says neither the belief nor a false fact.

    The patterns are Python's and look around themselves, which no linear engine does: take files that you trust.
    """

    lang: Literal["zh", "en"]
    question: str = ""  # an answer may begin by repeating it
    seen: tuple[str, ...] = Field(min_length=1)
    bait: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @field_validator("seen", "bait", "wrong")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                _compiled(pattern)
            except re.error as error:
                raise ValueError(f"{pattern}: {error}") from None
        return patterns

    def judge(self, answer: str) -> str:
        """Tell whether the answer is right, fell for the trap, refused, or is something else."""
        return check(answer, self)


# Clauses end at punctuation, and before words that turn to something else. A full stop within a number is none.
_CLAUSE = re.compile(
    r"[，。！？；、,!?;\n]+|\.(?![0-9])|(?<!不是)(?<!并非)(?=因为|由于)|(?=但|不过|可是|所以|因此|而是|其实)|(?=\bbut\b|\bbecause\b|\bso\b)"
)
_NO_ZH = r"(?:不(?![对错过锈理])|没(?!错)|非(?!常)|无|别(?!的)|未|谈不上)"
_NO_EN = r"(?:\bnot|n't|(?<=\w )no|\bnever|\bcannot|\bneither|\bnor|\bwithout|\bnobody|\bhardly)\b"
_NEAR = {"zh": re.compile(_NO_ZH + r"[^，。]{0,2}$"), "en": re.compile(_NO_EN + r"(?: [a-z'-]+){0,2} ?$")}
_ANYWHERE = {"zh": re.compile(_NO_ZH), "en": re.compile(_NO_EN)}
_REFUSES = re.compile(
    r"不知道|(?<![听看])不清楚|不确定|(?:无法|不能|没法|拒绝)(?:回答|提供|判断|确定)|回答不了|答不上|不了解|抱歉|对不起|作为(?:一个)?(?:ai|人工智能|语言模型)"
    r"|\b(?:do not|don't|cannot|can't) (?:know|say|tell|answer|help)|not sure|unable to|no idea|\bsorry\b|as an ai"
)
_DOUBTS = re.compile(
    r"前提[^，。]{0,4}(?:不|错|有误|有问题)|偷换(?:了)?概念"
    r"|(?:false|wrong) (?:premise|assumption)|premise is (?:false|wrong)"
)
_ACCEPTS = re.compile(
    r"(?:因为|由于|可能|大概|也许|应该|估计|恐怕|或许|是的|是啊|对(?!不起|于)|没错|会的|当然|好的|可以|能|有道理|的确|确实|大约|一般)"
    r"|(?:because|since|due to|probably|perhaps|maybe|yes|yeah|sure|of course|right|exactly|indeed)\b"
    r"|(?:i think|about|around)\b"
)


def check(answer: str, question: Question | Trap) -> Verdict:
    """Judge any answer by what it says: the fact or the trap (`seen`), the belief (`bait`), a false fact (`wrong`).

    An answer that says both the fact and the belief is neither. Nothing is understood: what no pattern knows is other.
    """
    text = plain(answer).removeprefix(plain(question.question)).strip(" ，。！？,.!?:：")
    clauses = [clause.strip() for clause in _CLAUSE.split(text) if clause and clause.strip()]
    seen = _said(question.seen, clauses, _NEAR[question.lang]) or bool(_DOUBTS.search(text))
    bait = _said(question.bait, clauses, _ANYWHERE[question.lang])
    wrong = _said(question.wrong, clauses, _NEAR[question.lang])
    if seen:
        return "other" if bait or wrong else "right"
    if bait:
        return "fell"
    if _REFUSES.search(text):
        return "refused"
    return "fell" if _ACCEPTS.match(text) and not wrong else "other"


def plain(text: str) -> str:
    """Return a text in the form in which answers and patterns are compared."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return re.sub(r"\s+", " ", text.translate(_MARKS)).strip()


_MARKS = str.maketrans({",": "，", "!": "！", "?": "？", ";": "；", "“": '"', "”": '"', "‘": '"', "《": '"', "》": '"'})


def _said(patterns: Iterable[str], clauses: list[str], negation: re.Pattern[str]) -> bool:
    """Tell whether a pattern stands in a clause without a negation before it."""
    found = (
        (clause, match) for pattern in patterns for clause in clauses for match in _compiled(pattern).finditer(clause)
    )
    return any(not negation.search(clause[: match.start()]) for clause, match in found)


@lru_cache(maxsize=1 << 15)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
