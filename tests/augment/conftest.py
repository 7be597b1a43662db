"""Records to augment, a scripted teacher on a real socket, and the stage run on them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import augment_teacher
import orjson
import pytest
from augmenting import Augmented
from llm_server import Server, serving

from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(script=augment_teacher.script())) as server:
        yield server


@pytest.fixture
def augment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Augmented:
    """Augment rows of a file; `settings` are those of the stage, or of the teacher behind `teacher_`."""
    monkeypatch.chdir(tmp_path)  # ids depend on the file's name as it was given

    def run(rows: list[Any], *steps: Any, **settings: Any) -> Any:
        Path("data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        own = {name.removeprefix("teacher_"): value for name, value in settings.items() if name.startswith("teacher_")}
        rest = {name: value for name, value in settings.items() if not name.startswith("teacher_")}
        teacher = {"endpoint": server.address, "model": "m", "timeout": 5, **own}
        stage = {"steps": list(steps), "teacher": teacher, **rest}
        data = {"source": {"inputs": ["data.jsonl"], "licence": "CC0-1.0"}, "augment": stage}
        return pipeline.run(plain_recipe(data, "run"), Path("runs"))[-1]

    return run
