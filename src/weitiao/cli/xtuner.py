"""`weitiao xtuner …`: the verbs and flags of XTuner 0.1, each by way of a command of ours."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

import weitiao
from weitiao import pipeline
from weitiao.cli import COMMANDS
from weitiao.cli.chat import Bits
from weitiao.cli.terminal import AsJson, Terminal, emit, summary
from weitiao.errors import UserError
from weitiao.merge import Merge
from weitiao.recipe import Recipe, load
from weitiao.store import make_folder, make_room, write_whole
from weitiao.talk import t
from weitiao.xtuner import names as tables
from weitiao.xtuner import recipes
from weitiao.xtuner.carrying import Note

app = typer.Typer(add_completion=False, rich_markup_mode=None)
verbs = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
convert = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
verbs.add_typer(convert, name="convert", help=t("XTuner's checkpoints to adapters; adapter and base to one model"))
app.add_typer(verbs, name="xtuner", help=t(COMMANDS["xtuner"][1]))

Config = Annotated[
    str,
    typer.Argument(metavar="CONFIG", help=t("A recipe, a Python config of XTuner's, or a name that list-cfg shows")),
]
_NO_MEANING = t("Taken for XTuner's sake; it changes nothing here")


@app.callback()
def _group() -> None:
    pass


@verbs.command("import", help=t("Turn an XTuner config into a recipe, and list by line what could not be carried over"))
def import_(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.py", help=t("A Python config; it is read, never run"))],
    out: Annotated[Path | None, typer.Option("-o", "--out", help=t("The recipe's file; stdout if not given"))] = None,
    as_json: AsJson = False,
) -> None:
    """Read the config, write the recipe, say what became of each setting."""
    found = recipes.made(str(config))
    text = recipes.text_of(found, config.name, out.parent if out else Path.cwd())
    _tell(found.notes, config)
    if out:
        _write_new(out, text)
    if as_json:
        emit({"recipe": found.recipe, "notes": [vars(note) for note in found.notes], "file": str(out) if out else None})
    else:
        print(out or text, end="\n" if out else "")


@verbs.command("list-cfg", help=t("List the names of ready recipes"))
def list_cfg(
    pattern: Annotated[str, typer.Option("-p", "--pattern", help=t("Only names that hold this text"))] = "",
    as_json: AsJson = False,
) -> None:
    """Print the names, one a line."""
    found = tables.names(pattern)
    if not found:
        raise UserError(t("No name holds `{pattern}`", pattern=pattern), "weitiao xtuner list-cfg")
    if as_json:
        emit({"names": found})
    else:
        print("\n".join(found))


@verbs.command("copy-cfg", help=t("Write the recipe of a name into a folder, as NAME_copy.yaml"))
def copy_cfg(
    name: Annotated[str, typer.Argument(metavar="NAME", help=t("A name that list-cfg shows"))],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=t("The folder of the copy"))],
    as_json: AsJson = False,
) -> None:
    """Write the recipe, to be edited key by key."""
    found = recipes.made(name)
    path = folder / f"{name}_copy.yaml"
    # A copy is to be edited: its paths start where it lies.
    _write_new(path, recipes.text_of(found, name, Path.cwd()))
    _tell(found.notes, path)
    if as_json:
        emit({"file": str(path)})
    else:
        print(path)


@verbs.command(help=t("Fine-tune; what was interrupted goes on from its newest checkpoint"))
def train(
    config: Config,
    checkpoint: Annotated[str | None, typer.Argument(hidden=True)] = None,
    work_dir: Annotated[
        Path | None, typer.Option(help=t("Where the run is kept [default: work_dirs/<config>]"))
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help=t("Go on with the training in the work dir"))] = False,
    seed: Annotated[int | None, typer.Option(help=t("Seed of everything that is drawn at random"))] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help=t("Another value for a key of the recipe: train.epochs=3"))
    ] = None,
    deepspeed: Annotated[
        str | None, typer.Option(help=t("Split by DeepSpeed: deepspeed_zero2 and its like, or a JSON file"))
    ] = None,
    launcher: Annotated[
        Literal["none", "pytorch", "slurm", "mpi"], typer.Option(help=t("pytorch: torchrun has started this process"))
    ] = "none",
    cfg_options: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Run the recipe up to train, in the work dir."""
    if checkpoint is not None:
        raise UserError(
            t("{name}: training goes on from the newest checkpoint in the work dir, not from a file", name=checkpoint),
            t("An XTuner checkpoint becomes an adapter: weitiao xtuner convert pth_to_hf"),
        )
    if cfg_options is not None:
        raise UserError(t("--cfg-options speaks of XTuner's keys"), "--set train.epochs=1")
    work = work_dir or Path("work_dirs") / Path(config).stem
    if resume and not (work.is_dir() and any(work.iterdir())):
        raise UserError(t("There is nothing to resume in {folder}", folder=work))
    flags = [*_processes(launcher), *([] if seed is None else [f"seed={seed}"])]
    if deepspeed:
        flags.append(f"train.deepspeed={Path(deepspeed).absolute() if deepspeed.endswith('.json') else deepspeed}")
    recipe = load(_recipe_file(config, work), pipeline.SETTINGS, [*(overrides or ()), *flags])
    here = Recipe(recipe.project.model_copy(update={"name": ""}), recipe.sections, recipe.folder)
    done = pipeline.run(here, work, last="train", reporter=Terminal())
    if as_json:
        emit(summary(done))
    else:
        folder = done[-1].stored.folder
        print(folder / ("model" if (folder / "model").is_dir() else "adapter"))


