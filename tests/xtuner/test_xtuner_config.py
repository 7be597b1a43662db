"""XTuner's configs are read from their syntax tree: settings come over by line, and nothing runs."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.errors import UserError
from weitiao.xtuner.config import Config, Name, Opaque, read

WORDS = (Path(__file__).parent / "alpaca_e3.txt").read_text(encoding="utf-8").split()


def config(folder: Path, text: str) -> Config:
    path = folder / "config.py"
    path.write_bytes(text.encode())
    return read(path)


def value(folder: Path, expression: str, before: str = "") -> object:
    node = config(folder, f"{before}\nx = {expression}\n").names["x"]
    return node.value if isinstance(node.value, Name | Opaque) else node.plain()


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("2e-4", 2e-4),
        ("-(1 + 2) * 3 / 2", -4.5),
        ("7 // 2 % 2", 1),
        ("'a' + 'b'", "ab"),
        ("f'{root}/train.jsonl'", "/data/train.jsonl"),
        ("join(root, 'x', 3)", "/data/x/3"),
        ("(0.9, 0.999)", [0.9, 0.999]),
        ("[*some, 3] + [4]", [1, 2, 3, 4]),
        ("dict(a=1, **{'b': None})", {"a": 1, "b": None}),
        ("{'k': {'l': some[-1]}}['k']['l']", 2),
        ("not False", True),
        ("PROMPT_TEMPLATE.default", Name("xtuner.utils.PROMPT_TEMPLATE.default")),
        ("torch.float16", Name("torch.float16")),
        ("float('1')", Opaque("float('1')")),
        ("1 / 0", Opaque("1 / 0")),
        ("b'1'", Opaque("b'1'")),
        ("1e999", Opaque("1e309")),
        ("2 ** 99", Opaque("2 ** 99")),
        ("'a' * 9", Opaque("'a' * 9")),
        ("missing", Opaque("missing")),
        ("some[9]", Opaque("some[9]")),
        ("[i for i in some]", Opaque("[i for i in some]")),
    ],
)
def test_expressions(tmp_path: Path, expression: str, wanted: object) -> None:
    before = "import torch\nfrom os.path import join\nfrom xtuner.utils import PROMPT_TEMPLATE\nroot = '/data'\n"
    assert value(tmp_path, expression, before + "some = [1, 2]") == wanted


def test_values_keep_the_line_and_the_name_under_which_they_were_written(tmp_path: Path) -> None:
    found = config(tmp_path, "lr = 1\n\noptim_wrapper = dict(\n    lr=lr,\n    decay=2)\na, b = 3, 4\nlr += 4\n")
    inner = found.at("optim_wrapper.lr"), found.at("optim_wrapper.decay"), found.at("b"), found.at("lr")
    assert [(node.value, node.line, node.name) for node in inner if node] == [
        (1, 1, "lr"),
        (2, 5, "decay"),
        (4, 6, "b"),
        (5, 7, "lr"),
    ]


def test_a_branch_is_read_where_its_condition_is_known(tmp_path: Path) -> None:
    found = config(tmp_path, "a = False\nif a:\n    x = 1\nelse:\n    x = 2\nif open('f'):\n    x = 3\n")
    assert found.names["x"].value == 2
    assert found.skipped == [(6, "if open('f'): x = 3")]


def test_code_is_passed_over_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    run = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    lines = [f"x = {run}", run, f"for i in [{run}]: pass", f"def f(a={run}): pass", f"class A: a = {run}",
             f"y = [{run}][0]", f"x[{run}] = 1", f"z = lambda: {run}", "import os as o", f"with {run}: pass",
             f"d = dict({run})", f"e = f'''{{{run}!r}}'''", f"@{run}\ndef g(): pass", f"assert {run}"]  # fmt: skip
    found = config(tmp_path, "\n".join(lines))
    assert not mark.exists()
    assert isinstance(found.names["x"].value, Opaque)
    assert [line for line, _ in found.skipped] == [2, 3, 4, 5, 7, 10, 14, 15]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "-" * 50_000 + "1",
        "a = " + "(" * 50_000,
        "a = b" + ".c" * 50_000,
        "a = 1" + "+1" * 50_000,
        "a = f" + "()" * 50_000,
        "a = [1]\n" + "a = a + a\n" * 60,
        "a = [1]\n" + "a = [a, a]\n" * 60,
        "a = [1]\n" + "a = [a]\n" * 5_000,
        "a = " + "9" * 5_000,
        "a = 1\0",
        "# -*- coding: nonsense -*-",
        "# -*- coding: ascii -*-\na = 'é'",
        "a = (1,",
        "x" * 300_000,
    ],
)
def test_what_is_no_config_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"config\.py"):
        config(tmp_path, text)


def test_texts_that_would_fill_the_memory_are_not_made(tmp_path: Path) -> None:
    growing = "from os.path import join\na = 'xxxxxxxx'\n" + "a = a + a\n" * 40 + "b = join(" + "a, " * 999 + "a)\n"
    found = config(tmp_path, growing)
    assert isinstance(found.names["a"].value, Opaque)
    assert isinstance(found.names["b"].value, Opaque)


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cannot read"):
        read(tmp_path / "none.py")


@settings(max_examples=200)
@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), st.text(max_size=20))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, words: str, tail: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.py"
    path.write_bytes(f"{words}\n{tail}".encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UserError):
        read(path)
