"""What a run has to be asked: found by its folders, loaded at the first question, and anew when it was made anew."""

import asyncio
import shutil
from pathlib import Path

import pytest
from openai import NotFoundError, OpenAI
from serve_adapters import make_adapter
from serve_ask import NANO, Opened, ask

from weitiao.pipeline import SETTINGS
from weitiao.recipe import Recipe, load
from weitiao.serve import Limits
from weitiao.serve.metrics import Metrics
from weitiao.serve.models import Models
from weitiao.serve.trained import groups


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "recipe.yaml").write_text("model: nano\ntrain: {}\n", encoding="utf-8")
    return load(tmp_path / "recipe.yaml", SETTINGS)


def test_a_run_is_found_as_far_as_it_has_come(recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert [group.names for group in groups(recipe, run)] == [("base",)]
    make_adapter(run / "train" / "adapter", 1)
    for step in ("20", "100", "x", "<b>"):
        shutil.copytree(run / "train" / "adapter", run / "train" / f"checkpoint-{step}")
    shutil.copytree(NANO, run / "merge" / "model")
    found = groups(recipe, run)
    assert [group.names for group in found] == [("base", "adapter", "checkpoint-20", "checkpoint-100"), ("merged",)]
    places = found[0].places()
    assert {place.model for place in places.values()} == {NANO}
    assert [place.adapter and Path(place.adapter).name for place in places.values()] == [
        None, "adapter", "checkpoint-20", "checkpoint-100",
    ]  # fmt: skip
    assert [group.names for group in groups(recipe, run, frozenset({"merged"}))] == [found[0].names]
    assert groups(recipe, run) == found
    shutil.rmtree(run / "train" / "adapter")
    make_adapter(run / "train" / "adapter", 2)
    assert groups(recipe, run)[0] != found[0]


def test_tiny_has_no_base_before_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("model: tiny\ntrain: {}\n", encoding="utf-8")
    assert groups(load(tmp_path / "recipe.yaml", SETTINGS), tmp_path / "run") == []


def test_models_are_loaded_when_they_are_asked_and_anew_when_they_changed(recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    models = Models({}, lambda: groups(recipe, run), Limits(), Metrics())

    async def asked() -> None:
        both = await asyncio.gather(models.worker("base"), models.worker("base"))
        assert both[0] is both[1]
        make_adapter(run / "train" / "adapter", 1)
        newer = await models.worker("adapter")
        assert newer is not both[0]
        assert newer is await models.worker("base")
        assert both[0].closing

    asyncio.run(asked())
    models.end()


def test_the_api_has_the_models_of_the_run(open_server: Opened, recipe: Recipe, tmp_path: Path) -> None:
    with (
        open_server(found=lambda: groups(recipe, tmp_path / "run")) as service,
        OpenAI(base_url=service.url, api_key="-", max_retries=0) as client,
    ):
        assert [model.id for model in client.models.list()] == ["nano", "base"]
        messages = [{"role": "user", "content": "鱼会不会淹死？"}]
        said = client.chat.completions.create(model="base", messages=messages, temperature=0, max_tokens=24)  # type: ignore[arg-type]
        assert said.choices[0].message.content == ask(client, "鱼会不会淹死？").choices[0].message.content
        with pytest.raises(NotFoundError, match="nano, base"):
            client.models.retrieve("merged")
