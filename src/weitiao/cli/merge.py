"""`weitiao merge RECIPE` runs a recipe up to merge; `weitiao merge BASE ADAPTER OUT` makes one model of two folders."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao import pipeline
from weitiao.cli.terminal import (
    AsJson,
    Terminal,
    Trust,
    emit,
    hold_read,
    plain_recipe,
    settings_of,
    summary,
    tell_of_code,
    with_flags,
)
from weitiao.errors import UserError
from weitiao.merge import STAGE, Merge
from weitiao.recipe import load
from weitiao.store import make_folder
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
@with_flags("merge")
def merge(
    base: Annotated[
        str,
        typer.Argument(metavar="RECIPE|BASE", help=t("The recipe; or the base model, a folder or a name on the hub")),
    ],
    merge: dict[str, Any],
    adapter: Annotated[Path | None, typer.Argument(help=t("The adapter's folder"))] = None,
    out: Annotated[Path | None, typer.Argument(help=t("The folder of the merged model"))] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help=t("Another value for a key of the recipe: train.epochs=3"))
    ] = None,
    runs: Annotated[Path | None, typer.Option(help=t("Where runs are kept [default: beside the recipe]"))] = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Merge an adapter into its base model, and check that the result answers alike."""
    if adapter and out:
        hold_read(None, without={}, beside={"--set": overrides, "--runs": runs})
        found, folder = _plain(base, adapter, out, merge, trust_remote_code), out
    elif adapter is None and Path(base).exists():
        flags = settings_of("merge", merge, {"trust_remote_code": trust_remote_code or None})
        checked = load(Path(base), pipeline.SETTINGS, [*(overrides or ()), *flags])
        done = pipeline.run(checked, runs, last="merge", reporter=Terminal())
        found, folder = summary(done), done[-1].stored.folder / "model"
    else:
        raise UserError(
            t("Nothing to merge: neither a recipe nor a base model, an adapter and a folder"),
            "weitiao merge RECIPE | weitiao merge BASE ADAPTER OUT",
        )
    if as_json:
        emit(found)
    else:
        print(folder)


def _plain(base: str, adapter: Path, out: Path, merge: dict[str, Any], trust: bool) -> dict[str, Any]:
    """Merge two folders, and return what came of it."""
    from weitiao.merge.card import Card
    from weitiao.merge.run import asked, describe, tell
    from weitiao.merge.run import merge as work
    from weitiao.model import pair
    from weitiao.model.hub import resolve

    settings = plain_recipe({"merge": merge}, "merge").section("merge", Merge)
    if not (adapter / "adapter_config.json").is_file():
        inside = [path.parent for path in sorted(adapter.glob("**/adapter_config.json"))]
        hint = t("Did you mean `{name}`?", name=inside[-1]) if inside else ""
        raise UserError(t("{path} is no adapter: it has no adapter_config.json", path=adapter), hint)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(t("{path} is there already", path=out), t("Give another folder, or remove it"))
    make_folder(out.parent)
    aside = out.with_name(f".{out.name}.part")
    place = pair.Place(resolve(base, Path.cwd(), code=trust), str(adapter), trust)
    tell_of_code(place.model, place.trust)
    found = work(place, aside, settings, asked()[: settings.prompts])
    known_as = Path(base).resolve().name if Path(base).exists() else base
    describe(Card(out.resolve().name, known_as), Path(place.model), aside, found)
    if out.exists():
        out.rmdir()
    shutil.move(aside, out)
    tell(found, Terminal())
    said = {"same": found.same, "prompts": found.prompts, "difference": f"{found.difference:.1e}"}
    Terminal().say(t(STAGE.done, **said))
    return asdict(found) | {"folder": str(out)}
