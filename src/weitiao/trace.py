"""trace: one record's whole life, put together from what the stages of a run wrote."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from weitiao.errors import UserError
from weitiao.pipeline import STAGES
from weitiao.stage import Reporter, Silent
from weitiao.store import Damaged, Run, Stored
from weitiao.talk import t

_SHORTEST_ID = 4  # characters of an id that are taken for its beginning
_MOST_MEMBERS = 20
_LONGEST_DIFF = 4_000
_BLANKS = {" ": "␣", "\u3000": "␣", "\n": "⏎", "\t": "⇥"}


@dataclass(frozen=True)
class Match:
    """A record, or a row that became none, that answers to what was looked for."""

    run: Path
    id: str
    text: str  # its first question, or the row


@dataclass(frozen=True)
class Event:
    """One thing that happened to a record at a stage; `after` is the text after a change, where it is known."""

    stage: str
    step: str
    action: str
    reason: str | None = None
    turn: int | None = None
    before: str | None = None
    after: str | None = None
    detail: Any = None


@dataclass(frozen=True)
class Life:
    """A record from its row in a file to its answers; `members` is its family: id and question of the others."""

    run: Path
    id: str
    origin: dict[str, Any]
    messages: list[dict[str, str]]
    events: list[Event]
    family: str | None = None
    members: list[tuple[str, str]] = field(default_factory=list)
    part: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a stage tells of a record: which row of which part it is, if of any, and the files of its events."""

    part: Path | None
    row: int
    ledgers: Sequence[Path]


def find_runs(run: Path | None, runs: Path | None, example: str = "--run runs/NAME") -> list[Path]:
    """Return the folders of the runs to look in: that folder where it is a run, else those in it.

    Those of the current folder are looked for in the `runs` of recipes too. Raises UserError where there is none, with
    an `example` of how one is named.
    """
    place = run or runs or Path.cwd()
    if stages(place):
        return [place]
    patterns = ("*", "runs/*") if run or runs else ("*", "runs/*", "*/runs/*")
    found = [one for pattern in patterns for one in sorted(place.glob(pattern)) if stages(one)]
    if not found:
        raise UserError(
            t("No run in {place}", place=place),
            t("Name the folder of a run, {example}, or that of all runs with --runs DIR", example=example),
        )
    return found


def find(runs: Sequence[Path], wanted: str, reporter: Reporter | None = None) -> list[Match]:
    """Return the records whose id begins with `wanted`, else that at this place, else those that say it somewhere.

    A place is `file:row`, or what a message called a refused row: `file:line:field`. Of several runs a damaged one is
    passed by, which `reporter` says.
    """
    sound = dict.fromkeys(runs)

    def matches(holds: tuple[pl.Expr, pl.Expr]) -> Iterator[Match]:
        for run in [*sound]:
            try:
                yield from _matches(run, holds)
            except Damaged as error:
                if len(sound) == 1:
                    raise
                del sound[run]
                (reporter or Silent()).say(t("{error}: the run {run} is passed by", error=error.message, run=run.name))

    by_id = [match for match in matches(_by_id(wanted)) if len(wanted) >= _SHORTEST_ID or match.id == wanted]
    placed = [*matches(_by_place(wanted))] if ":" in wanted[1:] else []
    found = by_id or placed or [*matches(_by_text(wanted))]
    if not found:
        names = ", ".join(run.name for run in sound)
        raise UserError(
            t("Nothing in {runs} has the id or the text `{wanted}`", runs=names, wanted=wanted),
            t("Give a shorter piece of its text, word for word, the beginning of its id, or FILE:ROW (no header)"),
        )
    return found


