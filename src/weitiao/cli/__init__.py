"""The command line: `weitiao COMMAND`; a command's module is imported when the command is used."""

import difflib
import errno
import importlib
import io
import os
import re
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from weitiao.cli import usage
from weitiao.errors import UserError
from weitiao.talk import LANGUAGES, escaped, problem_of, set_language, t

# Command -> module and one line of help. Kept here so that `weitiao --help` imports no command.
COMMANDS = {
    "new": ("weitiao.cli.new", "Make a ready project of one scene: recipe, data, prompts, rubric"),
    "run": ("weitiao.cli.run", "Run a recipe: from raw posts to a tuned model and its report"),
    "check": ("weitiao.cli.check", "Say what a file holds and what is wrong with it, by line and field"),
    "collect": ("weitiao.cli.collect", "Get pages of the web, politely, into a folder that source reads"),
    "source": ("weitiao.cli.data", "Read files of any format into records"),
    "prepare": ("weitiao.cli.data", "Clean, filter and deduplicate records"),
    "embed": ("weitiao.cli.embed", "Turn records into vectors, for the steps that compare by meaning"),
    "augment": ("weitiao.cli.teaching", "Make new records of the ones there, with a teacher or without"),
    "label": ("weitiao.cli.teaching", "Write missing answers, mark and tag them, decide what is kept"),
    "review": ("weitiao.cli.review", "Let people decide: who they are, what they said, how far they agree"),
    "split": ("weitiao.cli.data", "Split into train and test without leaks"),
    "export": ("weitiao.cli.data", "Write training data in a format that trainers read"),
    "train": ("weitiao.cli.train", "Fine-tune a model with LoRA"),
    "merge": ("weitiao.cli.merge", "Merge an adapter into its base model and check the result"),
    "gguf": ("weitiao.cli.gguf", "Write a model for llama.cpp and Ollama"),
    "compare": ("weitiao.cli.compare", "Compare a model before and after on unseen questions"),
    "chat": ("weitiao.cli.chat", "Chat with a model in the terminal"),
    "serve": ("weitiao.cli.serve", "Open a recipe's studio; serve models at an OpenAI-compatible address"),
    "xtuner": ("weitiao.cli.xtuner", "XTuner's verbs and files: configs, checkpoints, names"),
    "traps": ("weitiao.cli.traps", "A world of trick questions: posts to tune on, questions to ask"),
    "prompts": ("weitiao.cli.prompts", "Show what teachers are asked, and copy it to be edited"),
    "doctor": ("weitiao.cli.doctor", "Tell what this machine has, and what fits into it"),
    "trace": ("weitiao.cli.trace", "Tell one record's whole life"),
    "ledger": ("weitiao.cli.ledger", "Show where records went, and why; try another threshold"),
}

# What a missing library belongs to, so that the error can name the line that installs it.
_TRAIN = ("accelerate", "huggingface_hub", "peft", "sacrebleu", "safetensors", "torch", "transformers")
EXTRAS = dict.fromkeys(_TRAIN, "train") | {"gguf": "gguf", "modelscope": "modelscope"}
EXTRAS |= dict.fromkeys(("fastapi", "prometheus_client", "starlette", "uvicorn"), "serve")
EXTRAS |= {"sqlalchemy": "review", "psycopg": "postgres", "nicegui": "studio", "pyarrow": "ray", "ray": "ray"}


