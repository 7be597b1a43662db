"""export: let only trainable conversations out, in a format that trainers read; nothing is repaired here."""

import json
import math
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl
from pydantic import Field

from weitiao import ledger, record
from weitiao.errors import UserError
from weitiao.formats import write
from weitiao.intervals import more_needed
from weitiao.recipe import Settings
from weitiao.stage import Job, Outcome, Stage
from weitiao.store import Draft, Stored, write_parquet, write_whole
from weitiao.talk import t

# What stands in a licence column where nobody knows it.
_NO_LICENCE = (
    "",
    "-",
    "?",
    "unknown",
    "none",
    "null",
    "n/a",
    "na",
    "noassertion",
    "other",
    "unlicensed",
    "未知",
    "无",
    "不明",
)
_NAMED = 5
UNSPLIT = "all"  # the part of records that no split has assigned
PASSAGE = "passage, not a conversation"
CALLS = "tool calls beside the text"
# As source keeps them, in the JSON text of `facts`; inside a text the quote would stand behind a backslash.
_CALLS = r'[^\\]"(?:tool_calls|function_call)":'


class Export(Settings):
    """What is written."""

    format: Literal[
        "openai",
        "alpaca",
        "sharegpt",
        "cqia",
        "xtuner",
        "llamafactory",
        "hf",
        "preference",
        "llamafactory-preference",
    ] = Field("openai", description="Format of the files, one a part")
    system: str | None = Field(None, description="A system message for conversations that have none")
    placeholders: Literal["refuse", "keep"] = Field(
        "refuse", description="What to do with a conversation that holds an unfilled {{name}} outside code"
    )
    require_licence: bool = Field(False, description="Write nothing while a record has no known licence")
    min_accept: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Write nothing unless people accepted at least this share of the records drawn at random in "
        "review, with a certainty of 95 %",
    )


STAGE = Stage(
    "export",
    Export,
    "weitiao.export:run",
    "Exported {kept} of {total} records",
    reads=("review",),
    reads_records=True,
    gives_records=True,
    project=("thinking",),
)


@dataclass(frozen=True)
class _Rows:
    """The rows of some records in the format, as JSON texts by part, and what found no place."""

    texts: dict[str, list[str]]
    lost: Counter[str]  # fields of the source rows
    unfit: dict[str, str]  # id of a record whose turns do not fit -> why


def run(job: Job) -> Outcome:
    """Judge each record, write the trainable ones in order, and one file a part in the format."""
    settings = job.settings(Export)
    if settings.min_accept is not None:
        _hold_accepted(job.inputs.get("review"), settings.min_accept)
    inputs = list(enumerate(job.inputs["records"].parts()))
    missing = [item for item in inputs if not job.draft.part(item[0]).exists()]
    strip = job.recipe.project.thinking == "strip"
    job.engine.check([job.folder])
    work = job.engine.run(partial(_export_part, draft=job.draft, settings=settings, strip=strip), missing)
    for _ in job.reporter.track(work, len(missing), "chunks exported"):
        pass
    if settings.require_licence:
        _hold_licences([job.draft.part(index) for index, _ in inputs])
    total = sum(_height(path) for _, path in inputs)
    kept = sum(_height(job.draft.part(index)) for index, _ in inputs)
    refused, unfit, lost, calls = _counts(job.draft, len(inputs))
    files = _write_files(job, settings)
    if lost:
        fields = ", ".join(f"{name} {count:,}" for name, count in lost.most_common(8))
        fields += " …" if len(lost) > 8 else ""
        values = {"format": settings.format, "fields": fields}
        job.reporter.say(t("{format} has no place for: {fields}; the records keep them", **values))
    for what, count in unfit.items():
        text = t(
            "{format} cannot hold {what}: {count} records refused", format=settings.format, what=t(what), count=count
        )
        job.reporter.say(text)
    if posts := refused.get(PASSAGE):
        job.reporter.say(
            t("{count} posts without an answer, on which nothing can be trained: write one for each", count=posts)
        )
    if calls:
        job.reporter.say(
            t(
                "Warning: {count} records hold tool calls beside the text, and training sees the text alone: "
                "write the call into the text as the model's template writes it",
                count=calls,
            )
        )
    facts = {"format": settings.format, "files": files, "no_place_for": dict(lost), "does_not_fit": dict(unfit)}
    return Outcome(total, kept, refused, facts)


