"""Desks on SQLite and on a PostgreSQL that is started here, and a recipe whose records people review."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from postgres_server import postgres
from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe
from weitiao.pipeline import Done
from weitiao.recipe import Recipe
from weitiao.review.desk import Desk
from weitiao.review.tables import file_url

__all__ = ["postgres"]
Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return file_url(tmp_path / "review.db")
    found: str = request.getfixturevalue("postgres")
    return found


@pytest.fixture
def desk(address: str) -> Iterator[Desk]:
    """A desk of a project of its own."""
    desk = Desk.open(address, f"p-{uuid.uuid4().hex}")
    yield desk
    desk.close()


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk.open(file_url(tmp_path / "own.db"), "own")
    yield desk
    desk.close()


def item_rows(count: int, *, doubled: int = 0, planted: int = 0, audited: bool = True) -> list[dict[str, Any]]:
    """Return rows of a queue: the first ones doubled, the last ones planted."""
    rows = []
    for number in range(count):
        is_planted = number >= count - planted
        messages = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
        facts = {"judge": {"honest": 4, "reason": "so", "sure": False}, "review": {"why": "judge unsure", "said": "so"}}
        body = {"id": f"r{number}", "messages": messages, "origin": {"uri": "x", "row": number + 1}, "facts": facts}
        rows.append(
            {
                "key": f"k{number}",
                "record": f"r{number}",
                "source": f"r{number}",
                "rank": number,
                "reasons": '["judge unsure"]',
                "planted": "swapped" if is_planted else "",
                "audited": audited and not is_planted,
                "doubled": number < doubled,
                "body": orjson.dumps(body).decode(),
            }
        )
    return rows


@pytest.fixture
def queue_rows() -> Rows:
    return item_rows


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """Write records to a file, and return a recipe of them with `review` and other stages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEITIAO_REVIEW_DB", raising=False)

    def make(count: int = 40, *, name: str = "run", rest: dict[str, Any] | None = None, **review: Any) -> Recipe:
        turns = [(f"问题{number}：鱼会不会淹死？", f"回答{number}：不会，鱼用鳃呼吸。") for number in range(count)]
        rows = [
            {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
            for asked, said in turns
        ]
        Path("data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        stages = {"source": {"inputs": ["data.jsonl"]}, "review": review, **(rest or {})}
        return plain_recipe(stages, name)

    return make


@pytest.fixture
def line() -> Callable[[Recipe], dict[str, Done]]:
    def run(recipe: Recipe) -> dict[str, Done]:
        return {done.stage.name: done for done in pipeline.run(recipe, Path("runs"))}

    return run