@convert.command("pth_to_hf", help=t("Turn an XTuner checkpoint into a PEFT adapter; nothing in it is run"))
def pth_to_hf(
    config: Config,
    checkpoint: Annotated[Path, typer.Argument(metavar="PTH", help=t("iter_N.pth, a file or a DeepSpeed folder"))],
    out: Annotated[Path, typer.Argument(metavar="OUT", help=t("The adapter's folder"))],
    layout: Annotated[
        Literal["llama", "internlm2"], typer.Option(help=t("Names of the layers: ours, or InternLM2's original ones"))
    ] = "llama",
    model: Annotated[str | None, typer.Option(help=t("The base model, where it is not the one in CONFIG"))] = None,
    fp32: Annotated[bool, typer.Option("--fp32", help=t("Write float32 whatever the checkpoint has"))] = False,
    max_shard_size: Annotated[str, typer.Option(help=_NO_MEANING)] = "2GB",
    safe_serialization: Annotated[bool, typer.Option("--safe-serialization", help=_NO_MEANING)] = True,
    as_json: AsJson = False,
) -> None:
    """Write adapter_model.safetensors and adapter_config.json."""
    from weitiao.xtuner.convert import pth_to_hf as work

    recipe = recipes.recipe_of(config)
    if model is not None:
        recipe = Recipe(recipe.project.model_copy(update={"model": model}), recipe.sections, Path.cwd())
    found = work(recipe, checkpoint, out, layout, fp32)
    said = {"tensors": found.tensors, "targets": ", ".join(found.targets), "r": found.r, "alpha": found.alpha}
    _say(t("Converted {tensors} matrices: rank {r}, alpha {alpha}, on {targets}", **said))
    if found.tied:
        _say(t("Warning: the base's head is its embedding; merging would change both. Use the adapter unmerged"))
    if as_json:
        emit({**vars(found), "folder": str(out)})
    else:
        print(out)