def why_not(messages: pl.Expr, settings: Export) -> pl.Expr:
    """Return the reason why a conversation cannot be trained on, or null: roles and texts of the `messages` column."""
    roles = messages.list.eval(pl.element().struct.field("role").str.head(1)).list.join("")
    content = pl.element().struct.field("content")
    blank = content.is_null() | (content.str.strip_chars() == "")
    empty = messages.list.eval(blank & (pl.element().struct.field("role") != "tool")).list.any()
    text = messages.list.eval(content.fill_null("")).list.join("\n")
    prose = text.str.replace_all(r"(?s)```.*?(?:```|\z)", "").str.replace_all(r"`[^`\n]*`", "")
    left = text.str.contains("{{", literal=True) & prose.str.contains(r"\{\{\s*\w+\s*\}\}")
    return (
        pl.when(roles == "")
        .then(pl.lit("no messages"))
        .when(roles.str.contains("p"))
        .then(pl.lit(PASSAGE))
        .when(~roles.str.ends_with("a"))
        .then(pl.lit("no answer"))
        # A tool's results stand between the assistant's call and its answer.
        .when(~roles.str.contains(r"^s?(u(at+)*a)+$"))
        .then(pl.lit("roles do not alternate"))
        .when(empty)
        .then(pl.lit("empty turn"))
        .when(pl.col("origin").struct.field("uri").fill_null("") == "")
        .then(pl.lit("origin unknown"))
        .when(left & pl.lit(settings.placeholders == "refuse"))
        .then(pl.lit("placeholder left"))
    )


def _export_part(numbered: tuple[int, Path], *, draft: Draft, settings: Export, strip: bool) -> None:
    index, path = numbered
    frame, stripped = _without_thinking(pl.read_parquet(path)) if strip else (pl.read_parquet(path), ledger.empty())
    judged = frame.with_columns(why_not(pl.col("messages"), settings).alias("reason"))
    refused = judged.filter(pl.col("reason").is_not_null()).select("id", "reason", detail=pl.lit(None, pl.String))
    kept = judged.filter(pl.col("reason").is_null()).drop("reason")
    kept, added = _with_system(kept, settings.system)
    rows = _rows(kept, settings.format, strip=strip)
    if rows.unfit:
        gone = pl.DataFrame({"id": list(rows.unfit), "what": list(rows.unfit.values())})
        detail = pl.struct(pl.lit(settings.format).alias("format"), "what").struct.json_encode()
        refused = pl.concat([refused, gone.select("id", reason=pl.lit("does not fit the format"), detail=detail)])
        kept = kept.filter(~pl.col("id").is_in(list(rows.unfit)))
    noted = refused.with_columns(step=pl.lit("export"), action=pl.lit("refused"))
    calling = kept.filter(pl.col("facts").str.contains(_CALLS))
    calls = calling.select("id", step=pl.lit("export"), action=pl.lit("cut"), reason=pl.lit(CALLS))
    folder = draft.scratch("texts")
    for part, texts in rows.texts.items():
        write_whole(folder / f"{index:05d}-{part}", "".join(f"{text}\n" for text in texts).encode())
    counts = {"lost": dict(rows.lost), "unfit": dict(Counter(rows.unfit.values()))}
    write_whole(draft.scratch("counts") / f"{index:05d}.json", orjson.dumps(counts))
    draft.write(index, kept, pl.concat([stripped, *map(ledger.events, (noted, added, calls))]))


