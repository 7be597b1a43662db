"""`weitiao gguf MODEL OUT`: a model for llama.cpp and Ollama, read back and checked."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from weitiao.cli.terminal import AsJson, Terminal, emit
from weitiao.errors import UserError
from weitiao.store import make_room
from weitiao.talk import t

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
def gguf(
    model: Annotated[str, typer.Argument(help=t("A merged or other whole model: a folder, a run, or a hub name"))],
    out: Annotated[Path, typer.Argument(help=t("The file to write, NAME.gguf; a Modelfile comes beside it"))],
    quant: Annotated[Literal["f16", "q8_0"], typer.Option(help=t("Number format of the weights"))] = "f16",
    as_json: AsJson = False,
) -> None:
    """Write a model as GGUF with tokenizer, chat template and stop tokens, and an Ollama Modelfile beside it."""
    from weitiao.model import pair
    from weitiao.model.gguf_file import write
    from weitiao.model.load import load_model, load_tokenizer
    from weitiao.model.ollama import modelfile
    from weitiao.model.template import Template

    if out.suffix != ".gguf":
        raise UserError(t("{path} is no name for a GGUF file", path=out), f"{out.name or 'model'}.gguf")
    if out.exists():
        raise UserError(t("{path} is there already", path=out), t("Give another name, or remove it"))
    make_room(out)
    place = pair.named(model, Path.cwd())
    if place.adapter:
        raise UserError(t("{path} is an adapter", path=place.adapter), "weitiao merge BASE ADAPTER OUT")
    template = Template(load_tokenizer(place.model))
    aside = out.with_name(f".{out.name}.part")
    found = write(load_model(place.model, device="cpu"), template, aside, quant, out.stem)
    aside.rename(out)
    try:
        text = modelfile(template, out.name, adds_bos=found.adds_bos)
        (out.parent / "Modelfile").write_text(text, encoding="utf-8")
    except UserError as error:
        Terminal().say(t("No Modelfile: {error}", error=str(error)))
    size = f"{found.bytes / 1e9:.2f}"
    Terminal().say(
        t(
            "Wrote {tensors} tensors, {size} GB; read back, weights differ by {difference:.1e} at most",
            tensors=found.tensors,
            size=size,
            difference=found.difference,
        )
    )
    if as_json:
        emit(asdict(found) | {"file": str(out)})
    else:
        print(out)
