"""What an answer to a trick question is: right, fallen for the trap, a refusal, or something else."""

import math
import re
import time
import unicodedata
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import regex
from pydantic import Field, field_validator

from weitiao.checks import BadCheck, Check

Verdict = Literal["right", "fell", "refused", "other"]

# A judgement takes microseconds. A file's patterns may be a stranger's, and some take longer than the sun will last.
SECONDS = 5.0
_LONGEST = 2000  # characters of a pattern
_REPEATS = 100_000  # repeats within repeats are written out when a pattern is compiled, which nothing interrupts


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
        """Return the question as a row that any reader takes: what judges an answer, if anything, is a check in it."""
        values = asdict(self)
        patterns = {name: values.pop(name) for name in ("seen", "bait", "wrong")}
        check = {"check": {"trap": {"lang": self.lang, "question": self.question, **patterns}}} if self.seen else {}
        return {**values, **check}


class Trap(Check):
    """The answer tells the fact or names the trap, and says neither the belief nor a false fact.

    The patterns are those of the package `regex`; they look around themselves, which no linear engine does, so the time
    that they may take with one answer is bounded.
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
            if len(pattern) > _LONGEST or _size(pattern) > _REPEATS:
                raise ValueError(f"{pattern[:40]}: too long, or too many repeats")
            try:
                _compiled(pattern)
            except (regex.error, RecursionError) as error:
                raise ValueError(f"{pattern}: {error}") from None
        return patterns

    def judge(self, answer: str) -> str:
        """Tell whether the answer is right, fell for the trap, refused, or is something else; raises BadCheck."""
        return check(answer, self)


# Clauses end at punctuation, and before words that turn to something else. A full stop within a number is none.
CLAUSE = re.compile(
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
    Raises BadCheck where the patterns need more than `SECONDS`.
    """
    text = plain(answer).removeprefix(plain(question.question)).strip(" ，。！？,.!?:：")
    clauses = [clause.strip() for clause in CLAUSE.split(text) if clause and clause.strip()]
    near, anywhere = _NEAR[question.lang], _ANYWHERE[question.lang]
    until = time.monotonic() + SECONDS
    try:
        seen = _said(question.seen, clauses, near, until) or bool(_DOUBTS.search(text))
        bait = _said(question.bait, clauses, anywhere, until)
        wrong = _said(question.wrong, clauses, near, until)
    except TimeoutError:
        raise BadCheck(
            "check.trap",
            "its patterns take more than {seconds} s on one answer",
            "Write them without repeats inside repeats",
            seconds=f"{SECONDS:g}",
        ) from None
    if seen:
        said = [part.strip() for clause in clauses for part in clause.split(":")]
        stammers = len(set(said)) < len(said)
        return "other" if bait or wrong or stammers else "right"
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


def _said(patterns: tuple[str, ...], clauses: list[str], negation: re.Pattern[str], until: float) -> bool:
    """Tell whether a pattern stands in a clause without a negation before it; raises TimeoutError."""
    return any(
        not negation.search(clause[: match.start()])
        for pattern in patterns
        for clause in clauses
        for match in _compiled(pattern).finditer(clause, timeout=max(0.001, until - time.monotonic()))
    )


def _size(pattern: str) -> int:
    """Return how large a pattern may become at most: as if each repeat stood within the others."""
    repeats = re.findall(r"\+|\{[^}]*", pattern)
    return math.prod(max([2, *map(int, re.findall("[0-9]+", one))]) for one in repeats)


@lru_cache(maxsize=1 << 15)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)
