"""What commands share that ask a teacher: their flags, and what a dry run tells."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from weitiao.cli.terminal import emit
from weitiao.errors import UserError
from weitiao.llm.money import Plan
from weitiao.talk import t

Endpoint = Annotated[
    str | None, typer.Option(help=t("Address of the teacher, an OpenAI-compatible server, up to `/v1`"))
]
TeacherName = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        help=t("The teacher's name on the server; without --endpoint a model's folder, or `nano`, which ships"),
    ),
]
KeyEnv = Annotated[str | None, typer.Option(help=t("Name of the environment variable that holds the teacher's key"))]
Price = Annotated[
    str | None, typer.Option(metavar="IN,OUT", help=t("Price of a million tokens of prompts and of answers: 2,8"))
]
Budget = Annotated[
    float | None, typer.Option(help=t("Most money that the teacher may cost, all runs together; needs --price"))
]

MaxTokens = Annotated[
    int | None,
    typer.Option(help=t("Longest answer of the teacher in tokens, reasoning included [default: 2048]")),
]


def teacher_settings(
    endpoint: str | None,
    teacher: str | None,
    key_env: str | None,
    price: str | None,
    budget: float | None,
    max_tokens: int | None = None,
) -> dict[str, Any]:
    """Return the teacher as a recipe would write it, empty where none is named."""
    given = {"endpoint": endpoint, "key_env": key_env, "budget": budget, "max_tokens": max_tokens}
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if teacher is None:
        if named or price:
            raise UserError(t("Missing: {flags}", flags="--teacher"), t("It is the model's name on the server"))
        return {}
    if price is not None:
        named["prices"] = {teacher: _price(price)}
    return {"model": teacher, **named}


def paid_folder(out: Path) -> Path:
    """Return where the answers for `out` are kept: what was paid for stays, and the same command asks nothing twice."""
    return out.absolute().parent / f".{out.name}.run"


def told_plan(plans: Mapping[str, Plan]) -> dict[str, Any]:
    """Return what a teacher would be asked, by step, and the sum of it."""
    return {"steps": {name: asdict(plan) for name, plan in plans.items()}, **_summed(plans)}


def tell_plan(plans: Mapping[str, Plan], as_json: bool) -> None:
    """Print what a teacher would be asked, step by step, with the first prompts to the letter."""
    if as_json:
        emit(told_plan(plans))
        return
    for name, plan in plans.items():
        print(
            t(
                "{step}: {calls} calls, {known} known; about {prompt} tokens of prompts, {most} of answers at most",
                step=name,
                calls=f"{plan.calls:,}",
                known=f"{plan.known:,}",
                prompt=f"{plan.prompt_tokens:,}",
                most=f"{plan.most_tokens:,}",
            )
        )
        print(f"  {_money(plan.likely_cost, plan.most_cost)}")
    if not plans:
        print(t("No step here asks a teacher: nothing to ask, and nothing to pay"))
        return
    total = _summed(plans)
    print(
        t("In all: {calls} calls; {money}", calls=f"{total['calls']:,}", money=_money(total["likely"], total["most"]))
    )
    seen: dict[str, str] = {}
    for name, plan in plans.items():
        for body in plan.samples[:1]:
            said, rest = _shown(body)
            above = seen.setdefault(rest, name)
            print(f"\n--- {name}\n{said}{rest if above == name else t('(and what stands under {name})', name=above)}")


def _price(text: str) -> dict[str, float]:
    try:
        prompts, answers = (float(one) for one in text.split(","))
    except ValueError:
        raise UserError(t("--price {text}: write it as 2,8", text=text)) from None
    return {"input": prompts, "output": answers}


def _summed(plans: Mapping[str, Plan]) -> dict[str, Any]:
    likely, most = [plan.likely_cost for plan in plans.values()], [plan.most_cost for plan in plans.values()]
    return {
        "calls": sum(plan.calls for plan in plans.values()),
        "likely": None if None in likely else sum(cost for cost in likely if cost),
        "most": None if None in most else sum(cost for cost in most if cost),
    }


def _money(likely: float | None, most: float | None) -> str:
    if most is None:
        return t("cost unknown: no price is given")
    if likely is None:
        return t("cost {most} at most", most=f"{most:.4f}")
    return t("cost about {likely}, {most} at most", likely=f"{likely:.4f}", most=f"{most:.4f}")


def _shown(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is said to the teacher, and the rest of the body, which is the same for many steps."""
    rest = {name: value for name, value in body.items() if name != "messages"}
    texts = [f"[{message['role']}]\n{message['content']}" for message in body.get("messages", ())]
    return "".join(f"{text}\n" for text in texts), orjson.dumps(rest).decode()
