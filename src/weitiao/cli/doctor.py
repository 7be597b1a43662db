"""`weitiao doctor [--model M]`: what this machine has, and which trainings fit into it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao.cli.terminal import AsJson, emit
from weitiao.errors import UserError
from weitiao.talk import t
from weitiao.train import Chosen
from weitiao.train.machine import Machine, extras, look

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# The ways of training that are tried, the most demanding first.
_WAYS: tuple[dict[str, Any], ...] = (
    {"method": "full"},
    {"bits": None, "gradient_checkpointing": False},
    {"bits": None, "gradient_checkpointing": True},
    {"bits": 4, "gradient_checkpointing": False},
    {"bits": 4, "gradient_checkpointing": True},
)


@app.callback()
def _group() -> None:
    pass


@app.command()
def doctor(
    model: Annotated[str | None, typer.Option(help=t("A model's folder or hub name, to see what of it fits"))] = None,
    max_length: Annotated[int, typer.Option(min=2, help=t("Tokens of a pack"))] = 2048,
    as_json: AsJson = False,
) -> None:
    """Tell what this machine has, and what fits into it."""
    machine, installed = look(), extras()
    if machine.torch is None and model is not None:
        raise UserError(t("--model needs {library}, which is not installed", library="torch"), _INSTALL)
    fits = _fits(machine, model, max_length) if machine.torch else {}
    if as_json:
        emit({"machine": vars(machine), "extras": installed, "max_length": max_length, "fits": fits})
        return
    for line in (*_machine(machine), *_libraries(installed), *_table(fits, max_length)):
        print(line)


_INSTALL = "pip install 'weitiao[train]'"


def _machine(machine: Machine) -> list[str]:
    has = t("yes") if machine.bfloat16 else t("no")
    lines = [
        t("{cores} cores, bfloat16 in hardware: {has}", cores=machine.cores, has=has),
        t("{total:.1f} GB memory, {free:.1f} GB free", total=machine.memory / 1e9, free=machine.free / 1e9),
    ]
    if machine.torch is None:
        return [*lines, t("torch is not installed: data stages work, training does not; {line}", line=_INSTALL)]
    if machine.gpu is None:
        return [*lines, t("torch {version}, no GPU", version=machine.torch)]
    memory = {"total": machine.gpu_memory / 1e9, "free": machine.gpu_free / 1e9}
    said = t(
        "torch {version}, {gpu}: {total:.1f} GB, {free:.1f} GB free", version=machine.torch, gpu=machine.gpu, **memory
    )
    return [*lines, said]


def _libraries(installed: dict[str, dict[str, str | None]]) -> list[str]:
    lines = []
    for extra, libraries in installed.items():
        said = ", ".join(f"{name} {version or t('missing')}" for name, version in libraries.items())
        lines.append(f"[{extra}] {said}")
    return lines


def _fits(machine: Machine, model: str | None, tokens: int) -> dict[str, list[dict[str, Any]]]:
    """Return, for each model, what each way of training takes."""
    from weitiao.model.hub import resolve
    from weitiao.model.load import load_config
    from weitiao.train import defaults, fit

    configs = fit.KNOWN if model is None else {model: load_config(resolve(model, Path.cwd(), weights=False))}
    on_gpu = machine.gpu is not None
    free = machine.gpu_free if on_gpu else machine.free
    narrow = 2 if on_gpu or machine.bfloat16 else 4
    found: dict[str, list[dict[str, Any]]] = {}
    for name, config in configs.items():
        shape = fit.shape(config)
        for way in _WAYS:
            settings = Chosen.model_validate(way)
            full = settings.method == "full"
            size, autocast = (4, narrow == 2) if full else (narrow, False)
            taken = fit.memory(shape, settings, tokens, fit.Numbers(size, autocast, on_gpu)).total
            row = {**way, "memory_gb": round(taken / 1e9, 1), "fits": taken <= fit.SHARE * free}
            rate = defaults.learning_rate(settings.method, shape.parameters).value
            found.setdefault(name, []).append({"method": "lora", **row, "learning_rate": rate})
    return found


def _table(fits: dict[str, list[dict[str, Any]]], tokens: int) -> list[str]:
    lines = [t("Training with packs of {tokens:,} tokens:", tokens=tokens)] if fits else []
    for name, rows in fits.items():
        for row in rows:
            bits = t("{bits} bits", bits=row["bits"]) if row.get("bits") else ""
            twice = "gradient_checkpointing" if row.get("gradient_checkpointing") else ""
            way = " ".join(part for part in (row["method"], bits, twice) if part)
            way += f", learning_rate {row['learning_rate']:g}"
            lines.append(
                f"  {name:8} {row['memory_gb']:7.1f} GB  {t('fits') if row['fits'] else t('too much'):8}  {way}"
            )
    return lines
