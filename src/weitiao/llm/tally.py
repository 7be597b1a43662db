"""What came of a stage's questions, in numbers, and what is told of it in the end."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from weitiao.errors import UserError
from weitiao.llm import Asked, checks
from weitiao.llm.cache import Spent
from weitiao.llm.call import FINAL, OF_SERVER, UNASKED, Failure, Reason
from weitiao.talk import t

_SHOWN = 3  # reasons of failures, the commonest
_SHORT = 300  # characters of what a server said


@dataclass
class Tally:
    """How many questions of a stage were answered, by the cache or now, and why the others were not."""

    answered: int = 0
    failed: Counter[tuple[Reason, str]] = field(default_factory=Counter)  # with the server's words

    def count(self, outcomes: Iterable[object]) -> None:
        """Count what came of questions."""
        for one in outcomes:
            if isinstance(one, Failure):
                self.failed[one.reason, one.detail[:_SHORT]] += 1
            else:
                self.answered += 1

    @property
    def again(self) -> bool:
        """Whether the same run would ask some of them again."""
        return any(reason not in FINAL for reason, _ in self.failed)

    def hold(self, stage: str, teacher: Asked | None) -> None:
        """Raise UserError where the server let no question through to a model: something is set wrong."""
        if self.failed and not self.answered and all(reason in OF_SERVER for reason, _ in self.failed):
            told = "; ".join(self._told()) or ", ".join({t(reason): None for reason, _ in self.failed})
            raise UserError(
                t("The teacher answered nothing that `{stage}` asked: {told}", stage=stage, told=told),
                checks(teacher) if teacher else "",
            )

    def lines(self, teacher: Asked | None) -> Iterator[str]:
        """Yield what is to be known of those without an answer."""
        if told := self._told():
            yield t("Without an answer: {told}", told="; ".join(told))
        if cut := self._of(Reason.LENGTH):
            yield t(
                "Cut at the token limit: {count}; they were paid and are not asked again with the same max_tokens "
                "({limit}), but with more they are",
                count=f"{cut:,}",
                limit=teacher.limit if teacher else "",
            )
        if (left := self._of(Reason.BUDGET)) and teacher:
            yield t(
                "Not asked: {count}, for a call at its most does not fit into what is left of the budget of {budget}; "
                "give more, or fewer max_tokens",
                count=f"{left:,}",
                budget=f"{teacher.budget:g}" if teacher.budget is not None else "",
            )
        if again := sum(self.failed.values()) - self._of(*FINAL, *UNASKED):
            yield t("The same command asks again what failed: {count}", count=f"{again:,}")

    def _of(self, *reasons: Reason) -> int:
        return sum(count for (reason, _), count in self.failed.items() if reason in reasons)

    def _told(self) -> list[str]:
        """Return the commonest of the reasons that the server has put in words, or that speak against an answer."""
        worded = [(reason, words, count) for (reason, words), count in self.failed.most_common() if words]
        return [f"{t(reason)} ({words}) {count:,}" for reason, words, count in worded[:_SHOWN]]


def bill(stage: str, teacher: Asked | None, before: Spent, now: Spent) -> str:
    """Return what the calls of a run took, and of all runs where there were others; empty where there were none."""
    if not now.calls or teacher is None:
        return ""
    money = "" if teacher.price is None else t(", cost {cost}", cost=f"{now.cost - before.cost:.4f}")
    unpriced = t(", cost unknown: no price is given") if teacher.price is None and teacher.endpoint else ""
    line = t(
        "{stage}: {calls} calls to the teacher, {prompt} tokens of prompts, {completion} of answers{money}",
        stage=stage,
        calls=f"{now.calls - before.calls:,}",
        prompt=f"{now.usage.prompt - before.usage.prompt:,}",
        completion=f"{now.usage.completion - before.usage.completion:,}",
        money=money or unpriced,
    )
    if not before.calls:
        return line
    whole = t("{calls} calls", calls=f"{now.calls:,}") + (
        "" if teacher.price is None else t(", cost {cost}", cost=f"{now.cost:.4f}")
    )
    return line + t("; in all runs {whole}", whole=whole)
