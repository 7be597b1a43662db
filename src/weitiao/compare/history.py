"""How the model came to be, collected from what the stages before wrote: for the report, and for whoever reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from weitiao import ledger
from weitiao.stage import Job

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
