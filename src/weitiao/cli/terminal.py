"""What commands share: flags made from settings, progress on stderr, results on stdout."""

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from weitiao.errors import UserError
from weitiao.model import hub
from weitiao.pipeline import SETTINGS, Done
from weitiao.recipe import Recipe, Settings, bind, plain_value
from weitiao.stage import PROGRESS
from weitiao.talk import t

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help=t("Print the result as one JSON object on stdout"))]

Trust = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help=t("Run code that the model brings along, where transformers has no class for it")
    ),
]
STEPS = t("Steps in order with commas between, each `name` or `name: {setting: value}`")
Steps = Annotated[str, typer.Option(metavar="STEP,...", help=STEPS)]

EngineName = Annotated[
    str | None, typer.Option("--engine", metavar="local|ray", help=t("Work on this machine, or on a Ray cluster"))
]

_TOLD_EVERY = 60.0  # seconds
_NOTED_EVERY = 0.4  # seconds

console = Console(stderr=True, highlight=False, soft_wrap=True)


class Terminal:
    """A reporter that draws progress on stderr where that is a terminal, and says its lines there."""

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Pass `items` on under a bar with count, rate and time left; WEITIAO_PROGRESS names a file to note it in."""
        if (noted := os.environ.get(PROGRESS)) and total > 1:
            yield from _noted(items, total, what, Path(noted))
            return
        if not console.is_terminal or total < 2:
            yield from self._told(items, total, what)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(t(what), total=total, rate="")
            for item in items:
                yield item
                speed = progress.tasks[0].speed
                progress.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")

    def _told(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Pass `items` on, and say now and then how far it is: a log has no bar."""
        start = said = time.monotonic()
        for done, item in enumerate(items):
            if (now := time.monotonic()) - said > _TOLD_EVERY and done:
                said, left = now, round((now - start) * (total - done) / done)
                self.say(t("{what}: {done} of {total}, about {left} s to go",
                    what=t(what), done=f"{done:,}", total=f"{total:,}", left=f"{left:,}"))  # fmt: skip
            yield item

    def say(self, text: str) -> None:
        """Say a line on stderr."""
        console.print(text, markup=False)


def _noted(items: Iterable[T], total: int, what: str, path: Path) -> Iterator[T]:
    """Pass `items` on and write how far it is, for who looks on from another process: the studio."""
    aside, start, written = path.with_name(f".{path.name}.part"), time.monotonic(), 0.0
    try:
        for done, item in enumerate(items):
            if (now := time.monotonic()) - written > _NOTED_EVERY:
                written = now
                aside.write_bytes(orjson.dumps({"what": what, "done": done, "total": total, "seconds": now - start}))
                aside.replace(path)
            yield item
    finally:
        path.unlink(missing_ok=True)


def tell_of_code(path: str, trust: bool) -> None:
    """Warn of a model that runs code of its own; raises UserError where nobody trusts it."""
    if said := hub.warning(path, trust):
        Terminal().say(said)


def emit(result: Mapping[str, Any]) -> None:
    """Print a result as one JSON object on stdout."""
    sys.stdout.buffer.write(orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))
    sys.stdout.flush()


def summary(done: Iterable[Done]) -> dict[str, Any]:
    """Return what the pipeline did as plain data."""
    keys = ("total", "kept", "refused", "facts", "seconds")
    return {
        "stages": {
            item.stage.name: {
                "fresh": item.fresh,
                "folder": str(item.stored.folder),
                **{key: item.manifest[key] for key in keys},
            }
            for item in done
        }
    }


def plain_recipe(data: Mapping[str, Any], name: str = "") -> Recipe:
    """Return the recipe of a command that works on plain files: `data` as a recipe would write it.

    Without a name the folder that is given for its run is the run's folder.
    """
    return bind({"name": name, **data}, SETTINGS, Path.cwd(), where=t("command line"))


def listed(steps: str) -> object:
    """Return the value of `--steps` as a recipe would have it: a list, with or without its brackets."""
    found = plain_value(steps if steps.lstrip().startswith("[") else f"[{steps}]")
    if not isinstance(found, list):
        told = t("--steps {steps}: this is no list of steps", steps=steps)
        raise UserError(told, t("Write it as `name, name: {setting: value}`, with a blank after each colon"))
    return found


def hold_read(recipe: object, *, without: Mapping[str, object], beside: Mapping[str, object]) -> None:
    """Raise UserError where a flag is given that nothing reads: `without` a recipe, or `beside` one."""
    given = [flag for flag, value in (without if recipe else beside).items() if value is not None and value != []]
    if given and recipe:
        raise UserError(
            t("Beside a recipe nothing reads {flags}", flags=", ".join(given)),
            t("The recipe says it: change it there, or for once by `weitiao run RECIPE --set KEY=VALUE`"),
        )
    if given:
        raise UserError(
            t("Without a recipe nothing reads {flags}", flags=", ".join(given)),
            t("Leave it out, or name a recipe"),
        )


def settings_of(section: str, given: Mapping[str, Any], head: Mapping[str, Any]) -> list[str]:
    """Return the flags of a section, and keys of the head that are not None, as `--set` writes them."""
    keys = {name: value for name, value in head.items() if value is not None}
    keys |= {f"{section}.{name}": value for name, value in given.items()}
    return [f"{name}={orjson.dumps(value).decode()}" for name, value in keys.items()]


def with_flags(
    section: str, *, without: tuple[str, ...] = (), kind: type[Settings] | None = None, into: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command a flag for each field of the settings of `section`; `kind` are those of what is no stage.

    The command takes them as one parameter named `section`, or `into`: a dict of those that were given, as a recipe
    would write them. They are checked where recipes are, so a value is wrong in one way only.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        fields = kind or SETTINGS[section]
        flags = {name: _flag(fields, name) for name in fields.model_fields if name not in without}

        def command(**arguments: Any) -> Any:
            given = {name: arguments.pop(f"{section}_{name}") for name in flags}
            values = {
                name: plain_value(value) if isinstance(value, str) else value
                for name, value in given.items()
                if value is not None
            }
            return function(**arguments, **{into or section: values})

        own = [p for p in inspect.signature(function).parameters.values() if p.name != (into or section)]
        made = [
            inspect.Parameter(f"{section}_{name}", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=flag)
            for name, flag in flags.items()
        ]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        command.__signature__ = inspect.Signature([*own, *made])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *made)}
        command.__doc__, command.__name__ = function.__doc__, function.__name__
        return command

    return decorate


def _flag(kind: type[Settings], name: str) -> Any:
    field = kind.model_fields[name]
    flag = "--" + name.replace("_", "-")
    shown = "" if field.is_required() else f" [{t('default')}: {_shown(field.get_default(call_default_factory=True))}]"
    text = t(field.description or "") + shown
    if field.annotation is bool:
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=text, show_default=False)]
    return Annotated[str | None, typer.Option(flag, help=text, metavar="VALUE", show_default=False)]


def _shown(value: Any) -> str:
    return str(value) if not isinstance(value, (dict, list, tuple)) else orjson.dumps(value).decode()
