"""`weitiao serve`: models behind an OpenAI-compatible address, and a recipe's studio beside it."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weitiao.cli.terminal import AsJson, Terminal, Trust, emit, tell_of_code, with_flags
from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS
from weitiao.recipe import Recipe, bind, load
from weitiao.serve import Limits
from weitiao.talk import t

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from weitiao.model.pair import Place
    from weitiao.serve.models import Group
    from weitiao.serve.run import Address, Service

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
@with_flags("limits", kind=Limits)
def serve(
    limits: dict[str, Any],
    recipe: Annotated[
        Path | None, typer.Argument(help=t("A recipe: its studio in the browser, its models by address"))
    ] = None,
    model: Annotated[
        str, typer.Option(help=t("A model's folder or hub name, an adapter or a run; NAME=… names it"))
    ] = "",
    adapter: Annotated[
        list[str] | None, typer.Option(help=t("An adapter to serve beside the model; NAME=… names it; any number"))
    ] = None,
    host: Annotated[
        str, typer.Option(help=t("Where to listen; other than this machine alone needs a token"))
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help=t("The port; 0 is any that is free"))] = 8000,
    token: Annotated[
        str, typer.Option(envvar="WEITIAO_TOKEN", help=t("Who knows it may ask; best kept in WEITIAO_TOKEN"))
    ] = "",
    runs: Annotated[Path | None, typer.Option(help=t("Where the recipe's runs stand; else beside it"))] = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Serve models."""
    from weitiao.serve.run import Address

    if not recipe and not model:
        raise UserError(t("Nothing to serve"), t("Name a recipe, or a model with --model"))
    checked = bind({"serve": limits}, {"serve": Limits}, Path.cwd(), where=t("command line"))
    address = Address(host, port, token)
    address.check()
    places = _places(model, adapter or [], trust_remote_code) if model else {}
    project = load(recipe, SETTINGS) if recipe else None
    named = (recipe, project) if recipe and project else None
    service = _service(places, address, checked.section("serve", Limits), named, runs)
    names = [*places, *(name for group in _found(named, runs, places)() for name in group.names)]
    if project:
        Terminal().say(t("The studio of {name} is at {url}; Ctrl-C ends it", name=project.title, url=service.site))
    if places:
        Terminal().say(t("Serving {names} at {url}; Ctrl-C ends it", names=", ".join(names), url=service.url))
    if as_json:
        emit({"url": service.url, "models": names, **({"studio": service.site} if project else {})})
    began, done = time.monotonic(), service.metrics
    service.run()
    seconds = time.monotonic() - began
    Terminal().say(
        t("Answers given: {count:,} in {seconds:.1f} s (broken off {gone:,})",
          count=done.answers, seconds=seconds, gone=done.gone)
    )  # fmt: skip


def open_studio(named: tuple[Path, Recipe], runs: Path | None, address: "Address") -> "Service":
    """Return the studio of a recipe and its file, which listens already; raises UserError where that cannot be."""
    address.check()
    return _service({}, address, Limits(), named, runs)


def _service(
    places: "dict[str, Place]", address: "Address", limits: Limits, named: tuple[Path, Recipe] | None, runs: Path | None
) -> "Service":
    from weitiao.serve.run import Service

    if named is None:
        return Service(places, address, limits)
    path, recipe = named
    from weitiao.studio.app import pages

    shown = pages(recipe, path.resolve(), _run(recipe, runs).absolute(), address)
    return Service(places, address, limits, found=_found(named, runs, places), pages=shown)


def _found(
    named: tuple[Path, Recipe] | None, runs: Path | None, places: "dict[str, Place]"
) -> "Callable[[], Sequence[Group]]":
    """Return what finds the models that the run of a recipe has by now, but for those called as one of `places`."""
    if named is None:
        return tuple
    from weitiao.serve.trained import groups

    return partial(groups, named[1], _run(named[1], runs), taken=frozenset(places))


def _run(recipe: Recipe, runs: Path | None) -> Path:
    return (runs or recipe.folder / "runs") / recipe.project.name


def _places(model: str, adapters: list[str], trust: bool) -> "dict[str, Place]":
    """Return what is served under which name."""
    from weitiao.model import pair

    name, model = _named(model)
    base = pair.named(model, Path.cwd(), trust=trust)
    tell_of_code(base.model, base.trust)
    places = {name: base}
    for adapter in adapters:
        name, folder = _named(adapter)
        if name in places:
            raise UserError(
                t("Two are called {name}", name=name), t("Name one otherwise: --adapter NAME={folder}", folder=folder)
            )
        places[name] = pair.named(str(Path(folder).absolute()), Path.cwd(), base.model, trust=trust)
        if places[name].adapter is None:
            raise UserError(t("{path} is no adapter: it has no adapter_config.json", path=folder))
    return places


def _named(text: str) -> tuple[str, str]:
    """Return the name under which something is served, and where it is: the folder's name, or that of its run."""
    name, equals, where = text.partition("=")
    if equals and "/" not in name:
        return name, where
    path = Path(text).absolute()
    if not path.exists():
        return text, text
    return (path.parents[1].name if path.parts[-2:] == ("train", "adapter") else path.name), text
