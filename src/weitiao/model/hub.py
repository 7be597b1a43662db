"""Where models come from: the one that ships, a local folder, or a name on Hugging Face or ModelScope."""

import re
from collections.abc import Callable
from pathlib import Path

import orjson

from weitiao.errors import UserError
from weitiao.talk import t

MODELSCOPE = "modelscope:"

# What it takes to know a model, what tells about it, and its weights: read safely, so `.bin` only where there is no
# other. Folders inside hold the same weights in other formats, and so does Mistral's `consolidated.safetensors`.
_TEXTS = ["*.json", "*.model", "*.txt", "*.jinja", "*.tiktoken"]
_ABOUT = ["README.md", "LICENSE*"]
_WEIGHTS = ("*.safetensors", "*.bin")
_OTHERS = ["*/*", "consolidated*"]

# With the package `kernels` installed, transformers fetches an attention that is named like a repository, and runs it.
_KERNEL = re.compile(rb'attn_implementation"\s*:[^,}]*/')

SHIPPED = "nano"  # the name of weitiao-nano, the base model beside this module; `./nano` is a folder of one's own

Fetch = Callable[[list[str], bool], str]  # patterns of files, and whether only the cache is asked, to a folder


def resolve(name: str, folder: Path, *, weights: bool = True, code: bool = False) -> str:
    """Return the local folder of a model: `nano`, a folder relative to `folder`, else a name from the cache or its hub.

    A name is Hugging Face's, or ModelScope's after `modelscope:`. The network is asked only for what the cache lacks.
    Without `weights` the configuration and the tokenizer do; with `code` the model's own Python files come along.
    Raises UserError where there is no such model, or a part of it is missing.
    """
    local = place(name, folder)
    if (local / "config.json").is_file():
        if weights and (missing := _missing(local)):
            raise UserError(
                t("The model {path} lacks its weights: there is no {file}", path=local, file=missing),
                t("Copy or download it again; `hf download NAME --local-dir DIR` goes on where it ended"),
            )
        return str(local)
    if local.suffix == ".gguf" and local.is_file():
        raise UserError(
            t("{path} is a GGUF file, which llama.cpp and Ollama answer from", path=local),
            t("Give the folder of the model that it was made of; only `weitiao compare` reads GGUF files"),
        )
    if local.exists():
        inside = sorted(local.glob("*/config.json"))
        raise UserError(
            t("{path} is not a model: it has no config.json", path=local),
            t("Did you mean `{name}`?", name=inside[-1].parent)
            if inside
            else t("Give the folder that holds config.json, the weights and the tokenizer"),
        )
    plain = name.removeprefix(MODELSCOPE)
    if plain.startswith((".", "/", "~")) or plain.count("/") > 1:
        raise UserError(t("No model at {path}", path=local), t("Give a model's folder or its name on the hub"))
    texts = [*_TEXTS, "*.py"] if code else _TEXTS
    fetch = _modelscope if plain != name else _hugging_face
    return fetch(plain, texts, weights)


def place(name: str, folder: Path) -> Path:
    """Return where a model is if it is on this machine: the one that ships, or a folder relative to `folder`."""
    return Path(__file__).parent / SHIPPED if name == SHIPPED else (folder / Path(name).expanduser()).resolve()


def is_translator(path: str) -> bool:
    """Tell whether the model in the folder `path` reads a whole text, then writes another: encoder and decoder."""
    file = Path(path) / "config.json"
    return file.is_file() and bool(orjson.loads(file.read_bytes()).get("is_encoder_decoder"))


def refuse_translator(path: str) -> None:
    """Raise UserError for a translation model where one is to chat: its decoder would load, with weights missing."""
    if is_translator(path):
        raise UserError(
            t("{path} is a translation model, which cannot chat", path=path),
            t("Name it under `models` of the step `back_translate`, which translates by it"),
        )


