"""`weitiao compare`: a recipe's compare stage again, or any two models on any file of questions."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao import pipeline
from weitiao.cli.terminal import AsJson, Terminal, Trust, emit, hold_read, plain_recipe, settings_of, with_flags
from weitiao.compare import KEPT, Compare, Server
from weitiao.errors import UserError
from weitiao.pipeline import Done
from weitiao.recipe import Recipe, load, plain_value
from weitiao.store import make_folder
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# What makes it another comparison than that of the recipe, by the setting.
_OTHER = {"questions": "--data", "before": "--before", "after": "--after"}
FILES = ("report.html", "report.md", "report.json")


@app.callback()
def _group() -> None:
    pass


@app.command()
@with_flags("compare", without=("models", "questions", "judge"))
def compare(
    compare: dict[str, Any],
    recipe: Annotated[Path | None, typer.Argument(help=t("A recipe, whose run is compared"))] = None,
    data: Annotated[Path | None, typer.Option(help=t("The questions with their reference answers, any format"))] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help=t("Folder for the reports"))] = None,
    runs: Annotated[Path | None, typer.Option(help=t("Where runs are kept [default: beside the recipe]"))] = None,
    seed: Annotated[int | None, typer.Option(min=0, help=t("Seed of everything that is drawn at random"))] = None,
    trust_remote_code: Trust = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODEL",
            help=t(
                "A further model, compared with before too: a folder, a GGUF file, MODEL@http://…/v1 on a server, or a "
                "mapping as in a recipe; may be given several times"
            ),
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help=t(
                "A model that judges the answers: an OpenAI-compatible address, a folder, or a mapping as in a recipe"
            ),
        ),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help=t("The judge's name on the server"))] = None,
    judge_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help=t("The environment variable that holds the judge's key"))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare before and after on unseen questions: RECIPE, or --before M --after M --data FILE -o DIR."""
    for key in ("before", "after", "general"):
        if isinstance(compare.get(key), str):
            compare[key] = _from_here(compare[key])
    if data is not None:
        compare["questions"] = str(data.absolute())
    if also:
        compare["models"] = dict(_model(text) for text in also)
    asked = _judge(judge, judge_model, judge_key_env)
    hold_read(recipe, without={"--seed": seed}, beside={"--runs": runs})
    if out:
        make_folder(out)
    if recipe is not None:
        given = compare | {f"judge.{name}": value for name, value in asked.items()}
        flags = settings_of("compare", given, {"trust_remote_code": trust_remote_code or None})
        checked = load(recipe, pipeline.SETTINGS, flags)
        done, folder = _again(checked, runs, out, [flag for name, flag in _OTHER.items() if compare.get(name)])
    else:
        compare |= {"judge": asked} if asked else {}
        done, folder = _plain(compare, out, {"seed": seed, "trust_remote_code": trust_remote_code})
    if as_json:
        facts = done.manifest["facts"]
        kept = {name: facts[name] for name in KEPT}
        emit({"folder": str(folder), "total": done.manifest["total"], "kept": done.manifest["kept"], **kept})
    else:
        print(folder / FILES[0])


def _again(recipe: Recipe, runs: Path | None, out: Path | None, others: list[str]) -> tuple[Done, Path]:
    """Compare a recipe's run once more; with other questions or models beside it, for the run's own report stays."""
    if not others:
        done = pipeline.run(recipe, runs, first="compare", last="compare", reporter=Terminal())[-1]
        return done, done.stored.folder if out is None else _copied(done, out)
    if out is None:
        raise UserError(
            t(
                "With {flags} it is another comparison than that of the recipe, whose report stays",
                flags=", ".join(others),
            ),
            t("Give it a folder of its own: -o DIR"),
        )
    aside = out / ".run"
    done = pipeline.run(recipe, runs, first="compare", last="compare", reporter=Terminal(), aside=aside)[-1]
    _copied(done, out)
    _clear(recipe, aside, [done])
    return done, out


def _clear(recipe: Recipe, runs: Path, line: list[Done]) -> None:
    """Let go of a run whose reports are copied, but for what was paid for."""
    # What a judge or a server said stays, and the same command asks nothing twice.
    settings = recipe.section("compare", Compare)
    paid = settings.judge or any(isinstance(one, Server) for one in settings.models.values())
    for folder in [one.stored.folder for one in line] if paid else [runs]:
        shutil.rmtree(folder)


def _plain(settings: dict[str, Any], out: Path | None, project: dict[str, Any]) -> tuple[Done, Path]:
    """Compare two models on a file, in a run that is kept beside the reports until they are written."""
    wanted = {"--data": settings.get("questions"), "--out": out}
    wanted |= {"--before": settings.get("before"), "--after": settings.get("after")}
    if missing := [flag for flag, value in wanted.items() if value is None]:
        raise UserError(
            t("Missing: {flags}", flags=", ".join(missing)),
            t("Give a recipe, or --before M --after M --data test.jsonl -o DIR"),
        )
    assert out is not None
    head = {name: value for name, value in project.items() if value is not None}
    checked = plain_recipe({**head, "compare": settings}, "compare")
    runs = out / ".run"
    line = pipeline.run(checked, runs, reporter=Terminal())
    _copied(line[-1], out)
    _clear(checked, runs, line)
    return line[-1], out


def _copied(done: Done, out: Path) -> Path:
    for name in FILES:
        shutil.copyfile(done.stored.folder / name, out / name)
    return out


def _judge(place: str | None, model: str | None, key_env: str | None) -> dict[str, Any]:
    """Return the judge's settings as far as they were given."""
    found = plain_value(place) if place else {}
    if place and not isinstance(found, dict):
        remote = place.startswith(("http://", "https://"))
        found = {"endpoint": place} if remote else {"endpoint": None, "model": _from_here(place)}
    return {**found, **{name: value for name, value in (("model", model), ("key_env", key_env)) if value is not None}}


def _model(text: str) -> tuple[str, Any]:
    name, equals, where = text.partition("=")
    if not equals or not where:
        raise UserError(t("--also {text}: write it as NAME=MODEL", text=text))
    server = plain_value(where)
    return name, server if isinstance(server, dict) else _from_here(where)


def _from_here(name: str) -> str:
    """Return a path that is there as seen from where we stand; a recipe's are seen from its folder."""
    return str(Path(name).absolute()) if Path(name).exists() else name
