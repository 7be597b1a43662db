"""`weitiao new`: a ready project of one scene, to be filled with data of your own."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from weitiao.cli import COMMANDS
from weitiao.cli.terminal import AsJson, emit
from weitiao.errors import UserError
from weitiao.llm import prompts
from weitiao.store import make_folder
from weitiao.talk import LANGUAGES, language, t

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SHIPPED = Path(__file__).parent.parent / "scenes"
PROMPTS = ("answer", "score")  # how answers are written, and the rubric


@app.callback()
def _group() -> None:
    pass


@app.command(help=t(COMMANDS["new"][1]))
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=t("The folder of the project, which is made"))],
    scene: Annotated[
        Literal["ruozhiba", "assistant", "roleplay"],
        typer.Option(help=t("Answers to trick questions, an assistant that knows who it is, or a role to play")),
    ] = "ruozhiba",
    as_json: AsJson = False,
) -> None:
    """Write a recipe with data, prompts, a rubric and probes."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(t("{path} is there already", path=folder), t("Take a folder that is new or empty"))
    make_folder(folder)
    for name, path in shipped(scene, language()).items():
        shutil.copyfile(path, folder / name)
    for name in PROMPTS:
        prompts.copy(name, folder / "prompts")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if as_json:
        emit({"folder": str(folder), "scene": scene, "files": files})
        return
    print(t("Made {folder}: {files}", folder=folder, files=", ".join(files)))
    print(t("Name your teacher in {recipe}, then: weitiao run {recipe}", recipe=folder / "recipe.yaml"))


def shipped(scene: str, language: str) -> dict[str, Path]:
    """Return the files of a scene by the name they get: `recipe.zh.yaml` is the Chinese one's `recipe.yaml`."""
    found = sorted((SHIPPED / scene).iterdir())
    others = tuple(f".{other}" for other in LANGUAGES if other != language)
    return {path.name.replace(f".{language}.", "."): path for path in found if not path.stem.endswith(others)}
