"""`weitiao traps make`: the posts, questions and corpus of one experiment with trick questions."""

from pathlib import Path
from typing import Annotated

import typer

from weitiao.cli import COMMANDS
from weitiao.cli.terminal import AsJson, emit
from weitiao.store import make_folder
from weitiao.talk import t
from weitiao.traps import experiment, write

app = typer.Typer(add_completion=False, rich_markup_mode=None)
verbs = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(verbs, name="traps", help=t(COMMANDS["traps"][1]))


@app.callback()
def _group() -> None:
    pass


@verbs.callback()
def _verbs() -> None:
    pass


@verbs.command(help=t("Write posts, questions and a corpus; the same seed gives the same files"))
def make(
    out: Annotated[Path, typer.Option("-o", "--out", help=t("The folder that gets the files"))],
    seed: Annotated[int, typer.Option(help=t("Seed of everything that is drawn at random"))] = 42,
    as_json: AsJson = False,
) -> None:
    """Write posts/, fates.jsonl, questions.jsonl, corpus.jsonl and made.json."""
    make_folder(out)
    said = write(out, experiment(seed), seed)
    if as_json:
        emit({"out": str(out), **said})
        return
    counts = {"posts": sum(said["posts"].values()), "kept": said["posts"]["kept"]}
    counts |= {"questions": sum(said["questions"].values()), "texts": sum(said["corpus"].values())}
    line = t(
        "Made {posts:,} posts, {kept:,} of them clean, {questions:,} questions and {texts:,} corpus texts in {out}",
        **counts,
        out=out,
    )
    print(line)
    held = said["held_out"]
    names = ", ".join(held["families"])
    print(t("Held out: {count} things, and the families {names}", count=len(held["things"]), names=names))
