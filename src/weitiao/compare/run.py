"""The compare stage: ask, measure, tally, and write the three reports."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

import weitiao
from weitiao import checks, ledger
from weitiao.compare import KEPT, Compare, Server, figures, general, history, others, report, seen, verdicts, votes
from weitiao.compare.ask import Local, Question, Round, Side
from weitiao.compare.judge import Bench, human
from weitiao.compare.measures import Said
from weitiao.errors import UserError
from weitiao.llm.desk import TEACHERS
from weitiao.model import pair
from weitiao.model.template import AUTO
from weitiao.record import Record, fact, to_records
from weitiao.stage import Job, Outcome
from weitiao.store import Stored, write_whole
from weitiao.talk import language, t

OVER_LIMIT = "beyond the limit"


def run(job: Job) -> Outcome:
    """Compare the model before with the model after, and with further ones."""
    settings = job.settings(Compare)
    frame = _asked(job, settings)
    candidates = [_question(record, settings.group_by) for record in to_records(frame)]
    _doubt(job, candidates)
    facts, gaps = _kept(job.earlier) if job.earlier else _measured(job, settings, frame, candidates)
    _tell(job, facts, settings, candidates)
    _say(job, facts)
    _write(job, facts, settings)
    return _outcome(job, candidates, facts, gaps)


def _measured(
    job: Job, settings: Compare, frame: pl.DataFrame, candidates: Sequence[Question]
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Ask the models and the judge; return what came of it, and why a question has no answer, by its id."""
    questions = candidates[: settings.limit]
    wide = general.questions(settings, job.inputs.get("general"))
    bench = _bench(job, settings)
    sides = _sides(job, settings)
    rounds = [Round(questions, settings.max_new_tokens), Round(wide, general.MOST_TOKENS, "-general")]
    told = {side.name: side.said(rounds, settings, job.seed, job.reporter) for side in sides}
    first = {name: said[0] for name, said in told.items()}
    by_token = _read_alike(list(first.values()))
    rows = _rows(questions, first, settings, by_token)
    if not rows:
        raise UserError(
            t("None of the {count} questions fits into the model", count=len(questions)),
            t("A question and its reference answer need more tokens than it holds: take another model or shorter ones"),
        )
    train_side = _train_side(job, settings)
    met = seen.met(train_side, frame, rows)
    lives = history.lives(job, [question.record for question in questions])
    for row in rows:
        row["life"] = lives[row["id"]]
    others = list(settings.models)
    facts: dict[str, Any] = {
        "weitiao": weitiao.__version__,
        "run": job.recipe.project.name,
        "unseen": "split" in job.inputs and settings.questions is None and settings.part != "train",
        "part": settings.part if settings.questions is None else Path(settings.questions).name,
        "seed": job.seed,
        "candidates": len(candidates),
        "asked": len(questions),
        "unit": "token" if by_token else "character",
        "models": _named(job, settings, sides),
        "made_here": settings.before is None and job.recipe.project.model == "tiny",
        "settings": settings.model_dump(mode="json"),
        "seen": met,
        "general": None,
        "judge": bench.hear(rows, job.reporter) if bench else None,
        **history.collect(job),
        "proof": _proof(job, settings, train_side, sides),
        "records": rows,
    }
    if known := _rows(wide, {name: said[1] for name, said in told.items()}, settings, by_token):
        found = figures.figures(known, others, settings, job.seed)
        facts["general"] = {"told_by": general.told_by(found["measures"]), **found, "records": known}
    gaps = {
        question.id: next((side.gap for side in sides if question.id not in first[side.name]), "")
        for question in questions
    }
    return facts, gaps


