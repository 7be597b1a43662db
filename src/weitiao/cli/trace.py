"""`weitiao trace ID|TEXT`: one record's whole life, or the records among which to choose."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from weitiao import trace as lives
from weitiao.cli.terminal import AsJson, Terminal, emit
from weitiao.talk import t
from weitiao.trace import Event, Life

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_SHOWN = 160  # characters of a text
_MOST = 50  # matches that are listed


@app.callback()
def _group() -> None:
    pass


@app.command()
def trace(
    wanted: Annotated[
        str, typer.Argument(metavar="ID|TEXT", help=t("An id, its beginning, a piece of the text, or FILE:ROW"))
    ],
    run: Annotated[Path | None, typer.Option(help=t("The folder of one run"))] = None,
    runs: Annotated[Path | None, typer.Option(help=t("The folder of all runs [default: runs/]"))] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what became of a record, from its row in a file to its answers."""
    searched = lives.find_runs(run, runs)
    matches = lives.find(searched, wanted, Terminal())
    named = _named(searched)
    ids = dict.fromkeys(match.id for match in matches)
    if as_json:
        found = [{**asdict(match), "run": str(match.run)} for match in matches]
        told = [lives.tell(match) for match in matches] if len(ids) == 1 else []
        emit({"matches": found, "lives": [{**asdict(life), "run": str(life.run)} for life in told]})
        return
    if len(ids) > 1:
        for match in matches[:_MOST]:
            print(f"{match.id}  {named[match.run]}  {_short(match.text, 60)}")
        if len(matches) > _MOST:
            print(t("and {count} more", count=len(matches) - _MOST))
        return
    for place, match in enumerate(matches):
        print("\n" * bool(place) + "\n".join(_lines(lives.tell(match), match.text, named[match.run])))


def _named(runs: list[Path]) -> dict[Path, str]:
    """Return what each run is called: its name, or its folder where another has the same name."""
    names = [run.name for run in runs]
    return {run: run.name if names.count(run.name) == 1 else str(run) for run in runs}


def _lines(life: Life, text: str, run: str) -> Iterator[str]:
    yield _short(text)
    yield t("{id} in the run {run}", id=life.id, run=run)
    yield ""
    stage = ""
    for event in life.events:
        for place, line in enumerate(_said(event, life)):
            yield f"{t(event.stage) if event.stage != stage and not place else '':<8}  {line}".rstrip()
        stage = event.stage
    if not any(event.stage in ("train", "compare") for event in life.events) and life.part:
        yield ""
        yield t("Neither trained on nor asked so far: it is in the part `{part}`", part=life.part)


def _said(event: Event, life: Life) -> Iterator[str]:
    """Say what one event was, in a few lines."""
    detail = event.detail if isinstance(event.detail, dict) else {}
    if event.stage == "source" and event.action == "kept":
        licence = life.origin["licence"]
        yield t("read from {uri}, row {row}", **life.origin) + (f" ({licence})" if licence else "")
    elif event.stage == "split" and event.action in ("kept", "assigned"):
        yield from _family(life)
    elif event.action in ("kept", "waiting"):
        yield t(event.reason or "nothing changed")
    elif event.action == "changed":
        where = "" if event.turn is None else t(", turn {turn}", turn=event.turn + 1)
        yield t(event.reason or "changed") + where + _step(event)
        if event.before is not None:
            known = event.after is not None
            yield "  " + (lives.difference(event.before, event.after or "") if known else _short(event.before))
    elif event.action == "trained":
        yield t("trained on: {tokens} tokens, {supervised} of them with loss", **detail)
        if "loss" in detail:
            yield t("loss {loss_before:.3f} before, {loss:.3f} after", **detail)
    elif event.action in _TOLD:
        yield from _TOLD[event.action](detail)
    else:
        yield f"{t(event.action)}: {t(event.reason or '')}{_step(event)}"
        yield from (f"  {name}: {_plain(value)}" for name, value in detail.items())
        if event.before:
            yield "  " + _short(event.before)


def _family(life: Life) -> Iterator[str]:
    if life.part:
        yield t("in the part `{part}`", part=life.part)
    if life.members:
        yield t("with {count} of its family {family}:", count=len(life.members), family=life.family)
        yield from (f"  {key}  {_short(text, 60)}" for key, text in life.members)
    else:
        yield t("alone in its family")


def _reviewed(detail: dict[str, Any]) -> Iterator[str]:
    head = t("{who} on {when}: {verdict}", who=detail["who"], when=detail["when"][:10], verdict=t(detail["verdict"]))
    scores = [f"{t(mark)} {score}" for mark, score in detail.get("scores", {}).items()]
    rest = ", ".join([*([t("ruling")] if detail.get("ruling") else []), *scores, *detail.get("tags", [])])
    yield head + (f" ({rest})" if rest else "")
    if comment := detail.get("comment"):
        yield f"  {_short(comment)}"


def _answered(detail: dict[str, Any]) -> Iterator[str]:
    change, verdict = detail["change"], detail["verdict"]
    yield t(
        "likelihood of the reference {change:+.3f}: {verdict}",
        change=change["likelihood"],
        verdict=t(verdict["likelihood"]),
    )
    yield t(
        "overlap with the reference {change:+.1f}: {verdict}", change=change["overlap"], verdict=t(verdict["overlap"])
    )
    ruling = detail.get("judge", {})
    if "verdict" in ruling:
        reason = _short(ruling["orders"][0]["reason"]) if ruling["agreed"] else t("The order decides.")
        yield t("by the judge: {verdict} ({reason})", verdict=t(ruling["verdict"]), reason=reason)
    for side, label in (("before", t("before")), ("after", t("after"))):
        said = detail[side]
        stopped = "" if said["stopped"] else t(" (did not end by itself)")
        yield f"{label}: {_short(said['text'])}{stopped}"


_TOLD = {"answered": _answered, "reviewed": _reviewed}


def _step(event: Event) -> str:
    return f"  [{event.step}]" if event.step != event.stage else ""


def _plain(value: Any) -> str:
    return _short(value if isinstance(value, str) else orjson.dumps(value).decode())


def _short(text: str, length: int = _SHOWN) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length]}…"
