"""`weitiao prompts list | show | copy`: what teachers are asked."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from weitiao.cli.terminal import AsJson, emit
from weitiao.llm import prompts
from weitiao.talk import LANGUAGES, language, t

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_own = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(_own, name="prompts")

Name = Annotated[str, typer.Argument(help=t("Name of the prompt, as `weitiao prompts list` tells it"))]


@_own.command("list", help=t("List the prompts with what each may name"))
def list_prompts(as_json: AsJson = False) -> None:
    """List the prompts."""
    found = {name: prompts.about(name, language()) for name in prompts.names()}
    if as_json:
        emit({"prompts": found})
        return
    for name, about in found.items():
        print(f"{name:16} {about}")


@_own.command(help=t("Print a prompt as it is written"))
def show(
    name: Name,
    of: Annotated[Literal["zh", "en"] | None, typer.Option(help=t("Its language; else that of the messages"))] = None,
    as_json: AsJson = False,
) -> None:
    """Print a prompt as it is written."""
    text = prompts.read(name, of or language())
    emit({"name": name, "language": of or language(), "text": text}) if as_json else print(text, end="")


@_own.command(help=t("Write a prompt in each language into a folder, to be edited; a recipe names it in `prompts`"))
def copy(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=t("Where the copies go, in the folders zh and en"))],
    as_json: AsJson = False,
) -> None:
    """Write a prompt in each language into a folder."""
    paths = prompts.copy(name, folder)
    if as_json:
        emit({"files": {code: str(path) for code, path in zip(LANGUAGES, paths, strict=True)}})
        return
    for path in paths:
        print(path)