def own_code(path: str, trust: bool) -> tuple[str, ...]:
    """Return the code that the model in the folder `path` brings along and cannot be loaded without.

    There is none where transformers, or we, have a class of the model's type, whatever its configuration asks for.
    Raises UserError where there is some and the user did not say to `trust` it, and for kernels from the hub.
    """
    file = Path(path) / "config.json"
    text = file.read_bytes() if file.is_file() else b"{}"
    if _KERNEL.search(text):
        raise UserError(
            t("{path} asks for compiled code from the hub; it was not fetched", path=path),
            t("Take `attn_implementation` out of its config.json"),
        )
    config = orjson.loads(text)
    asked = config.get("auto_map") or {}
    kind = config.get("model_type")
    if not asked or kind == "internlm2":
        return ()
    # It brings torch along: asked only about what few models have. What ran once is in CONFIG_MAPPING, but not here.
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if kind in CONFIG_MAPPING_NAMES:
        return ()
    found = tuple(sorted({f"{str(value).split('--')[-1].split('.')[0]}.py" for value in asked.values()}))
    if not trust:
        raise UserError(
            t("{path} is loaded by code of its own: {files}; it was not run", path=path, files=", ".join(found)),
            t("Read that code; if you trust it: --trust-remote-code, or `trust_remote_code: true` in the recipe"),
        )
    return found


def warning(path: str, trust: bool) -> str:
    """Return what is to be said of a model that runs code of its own, or nothing; raise UserError as `own_code`."""
    files = own_code(path, trust)
    return t("Warning: {path} runs code of its own: {files}", path=path, files=", ".join(files)) if files else ""


def _missing(folder: Path) -> str | None:
    """Return the name of a file of weights that a model's folder lacks, if it lacks one."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return None
        index = folder / f"{name}.index.json"
        if index.is_file():
            files = sorted(set(orjson.loads(index.read_bytes())["weight_map"].values()))
            return next((file for file in files if not (folder / file).is_file()), None)
    return "model.safetensors"


def _found(fetch: Fetch, missing: type[Exception], texts: list[str], weights: bool) -> str:
    """Return the folder of a model, from the cache if all of it is there; `missing` is what the cache raises if not."""
    try:
        folder = fetch(texts, True)
        if (Path(folder) / "config.json").is_file() and not (weights and _missing(Path(folder))):
            return folder
    except missing:
        pass
    for kind in _WEIGHTS if weights else ("",):
        folder = fetch([*texts, *_ABOUT, *filter(None, [kind])], False)
        if not weights or not _missing(Path(folder)):
            break
    return folder


def _hugging_face(name: str, texts: list[str], weights: bool) -> str:
    from huggingface_hub import constants, errors, snapshot_download
    from huggingface_hub.utils.tqdm import enable_progress_bars

    if not constants.HF_HUB_DISABLE_PROGRESS_BARS:
        enable_progress_bars()  # transformers' bars are off, and these with them; a download is long work

    def fetch(patterns: list[str], cached: bool) -> str:
        return snapshot_download(name, allow_patterns=patterns, ignore_patterns=_OTHERS, local_files_only=cached)

    try:
        return _found(fetch, errors.LocalEntryNotFoundError, texts, weights)
    except errors.GatedRepoError:
        raise UserError(
            t("The model `{name}` is given only to those who asked for it", name=name),
            t("Ask for it on its page at {place}, then `hf auth login`", place=f"{constants.ENDPOINT}/{name}"),
        ) from None
    except errors.RepositoryNotFoundError:
        raise _nowhere(name, t("there is none at {place}", place=constants.ENDPOINT)) from None
    except (OSError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]  # of httpx, whichever it uses
        raise _nowhere(name, _first_line(error)) from None


def _modelscope(name: str, texts: list[str], weights: bool) -> str:
    from modelscope import snapshot_download
    from modelscope_hub import HubError

    def fetch(patterns: list[str], cached: bool) -> str:
        return str(snapshot_download(name, allow_patterns=patterns, ignore_patterns=_OTHERS, local_files_only=cached))

    try:
        return _found(fetch, HubError, texts, weights)
    except (OSError, ValueError, HubError) as error:
        raise _nowhere(MODELSCOPE + name, _first_line(error)) from None


def _nowhere(name: str, why: str) -> UserError:
    there = name.removeprefix(MODELSCOPE)
    hints = {
        True: t("On a machine with network: modelscope download {name} --local_dir DIR; then give DIR", name=there),
        False: t(
            "On a machine with network: hf download {name} --local-dir DIR; then give DIR. Or a mirror: "
            "HF_ENDPOINT=https://hf-mirror.com; or ModelScope: modelscope:OWNER/NAME",
            name=there,
        ),
    }
    text = t("No model `{name}`: it is no folder here, not in the cache, and not to be had: {why}", name=name, why=why)
    return UserError(text, hints[name != there])


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
