"""`weitiao review …`: who decides, how far the review is, and what goes to other tools and comes back."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from weitiao import pipeline
from weitiao.cli import COMMANDS
from weitiao.cli.terminal import AsJson, Terminal, emit
from weitiao.recipe import load
from weitiao.store import make_room
from weitiao.talk import t

if TYPE_CHECKING:
    from weitiao.review.desk import Desk


class _Verbs(TyperGroup):
    """`weitiao review RECIPE` opens the page: a first word that is a file is no verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and (args[0].endswith((".yaml", ".yml")) or Path(args[0]).is_file()):
            args = ["open", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(add_completion=False, rich_markup_mode=None)
verbs = typer.Typer(cls=_Verbs, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(verbs, name="review", help=t(COMMANDS["review"][1]))

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help=t("The recipe, a YAML file"))]
Runs = Annotated[Path | None, typer.Option(help=t("Where runs are kept [default: beside the recipe]"))]


@app.callback()
def _group() -> None:
    pass


@verbs.callback()
def _verbs() -> None:
    pass


@verbs.command("open", help=t("Open the queue in the browser; RECIPE alone does the same"))
def open_(
    recipe: RecipeFile,
    host: Annotated[
        str, typer.Option(help=t("Where to listen; other than this machine alone needs a token"))
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help=t("The port; 0 is any that is free"))] = 8000,
    token: Annotated[
        str, typer.Option(envvar="WEITIAO_TOKEN", help=t("Who knows it may ask; best kept in WEITIAO_TOKEN"))
    ] = "",
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Serve the studio, and say where the queue is."""
    from weitiao.cli.serve import open_studio
    from weitiao.serve.run import Address

    checked = load(recipe, pipeline.SETTINGS)
    with closing(_desk(recipe, runs)) as desk:
        left = desk.progress()
    service = open_studio((recipe, checked), runs, Address(host, port, token))
    url = f"{service.site}/review"
    count = f"{left['queued'] - left['decided']:,}"
    Terminal().say(t("{count} records wait for people at {url}; Ctrl-C ends it", count=count, url=url))
    if as_json:
        emit({"review": url, "studio": service.site})
    service.run()


@verbs.command(help=t("Tell what is open and decided, by whom, how far people agree, and how good the records are"))
def status(recipe: RecipeFile, runs: Runs = None, as_json: AsJson = False) -> None:
    """Print the figures of the review."""
    with closing(_desk(recipe, runs)) as desk:
        found = desk.status()
    if as_json:
        emit(found)
        return
    print("\n".join(_lines(found)))


@verbs.command(help=t("Give a person a token with which they decide; it is shown this once"))
def invite(
    recipe: RecipeFile,
    name: Annotated[str, typer.Argument(help=t("The person's name, as the figures show it"))],
    adjudicator: Annotated[
        bool, typer.Option("--adjudicator", help=t("They also settle what two people disagree on"))
    ] = False,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Print a new token of a person; an older one of theirs ends."""
    with closing(_desk(recipe, runs)) as desk:
        again = desk.invited(name)
        token = desk.invite(name, adjudicates=adjudicator)
    if again:
        Terminal().say(t("{name} had a token already: it has ended, and so has what was logged in with it", name=name))
    if as_json:
        emit({"name": name, "token": token, "again": again})
        return
    print(token)
    Terminal().say(t("The token of {name}: it is kept as a hash alone, so note it now", name=name))


