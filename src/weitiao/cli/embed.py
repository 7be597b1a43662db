"""`weitiao embed`: vectors of records by an embedding model, for the steps of prepare that compare by meaning."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import typer

from weitiao.cli import COMMANDS
from weitiao.cli.data import Inputs, aside_of, checked_recipe, running
from weitiao.cli.dry import DryAsk
from weitiao.cli.teacher import Budget, Endpoint, KeyEnv, paid_folder, tell_plan
from weitiao.cli.terminal import AsJson, Terminal, emit, with_flags
from weitiao.errors import UserError
from weitiao.llm import Embedder
from weitiao.llm.cache import Cache
from weitiao.llm.call import Failure
from weitiao.llm.desk import TEACHERS
from weitiao.llm.embed import embed_all, plan
from weitiao.recipe import bind
from weitiao.step import ROLES_OF, Batch
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)

STEP = "embed"  # what the charges are booked on

Name = Annotated[str, typer.Option("--teacher", help=t("The embedding model's name on the server"))]
Price = Annotated[float | None, typer.Option(help=t("Price of a million tokens"))]
By = Annotated[Literal["talk", "question"], typer.Option(help=t("What the vector is of: the talk, or the question"))]


@app.callback()
def _group() -> None:
    pass


@app.command(help=t(COMMANDS["embed"][1]))
@with_flags("source", without=("inputs",))
@with_flags("embedder", kind=Embedder, without=("endpoint", "model", "key_env", "budget", "prices"))
def embed(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help=t("Where the vectors go: a .parquet file"))],
    source: dict[str, Any],
    embedder: dict[str, Any],
    teacher: Name,
    endpoint: Endpoint = None,
    key_env: KeyEnv = None,
    price: Price = None,
    budget: Budget = None,
    by: By = "talk",
    dry_run: DryAsk = False,
    as_json: AsJson = False,
) -> None:
    """Write `id` and `embedding` of each record, in the order of the records."""
    prices = {} if price is None else {"prices": {teacher: {"input": price, "output": 0}}}
    given = {"endpoint": endpoint, "model": teacher, "key_env": key_env, "budget": budget, **prices, **embedder}
    data = {"embedder": {name: value for name, value in given.items() if value is not None}}
    model = bind(data, {"embedder": Embedder}, Path.cwd(), where=t("command line")).section("embedder", Embedder)
    recipe = checked_recipe({"source": {"inputs": inputs, **source}}, out, (".parquet",))
    began, paid = time.monotonic(), paid_folder(out)
    with running(recipe, None, None, out) as done, TemporaryDirectory(prefix="weitiao-") as folder:
        home = Path(folder) if dry_run and not paid.exists() else paid  # a dry run leaves nothing behind
        with Cache(home / TEACHERS) as cache:
            parts, total = done[-1].stored.parts(), done[-1].manifest["kept"]
            if dry_run:
                texts = [text for path in parts for text in _texts(path, by)["text"]]
                tell_plan({STEP: plan(texts, model, cache)}, as_json)
                return
            failed = _write(parts, by, model, cache, out)
            spent = cache.spent(STEP)
    if as_json:
        cost = {"calls": spent.calls, "tokens": spent.usage.prompt, "money": spent.cost if prices else None}
        emit({"out": str(out), "total": total, "kept": total - len(failed), "failed": failed, "cost": cost})
    line = t(
        "Embedded {kept} of {total} records in {seconds} s",
        kept=f"{total - len(failed):,}",
        total=f"{total:,}",
        seconds=f"{time.monotonic() - began:.1f}",
    )
    Terminal().say(f"{line}  ({_reasons(failed)})" if failed else line)
    told = "What was paid for is kept in {folder}; the same command asks only what failed"
    whole = "Answers that were paid for are kept in {folder}; the same command asks for none again"
    Terminal().say(t(told if failed else whole, folder=paid))


def _texts(path: Path, by: str) -> pl.DataFrame:
    return Batch.of(pl.read_parquet(path)).texts(ROLES_OF[by])


def _write(parts: Sequence[Path], by: str, model: Embedder, cache: Cache, out: Path) -> dict[str, str]:
    """Write the vectors, a part of the records in memory at a time; return the records that have none, and why."""
    failed: dict[str, str] = {}
    sizes: set[int] = set()
    written: list[Path] = []
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder, aside_of(out) as aside:
        for path in parts:
            texts = _texts(path, by)
            found = embed_all(texts["text"].to_list(), model, cache, STEP, Terminal())
            both = list(zip(texts["id"].to_list(), found, strict=True))
            failed |= {key: str(one.reason) for key, one in both if isinstance(one, Failure)}
            known = {key: one for key, one in both if not isinstance(one, Failure)}
            sizes |= {len(one) for one in known.values()}
            if len(sizes) > 1:
                raise UserError(t("The server gave vectors of different lengths: {lengths}", lengths=sorted(sizes)))
            if known:
                written.append(Path(folder) / f"{len(written):05d}.parquet")
                table = pl.DataFrame({"id": list(known), "embedding": np.stack(list(known.values()))})
                table.write_parquet(written[-1])
        if not written:
            raise UserError(t("No record has a vector"), _reasons(failed))
        pl.scan_parquet(written).sink_parquet(aside, compression="zstd")
    return failed


def _reasons(failed: Mapping[str, str]) -> str:
    return ", ".join(f"{t(reason)} {count:,}" for reason, count in Counter(failed.values()).most_common())
