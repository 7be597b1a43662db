"""`weitiao chat MODEL`: answers on stdout, everything else on stderr."""

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from weitiao import pipeline
from weitiao.cli.terminal import AsJson, Trust, console, emit, tell_of_code
from weitiao.errors import UserError
from weitiao.recipe import load
from weitiao.record import THINK, parted
from weitiao.talk import t

if TYPE_CHECKING:
    from weitiao.chat.session import Session
    from weitiao.model.generate import Answer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


class Bits(StrEnum):
    """In how many bits weights can be held."""

    FOUR = "4"
    EIGHT = "8"


class Thinking(StrEnum):
    """Whether a model may think before it answers."""

    KEEP = "keep"
    STRIP = "strip"


@dataclass(frozen=True)
class _Run:
    """Where a run's folder is, and which base model its recipe names."""

    folder: Path
    base: str | None = None
    home: Path | None = None
    trust: bool = False

    def system(self) -> str | None:
        """Return the system message that the training conversations were given."""
        manifest = self.folder / "export" / "manifest.json"
        found = orjson.loads(manifest.read_bytes())["settings"].get("system") if manifest.exists() else None
        return str(found) if found else None


@app.command()
def chat(
    model: Annotated[str, typer.Argument(help=t("A model's folder or hub name, a run's folder, or a recipe"))],
    adapter: Annotated[Path | None, typer.Option(help=t("A LoRA adapter on top of the model"))] = None,
    system: Annotated[str | None, typer.Option(help=t("The system message"))] = None,
    template: Annotated[str, typer.Option(help=t("Chat template by name; auto: what was trained"))] = "auto",
    ask: Annotated[str | None, typer.Option(help=t("Ask one question and leave"))] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help=t("Longest answer in tokens"))] = 512,
    temperature: Annotated[float, typer.Option(min=0, help=t("0 takes the likeliest token, as compare does"))] = 0.0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help=t("Draw from the likeliest that sum to this"))] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help=t("Draw from this many likeliest tokens; 0 is all"))] = 0,
    repetition_penalty: Annotated[float, typer.Option(min=0.01, help=t("Above 1, words said are less likely"))] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help=t("Seed of what is drawn"))] = 42,
    thinking: Annotated[
        Thinking, typer.Option(help=t("strip asks for answers without thinking, where the template can"))
    ] = Thinking.KEEP,
    bits: Annotated[Bits | None, typer.Option(help=t("Load the weights in 4 or 8 bits, to take less memory"))] = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Chat with a model; /help says how."""
    from weitiao.chat.session import Session
    from weitiao.model import pair
    from weitiao.model.generate import Sampling
    from weitiao.model.load import load_model
    from weitiao.model.quantise import Quantised

    if as_json and ask is None:
        raise UserError(t("--json needs a question"), t("Give it with --ask"))
    if ask is not None and not ask.strip():
        raise UserError(t("--ask holds no question"), t('Write it behind, in quotes: --ask "…"'))
    run = _run(model)
    place = _place(model, adapter, run, trust_remote_code)
    tell_of_code(place.model, place.trust)
    quantised = Quantised(4 if bits is Bits.FOUR else 8) if bits else None
    if (on := place.trained_on) and not quantised:
        _say(t("The adapter was trained on the base in {bits} bits; it answers on the full one", bits=on.bits))
    chosen = pair.template(place, template, thinking.value)
    if template != "auto" and (own := pair.template(place)).name != "plain" and not chosen.like(own):
        _say(
            t(
                "Warning: the model's own chat template, by which it was trained, is another one than {name}",
                name=template,
            )
        )
    if system is None and run is not None and (system := run.system()):
        _say(t("System message, as in training: {system}", system=system))
    sampling = Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed)
    loaded = load_model(place.model, adapter=place.adapter, quantised=quantised, trust=place.trust)
    session = Session(loaded, chosen, sampling, system)
    if ask is None:
        _say(t("{model}  (/help, /reset, /exit)", model=place.adapter or place.model))
        _converse(session)
    elif as_json:
        said, thought, text = _answer(session, ask, show=False)
        emit({"answer": text, "thinking": thought, "tokens": said.tokens, "stopped": said.stopped})
    else:
        _answer(session, ask, show=True)


def _run(model: str) -> _Run | None:
    """Return the run that `model` names by its folder or its recipe, if it does."""
    path = Path(model).expanduser().absolute()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        recipe = load(path, pipeline.SETTINGS)
        return _Run(
            recipe.folder / "runs" / recipe.project.name,
            recipe.project.model,
            recipe.folder,
            recipe.project.trust_remote_code,
        )
    made = ("train/adapter", "train/model", "merge/model")
    return _Run(path) if any((path / name).is_dir() for name in made) else None


def _place(model: str, adapter: Path | None, run: _Run | None, trust: bool) -> Any:
    from weitiao.model import pair

    if adapter is not None:
        return pair.named(str(adapter.absolute()), Path.cwd(), model, trust=trust)
    if run is None:
        return pair.named(model, Path.cwd(), trust=trust)
    trust = trust or run.trust
    train, merge = run.folder / "train", run.folder / "merge"
    base = None
    if run.base is not None and run.home is not None and train.is_dir():
        base = pair.before(run.base, run.home, train, trust=trust).model
    return pair.after(
        train if train.is_dir() else None, merge if (merge / "model").is_dir() else None, base, trust=trust
    )


def _converse(session: "Session") -> None:
    """Answer line by line until the input ends, /exit, or Ctrl-C while no answer is under way."""
    for line in _lines():
        question = line.strip()
        if question == "/exit":
            return
        if question == "/reset":
            session.reset()
            _say(t("Forgot the conversation"))
        elif question == "/help":
            _say(t("One line is one question. /reset forgets the conversation, /exit or Ctrl-D leaves."))
            _say(t("Ctrl-C breaks off an answer; with no answer under way it leaves."))
        elif question.startswith("/") and question[1:].isalpha():
            _say(t("No command {name}: there are /help, /reset and /exit", name=question))
        elif question:
            _turn(session, question)


def _turn(session: "Session", question: str) -> None:
    try:
        _answer(session, question, show=True)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        sys.stdout.flush()
        _say(t("(broken off)"))
    except UserError as error:  # too long: the conversation goes on
        _say(str(error))


def _answer(session: "Session", question: str, *, show: bool) -> "tuple[Answer, str, str]":
    """Return the answer, what was thought, and what was said, which is shown on stdout while it comes."""
    text = shown = thought = ""
    with closing(session.ask(question)) as coming:
        while True:
            try:
                text += next(coming)
                ended = None
            except StopIteration as end:
                ended = end.value
            if show and session.forgotten and not shown:
                _say(t("Forgot the {count} oldest questions: the model holds no more", count=session.forgotten))
                session.forgotten = 0
            if ended is None and THINK.startswith(text.strip()):
                continue  # it may yet begin to think
            thought, said = parted(text, opened=session.template.opens_thinking)
            if show and thought and (ended or said) and not shown:
                _say(thought)
            if show:
                sys.stdout.write(said[len(shown) :])
                sys.stdout.flush()
            shown = said
            if ended is not None:
                break
    if show:
        sys.stdout.write("\n")
        sys.stdout.flush()
    if not ended.stopped:
        _say(t("(cut after {tokens} tokens, see --max-new-tokens)", tokens=ended.tokens))
    return ended, thought, shown


def _lines() -> Iterator[str]:
    """Yield the lines of the input; a terminal gets a prompt, and can edit its line."""
    if not sys.stdin.isatty():
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        yield from sys.stdin
        return
    import readline  # noqa: F401 - `input` edits lines once it is there

    while True:
        if not sys.stdout.isatty():  # else `input` shows the prompt, so that editing knows where the line begins
            sys.stderr.write("> ")
            sys.stderr.flush()
        try:
            yield input("> " if sys.stdout.isatty() else "")
        except EOFError:
            _say("")
            return
        except KeyboardInterrupt:
            _say("")
            raise typer.Exit(130) from None


def _say(text: str) -> None:
    console.print(text, markup=False, style="dim" if console.is_terminal else None)
