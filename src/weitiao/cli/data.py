"""`weitiao source | prepare | split | export`: the data stages on plain files, each by a recipe."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import polars as pl
import typer

from weitiao import pipeline, record
from weitiao.cli import COMMANDS, dry
from weitiao.cli.dry import EXAMPLES, SAMPLE, DryPrepare, Examples, SampleSize
from weitiao.cli.ledger import show_funnel
from weitiao.cli.terminal import AsJson, EngineName, Steps, Terminal, emit, listed, plain_recipe, summary, with_flags
from weitiao.errors import UserError
from weitiao.pipeline import Done
from weitiao.recipe import Recipe
from weitiao.source import Source
from weitiao.source.again import lines
from weitiao.source.files import find
from weitiao.store import make_folder, make_room
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Inputs = Annotated[list[str], typer.Argument(metavar="IN...", help=t("Files, folders or patterns"))]
OUT = t("Where the records go: a .jsonl or .parquet file")
Out = Annotated[Path, typer.Option("-o", "--out", help=OUT)]
Ledger = Annotated[Path | None, typer.Option(help=t("Where the ledger goes: a .jsonl or .parquet file"))]
Seed = Annotated[int | None, typer.Option(help=t("Seed of everything that is drawn at random"))]
WorkDir = Annotated[Path | None, typer.Option(help=t("Keep the run here, so that an interrupted one goes on"))]

_FOLDERS = ("llamafactory", "llamafactory-preference", "hf")  # formats that are a folder


@app.callback()
def _group() -> None:
    pass


@app.command(help=t(COMMANDS["source"][1]))
@with_flags("source", without=("inputs",))
def source(
    inputs: Inputs,
    out: Out,
    source: dict[str, Any],
    ledger: Ledger = None,
    work_dir: WorkDir = None,
    engine: EngineName = None,
    as_json: AsJson = False,
) -> None:
    """Read files of any format into records."""
    data = {"source": {"inputs": inputs, **source}, **_engine(engine)}
    recipe = checked_recipe(data, out, (".jsonl", ".parquet"))
    with running(recipe, work_dir, ledger, out) as done:
        write_records(done[-1], out)
        tell(done, out, as_json)


@app.command(help=t(COMMANDS["prepare"][1]))
@with_flags("source", without=("inputs",))
def prepare(
    inputs: Inputs,
    source: dict[str, Any],
    out: Annotated[Path | None, typer.Option("-o", "--out", help=OUT)] = None,
    steps: Steps | None = None,
    dry_run: DryPrepare = False,
    sample: SampleSize = SAMPLE,
    examples: Examples = EXAMPLES,
    ledger: Ledger = None,
    work_dir: WorkDir = None,
    engine: EngineName = None,
    as_json: AsJson = False,
) -> None:
    """Clean, filter and deduplicate records."""
    chosen = {"steps": listed(steps)} if steps is not None else {}
    data = {"source": {"inputs": inputs, **source}, "prepare": chosen, **_engine(engine)}
    if dry_run:
        dry.try_prepare(plain_recipe(data), sample, examples, as_json)
        return
    if out is None:
        raise UserError(t("Where shall the records go?"), t("Name a file with -o, or look first with --dry-run"))
    recipe = checked_recipe(data, out, (".jsonl", ".parquet"))
    with running(recipe, work_dir, ledger, out) as done:
        write_records(done[-1], out)
        tell(done, out, as_json)


@app.command(help=t(COMMANDS["split"][1]))
@with_flags("source", without=("inputs",))
@with_flags("split", without=("ratios",))
def split(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help=t("The folder that gets a file a part"))],
    source: dict[str, Any],
    split: dict[str, Any],
    ratios: Annotated[str | None, typer.Option(help=t("Parts and their shares: train=0.7,test=0.3"))] = None,
    seed: Seed = None,
    ledger: Ledger = None,
    work_dir: WorkDir = None,
    as_json: AsJson = False,
) -> None:
    """Split into train and test without leaks; each row is written as it stood, with all its fields."""
    data: dict[str, Any] = {"source": {"inputs": inputs, **source}, "split": split}
    if ratios is not None:
        data["split"] = {**split, "ratios": _shares(ratios)}
    if seed is not None:
        data["seed"] = seed
    recipe = checked_recipe(data, out, ("",))
    with running(recipe, work_dir, ledger, out) as done:
        counts = _write_parts(recipe, done[-1], out)
        tell(done, out, as_json, {"files": counts})


@app.command(help=t(COMMANDS["export"][1]))
@with_flags("source", without=("inputs",))
@with_flags("export", without=("format",))
def export(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help=t("A .jsonl file; a folder for several parts"))],
    source: dict[str, Any],
    export: dict[str, Any],
    format: Annotated[
        str,
        typer.Option(
            help="openai, alpaca, sharegpt, cqia, xtuner, llamafactory, hf, preference, llamafactory-preference"
        ),
    ] = "openai",
    ledger: Ledger = None,
    work_dir: WorkDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the trainable conversations in a format that trainers read."""
    folder = format in _FOLDERS
    data = {"source": {"inputs": inputs, **source}, "export": {**export, "format": format}}
    recipe = checked_recipe(data, out, ("",) if folder else (".jsonl", ""))
    with running(recipe, work_dir, ledger, out) as done:
        files = _copy_files(done[-1], out, folder or not out.suffix)
        tell(done, out, as_json, {"files": files})


def _engine(name: str | None) -> dict[str, Any]:
    return {"engine": name} if name else {}


