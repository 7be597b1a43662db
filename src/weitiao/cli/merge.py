"""`weitiao merge BASE ADAPTER OUT`: one model out of two folders."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao.cli.terminal import AsJson, Terminal, Trust, emit, plain_recipe, tell_of_code, with_flags
from weitiao.errors import UserError
from weitiao.merge import STAGE, Merge
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
@with_flags("merge")
def merge(
    base: Annotated[str, typer.Argument(help=t("The base model: a folder or a name on the hub"))],
    adapter: Annotated[Path, typer.Argument(help=t("The adapter's folder"))],
    out: Annotated[Path, typer.Argument(help=t("The folder of the merged model"))],
    merge: dict[str, Any],
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Merge an adapter into its base model, and check that the result answers alike."""
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
    if out.exists() and any(out.iterdir()):
        raise UserError(t("{path} is there already", path=out), t("Give another folder, or remove it"))
    aside = out.with_name(f".{out.name}.part")
    place = pair.Place(resolve(base, Path.cwd(), code=trust_remote_code), str(adapter), trust_remote_code)
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
    if as_json:
        emit(asdict(found) | {"folder": str(out)})
    else:
        print(out)