class _LazyGroup(TyperGroup):
    """The group of all commands, imported one at a time."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        near = difflib.get_close_matches(args[0], COMMANDS)
        if near and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. Did you mean {', '.join(map(repr, near))}?")  # as in other groups
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if len(sys.argv) < 2 or sys.argv[1] != cmd_name:  # listed in the help, not run: a name and a line are enough
            return typer.main.get_command(_stub(cmd_name))
        module = importlib.import_module(COMMANDS[cmd_name][0])
        group: Any = typer.main.get_group(module.app)
        command = group.commands[cmd_name]
        command.help = t(COMMANDS[cmd_name][1])
        for verb in getattr(command, "commands", {}).values():  # listed whole: the list cuts what has no short form
            verb.short_help = " ".join((verb.help or "").partition("\n\n")[0].split()).rstrip(".")
        return command


def _write_whatever() -> None:
    """Let what a terminal or pipe cannot show be written as `\\u5f20`: it stops nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _of_the_machine(error: BaseException) -> str:
    """Return what to do about an error of the disk or of permissions, "" for any other.

    Polars gives those of the system as text: `(os error 28)`.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (match := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(match[1])
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return t("Make room: what is finished is safe, and the same command goes on from there")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return t("Change the permissions, or take another place")
    if number in (errno.EIO, errno.ESTALE, errno.ENXIO):
        return t("The file or the disk cannot be read: get the file again, or take it out of `inputs`")
    return ""


def _stub(name: str) -> typer.Typer:
    app = typer.Typer(add_completion=False)

    def nothing() -> None:
        """Stand for a command in the list."""

    app.command(name, help=t(COMMANDS[name][1]), short_help=t(COMMANDS[name][1]))(nothing)
    return app


def main() -> None:
    """Run the command line and end the process with its status: 0 done, 2 wrong input, 130 interrupted, 1 a bug."""
    arguments = sys.argv[1:]
    _write_whatever()
    try:
        set_language(_take_language(arguments))
        sys.argv[1:] = arguments
        _hold_text(arguments)
        status = _run(arguments)
        sys.stdout.flush()  # while somebody looks after a reader that went away
        sys.exit(status)
    except UserError as error:
        _say(t("error: {message}", message=error.message), error.hint and t("hint: {hint}", hint=error.hint))
        sys.exit(2)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _say(t("error: {message}", message=t("{library} is not installed", library=error.name)))
        _say(t("hint: {hint}", hint=f"pip install 'weitiao[{extra}]'"))
        sys.exit(2)
    except KeyboardInterrupt:
        told = t("Interrupted. What is finished is safe: the same command goes on from there")
        _say("" if arguments[:1] == ["chat"] else told)  # a chat keeps nothing that it could go on from
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if said := _of_the_machine(error):
            message = str(error)
            if isinstance(error, OSError) and error.filename:
                message = f"{error.filename}: {problem_of(error)}"
            _say(t("error: {message}", message=message), t("hint: {hint}", hint=said))
            sys.exit(2)
        if hasattr(error, "format_message"):  # the parser's own: a flag that is not there, a missing argument
            _say_usage(error)
            sys.exit(2)
        traceback.print_exc()
        sys.exit(1)


def _say_usage(error: Any) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":  # a command without its verb: the help is what it says
        _say(error.format_message())
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "weitiao"
    _say(
        t("error: {message}", message=usage.told(error.format_message())),
        t("hint: {hint}", hint=f"{command} --help"),
    )


def _run(arguments: list[str]) -> int:
    """Run a command and return its status.

    Of the processes that torchrun or accelerate launch started, the first runs it; the others help it to train.
    """
    many = importlib.import_module("weitiao.train.run") if "LOCAL_RANK" in os.environ else None
    if many and many.follow():
        return 0
    app = typer.Typer(cls=_LazyGroup, add_completion=False, no_args_is_help=True, rich_markup_mode=None)
    app.callback(help=t("From raw posts to a fine-tuned chat model, with every sample accounted for"))(_version)
    try:
        status = typer.main.get_command(app).main(args=arguments, prog_name="weitiao", standalone_mode=False)
    except SystemExit as ended:  # so typer and rich end where nobody reads on
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise
    if status == 130:  # typer has turned the interrupt into a status
        raise KeyboardInterrupt
    if many:
        many.dismiss()
    return status if isinstance(status, int) else 0


def _version(
    version: bool = typer.Option(False, "--version", help="Show the version"),
    lang: str = typer.Option("", "--lang", help="zh or en; else the locale's"),
) -> None:
    pass


def _hold_text(arguments: list[str]) -> None:
    """Hold that the arguments are text: names of files may be any bytes, and stand in recipes and records."""
    for argument in arguments:
        if (name := escaped(argument)) != argument:
            raise UserError(t("The name {name} is not UTF-8", name=name), t("Rename it"))


def _take_language(arguments: list[str]) -> str | None:
    """Take `--lang` out of the arguments, wherever it stands: help texts need it before any command is known.

    Of several the last counts.
    """
    if "--version" in arguments[:1]:
        from weitiao import __version__

        print(__version__)
        sys.exit(0)
    found, index = None, 0
    while index < len(arguments) and arguments[index] != "--":
        flag, equals, value = arguments[index].partition("=")
        if flag != "--lang":
            index += 1
            continue
        del arguments[index]
        found = value if equals else (arguments.pop(index) if index < len(arguments) else "")
        if found not in LANGUAGES:
            names = ", ".join(LANGUAGES)
            raise UserError(t("--lang is `{value}`: it must be one of {names}", value=found, names=names))
    return found


def _say(*lines: str) -> None:
    for line in lines:
        if line:
            print(line, file=sys.stderr)