def write_records(done: Done, out: Path) -> None:
    """Write a stage's records in our own schema, whole or not at all."""
    with aside_of(out) as aside:
        if out.suffix == ".parquet":
            pl.scan_parquet(done.stored.parts()).sink_parquet(aside, compression="zstd")
            return
        with aside.open("wb") as file:
            for part in done.stored.parts():
                for row in pl.read_parquet(part).iter_rows(named=True):
                    row["facts"] = orjson.Fragment(row["facts"])
                    file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def checked_recipe(data: Mapping[str, Any], out: Path, endings: tuple[str, ...]) -> Recipe:
    """Return the recipe of a command whose result can be written to `out`."""
    recipe = plain_recipe(data)
    _check_out(recipe, out, endings)
    return recipe


def _check_out(recipe: Recipe, out: Path, endings: tuple[str, ...]) -> None:
    """Hold, before any work, that the output has a known form and is no input."""
    if out.suffix not in endings:
        wanted = " | ".join(str(out.with_suffix(ending)) if ending else t("a folder") for ending in endings)
        raise UserError(
            t("Cannot write {path}: no records are written as `{ending}`", path=out, ending=out.suffix),
            t("It can be {wanted}", wanted=wanted),
        )
    if "" in endings and not out.suffix and out.is_file():
        raise UserError(t("{path} is a file, a folder is needed", path=out))
    read = {item.path.resolve() for item in find(recipe.section("source", Source).inputs, recipe.folder).files}
    if out.resolve() in read:
        raise UserError(
            t("{path} is one of the inputs", path=out), t("Inputs are never overwritten: take another name")
        )
    if out.suffix:
        make_room(out)


@contextmanager
def running(recipe: Recipe, work_dir: Path | None, ledger: Path | None, out: Path) -> Iterator[list[Done]]:
    """Run the recipe in `work_dir`, or in a place that is gone afterwards; write what happened to `ledger`."""
    if ledger:
        _check_out(recipe, ledger, (".jsonl", ".parquet"))
        if ledger.resolve() == out.resolve():
            raise UserError(t("{path} cannot hold both the records and the ledger", path=out))
    with tempfile.TemporaryDirectory(prefix="weitiao-") as folder:
        done = pipeline.run(recipe, work_dir or Path(folder), reporter=Terminal())
        if ledger:
            _write_table(pl.concat(item.stored.ledger() for item in done), ledger)
        yield done


def tell(done: list[Done], out: Path, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    """Tell what was done: the funnel to who looks, all of it as JSON on demand."""
    show_funnel(done)
    if as_json:
        stages = summary(done)["stages"]
        for stage in stages.values():
            del stage["folder"]  # gone when the command ends
        emit({"out": str(out), **(more or {}), "stages": stages})


def _shares(text: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for item in text.split(","):
        name, equals, share = item.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise UserError(t("--ratios {text}: write it as train=0.7,test=0.3", text=text))
    return shares


@contextmanager
def aside_of(out: Path) -> Iterator[Path]:
    """Give a place beside `out` that takes its name when all is written."""
    make_room(out)
    aside = out.with_name(f".{out.name}.part")
    try:
        yield aside
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)


def _write_table(frame: pl.DataFrame, out: Path) -> None:
    with aside_of(out) as aside:
        frame.write_parquet(aside) if out.suffix == ".parquet" else frame.write_ndjson(aside)


def _write_parts(recipe: Recipe, done: Done, out: Path) -> dict[str, int]:
    """Sort the input rows, as they stand, into a file a part; return how many each got."""
    ids = pl.scan_parquet(done.stored.parts()).select("id", part=record.fact("split", "part")).collect()
    part_of = dict(ids.iter_rows())
    counts = dict.fromkeys(ids["part"].unique(maintain_order=True), 0)
    make_folder(out)
    with tempfile.TemporaryDirectory(prefix=".weitiao-", dir=out) as folder:
        files = {part: (Path(folder) / f"{part}.jsonl").open("wb") for part in counts}
        for key, text in lines(recipe.section("source", Source), recipe.folder, Path(folder)):
            if part := part_of.get(key):
                files[part].write(text + b"\n")
                counts[part] += 1
        for file in files.values():
            file.close()
        if sum(counts.values()) != len(part_of):
            raise UserError(t("The input changed while it was split"), t("Run the command again"))
        for part in counts:
            (Path(folder) / f"{part}.jsonl").replace(out / f"{part}.jsonl")
    old = [path.name for path in sorted(out.glob("*.jsonl")) if path.stem not in counts]
    if old:
        Terminal().say(
            t("Older files in {folder} are no part of this split: {names}", folder=out, names=", ".join(old))
        )
    return {f"{part}.jsonl": count for part, count in counts.items()}


def _copy_files(done: Done, out: Path, folder: bool) -> dict[str, int]:
    """Copy the stage's files of the format to `out`; return their rows."""
    files: dict[str, int] = done.manifest["facts"]["files"]
    if not files:
        reasons = ", ".join(f"{t(reason)} {count:,}" for reason, count in done.manifest["refused"].items())
        raise UserError(t("No record can be trained on: {reasons}", reasons=reasons))
    if not folder:
        if len(files) > 1:
            raise UserError(t("There are several parts: {names}", names=", ".join(files)), t("Give -o a folder"))
        with aside_of(out) as aside:
            shutil.copyfile(done.stored.folder / next(iter(files)), aside)
        return {out.name: next(iter(files.values()))}
    register = ["dataset_info.json"] if (done.stored.folder / "dataset_info.json").exists() else []
    for name in (*files, *register):
        with aside_of(out / name) as aside:
            shutil.copyfile(done.stored.folder / name, aside)
    return files
