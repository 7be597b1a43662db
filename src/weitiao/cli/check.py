"""`weitiao check FILE...`: what files hold, and every row that is wrong with the mend."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from weitiao.check import Measuring, Report, Spread, Tokens, check, measure
from weitiao.cli import COMMANDS
from weitiao.cli.terminal import AsJson, Trust, emit, plain_recipe, with_flags
from weitiao.errors import UserError
from weitiao.source import Source
from weitiao.source.files import find
from weitiao.source.opened import PACKED
from weitiao.source.table import Wrong
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_SHOWN = 20  # kinds of trouble; --json gives every row
_KINDS = {"jsonl": "JSON Lines", "json": "JSON", "csv": "CSV", "tsv": "TSV", "xlsx": "XLSX", "parquet": "Parquet"}
_KINDS |= {"pdf": "PDF", "docx": "DOCX", "epub": "EPUB"}
_SAMPLE = 2_000  # characters of a sample row


@app.callback()
def _group() -> None:
    pass


@app.command("check", help=t(COMMANDS["check"][1]))
@with_flags("source", without=("inputs", "licence", "skip_bad"))
def check_files(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE...", help=t("Files, folders or patterns"))],
    source: dict[str, Any],
    model: Annotated[str | None, typer.Option(help=t("Also count tokens and show the loss mask of this model"))] = None,
    template: Annotated[
        str, typer.Option(help=t("With --model: chat template by name; auto: the model's own"))
    ] = "auto",
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Say what files hold; every bad row as file:line:field with the mend. Status 2 if there is one."""
    if model is None and template != "auto":
        raise UserError(t("--template shows nothing without --model"), t("Add the model: --model FOLDER"))
    for name in inputs:
        if name.endswith((".yaml", ".yml")):
            raise UserError(
                t("{path} is a recipe, no data", path=name),
                t("weitiao run {path} --dry-run checks it and shows what it would do", path=name),
            )
    recipe = plain_recipe({"source": {"inputs": inputs, **source}})
    measuring = Measuring(model, template, trust_remote_code) if model else None
    out = Console(highlight=False, soft_wrap=True)
    results, fine = [], True
    settings = recipe.section("source", Source)
    found = find(settings.inputs, recipe.folder)
    for report in check(found, settings):
        fine = fine and report.is_fine
        tokens = measure(report.conversations, measuring, recipe.folder) if measuring else None
        results.append(report.plain() | ({"tokens": _plain(tokens, report)} if tokens else {}))
        if not as_json:
            show(report, tokens, out)
    if as_json:
        emit({"files": results, "not_read": found.left, "fine": fine})
    elif note := found.note():
        out.print(note, markup=False)
    if not fine:
        raise typer.Exit(2)


def show(report: Report, tokens: Tokens | None, out: Console) -> None:
    """Print a report."""
    file = report.file
    parts = [_KINDS.get(file.kind, t(file.kind))]
    if file.kind not in PACKED and file.readable:
        name = file.encoding.name.upper()
        parts.append(t("{name} (judged by its text)", name=name) if file.encoding.guessed else name)
    parts += [f"{name} {count:,}" if len(report.shapes) > 1 else name for name, count in report.shapes.most_common()]
    out.print(f"{file.uri}: {', '.join(parts)}", markup=False)
    if file.note:
        out.print(f"  {file.note}", markup=False)
    out.print("  " + _verdict(report), markup=False)
    wrong = Wrong(_SHOWN)
    for place, problem in report.bad:
        wrong.add(place, problem)
    for line in [*wrong.lines(), *_no_use(report)]:
        out.print("  " + line, markup=False)
    if report.roles:
        roles = ", ".join(f"{role} {count:,}" for role, count in report.roles.most_common())
        out.print("  " + t("turns: {roles}", roles=roles), markup=False)
    for what, lengths in ((t("questions and posts"), report.questions), (t("answers"), report.answers)):
        if spread := Spread.of(lengths):
            out.print(f"  {what}: {_spread(spread, t('characters'))}", markup=False)
    if tokens:
        _show_tokens(tokens, report, out)