@convert.command("merge", help=t("Merge an adapter into its base model, and check that the result answers alike"))
def merge(
    llm: Annotated[str, typer.Argument(metavar="LLM", help=t("The base model: a folder or a name on the hub"))],
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help=t("The adapter's folder"))],
    out: Annotated[Path, typer.Argument(metavar="OUT", help=t("The folder of the merged model"))],
    max_shard_size: Annotated[str, typer.Option(help=t("Largest size of one file of weights"))] = "2GB",
    is_clip: Annotated[bool, typer.Option("--is-clip", hidden=True)] = False,
    device: Annotated[Literal["cuda", "cpu", "auto"], typer.Option(help=_NO_MEANING)] = "auto",
    offload_folder: Annotated[str | None, typer.Option(help=_NO_MEANING)] = None,
    as_json: AsJson = False,
) -> None:
    """Merge as `weitiao merge` does."""
    from weitiao.cli.merge import merge as work

    if is_clip:
        raise UserError(t("--is-clip is of vision models; conversations are all that is trained here"))
    _refuse_pickled(adapter)
    flags = dict.fromkeys(f"merge_{name}" for name in Merge.model_fields) | {"merge_max_shard_size": max_shard_size}
    work(base=llm, adapter=adapter, out=out, as_json=as_json, **flags)


@verbs.command(help=t("Chat with a model, with XTuner's flags and defaults"))
def chat(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=t("A model's folder or hub name"))],
    adapter: Annotated[Path | None, typer.Option(help=t("A LoRA adapter on top of the model"))] = None,
    prompt_template: Annotated[str | None, typer.Option(help=t("Chat template by name; else the model's own"))] = None,
    system: Annotated[str | None, typer.Option(help=t("The system message"))] = None,
    system_template: Annotated[str | None, typer.Option(help=t("A system message by XTuner's name: alpaca"))] = None,
    bits: Annotated[Bits | None, typer.Option(help=t("Load the weights in 4 or 8 bits, to take less memory"))] = None,
    ask: Annotated[str | None, typer.Option(help=t("Ask one question and leave"))] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help=t("Longest answer in tokens"))] = 2048,
    temperature: Annotated[float, typer.Option(min=0, help=t("0 takes the likeliest token, as compare does"))] = 0.1,
    top_k: Annotated[int, typer.Option(min=0, help=t("Draw from this many likeliest tokens; 0 is all"))] = 40,
    top_p: Annotated[float, typer.Option(min=0, max=1, help=t("Draw from the likeliest that sum to this"))] = 0.75,
    repetition_penalty: Annotated[float, typer.Option(min=0.01, help=t("Above 1, words said are less likely"))] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help=t("Seed of what is drawn"))] = 0,
    with_plugins: Annotated[str | None, typer.Option(hidden=True)] = None,
    lagent: Annotated[bool, typer.Option("--lagent", hidden=True)] = False,
    torch_dtype: Annotated[str | None, typer.Option(help=_NO_MEANING)] = None,
    bot_name: Annotated[str | None, typer.Option(help=_NO_MEANING)] = None,
    no_streamer: Annotated[bool, typer.Option("--no-streamer", help=_NO_MEANING)] = False,
    stop_words: Annotated[list[str] | None, typer.Option("--stop-words", help=_NO_MEANING)] = None,
    command_stop_word: Annotated[str | None, typer.Option(hidden=True)] = None,
    answer_stop_word: Annotated[str | None, typer.Option(hidden=True)] = None,
    offload_folder: Annotated[str | None, typer.Option(help=_NO_MEANING)] = None,
) -> None:
    """Chat as `weitiao chat` does."""
    from weitiao.cli.chat import chat as work

    if with_plugins is not None or lagent:
        raise UserError(t("Plugins are not there: XTuner's ran what the model wrote"), t("Leave the flag out"))
    if system_template is not None and system is None:
        system = tables.system(system_template)
    if adapter is not None:
        _refuse_pickled(adapter)
    quiet = (torch_dtype, bot_name, no_streamer, stop_words, command_stop_word, answer_stop_word, offload_folder)
    if any(quiet):
        _say(t("Number format, streaming and stop words follow the model; those flags change nothing"))
    if ask is None:
        _say(t("One Enter asks; /reset forgets, /exit leaves (not RESET, EXIT and two Enters)"))
    work(
        model, adapter=adapter, system=system, template=prompt_template or "auto", ask=ask, bits=bits, seed=seed,
        max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k,
        repetition_penalty=repetition_penalty,
    )  # fmt: skip