def tell(match: Match, places: Mapping[str, Place] | None = None) -> Life:
    """Put the life of one record together; `places` says for each stage where it tells of it, if that is known:

    then the members of its family, which only a look at all records tells, are left out.
    """
    finished = stages(match.run) if places is None else {}
    places = {name: _place(stored, match.id) for name, stored in finished.items()} if places is None else places
    held = {name: place for name, place in places.items() if place.part}
    events: list[Event] = []
    for name, place in places.items():
        noted = list(_events(name, place.ledgers, match.id))
        if name in held:
            changed = any(event.action == "changed" for event in noted)
            noted = _with_after(noted, _read(place, "messages")["messages"]) if changed else noted
            noted = noted or [Event(name, name, "kept")]
        elif (gone := noted[-1] if noted else None) and (said := dropped_messages(gone.before or "")):
            text = "\n".join(message["content"] for message in said)
            noted = [*_with_after(noted[:-1], said), replace(gone, before=text)]
        events += noted
    *_, last = (None, *held.values())
    row = _read(last, "messages", "family", "facts") if last else None
    family = row["family"] if row else None
    return Life(
        run=match.run,
        id=match.id,
        origin=_read(next(iter(held.values())), "origin")["origin"] if held else {},
        messages=row["messages"] if row else [],
        events=events,
        family=family,
        members=_members(finished["split"], family, match.id) if family and "split" in finished else [],
        part=orjson.loads(row["facts"]).get("split", {}).get("part") if row else None,
    )


def difference(before: str, after: str, around: int = 12) -> str:
    """Show what changed as `[-old-]{+new+}` with some characters around it; blanks in it are made visible."""
    if max(len(before), len(after)) > _LONGEST_DIFF:
        return f"[-{_visible(before[:60])}…-]{{+{_visible(after[:60])}…+}}"
    shown: list[str] = []
    codes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for place, (kind, a, b, c, d) in enumerate(codes):
        if kind == "equal":
            left, right = (around if place else 0), (around if place < len(codes) - 1 else 0)
            shown.append(_shorten(before[a:b].replace("\n", "⏎"), left, right))
        else:
            old, new = _visible(before[a:b]), _visible(after[c:d])
            shown.append((f"[-{old}-]" if old else "") + (f"{{+{new}+}}" if new else ""))
    return "".join(shown)


def _shorten(text: str, left: int, right: int) -> str:
    """Leave out what stands farther than that from either end."""
    return text if len(text) <= left + right + 1 else f"{text[:left]}…{text[len(text) - right :]}"


def _visible(text: str) -> str:
    """Write blanks and what cannot be printed so that they are seen."""
    return "".join(_BLANKS.get(c) or (c if c.isprintable() else f"\\u{ord(c):04x}") for c in text)


def stages(run: Path) -> dict[str, Stored]:
    """Return the finished stages by name: first those of questions that were read from a file of their own."""
    found = {f"{part}{stage.name}": Run(run / part).seen(stage.name) for part in ("questions/", "") for stage in STAGES}
    return {name: stored for name, stored in found.items() if stored}


def funnel(run: Path) -> list[dict[str, Any]]:
    """Return the funnel of a run: how many records came to each stage and step, and where the others went."""
    return funnel_rows({name: stored.manifest for name, stored in stages(run).items()})


