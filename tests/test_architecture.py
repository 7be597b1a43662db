"""The structure holds: imports point one way, heavy libraries have one home, modules stay readable."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "weitiao"
MODULES = sorted(SOURCE.rglob("*.py"))

STAGES = ("source", "prepare", "augment", "label", "review", "split", "export", "train", "merge", "compare", "chat")
# From high to low; a module imports only from its own place or from a lower line, and no stage another stage.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("studio",),
    ("serve",),
    ("browse",),
    ("pipeline", "trace", "why", "check", "collect", "xtuner"),
    STAGES,
    ("llm",),
    ("model",),
    ("balance", "basis"),
    ("stage", "similar"),
    ("gather",),
    ("engine", "store"),
    ("step", "checks", "traps"),
    ("recipe",),
    ("formats",),
    ("record", "ledger", "manner", "script", "intervals", "doubt", "numerals"),
    ("talk", "errors"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

TORCH_HOMES = ("model", "train", "merge", "compare", "chat", "xtuner/convert.py")
HOMES = {
    "ray": ("engine/ray.py",),
    "torch": TORCH_HOMES,
    "transformers": TORCH_HOMES,
    "accelerate": TORCH_HOMES,
    "peft": TORCH_HOMES,
    "safetensors": TORCH_HOMES,
    "tokenizers": ("model",),
    "gguf": ("model",),
    "llama_cpp": ("model",),
    "huggingface_hub": ("model", "source/hub.py", "source/ranges.py"),
    "modelscope": ("model",),
    "modelscope_hub": ("model", "source/hub.py"),
    "sacrebleu": ("compare",),
    "jinja2": ("compare", "llm", "model"),
    "nicegui": ("studio",),
    "pyarrow": ("engine/ray.py", "source/first_rows.py"),
    "numba": ("similar/folding.py", "similar/signatures.py"),
    "opencc": ("prepare",),
    "emoji": ("prepare",),
    "ftfy": ("prepare",),
    "py3langid": ("prepare",),
    "selectolax": ("source", "prepare"),
    "trafilatura": ("source/articles.py",),
    "html_to_markdown": ("source/markup.py",),
    "pdfplumber": ("source/pdf_pages.py",),
    "pdfminer": ("source/pdf_pages.py",),
    "mammoth": ("source/convert.py",),
    "rich": ("cli",),
    "typer": ("cli",),
    "openpyxl": ("source",),
    "aiohttp": ("llm", "collect"),
    "anyio": ("llm", "collect"),
    "protego": ("collect",),
    "json_repair": ("llm",),
    "fastapi": ("serve", "studio"),
    "starlette": ("serve", "studio"),
    "uvicorn": ("serve",),
    "sqlalchemy": ("review",),
    "psycopg": ("review",),
    "prometheus_client": ("serve",),
}
HEAVY = {"torch", "transformers", "peft", "accelerate", "sacrebleu", "polars", "numpy", "pydantic", "ray", "nicegui"}
HEAVY |= {"aiohttp", "anyio", "json_repair", "trafilatura", "html_to_markdown", "pdfplumber", "mammoth", "numba"}
HEAVY |= {"fastapi", "starlette", "uvicorn", "prometheus_client", "sqlalchemy", "psycopg"}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each imported module with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield node.module or "", node.lineno
            if node.module == "weitiao":
                for alias in node.names:
                    yield f"weitiao.{alias.name}", node.lineno


def place(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "weitiao" and len(parts) > 1 and parts[1] in LEVEL else None


def of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def test_there_are_modules() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    own = of(path)
    if own == "__init__":
        assert not [name for name, _ in imports(path)]
        return
    assert own in LEVEL, f"{path.name} has no place in LAYERS"
    for name, line in imports(path):
        target = place(name)
        if target is None or target == own:
            continue
        assert LEVEL[target] > LEVEL[own] or (LEVEL[target] == LEVEL[own] and own not in STAGES), (
            f"{path}:{line}: {own} imports {target}"
        )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_libraries_have_one_home(path: Path) -> None:
    here = path.relative_to(SOURCE).as_posix()
    for name, line in imports(path):
        homes = HOMES.get(name.partition(".")[0])
        if homes is not None:
            assert any(here == home or here.startswith(f"{home}/") for home in homes), f"{path}:{line}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= 400
    assert ast.get_docstring(tree), f"{path} says not what it holds"
    # `trace` is the command's own word; inside a package it hides nothing.
    assert path.stem not in {*sys.stdlib_module_names} - {"trace"} or path.parent != SOURCE, "shadows the library"
    assert len(path.relative_to(SOURCE).parts) <= 2, "at most two levels"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{path}:{node.lineno}: {node.name} is long"


def test_broad_except_stands_once() -> None:
    broad = [
        f"{path.name}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert len(broad) == 1, broad


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh Python has loaded after `code`."""
    tell = "\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + tell], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nsys.argv = ['weitiao', '--help']\nfrom weitiao.cli import main\n"
    run = "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
    help_modules, typer_alone = loaded(code + run), loaded("import typer\n")
    assert not {name.partition(".")[0] for name in help_modules} & HEAVY
    # Printing help itself needs some of typer's own modules; ours are a handful.
    assert len(help_modules) < 1.6 * len(typer_alone), (len(help_modules), len(typer_alone))


def test_a_recipe_is_checked_without_the_training_libraries() -> None:
    modules = {name.partition(".")[0] for name in loaded("import weitiao.pipeline\n")}
    assert not modules & {"torch", "transformers", "peft", "accelerate", "sacrebleu", "aiohttp", "sqlalchemy"}


def test_a_teacher_over_http_needs_no_torch() -> None:
    modules = {name.partition(".")[0] for name in loaded("import weitiao.llm.client, weitiao.llm.batch\n")}
    assert "aiohttp" in modules
    assert not modules & {"torch", "transformers"}
