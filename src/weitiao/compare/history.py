"""How the model came to be, collected from what the stages before wrote: for the report, and for whoever reads it."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePath
from typing import Any

import orjson
import polars as pl

from weitiao import ledger
from weitiao.model.template import Template
from weitiao.record import Record, fact
from weitiao.stage import Job
from weitiao.store import Run

PROVEN = 200  # records whose tokens are made again
LINE = ("source", "prepare", "split", "export", "train")


def collect(job: Job) -> dict[str, Any]:
    """Return the funnel, the training curve, the probes, what split and merge found, and all settings."""
    manifests = {name: stored.manifest for name, stored in job.inputs.items()}
    train = job.inputs["train"].folder if "train" in job.inputs else None
    curve, probes = (_lines(train, name) for name in ("metrics.jsonl", "probes.jsonl"))
    return {
        "line": [_station(name, manifests[name], job) for name in LINE if name in manifests],
        "curve": {
            name: [(row["step"], row["loss"]) for row in curve if row["kind"] == kind]
            for name, kind in (("train", "train"), ("held_out", "validation"))
        },
        "probes": _probes(probes),
        "found": {name: manifests[name]["facts"] for name in ("split", "train", "merge") if name in manifests},
        "stages": {name: manifest["settings"] for name, manifest in manifests.items()},
    }


def lives(job: Job, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Return what became of each record: where it stood, and what each stage noted on it."""
    found: dict[str, dict[str, Any]] = {
        one.id: {"place": f"{PurePath(one.uri).name}:{one.row}", "licence": one.licence, "events": []}
        for one in records
    }
    for name, stored in job.inputs.items():
        for path in sorted(stored.folder.glob("ledger-*.parquet")):
            noted = pl.scan_parquet(path).filter(pl.col("id").is_in(list(found)))
            for key, *event in noted.select("id", "step", "action", "reason").collect().iter_rows():
                found[key]["events"].append([name, *event])
    return found


def trained(model: Path) -> pl.DataFrame | None:
    """Return the records on which the model or adapter in a folder was trained, where that stands in a run."""
    run = Run(model.absolute().parent.parent)  # RUN/train/adapter, RUN/train/checkpoint-40, RUN/merge/model
    export, train = run.seen("export"), run.seen("train")
    if export is None or train is None:
        return None
    ids = train.ledger().filter(pl.col("action") == "trained")["id"]
    return export.records().filter(pl.col("id").is_in(ids.implode()))


def proof(job: Job, records: Sequence[Record], template: Template) -> dict[str, Any] | None:
    """Return how what was trained looks to the template that asks: of the first records, and of one in full.

    `alike` counts records whose trained answer begins right where a prompt ends, `stops` those that end in a stop;
    `sample` are the runs of one record's text with whether they carried loss. None where this run trained nothing.
    """
    some = [record for record in records if record.messages[-1][0] == "assistant"]
    if "train" not in job.inputs or not some:
        return None
    alike = stops = 0
    for record in some:
        one, prompt = template.encode(record.messages, "last"), template.prompt(record.messages[:-1])
        first, last = one.mask.index(True), len(one.mask) - 1 - one.mask[::-1].index(True)
        alike += one.ids[:first] == prompt
        stops += one.ids[last] in template.stop_ids
    turns = job.inputs["train"].manifest["settings"]["turns"]
    shown = template.encode(min(some, key=lambda record: len(str(record.messages))).messages, turns)
    runs = groupby(zip(shown.ids, shown.mask, strict=True), key=itemgetter(1))
    sample = [(template.tokenizer.decode([token for token, _ in run]), trained) for trained, run in runs]
    return {"records": len(some), "alike": alike, "stops": stops, "sample": sample}


def _station(name: str, manifest: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Return what came in and went out of a stage, and, as `more`, what else is to be counted there."""
    ledgers = sorted(job.inputs[name].folder.glob("ledger-*.parquet"))
    changed = pl.concat(
        [ledger.empty().select("id", "action"), *(pl.read_parquet(p, columns=["id", "action"]) for p in ledgers)]
    )
    number = changed.filter(pl.col("action") == "changed")["id"].n_unique()
    more = {"records changed": number} if number else {}
    if name == "split":
        more = manifest["facts"]["parts"]
    if name == "export" and "split" in job.inputs:  # what is not in the part `train` is not lost: it is asked
        parts = job.inputs[name].records().select(part=fact("split", "part"))["part"].value_counts(sort=True)
        more = dict(parts.iter_rows())
    if name == "train":
        facts = manifest["facts"]
        more = {"tokens in all": facts["tokens"], "tokens with loss": facts["supervised"], "records cut": facts["cut"]}
    return {"stage": name, **{key: manifest[key] for key in ("total", "kept", "refused")}, "more": more}


def _probes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        asked.setdefault(row["question"], []).append({"step": row["step"], "text": row["text"]})
    return [{"question": question, "answers": answers} for question, answers in asked.items()]


def _lines(folder: Path | None, name: str) -> list[dict[str, Any]]:
    path = folder / name if folder else None
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path and path.exists() else []
