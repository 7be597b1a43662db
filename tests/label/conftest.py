"""Records to label, a scripted teacher on a real socket, and the stage run on them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_server import Server, serving

import labelling
from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.pipeline import Done


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(script=labelling.script())) as server:
        yield server


@pytest.fixture
def label(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Label rows of a file; `settings` are those of the stage, or of the teacher behind `teacher_`."""
    monkeypatch.chdir(tmp_path)  # ids depend on the file's name as it was given

    def run(rows: list[Any], *steps: Any, **settings: Any) -> Done:
        Path("data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        own = {name.removeprefix("teacher_"): value for name, value in settings.items() if name.startswith("teacher_")}
        rest = {name: value for name, value in settings.items() if not name.startswith("teacher_")}
        teacher = {"endpoint": server.address, "model": "m", "timeout": 5, **own}
        stage = {"steps": list(steps), "teacher": teacher, **rest}
        data = {"source": {"inputs": ["data.jsonl"]}, "label": stage}
        return pipeline.run(plain_recipe(data, "run"), Path("runs"))[-1]

    return run
