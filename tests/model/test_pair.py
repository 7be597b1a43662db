"""Which models a run has, by the folders that the train and merge stages leave."""

import json
from pathlib import Path

import pytest

from weitiao.errors import UserError
from weitiao.model.pair import Place, after, before, named


@pytest.fixture
def project(tmp_path: Path, tiny_llama: Path) -> Path:
    """A project whose recipe names the model `base` beside it, and whose run has an adapter for it."""
    (tmp_path / "base").symlink_to(tiny_llama)
    adapter = tmp_path / "runs" / "one" / "train" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base"}))
    return tmp_path


def test_before_is_the_recipes_model(project: Path, tiny_llama: Path) -> None:
    assert before("base", project, None) == Place(str(tiny_llama.resolve()))
    assert before("tiny", project, project / "train") == Place(str(project / "train" / "base"))
    with pytest.raises(UserError, match="made by the train stage"):
        before("tiny", project, None)


def test_after_is_merged_if_it_was_merged_else_the_adapter_on_its_base(project: Path, tiny_llama: Path) -> None:
    train = project / "runs" / "one" / "train"
    base, adapter = str(tiny_llama.resolve()), str((train / "adapter").resolve())
    assert after(train, train.parent / "merge") == Place(str(train.parent / "merge" / "model"))
    assert after(train, None, base) == Place(base, adapter)
    assert after(train, None) == Place(base, adapter)
    with pytest.raises(UserError, match="No tuned model"):
        after(None, None)


def test_a_name_is_a_run_an_adapter_or_a_model(project: Path, tiny_llama: Path) -> None:
    run, base = project / "runs" / "one", str(tiny_llama.resolve())
    on_base = Place(base, str((run / "train" / "adapter").resolve()))
    assert named("runs/one", project) == on_base
    assert named("runs/one/train/adapter", project) == on_base
    assert named("base", project) == Place(base)
    (run / "train" / "base").symlink_to(tiny_llama)  # made on the spot: it goes before the name in the configuration
    (run / "train" / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base2"}))
    assert named("runs/one", project) == on_base
    (run / "merge" / "model").mkdir(parents=True)
    assert named("runs/one", project) == Place(str((run / "merge" / "model").resolve()))


def test_an_adapter_that_names_no_model_is_the_users_mistake(project: Path) -> None:
    config = project / "runs" / "one" / "train" / "adapter" / "adapter_config.json"
    config.write_text("{}")
    with pytest.raises(UserError, match="does not say which model"):
        named("runs/one", project)
