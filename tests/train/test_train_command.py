import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from weitiao.cli.merge import app as merge_app
from weitiao.cli.train import app as train_app
from weitiao.errors import UserError

ROWS = [("为什么水不能兑水？", "因为兑了还是水。"), ("1+1?", "2"), ("Can you hear silence?", "No.")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROWS]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def train(*arguments: object) -> Path:
    """Run the command and return the adapter's folder that it printed."""
    result = CliRunner().invoke(train_app, ["train", *[str(argument) for argument in arguments]])
    if result.exception:
        raise result.exception
    return Path(result.stdout.strip().splitlines()[-1])


def test_without_a_recipe(tiny_llama: Path, data: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.jsonl"
    held.write_text(data.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    work = tmp_path / "work"
    given = ["--model", tiny_llama, "--data", data, "--validation", held, "--work-dir", work, "--epochs", "1"]
    adapter = train(*given, "--seed", "7", "--learning-rate", "1e-3", "--probes", "1+1?", "--probe-tokens", "2")
    assert adapter == work / "train" / "adapter"
    manifest = json.loads((work / "train" / "manifest.json").read_bytes())
    assert (manifest["kept"], manifest["facts"]["held_out"], manifest["project"]["seed"]) == (3, 1, 7)
    assert manifest["settings"]["learning_rate"] == 1e-3

    with pytest.raises(UserError, match="other settings or data"):
        train(*given)
    with pytest.raises(UserError, match="nothing to resume"):
        train(*given[:-3], tmp_path / "empty", "--resume")

    out = tmp_path / "merged"
    merged = CliRunner().invoke(
        merge_app, ["merge", str(tiny_llama), str(adapter), str(out), "--tokens", "4", "--json"]
    )
    assert merged.exception is None
    found = json.loads(merged.stdout.splitlines()[-1])
    assert (found["same"], found["alike"]) == (4, True)
    assert (out / "model.safetensors").exists()
    assert "\n# merged\n" in (out / "README.md").read_text(encoding="utf-8")
    again = CliRunner().invoke(merge_app, ["merge", str(tiny_llama), str(adapter), str(out)])
    assert isinstance(again.exception, UserError)


def test_with_a_recipe(tiny_llama: Path, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"model: {tiny_llama}\nsource:\n  inputs: [data.jsonl]\nexport:\ntrain:\n  epochs: 9\n")
    adapter = train(recipe, "--set", "train.max_length=64", "--epochs", "2", "--trust-remote-code")
    assert adapter == tmp_path / "runs" / "mine" / "train" / "adapter"
    manifest = json.loads((adapter.parent / "manifest.json").read_bytes())
    assert (manifest["settings"]["epochs"], manifest["settings"]["max_length"]) == (2, 64)
    assert manifest["project"]["trust_remote_code"] is True


def test_nothing_to_train() -> None:
    with pytest.raises(UserError, match="Nothing to train"):
        train("--model", "tiny")


def test_merge_runs_a_recipe(tiny_llama: Path, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    head = f"model: {tiny_llama}\nsource: {{inputs: [data.jsonl]}}\nexport: {{}}\n"
    recipe.write_text(f"{head}train: {{max_steps: 1}}\nmerge: {{}}\ncompare: {{}}\n")
    merged = CliRunner().invoke(merge_app, ["merge", str(recipe), "--tokens", "4", "--set", "train.r=4"])
    assert merged.exception is None
    out = tmp_path / "runs/mine/merge/model"
    assert merged.stdout.splitlines()[-1] == str(out)
    assert (out / "model.safetensors").exists()
    assert not (tmp_path / "runs/mine/compare").exists()
    settings = json.loads((out.parent / "manifest.json").read_bytes())["settings"]
    assert settings["tokens"] == 4
    recipe.write_text(f"{head}train: {{}}\n")
    assert "has no stage `merge`" in str(CliRunner().invoke(merge_app, ["merge", str(recipe)]).exception)