@verbs.command(help=t("Write the queue for another annotation tool, or all that was said of it"))
def export(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option("-o", "--out", help=t("The file"))],
    kind: Annotated[
        Literal["jsonl", "labelstudio", "doccano", "argilla"],
        typer.Option("--format", help=t("For which tool; jsonl: our own, with the decisions so far")),
    ] = "jsonl",
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Write what is open."""
    from weitiao.review import exchange

    make_room(out)
    with closing(_desk(recipe, runs)) as desk:
        count = exchange.write(desk, out, kind)
    Terminal().say(t("Wrote {count} records to {path}", count=f"{count:,}", path=out))
    if as_json:
        emit({"records": count, "file": str(out)})


@verbs.command("import", help=t("Take in what people decided in another tool"))
def import_(
    recipe: RecipeFile,
    file: Annotated[Path, typer.Argument(help=t("What the tool exported, or our own file with decisions"))],
    by: Annotated[str, typer.Option("--by", help=t("Who decided, where the tool does not say"))] = "",
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Note the decisions of a file; rows that are wrong are named, and the others noted all the same."""
    from weitiao.review import exchange

    with closing(_desk(recipe, runs)) as desk:
        noted, known, wrong = exchange.read(desk, file, by)
    if as_json:
        emit({"noted": noted, "known": known, "wrong": wrong})
    said = t("{count} decisions noted", count=f"{noted:,}")
    if known:
        said = t("{said}, {count} were there already", said=said, count=f"{known:,}")
    exchange.complain(said, wrong)
    Terminal().say(said)


def _desk(recipe: Path, runs: Path | None) -> "Desk":
    from weitiao.review import place

    return place.opened(load(recipe, pipeline.SETTINGS), runs)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    why = t(", ").join(f"{t(reason)} {count:,}" for reason, count in found["reasons"].items())
    yield t("{queued} records are queued ({why}), and {planted} bad answers are planted among them",
            queued=f"{found['queued']:,}", planted=f"{found['planted']:,}", why=why or "-")  # fmt: skip
    left = {name: found[name] for name in ("second", "skipped", "conflict") if found[name]}
    words = {"second": t("wait for a second person"), "skipped": t("skipped"), "conflict": t("wait for an adjudicator")}
    rest = t(", ").join(f"{count:,} {words[name]}" for name, count in left.items())
    verdicts = t(", ").join(f"{t(word)} {count:,}" for word, count in found["verdicts"].items())
    yield t("Decided {decided} ({verdicts})", decided=f"{found['decided']:,}", verdicts=verdicts)
    left_open = t("Open {open}", open=f"{found['queued'] - found['decided']:,}")
    yield t("{what} ({rest})", what=left_open, rest=rest) if rest else left_open
    seen = found["accepted"]
    if seen["of"]:
        yield t(
            "Accepted {count} of {of} drawn at random: {share} ({low} to {high}); "
            "with a certainty of 95 % at least {least} are good",
            count=f"{seen['count']:,}", of=f"{seen['of']:,}", share=_percent(seen["count"] / seen["of"]),
            **{name: _percent(seen[name]) for name in ("low", "high", "least")},
        )  # fmt: skip
    for name, one in found["people"].items():
        yield t("{name}: {said}", name=name, said=t(", ").join(_person(one)))
    for pair in found["pairs"]:
        if pair.get("kappa") is not None:
            names = t("{one} and {other}", one=pair["people"][0], other=pair["people"][1])
            yield t("{names}: Cohen's kappa {kappa} on {count} records", names=names, kappa=_around(pair, "kappa"),
                    count=f"{pair['questions']:,}")  # fmt: skip
    for name, one in found["alpha"].items():
        if one:
            yield t("All on {what}: Krippendorff's alpha {alpha} on {count} records", what=t(name),
                    alpha=_around(one, "alpha"), count=f"{one['units']:,}")  # fmt: skip


def _person(one: dict[str, Any]) -> Iterator[str]:
    yield t("{count} decided", count=f"{one['decided']:,}")
    if one["accept_share"] is not None:
        yield t("{share} of them accepted", share=_percent(one["accept_share"]))
    if one["skipped"]:
        yield f"{one['skipped']:,} {t('skipped')}"
    if one["seconds"] is not None:
        yield t("{seconds} s in the median", seconds=f"{one['seconds']:.0f}")
    if one["attention"]["planted"]:
        bounds = {side: _percent(one["attention"][side]) for side in ("low", "high")}
        yield t("caught {caught} of {planted} planted ({low} to {high})", **{**one["attention"], **bounds})


def _around(found: dict[str, Any], name: str) -> str:
    return t("{value} ({low} to {high})", **{key: f"{found[field]:.2f}" for key, field in
             (("value", name), ("low", "low"), ("high", "high"))})  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