@verbs.command(help=t("Show the version"))
def version() -> None:
    """Print the version."""
    print(weitiao.__version__)


@verbs.command("help", help=t("Show the verbs"))
def help_(context: typer.Context) -> None:
    """Print what `--help` prints."""
    assert context.parent
    print(context.parent.get_help())


def _elsewhere(verb: str, instead: str) -> None:
    def command(context: typer.Context) -> None:
        raise UserError(t("There is no `{verb}` here", verb=verb), instead)

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    verbs.command(verb, hidden=True, context_settings=settings)(command)


_elsewhere("log-dataset", "weitiao check FILE --model MODEL")
_elsewhere("check-custom-dataset", "weitiao check FILE")
_elsewhere("list-dataset-format", "weitiao source --help")
_elsewhere("test", "weitiao compare --help")
_elsewhere("mmbench", "weitiao compare --help")
_elsewhere("preprocess", "weitiao prepare --help")


def _processes(launcher: str) -> list[str]:
    """Return what `--launcher` and XTuner's variables NPROC_PER_NODE and NNODES say, as settings of the recipe."""
    torchrun = "torchrun --nnodes 2 --nproc-per-node 8 -m weitiao xtuner train …"
    if launcher in ("slurm", "mpi"):
        raise UserError(t("--launcher {name}: let it start one torchrun on each machine", name=launcher), torchrun)
    if "LOCAL_RANK" in os.environ:
        return []
    if launcher == "pytorch":
        raise UserError(t("--launcher pytorch, but torchrun has not started this process"), torchrun)
    if os.environ.get("NNODES", "1") != "1":
        raise UserError(t("NNODES is {number}: on several machines torchrun starts the processes",
            number=os.environ["NNODES"]), torchrun)  # fmt: skip
    count = os.environ.get("NPROC_PER_NODE")
    return [f"train.nproc={count}"] if count else []


def _recipe_file(config: str, work: Path) -> Path:
    """Return the recipe's file: the given one, or the one made of a config or name, kept in the work dir."""
    if recipes.is_recipe(config):
        return Path(config)
    found = recipes.made(config)
    recipes.check_data(found.recipe)
    _tell(found.notes, Path(config))
    make_folder(work)
    path = work / "recipe.yaml"
    write_whole(path, recipes.text_of(found, Path(config).name, work).encode())
    _say(t("The recipe is {path}", path=path))
    return path


def _write_new(path: Path, text: str) -> None:
    """Write a file, but never over another one."""
    content = text.encode()
    if path.exists() and path.read_bytes() != content:
        raise UserError(t("{path} is there already", path=path), t("Give another name, or remove it"))
    make_room(path)
    write_whole(path, content)


def _refuse_pickled(adapter: Path) -> None:
    if (adapter / "adapter_model.bin").is_file() and not (adapter / "adapter_model.safetensors").is_file():
        raise UserError(
            t("{path} holds an adapter as a pickle, under XTuner's names", path=adapter),
            f"weitiao xtuner convert pth_to_hf CONFIG {adapter} OUT",
        )


def _tell(notes: list[Note], config: Path) -> None:
    """Say by line what could not be carried over, and what has another meaning here."""
    for lost, head in ((True, t("Not carried over:")), (False, t("Carried over with another meaning:"))):
        found = [note for note in notes if note.lost is lost]
        if found:
            _say(head)
        for note in found:
            place = f"{config}:{note.line}" if note.line else str(config)
            _say(f"  {place}: {note.setting}: {note.text}")


def _say(text: str) -> None:
    Terminal().say(text)
