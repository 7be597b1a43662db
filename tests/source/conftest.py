"""What the tests of source share: reading files as the stage does, with what was said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hub_server import CARD, ROW, DataHub, serving

from weitiao import pipeline
from weitiao.recipe import bind
from weitiao.record import Record, to_records
from weitiao.source import hub as source_hub

T = TypeVar("T")


@dataclass
class Said:
    """A reporter that keeps what is said."""

    lines: list[str] = field(default_factory=list)

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        yield from items

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Read:
    records: list[Record]
    ledger: list[dict[str, Any]]
    manifest: dict[str, Any]
    said: list[str]

    @property
    def texts(self) -> list[str]:
        return ["|".join(content for _, content in record.messages) for record in self.records]


@dataclass(frozen=True)
class Reader:
    """Runs the source stage on files of a folder."""

    folder: Path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def __call__(self, *inputs: str, **settings: Any) -> Read:
        said = Said()
        recipe = bind({"name": "t", "source": {"inputs": list(inputs), **settings}}, pipeline.SETTINGS, self.folder)
        (done,) = pipeline.run(recipe, reporter=said)
        stored = done.stored
        return Read(to_records(stored.records()), stored.ledger().to_dicts(), done.manifest, said.lines)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    return Reader(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataHub]:
    with serving() as found:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", found.url)
        template = found.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", found.url)
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
        if find_spec("modelscope_hub"):
            from modelscope_hub import HubConfig, set_default_config

            set_default_config(HubConfig())  # it keeps what the environment was at first
        source_hub._listing.cache_clear()
        found.files = {"README.md": CARD, "train.jsonl": ROW % 1 + ROW % 2, "name.py": b"raise SystemExit"}
        found.card = {"license": "cc-by-4.0"}
        yield found
        source_hub._listing.cache_clear()
