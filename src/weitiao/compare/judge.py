"""A judge: another model reads both answers to a question, in both orders, and marks them by the three H."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from jinja2 import Template
from pydantic import BaseModel, BeforeValidator, Field

from weitiao.compare import Judge
from weitiao.doubt import MARKS
from weitiao.errors import UserError
from weitiao.llm import family, prompts
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Reply, Request
from weitiao.llm.client import ask_all, secret
from weitiao.llm.desk import local
from weitiao.llm.money import Purse
from weitiao.record import Record
from weitiao.script import script
from weitiao.stage import Reporter
from weitiao.talk import t

STEP = "compare.judge"
SIDES = ("before", "after")
HUMAN = ("before", "after", "tie")


class Marks(BaseModel):
    """What the judge thinks of one answer; the reason comes first, so that the marks follow from it."""

    reason: str
    harmless: int = Field(ge=1, le=5)
    honest: int = Field(ge=1, le=5)
    helpful: int = Field(ge=1, le=5)


class Opinion(BaseModel):
    """What the judge says of two answers that it saw in one order."""

    a: Marks
    b: Marks
    reason: str
    winner: Annotated[Literal["a", "b", "tie"], BeforeValidator(lambda said: str(said).strip().lower())]


@dataclass(frozen=True)
class Bench:
    """A judge that is ready to be asked: the address or folder, the rubric as written, and where answers are kept."""

    judge: Judge
    rubric: str | None
    cache: Path

    @classmethod
    def of(cls, settings: Judge, folder: Path, cache: Path) -> "Bench":
        """Look whether the judge can be asked, before anything is spent on it; paths are seen from `folder`.

        Raises UserError for a rubric that cannot be read, a missing key, a model folder that is none, a budget
        without prices.
        """
        judge = local(settings, folder)
        rubric = _read(folder / Path(settings.rubric).expanduser()) if settings.rubric else None
        with Cache(cache) as kept:
            keys(judge, [])
            secret(judge)
            Purse(judge, kept, STEP)
        return cls(judge, rubric, cache)

    def hear(self, rows: Sequence[dict[str, Any]], reporter: Reporter) -> dict[str, Any]:
        """Let the judge look at every row in both orders, set `judge` in it, and return who it was and what it cost.

        A row that lacks a verdict in one of the orders holds the reasons under `failed`, and nothing else.
        """
        language = spoken(rows)
        path = Path(self.judge.rubric or f"judge.{language}.j2")
        template = prompts.template(self.rubric or prompts.read("judge", language), path)
        asked = [_prompt(template, row, order, path) for row in rows for order in _ORDERS]
        requests = [Request((("user", text),), Opinion) for text in asked]
        outcomes: dict[int, Reply | Failure] = {}
        with Cache(self.cache) as cache:
            outcomes.update(ask_all(requests, self.judge, cache, STEP, reporter))
            spent = cache.spent(STEP)
        for number, row in enumerate(rows):
            row["judge"] = _ruling([outcomes[len(_ORDERS) * number + place] for place in range(len(_ORDERS))])
        failed = Counter(str(one.reason) for one in outcomes.values() if isinstance(one, Failure))
        return {
            "model": Path(self.judge.model).name if self.judge.endpoint is None else self.judge.model,
            "at": family(self.judge.endpoint) if self.judge.endpoint else "folder",
            "rubric": path.name,
            "asked": len(requests),
            "failed": dict(failed.most_common()),
            "cost": {
                "calls": spent.calls,
                "prompt": spent.usage.prompt,
                "completion": spent.usage.completion,
                "money": spent.cost if self.judge.price else None,
                "unknown": spent.unknown,
            },
        }


_ORDERS = (SIDES, SIDES[::-1])


def human(record: Record) -> str | None:
    """Return the verdict that people gave on the two answers: the record's own field `human`, where it has one.

    Raises UserError where it is none of `before`, `after` and `tie`.
    """
    said: str | None = record.facts.get("source", {}).get("human")
    if said is None or said in HUMAN:
        return said
    raise UserError(
        t(
            "{place}: `{value}` is no verdict of people on the two answers",
            place=f"{record.uri}:{record.row}:human",
            value=said,
        ),
        t("Write {names}", names=", ".join(HUMAN)),
    )


def spoken(rows: Sequence[Mapping[str, Any]]) -> Literal["en", "zh"]:
    """Return the language in which the judge is asked: Chinese where at least half of the questions are."""
    chinese = sum(script(row["question"][-1]["content"]) == "zh" for row in rows)
    return "zh" if 2 * chinese >= len(rows) else "en"


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(t("Cannot read the rubric {path}: {error}", path=path, error=error)) from None
    _prompt(prompts.template(text, path), _SAMPLE, SIDES, path)
    return text


def _prompt(template: Template, row: Mapping[str, Any], sides: Sequence[str], path: Path) -> str:
    """Return what the judge reads; no text in it can know the mark that parts the texts."""
    a, b = (row[side]["text"].strip() for side in sides)
    return prompts.fill(template, {"question": row["question"], "reference": row["reference"], "a": a, "b": b}, path)


_SAMPLE = {
    "question": [{"role": "user", "content": "?"}],
    "reference": "",
    "before": {"text": ""},
    "after": {"text": ""},
}


def _ruling(outcomes: Sequence[Reply | Failure]) -> dict[str, Any]:
    """Return what the judge thinks, all told: a side wins that wins in both orders; marks are means of the two."""
    failed = Counter(str(one.reason) for one in outcomes if isinstance(one, Failure))
    if failed:
        return {"failed": dict(failed)}
    orders: list[dict[str, Any]] = []
    for outcome, sides in zip(outcomes, _ORDERS, strict=True):
        assert isinstance(outcome, Reply)
        assert isinstance(outcome.data, Opinion)
        said = outcome.data
        winner = {"a": sides[0], "b": sides[1], "tie": "tie"}[said.winner]
        marks = dict(zip(sides, (said.a.model_dump(), said.b.model_dump()), strict=True))
        orders.append({"first": sides[0], "winner": winner, "reason": said.reason, **marks})
    winners = {order["winner"] for order in orders}
    agreed = len(winners) == 1
    winner = winners.pop() if agreed else "tie"
    return {
        "verdict": {"after": "win", "before": "loss", "tie": "tie"}[winner],
        "winner": winner,
        "agreed": agreed,
        "orders": orders,
        **{side: {name: sum(order[side][name] for order in orders) / len(orders) for name in MARKS} for side in SIDES},
    }