def _kept(earlier: Stored) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the same as it was found before: people have voted since, but no answer is another."""
    skipped = earlier.ledger().filter(pl.col("action") == "skipped")
    return orjson.loads((earlier.folder / "report.json").read_bytes()), dict(skipped.select("id", "reason").iter_rows())


def _tell(job: Job, facts: dict[str, Any], settings: Compare, candidates: Sequence[Question]) -> None:
    """Count the votes of people, and add what can be said of all rows."""
    rows = facts["records"]
    voted = votes.count(rows, votes.Box(job.folder.parent).votes())
    facts["people"] = verdicts.people(rows, voted, settings, job.seed)
    facts |= figures.figures(rows, list(settings.models), settings, job.seed)
    if facts["judge"]:
        own = {question.id: said for question in candidates if (said := human(question.record))}
        verdicts.put_beside(rows, own)
        facts["judge"] |= verdicts.summary(rows, settings, job.seed)


def _asked(job: Job, settings: Compare) -> pl.DataFrame:
    """Return the records whose questions are asked."""
    export = job.inputs.get("questions", job.inputs.get("export"))
    if export is None:
        raise UserError(
            t("`compare` has no questions: the recipe has no `export`"),
            t("Add `export:` to the recipe, or give --data"),
        )
    frame = export.records()
    if settings.questions is not None:
        if frame.is_empty():
            raise UserError(t("{file} holds no question with its answer", file=settings.questions))
        return frame
    if "split" in job.inputs:
        frame = frame.filter(fact("split", "part") == settings.part)
    if frame.is_empty():
        raise UserError(
            t("No record is in the part `{part}`", part=settings.part),
            t("Give it a share under `split.ratios`, or name another one as `compare.part`"),
        )
    return frame


def _question(record: Record, group_by: Sequence[str]) -> Question:
    row = record.facts.get("source", {})
    if missing := [name for name in group_by if name not in row]:
        raise UserError(
            t("{place}: no field `{name}` to group by", place=f"{record.uri}:{record.row}", name=missing[0]),
            t("It has: {names}", names=", ".join(row) or "-"),
        )
    try:
        return Question(record, checks.carried(record.facts), tuple(str(row[name]) for name in group_by))
    except checks.BadCheck as bad:  # source has looked; the kinds of checks may have changed since
        raise bad.at(f"{record.uri}:{record.row}") from None


def _doubt(job: Job, candidates: Sequence[Question]) -> None:
    """Say what its author hardly meant: questions asked twice, checks that nobody reads or no reference answer stands.

    Where nothing says otherwise `check` may be a column of somebody else's: what is no object in it stops nothing.
    """
    twice = len(candidates) - len({question.asked for question in candidates})
    failing = [one for one in candidates if one.checks and checks.judge(one.checks, one.reference) != checks.RIGHT]
    unread = [one for one in candidates if not one.checks and checks.unread(one.record.facts)]
    for text, found in (
        (t("Asked once more in the same words: {count} questions", count=twice), twice),
        (t("Failing their own check: {count} reference answers, the first at {place}", count=len(failing),
           place=_place(failing)), failing),
        (t("With a `check` that is no object, and is not read: {count} questions, the first at {place}",
           count=len(unread), place=_place(unread)), unread),
    ):  # fmt: skip
        if found:
            job.reporter.say(text)


def _place(questions: Sequence[Question]) -> str:
    return next((f"{one.record.uri}:{one.record.row}" for one in questions), "")


def _train_side(job: Job, settings: Compare) -> pl.DataFrame | None:
    """Return the records that were trained on, as far as this run knows, or the one in which `after` stands."""
    if "export" not in job.inputs or not {"split", "train"} & set(job.inputs):
        return history.trained(job.recipe.folder / Path(settings.after).expanduser()) if settings.after else None
    frame = job.inputs["export"].records()
    return frame.filter(fact("split", "part") == "train") if "split" in job.inputs else frame


def _proof(
    job: Job, settings: Compare, train_side: pl.DataFrame | None, sides: Sequence[Side]
) -> dict[str, Any] | None:
    after = next(side for side in sides if side.name == "after")
    if settings.after is not None or train_side is None or not isinstance(after, Local):
        return None
    return history.proof(job, to_records(train_side.head(history.PROVEN)), after.template)


def _rows(
    questions: Sequence[Question], told: Mapping[str, Mapping[str, Said]], settings: Compare, by_token: bool
) -> list[dict[str, Any]]:
    """Return a row a question that all models can hold."""
    return [
        figures.row(question, {name: said[question.id] for name, said in told.items()}, settings, by_token)
        for question in questions
        if all(question.id in said for said in told.values())
    ]


def _read_alike(told: Sequence[Mapping[str, Said]]) -> bool:
    """Tell whether each reference has as many tokens for all models, so that likelihoods per token compare."""
    tokens: dict[str, set[int]] = {}
    for said in told:
        for key, one in said.items():
            tokens.setdefault(key, set()).update([one.loss_tokens] if one.loss is not None else [])
    return all(len(counts) < 2 for counts in tokens.values())


def _sides(job: Job, settings: Compare) -> list[Side]:
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
    places = {"before": before, "after": after}
    scratch, project = job.draft.scratch("answers"), job.recipe.project
    further: list[Side] = []
    for name, where in settings.models.items():
        if isinstance(where, Server):
            further.append(others.Remote.of(name, where, job.folder.parent / TEACHERS, scratch))
        elif where.endswith(".gguf"):
            further.append(others.Gguf.of(name, folder / Path(where).expanduser(), scratch))
        else:
            places[name] = pair.named(where, _home(where, folder, train), before.model, trust=trust)

    def side(name: str, place: pair.Place) -> Side:
        spoken = project.template if name == "after" or pair.speaks(place, project.template) else AUTO
        return Local(name, place, pair.template(place, spoken, project.thinking), scratch)

    found = {one.name: one for one in [*(side(name, place) for name, place in places.items()), *further]}
    return [found[name] for name in ("before", "after", *settings.models)]


def _home(path: str, folder: Path, train: Path | None) -> Path:
    """Return where `path` starts from: a checkpoint is one of this run's, anything else is seen from the recipe."""
    if train is None or not re.fullmatch(r"checkpoint-\d+", path):
        return folder
    if not (train / path).is_dir():
        there = ", ".join(sorted(one.name for one in train.glob("checkpoint-*"))) or "-"
        raise UserError(
            t("This run has no `{name}`", name=path),
            t("It has: {names}. More are kept with a larger `train.save_total_limit`", names=there),
        )
    return train