def _without_thinking(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take the thinking out of the assistant's turns, and note each turn with its text before."""
    role, content = (pl.element().struct.field(name) for name in ("role", "content"))
    said = pl.when(role == "assistant").then(content.str.replace(record.THINKING, "")).otherwise(content)
    messages = pl.col("messages").list.eval(pl.struct(role=role, content=said))
    turns = frame.select("id", "messages", turn=pl.int_ranges(pl.col("messages").list.len()), said=messages)
    turns = turns.explode("messages", "turn", "said")
    before, after = (pl.col(name).struct.field("content") for name in ("messages", "said"))
    changed = turns.filter(before != after).select(
        "id",
        "turn",
        before=before,
        step=pl.lit("export"),
        action=pl.lit("changed"),
        reason=pl.lit("thinking taken out"),
    )
    return frame.with_columns(messages=messages), ledger.events(changed)


def _with_system(frame: pl.DataFrame, system: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Set a system message in front of the conversations that have none, and note each."""
    if not system:
        return frame, ledger.empty()
    lacks = pl.col("messages").list.first().struct.field("role") != "system"
    message = pl.concat_list(pl.struct(role=pl.lit("system"), content=pl.lit(system)))
    added = frame.filter(lacks).select(
        "id", step=pl.lit("export"), action=pl.lit("changed"), reason=pl.lit("system message added"), turn=pl.lit(0)
    )
    longer = pl.when(lacks).then(pl.concat_list(message, "messages")).otherwise("messages")
    return frame.with_columns(messages=longer), added


def _hold_licences(parts: list[Path]) -> None:
    """Raise UserError, naming the first records, where one that would be written has no known licence."""
    uri, row, licence = (pl.col("origin").struct.field(name) for name in ("uri", "row", "licence"))
    said = licence.fill_null("").str.strip_chars().str.to_lowercase()
    place = pl.format("{}:{}", uri, row)
    records = pl.scan_parquet(parts).select("id", place=place, known=~said.is_in(_NO_LICENCE)).collect()
    unknown = records.filter(~pl.col("known"))
    if unknown.is_empty():
        return
    shown = [
        t("{place}: record {id}", place=place, id=key)
        for key, place in unknown.head(_NAMED).select("id", "place").rows()
    ]
    more = [t("and others: {count}", count=f"{len(unknown) - _NAMED:,}")] if len(unknown) > _NAMED else []
    head = t("{count} of {total} records have no known licence", count=f"{len(unknown):,}", total=f"{len(records):,}")
    raise UserError(
        "\n  ".join([head, *shown, *more]),
        t("Name it where they are read: `source.licence`, --licence; or leave these files out of `inputs`"),
    )


def _hold_accepted(review: Stored | None, wanted: float) -> None:
    """Raise UserError where the share of good records that review has made certain is lower."""
    if review is None:
        raise UserError(
            t("`export.min_accept` needs the stage `review`, which the recipe lacks"),
            t("Add `{need}:` to the recipe", need="review"),
        )
    seen, drawn = review.manifest["facts"]["accepted"], review.manifest["facts"]["audit"]
    count, total = seen["count"], seen["of"]
    if seen["least"] >= wanted:
        return
    more = more_needed(count, total, wanted)
    left = {"more": f"{more or 0:,}", "open": f"{drawn - total:,}"}
    if more is None:
        hint = t("Too few are good for any number of reviews to do: drop or mend more before review")
    elif total + more <= drawn:
        like = t("{more} more decisions like these would do, of {open} that are open", **left)
        hint = like if total else t("{more} that people accept would do, of {open} that are open", **left)
    else:
        like = t("{more} more decisions like these would do, and {open} are open: raise `review.audit`", **left)
        first = t("{more} that people accept would do, and {open} are open: raise `review.audit`", **left)
        hint = like if total else first
    figures = {"count": f"{count:,}", "total": f"{total:,}", "least": f"{math.floor(1000 * seen['least']) / 10:.1f}"}
    raise UserError(
        t(
            "People accepted {count} of {total} records drawn at random: with a certainty of 95 % at least {least} % "
            "are good, and `export.min_accept` wants {wanted} %",
            wanted=f"{100 * wanted:g}",
            **figures,
        ),
        hint,
    )


def _rows(frame: pl.DataFrame, name: str, *, strip: bool) -> _Rows:
    """Write each record in the format; a folder of Parquet needs no texts."""
    rows = _Rows({}, Counter(), {})
    parts = frame.select(record.fact("split", "part").fill_null(UNSPLIT)).to_series()
    for key, messages, facts, part in zip(frame["id"], frame["messages"], frame["facts"], parts, strict=True):
        known = orjson.loads(facts)
        source = (known.get("source") or {}) | ({"check": known["check"]} if "check" in known else {})
        if "rejected" in known:
            source = source | {"rejected": known["rejected"]["text"]}
        if strip and isinstance(source.get("rejected"), str):
            source = source | {"rejected": re.sub(record.THINKING, "", source["rejected"])}
        written = write(name, [(m["role"], m["content"]) for m in messages.to_list()], source)
        if written.refused:
            rows.unfit[key] = written.refused
            continue
        rows.lost.update(written.lost)
        # As Python's json writes it, which is what the tutorials' files look like.
        rows.texts.setdefault(part, []).append(json.dumps(written.row, ensure_ascii=False))
    return rows


def _write_files(job: Job, settings: Export) -> dict[str, int]:
    """Join the parts' texts to one file a part; return the files' rows."""
    texts = sorted(job.draft.scratch("texts").iterdir())
    files: dict[str, int] = {}
    for part in dict.fromkeys(path.name.partition("-")[2] for path in texts):
        pieces = [path for path in texts if path.name.partition("-")[2] == part]
        name = f"{part}.jsonl"
        if settings.format == "hf":
            name = f"data/{part}.parquet"
            (job.folder / "data").mkdir(exist_ok=True)
            schema = {"messages": record.MESSAGES}
            rows = pl.concat(pl.read_ndjson(path, schema=schema) for path in pieces)
            write_parquet(job.folder / name, rows)
            files[name] = len(rows)
            continue
        files[name] = 0
        with (job.folder / name).open("wb") as target:
            for piece in pieces:
                with piece.open("rb") as source:
                    files[name] += sum(1 for _ in source)
                    source.seek(0)
                    shutil.copyfileobj(source, target)
    if settings.format.startswith("llamafactory"):
        ranked = settings.format == "llamafactory-preference"
        write_whole(job.folder / "dataset_info.json", _register(job.recipe.project.name, files, ranked=ranked))
    return files


def _register(name: str, files: dict[str, int], *, ranked: bool) -> bytes:
    """Return LLaMA-Factory's `dataset_info.json` for these files (its data/README.md, "ShareGPT Format")."""
    tags = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}
    tags |= {"observation_tag": "observation", "function_tag": "function_call", "system_tag": "system"}
    entry: dict[str, Any] = {"formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": tags}
    if ranked:
        entry = {"ranking": True, **entry}
        entry["columns"] |= {"chosen": "chosen", "rejected": "rejected"}
    info: dict[str, Any] = {f"{name}_{Path(file).stem}": {"file_name": file, **entry} for file in files}
    return orjson.dumps(info, option=orjson.OPT_INDENT_2)


def _counts(draft: Draft, parts: int) -> tuple[dict[str, int], Counter[str], Counter[str], int]:
    """Return the refused by reason, what did not fit, the fields that found no place, and records with tool calls."""
    unfit: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    calls = 0
    for index in range(parts):
        counts = orjson.loads((draft.scratch("counts") / f"{index:05d}.json").read_bytes())
        unfit.update(counts["unfit"])
        lost.update(counts["lost"])
        events = pl.read_parquet(draft.ledger_part(index))
        refused.update(events.filter(pl.col("action") == "refused")["reason"].to_list())
        calls += events.filter(pl.col("reason") == CALLS).height
    return dict(refused), unfit, lost, calls


def _height(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())