def _placed(place: tuple[str, int]) -> str:
    """Write where a row stands, and its number where the line is another: `trace` takes the number."""
    where, number = place
    return where if where.endswith(f":{number}") else t("{place} (row {number})", place=where, number=number)


def _verdict(report: Report) -> str:
    counts = {"total": report.total, "good": report.good, "bad": len(report.bad), "empty": report.empty}
    shown = {name: f"{count:,}" for name, count in counts.items()}
    if report.good == report.total:
        text = t("rows: {total}, all can be read", total=shown["total"])
    else:
        text = t("rows: {total}; {good} good, {bad} bad, {empty} empty", **shown)
    for reason, count in report.left.items():
        text += t("; {reason} {count}", reason=t(reason), count=f"{count:,}")
    return text + (t("; {count} exact duplicates", count=f"{report.duplicates:,}") if report.duplicates else "")


def _no_use(report: Report) -> list[str]:
    """Return a line for the empty rows, and one for each reason why good ones cannot be trained on."""

    def first(places: list[str], count: int) -> str:
        return ", ".join(places) + (" …" if count > len(places) else "")

    lines = [t("empty: {places}", places=first(report.empty_at, report.empty))] if report.empty else []
    for reason, (count, places) in report.untrainable.items():
        values = {"count": f"{count:,}", "reason": t(reason), "places": first([*map(_placed, places)], count)}
        lines.append(t("not to be trained on: {count}, {reason}: {places}", **values))
    return lines


def _spread(spread: Spread, unit: str) -> str:
    values = {name: f"{value:,}" for name, value in vars(spread).items()}
    return t("min {min}, median {median}, 95 % up to {p95}, max {max} {unit}", unit=unit, **values)


def _show_tokens(tokens: Tokens, report: Report, out: Console) -> None:
    share = 100 * tokens.supervised / tokens.total
    line = t("{count} conversations: {spread}", count=f"{tokens.counted:,}", spread=_spread(tokens.spread, t("tokens")))
    out.print(f"  {line}; " + t("{share:.0f} % carry loss", share=share), markup=False)
    over = ", ".join(t("over {limit}: {count}", limit=f"{n:,}", count=f"{count:,}") for n, count in tokens.over.items())
    out.print("  " + t("90 % up to {p90}, 99 % up to {p99} tokens", p90=tokens.p90, p99=tokens.p99) + f"; {over}")
    figures = {
        "letters": f"{tokens.letters / max(1, tokens.cut):.2f}",
        "unknown": f"{tokens.unknown / max(1, tokens.cut):.2%}",
        "pieces": f"{tokens.pieces / max(1, tokens.cut):.2%}",
        "epoch": f"{_epoch(tokens, report):,}",
    }
    told = t("{letters} characters a token; {unknown} unknown, {pieces} pieces of a character", **figures)
    out.print("  " + told + t("; about {epoch} tokens an epoch", **figures))
    out.print("  " + t("What stands between « and » carries loss:"), markup=False)
    for sample in tokens.samples:
        text = Text("    ")
        for piece, on in sample.pieces:
            shown = piece if len(piece) <= _SAMPLE else f"{piece[:_SAMPLE]} …"
            text.append(f"«{shown}»" if on else shown, style="green" if on else "")
        out.print(text)
        out.print(f"    ({t('{supervised} of {tokens} tokens', supervised=sample.supervised, tokens=sample.tokens)})")


def _epoch(tokens: Tokens, report: Report) -> int:
    """Return what all conversations have in tokens, by those that were counted."""
    return round(tokens.total / tokens.counted * report.trainable)


def _plain(tokens: Tokens, report: Report) -> dict[str, Any]:
    return {
        "conversations": tokens.counted,
        "spread": vars(tokens.spread),
        "total": tokens.total,
        "supervised": tokens.supervised,
        "p90": tokens.p90,
        "p99": tokens.p99,
        "over": {str(limit): count for limit, count in tokens.over.items()},
        "characters": tokens.letters,
        "cut": tokens.cut,
        "unknown": tokens.unknown,
        "pieces": tokens.pieces,
        "epoch": _epoch(tokens, report),
        "samples": [vars(sample) for sample in tokens.samples],
    }