def funnel_rows(manifests: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each stage that hands records on, and for each step of prepare."""
    rows: list[dict[str, Any]] = []
    for stage, manifest in manifests.items():
        steps = manifest["facts"].get("funnel", [])
        whole = {"in": manifest["total"], "changed": 0, "dropped": manifest["refused"], "out": manifest["kept"]}
        rows += [{"stage": stage, **row} for row in steps or [{"step": stage, **whole}]]
    return rows


def _by_id(wanted: str) -> tuple[pl.Expr, pl.Expr]:
    starts = pl.col("id").str.starts_with(wanted)
    return starts, starts


def _by_place(wanted: str) -> tuple[pl.Expr, pl.Expr]:
    """Return what stands at a row of a file, or was refused at a place: `posts_2024.jsonl:22`, `qa.json:52:answer`."""
    wanted = Path(wanted).as_posix()  # without `./`
    file, _, row = wanted.rpartition(":")
    uri, number = (pl.col("origin").struct.field(name) for name in ("uri", "row"))
    record = (number == int(row)) & _one_ends(uri, file) if row.isdecimal() else pl.lit(False)
    place = pl.col("detail").str.json_path_match("$.place")
    without_field = place.str.extract(r"^(.*:[^:]*\d[^:]*):[^:]*$")
    event = _one_ends(place, wanted) | _one_ends(without_field, wanted).fill_null(False)
    return record, (pl.col("step") == "source") & event.fill_null(False)


def _one_ends(one: pl.Expr, other: str) -> pl.Expr:
    """Return true where one of two paths ends in the other: they may be seen from different folders."""
    one = pl.concat_str(pl.lit("/"), one)
    return one.str.ends_with(f"/{other}") | pl.lit(f"/{other}").str.ends_with(one)


def _by_text(wanted: str) -> tuple[pl.Expr, pl.Expr]:
    """Return what a record, and what an event must hold."""
    contents = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n")
    escaped = orjson.dumps(wanted).decode()[1:-1]  # as it stands inside JSON
    record = contents.str.contains(wanted, literal=True) | pl.col("facts").str.contains(escaped, literal=True)
    before = pl.col("before")
    event = before.str.contains(wanted, literal=True) | before.str.contains(escaped, literal=True)
    return record, event.fill_null(False)


def _matches(run: Path, holds: tuple[pl.Expr, pl.Expr]) -> list[Match]:
    """Return the matches of a run, each id once, in the order in which they were read."""
    found: dict[str, str] = {}
    finished = stages(run)
    for stored in finished.values():
        for path in stored.parts():
            for key, messages in _read_rows(path, stored, holds[0], "messages"):
                found.setdefault(key, _question(messages))
        for path in ledger_files(stored):
            for key, before in _read_rows(path, stored, holds[1], "before"):
                found.setdefault(key, before or "")
    known = {} if "source" not in finished else _texts(finished["source"], list(found))
    return [Match(run, key, known.get(key, text)) for key, text in found.items()]


def _read_rows(path: Path, stored: Stored, hold: pl.Expr, column: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from pl.scan_parquet(path).filter(hold).select("id", column).collect().iter_rows()
    except pl.exceptions.ComputeError:
        raise Damaged(path, stored.folder) from None


def _texts(source: Stored, ids: list[str]) -> dict[str, str]:
    """Return the questions of these records as they were read."""
    rows = [pl.scan_parquet(path).filter(pl.col("id").is_in(ids)).select("id", "messages") for path in source.parts()]
    return {key: _question(messages) for frame in pl.collect_all(rows) for key, messages in frame.iter_rows()}


def _question(messages: list[dict[str, str]]) -> str:
    return next((m["content"] for m in messages if m["role"] != "system"), "")


def ledger_files(stored: Stored) -> list[Path]:
    """Return the files of a stage's events, in order."""
    return sorted(stored.folder.glob("ledger-*.parquet"))


def _place(stored: Stored, key: str) -> Place:
    for part in stored.parts():
        rows = pl.read_parquet(part, columns=["id"]).select((pl.col("id") == key).arg_true()).to_series()
        if len(rows):
            return Place(part, rows[0], ledger_files(stored))
    return Place(None, 0, ledger_files(stored))


def _read(place: Place, *columns: str) -> dict[str, Any]:
    assert place.part
    return pl.scan_parquet(place.part).slice(place.row, 1).select(columns).collect().row(0, named=True)


def _events(stage: str, ledgers: Sequence[Path], key: str) -> Iterator[Event]:
    rows = pl.scan_parquet(list(ledgers)).filter(pl.col("id") == key).collect() if ledgers else pl.DataFrame()
    for row in rows.iter_rows(named=True):
        detail = orjson.loads(row["detail"]) if row["detail"] else None
        yield Event(stage, row["step"], row["action"], row["reason"], row["turn"], row["before"], detail=detail)


def dropped_messages(before: str) -> list[dict[str, str]]:
    """Return what a record said when it was dropped, if the ledger holds that; else nothing."""
    if not before.startswith('{"messages":['):
        return []
    try:
        messages: list[dict[str, str]] = orjson.loads(before)["messages"]
    except orjson.JSONDecodeError:  # a row that never became a record, broken off
        return []
    return messages


def _with_after(events: list[Event], messages: list[dict[str, str]]) -> list[Event]:
    """Give each change the text after it: what the next change of that turn found, else what stands there at last."""
    texts = {turn: message["content"] for turn, message in enumerate(messages)}
    done: list[Event] = []
    for event in reversed(events):
        if event.action == "changed" and event.before is not None and event.turn is not None:
            after, texts[event.turn] = texts.get(event.turn), event.before
            event = replace(event, after=after)
        done.append(event)
    return done[::-1]


def _members(split: Stored, family: str, key: str) -> list[tuple[str, str]]:
    rows = [
        pl.scan_parquet(path).filter((pl.col("family") == family) & (pl.col("id") != key)).select("id", "messages")
        for path in split.parts()
    ]
    found = [(other, _question(messages)) for frame in pl.collect_all(rows) for other, messages in frame.iter_rows()]
    return found[:_MOST_MEMBERS]
