"""The compare stage: ask, measure, tally, and write the three reports."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
import polars as pl

import weitiao
from weitiao import ledger
from weitiao.compare import Compare, history, report
from weitiao.compare.ask import Question, Side
from weitiao.compare.measures import JUDGED, Said, as_facts, differences, tally, verdict
from weitiao.errors import UserError
from weitiao.model import pair
from weitiao.model.template import AUTO
from weitiao.record import fact, to_records
from weitiao.stage import Job, Outcome
from weitiao.store import write_whole
from weitiao.talk import language, t

TOO_LONG = "too long for the model"
OVER_LIMIT = "beyond the limit"
SHOWN = {
    "higher": "better on unseen questions",
    "lower": "worse on unseen questions",
    "none": "no difference shown",
}


def run(job: Job) -> Outcome:
    """Compare the model before with the model after."""
    settings = job.settings(Compare)
    candidates = _questions(job, settings)
    questions = candidates[: settings.limit]
    before, after = _sides(job, settings)
    by_token = [item.ids for item in before.encode(questions)] == [item.ids for item in after.encode(questions)]
    first, second = (side.said(questions, settings, job.seed, job.reporter) for side in (before, after))
    rows = [
        _row(question, first[question.id], second[question.id], settings, by_token)
        for question in questions
        if question.id in first and question.id in second
    ]
    if not rows:
        raise UserError(
            t("None of the {count} questions fits into the model", count=len(questions)),
            t("A question and its reference answer need more tokens than it holds: take another model or shorter ones"),
        )
    facts: dict[str, Any] = {
        "weitiao": weitiao.__version__,
        "run": job.recipe.project.name,
        "unseen": "split" in job.inputs,
        "part": settings.part,
        "seed": job.seed,
        "candidates": len(candidates),
        "asked": len(questions),
        "unit": "token" if by_token else "character",
        "models": _named(job, settings, before, after),
        "made_here": settings.before is None and job.recipe.project.model == "tiny",
        "settings": settings.model_dump(mode="json"),
        **_figures(rows, settings, job.seed),
        **history.collect(job),
        "records": rows,
    }
    _write(job, facts, settings)
    return _outcome(job, candidates, facts)


def _questions(job: Job, settings: Compare) -> list[Question]:
    export = job.inputs.get("export")
    if export is None:
        raise UserError(
            t("`compare` has no questions: the recipe has no `export`"),
            t("Add `export:` to the recipe, or give --data"),
        )
    frame = export.records()
    if "split" in job.inputs:
        frame = frame.filter(fact("split", "part") == settings.part)
    if frame.is_empty():
        raise UserError(
            t("No record is in the part `{part}`", part=settings.part),
            t("Give it a share under `split.ratios`, or name another one as `compare.part`"),
        )
    return [Question(record) for record in to_records(frame)]


def _sides(job: Job, settings: Compare) -> tuple[Side, Side]:
    folder, trust = job.recipe.folder, job.recipe.project.trust_remote_code
    train, merge = (job.inputs[name].folder if name in job.inputs else None for name in ("train", "merge"))
    if settings.before is not None:
        before = pair.named(settings.before, folder, trust=trust)
    else:
        before = pair.before(job.recipe.project.model, folder, train, trust=trust)
    if settings.after is None:
        after = pair.after(train, merge, trust=trust)
    else:
        after = pair.named(settings.after, folder, before.model, trust=trust)
    if on := after.trained_on:
        job.reporter.say(
            t("The adapter was trained on the base in {bits} bits; it answers on the full one", bits=on.bits)
        )
    scratch, project = job.draft.scratch("answers"), job.recipe.project

    def side(name: str, place: pair.Place, spoken: str) -> Side:
        return Side(name, place, pair.template(place, spoken, project.thinking), scratch)

    known = pair.speaks(before, project.template)
    return side("before", before, project.template if known else AUTO), side("after", after, project.template)


def _named(job: Job, settings: Compare, before: Side, after: Side) -> dict[str, dict[str, str]]:
    """Say which models these are, in the recipe's words: a report is shown around, and names no folder of a machine."""
    whole = "train" in job.inputs and (job.inputs["train"].folder / "model").is_dir()
    tuned = "merge/model" if "merge" in job.inputs else "train/model" if whole else "train/adapter"
    names = {"before": settings.before or job.recipe.project.model, "after": settings.after or tuned}
    return {side.name: {"model": names[side.name], "template": side.template.name} for side in (before, after)}