def _bench(job: Job, settings: Compare) -> Bench | None:
    """Return the judge, ready to be asked; its answers are kept beside the stages, where a later run finds them."""
    if settings.judge is None:
        return None
    return Bench.of(settings.judge, job.recipe.folder, job.folder.parent / TEACHERS)


def _named(job: Job, settings: Compare, sides: Sequence[Side]) -> dict[str, dict[str, str]]:
    """Say which models these are, in the recipe's words: a report is shown around, and names no folder of a machine."""
    whole = "train" in job.inputs and (job.inputs["train"].folder / "model").is_dir()
    tuned = "merge/model" if "merge" in job.inputs else "train/model" if whole else "train/adapter"
    names = {
        name: Path(model).name if isinstance(model, str) and model.endswith(".gguf") else str(model)
        for name, model in settings.models.items()
    }
    names |= {"before": settings.before or job.recipe.project.model, "after": settings.after or tuned}
    return {side.name: {"model": names[side.name], "template": side.reads} for side in sides}


def _write(job: Job, facts: Mapping[str, Any], settings: Compare) -> None:
    tongue = language() if settings.language == "auto" else settings.language
    write_whole(job.folder / "report.json", orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    write_whole(job.folder / "report.md", report.markdown(facts, tongue).encode())
    merged = job.inputs["merge"].folder / "model" / "README.md" if "merge" in job.inputs else None
    here = merged and merged.is_relative_to(job.folder.parent)  # not aside, from where the reports alone are taken
    if merged and here and merged.is_file() and settings.after is None:
        text = report.card(facts, tongue, merged.read_text(encoding="utf-8"))
        write_whole(job.folder / "card.md", text.encode())
        job.reporter.say(t("compare/card.md is the model card with these figures: hand it on as the model's README.md"))
    write_whole(job.folder / "report.html", report.html(facts, tongue).encode())


def _say(job: Job, facts: Mapping[str, Any]) -> None:
    """Say what keeps the figures from proving anything, how many answers are right by their checks, and how many ended.

    Right ones are told of each coarse group, or else of all.
    """
    for text, values in report.trained_on(facts) if facts["seen"] else [(report.NOT_KNOWN, {})] * (not facts["unseen"]):
        job.reporter.say(t(text, **values))
    if not facts["checked"]:
        return
    right, count = facts["checked"]["words"][checks.RIGHT], facts["checked"]["questions"]
    counted = [
        (one["group"][0], one["questions"], {side: right["count"] for side, right in one["right"].items()})
        for one in facts["groups"]
        if len(one["group"]) == 1
    ]
    for group, questions, counts in counted or [(t("By their own checks"), count, right)]:
        text = t("{group}: {before} of {questions} right before, {after} after", group=group, questions=questions,
            before=counts["before"], after=counts["after"])  # fmt: skip
        others = [f"{name} {counts[name]}" for name in facts["others"]]
        job.reporter.say(", ".join([text, *others]))
    ended = {side: sum(row[side]["stopped"] for row in facts["records"]) for side in ("before", "after")}
    total = len(facts["records"])
    job.reporter.say(t("Ended by themselves: {before} of {total} answers before, {after} after", total=total, **ended))


def _outcome(job: Job, candidates: Sequence[Question], facts: Mapping[str, Any], gaps: Mapping[str, str]) -> Outcome:
    """Write what became of each question into the ledger, and count it; `gaps` say why one has no answer."""
    rows = {row["id"]: row for row in facts["records"]}
    events = [
        {"id": question.id, "step": "compare", **_event(rows.get(question.id), gaps.get(question.id, OVER_LIMIT))}
        for question in candidates
    ]
    job.draft.write(0, None, ledger.events(pl.DataFrame(events, infer_schema_length=None)))
    gone = Counter(str(event["reason"]) for event in events if event["action"] == "skipped")
    counts = facts["verdicts"]["likelihood"]
    kept = {name: facts[name] for name in KEPT}
    said = {"headline": report.headline(facts), **{name: counts[name] for name in ("wins", "losses", "ties")}}
    return Outcome(len(candidates), len(rows), dict(gone), {"report": "report.html", "said": said, **kept})


def _event(row: Mapping[str, Any] | None, gap: str) -> dict[str, str | None]:
    if row is None:
        return {"action": "skipped", "reason": gap, "detail": None}
    told = {name: row[name] for name in ("before", "after", "change", "verdict", "judge") if name in row}
    return {"action": "answered", "reason": row["verdict"]["likelihood"], "detail": orjson.dumps(told).decode()}
