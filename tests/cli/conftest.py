"""The command line in this process, as a user meets it."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from weitiao.cli import main
from weitiao.talk import set_language


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Weitiao = Callable[..., Ended]


@pytest.fixture
def weitiao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Weitiao]:
    """Run the command line in this process and in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("WEITIAO_WORKERS", "1")

    def run(*arguments: str) -> Ended:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        monkeypatch.setattr(sys, "argv", ["weitiao", *arguments])
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as ended:
            main()
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
        for stream in (out, err):
            stream.flush()
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return Ended(int(ended.value.code or 0), *texts)

    yield run
    set_language("en")
