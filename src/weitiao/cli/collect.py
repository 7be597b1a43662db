"""`weitiao collect`: pages of the web into a folder that source reads."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao.cli import COMMANDS
from weitiao.cli.terminal import AsJson, Terminal, emit, with_flags
from weitiao.collect import Manners
from weitiao.collect.run import collect as get
from weitiao.recipe import bind
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Inputs = Annotated[
    list[str], typer.Argument(metavar="ADDRESS...", help=t("Web addresses, sitemaps, or files with an address a line"))
]


@app.callback()
def _group() -> None:
    pass


@app.command(help=t(COMMANDS["collect"][1]))
@with_flags("manners", kind=Manners)
def collect(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help=t("The folder that gets the pages; what it has is kept"))],
    manners: dict[str, Any],
    again: Annotated[bool, typer.Option("--again", help=t("Also ask addresses again that failed for good"))] = False,
    as_json: AsJson = False,
) -> None:
    """Collect pages of the web."""
    recipe = bind({"collect": manners}, {"collect": Manners}, Path.cwd(), where=t("command line"))
    began = time.monotonic()
    counts = get(inputs, out, recipe.section("collect", Manners), Terminal(), again=again)
    if as_json:
        emit(
            {
                "out": str(out),
                "total": counts.total,
                "kept": counts.kept,
                "known": counts.known,
                "failed": counts.failed,
            }
        )
        return
    line = t(
        "Collected {kept:,} of {total:,} addresses in {seconds:.1f} s",
        kept=counts.kept + counts.known,
        total=counts.total,
        seconds=time.monotonic() - began,
    )
    reasons = [f"{t(reason)} {count:,}" for reason, count in counts.failed.most_common()]
    known = [t("{count:,} had before", count=counts.known)] if counts.known else []
    said = ", ".join([*known, *reasons])
    print(f"{line}  ({said})" if said else line)