def _row(question: Question, before: Said, after: Said, settings: Compare, by_token: bool) -> dict[str, Any]:
    """Return one pair with its measures and verdicts."""
    sides = {"before": before, "after": after}
    measures = {name: said.measured(question.reference, by_token) for name, said in sides.items()}
    change = {name: measures["after"][name] - measures["before"][name] for name in JUDGED}
    bands = {"likelihood": settings.tie_likelihood, "overlap": settings.tie_overlap}
    return {
        "id": question.id,
        "family": question.family,
        "question": [{"role": role, "content": content} for role, content in question.asked],
        "reference": question.reference,
        **{name: {**asdict(said), "measures": measures[name]} for name, said in sides.items()},
        "change": change,
        "verdict": {name: verdict(change[name], bands[name]) for name in JUDGED},
    }


def _figures(rows: Sequence[Mapping[str, Any]], settings: Compare, seed: int) -> dict[str, Any]:
    families = [row["family"] for row in rows]
    before, after = ([row[side]["measures"] for row in rows] for side in ("before", "after"))
    found = differences(before, after, families, samples=settings.samples, seed=seed)
    verdicts = {
        name: tally([row["verdict"][name] for row in rows], families, samples=settings.samples, seed=seed)
        for name in JUDGED
    }
    return {
        "families": len(set(families)),
        "shown": SHOWN[found[0].shown],
        "measures": as_facts(found),
        "verdicts": verdicts,
    }


def _write(job: Job, facts: Mapping[str, Any], settings: Compare) -> None:
    tongue = language() if settings.language == "auto" else settings.language
    write_whole(job.folder / "report.json", orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    write_whole(job.folder / "report.md", report.markdown(facts, tongue).encode())
    merged = job.inputs["merge"].folder / "model" / "README.md" if "merge" in job.inputs else None
    if merged and merged.is_file() and settings.after is None:
        text = report.card(facts, tongue, merged.read_text(encoding="utf-8"))
        write_whole(job.folder / "card.md", text.encode())
        job.reporter.say(t("compare/card.md is the model card with these figures: hand it on as the model's README.md"))
    write_whole(job.folder / "report.html", report.html(facts, tongue).encode())


def _outcome(job: Job, candidates: Sequence[Question], facts: Mapping[str, Any]) -> Outcome:
    """Write what became of each question into the ledger, and count it."""
    rows = {row["id"]: row for row in facts["records"]}
    limit = facts["asked"]
    events = [
        {"id": question.id, "step": "compare", **_event(rows.get(question.id), asked=place < limit)}
        for place, question in enumerate(candidates)
    ]
    job.draft.write(0, None, ledger.events(pl.DataFrame(events, infer_schema_length=None)))
    gone = Counter(str(event["reason"]) for event in events if event["action"] == "skipped")
    counts = facts["verdicts"]["likelihood"]
    kept = {name: facts[name] for name in ("shown", "unit", "measures", "verdicts", "models")}
    said = {name: counts[name] for name in ("wins", "losses", "ties")}
    return Outcome(len(candidates), len(rows), dict(gone), {"report": "report.html", "said": said, **kept})


def _event(row: Mapping[str, Any] | None, *, asked: bool) -> dict[str, str | None]:
    if row is None:
        return {"action": "skipped", "reason": TOO_LONG if asked else OVER_LIMIT, "detail": None}
    told = {name: row[name] for name in ("before", "after", "change", "verdict")}
    return {"action": "answered", "reason": row["verdict"]["likelihood"], "detail": orjson.dumps(told).decode()}
