"""The label stage: each step asks and sets its facts, the judge is checked, and what is decided is told."""

from collections import Counter
from dataclasses import replace
from typing import Any

import polars as pl

from weitiao import ledger
from weitiao.doubt import MARKS, PLANTED, answered
from weitiao.label import Label
from weitiao.label.decide import Decide
from weitiao.label.judge import Judge, caught
from weitiao.label.work import Told, Work
from weitiao.llm.desk import Desk, open_desk
from weitiao.llm.money import Plan, Purse
from weitiao.record import Record, to_frame, to_records
from weitiao.stage import Job, Outcome
from weitiao.store import write_parquet
from weitiao.talk import t

CONTROLS = "controls.parquet"  # planted bad answers, for people to be checked by; no stage reads them as records
_TRUSTED = 0.8  # of planted answers; a judge that catches fewer is told of


def run(job: Job) -> Outcome:
    """Write the records with what the steps said of them, without those that were dropped."""
    parts = [pl.read_parquet(path) for path in job.inputs["records"].parts()]
    with open_desk(job, settings := job.settings(Label), settings.wanted) as desk:
        work = _work(job, parts, desk)
        for model in [model for step in settings.steps if isinstance(step, Judge) for model in step.models]:
            assert desk.teacher
            Purse(desk.teacher.model_copy(update={"model": model}), desk.cache, job.stage)  # it has its price
        told = [step.take(work) for step in settings.steps]
        for one in told:
            one.skipped += work.skipped(one.step)
        facts = {**desk.facts(), "again": desk.tally.again}
    start = 0
    for index, part in enumerate(parts):
        places = range(start, start := start + len(part))
        kept = [work.records[place] for place in places if place not in work.gone]
        events = [event for place in places for event in work.events.get(place, [])]
        job.draft.write(index, to_frame(kept), _ledger(events))
    checked = _checked(work, settings)
    for one in told:
        job.reporter.say(_line(one))
    if checked:
        write_parquet(job.folder / CONTROLS, to_frame(_planted(work)))
        _tell(job, checked, next(one for one in told if one.step == "judge"))
    gone = Counter(work.gone.values())
    review = sum(sum(one.more.get("review", {}).values()) for one in told)
    if review and "export" in job.recipe.sections and "review" not in job.recipe.sections:
        text = "{count} are for people to look at, and the recipe has no stage `review`: they go on as they are"
        job.reporter.say(t(text, count=f"{review:,}"))
    said = {
        "written": f"{sum(one.more.get('written', 0) for one in told):,}",
        "review": f"{review:,}",
        "caught": f"{checked.get('caught', 0):,}",
        "planted": f"{checked.get('planted', 0):,}",
    }
    facts |= {
        "steps": [one.plain() for one in told],
        "controls": checked,
        "said": said,
        "brief": not checked.get("planted"),
    }
    total = len(work.records)
    return Outcome(total, total - gone.total(), dict(gone.most_common()), facts)


def plan(job: Job) -> dict[str, Plan]:
    """Return what each step would ask, by its name, as far as the answers that are known lead."""
    parts = [pl.read_parquet(path) for path in job.inputs["records"].parts()]
    with open_desk(job, settings := job.settings(Label), settings.wanted, planning=True) as desk:
        work = _work(job, parts, desk)
        for step in settings.steps:
            step.take(work)
        return desk.plans


def _work(job: Job, parts: list[pl.DataFrame], desk: Desk) -> Work:
    examples = to_records(job.inputs["examples"].records()) if "examples" in job.inputs else []
    records = [one for part in parts for one in to_records(part)]
    return Work(records, [one for one in examples if answered(one)], job.settings(Label), desk, job.seed)


def _ledger(events: list[dict[str, Any]]) -> pl.DataFrame:
    return ledger.events(pl.DataFrame(events, schema=ledger.SCHEMA))


def _checked(work: Work, settings: Label) -> dict[str, Any]:
    """Return how many planted answers the thresholds keep out, which is what the judge is for."""
    rules = next((step for step in settings.steps if isinstance(step, Decide)), Decide())
    kinds = [(one.kind, rules.fate(one.record, one.marks)[0] != "keep") for one in work.controls]
    return caught(kinds) if any(isinstance(step, Judge) for step in settings.steps) else {}


def _planted(work: Work) -> list[Record]:
    """Return the planted answers as records, with what the judge said of them."""
    return [
        replace(one.record, facts={"judge": one.marks, "review": {"why": PLANTED, "kind": one.kind}})
        for one in work.controls
    ]


def _line(told: Told) -> str:
    """Return what came of a step as one line."""
    text = t("{step}: asked {asked}, answered {answered}", step=told.step, asked=told.asked, answered=told.answered)
    text = text if told.asked else told.step
    if told.more.get("judged"):
        text += "  (" + ", ".join(f"{t(name)} {told.more['means'][name]:.1f}" for name in MARKS) + ")"
    for head, counts in (
        (t("no answer"), told.failed),
        (t("left alone"), told.skipped),
        (t("dropped"), told.more.get("dropped", {})),
        (t("to review"), told.more.get("review", {})),
    ):
        if counts:
            text += f"  ({head}: {', '.join(f'{t(reason)} {number:,}' for reason, number in counts.items())})"
    return text


def _tell(job: Job, checked: dict[str, Any], judge: Told) -> None:
    """Say how far the judge can be trusted."""
    if checked["planted"]:
        job.reporter.say(
            t(
                "The judge: caught {caught} of {planted} planted bad answers ({low} to {high} %): {kinds}",
                caught=checked["caught"],
                planted=checked["planted"],
                low=f"{100 * checked['low']:.0f}",
                high=f"{100 * checked['high']:.0f}",
                kinds=", ".join(f"{t(kind)} {found}/{count}" for kind, (found, count) in checked["kinds"].items()),
            )
        )
    for what, text in (
        ("order", "The rubric in the other order: higher {higher}, lower {lower} of {count}, by {mean} in the mean"),
        (
            "length",
            "Empty words behind the answer: higher {higher}, lower {lower} of {count}, by {mean} in the mean",
        ),
    ):
        if judge.more[what]["count"]:
            job.reporter.say(t(text, **judge.more[what]))
    for name, found in judge.more["people"].items():
        if found["kappa"] is not None:
            bounds = {side: f"{found[side]:.2f}" for side in ("kappa", "low", "high")}
            text = t(
                "The judge and people on {name}: kappa {kappa} ({low} to {high}) on {questions} answers",
                name=t(name),
                questions=found["questions"],
                **bounds,
            )
            job.reporter.say(text)
    if checked["planted"] and checked["caught"] < _TRUSTED * checked["planted"]:
        job.reporter.say(t("The judge lets too much pass: do not rely on its marks; try another teacher or rubric"))
