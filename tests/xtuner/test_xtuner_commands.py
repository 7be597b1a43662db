"""XTuner's verbs: the tutorial's road from copy-cfg to chat, on a small InternLM2 in its original layout."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import DIM, HEADS, HIDDEN, PIECES, internlm2_tokenizer, internlm2_weights
from typer.testing import CliRunner, Result

import weitiao
from weitiao.cli.xtuner import app
from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load

torch.set_num_threads(1)
NAME = "internlm2_1_8b_qlora_alpaca_e3"
ROWS = [("浓硫酸里有水吗？", "有，大约百分之二。"), ("1+1?", "2"), ("Can you hear silence?", "No.")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the tutorial's data, its base model, and its config as the user has edited it."""
    internlm2_tokenizer(tmp_path / "model", prefix=False)
    internlm2_weights(tmp_path / "model", bias=False, words=PIECES, positions=2048)
    (tmp_path / "data").mkdir()
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROWS]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "data" / "train.jsonl").write_text(lines, encoding="utf-8")
    text = (Path(__file__).parent / "alpaca_e3.txt").read_text(encoding="utf-8")
    for old, new in (
        ("'internlm/internlm2-1_8b'", "'./model'"),
        ("'tatsu-lab/alpaca'", "'./data/train.jsonl'"),
        ("path=alpaca_en_path", "path='json', data_files=dict(train=alpaca_en_path)"),
        ("alpaca_map_fn", "openai_map_fn"),
        ("load_in_4bit=True", "load_in_4bit=False"),
        ("'请给我介绍五个上海的景点', 'Please tell me five scenic spots in Shanghai'", ""),
        ("max_epochs = 3", "max_epochs = 1"),
        ("r=64", "r=4"),
    ):
        text = text.replace(old, new)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def xtuner(*words: object) -> Result:
    result = CliRunner().invoke(app, ["xtuner", *[str(word) for word in words]])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def as_json(*words: object) -> Any:
    return json.loads(xtuner(*words, "--json").stdout.splitlines()[-1])


def test_names_are_listed_and_copied(here: Path) -> None:
    listed = xtuner("list-cfg", "-p", "InternLM2_1_8b").stdout.split()
    assert NAME in listed
    assert as_json("list-cfg", "-p", "internlm2_1_8b")["names"] == listed
    with pytest.raises(UserError, match="No name holds"):
        xtuner("list-cfg", "-p", "no such")
    path = Path(xtuner("copy-cfg", NAME, "mine").stdout.strip())
    assert path == Path("mine") / f"{NAME}_copy.yaml"
    recipe = load(path, SETTINGS)
    assert recipe.project.model == "internlm/internlm2-1_8b"
    text = path.read_text(encoding="utf-8")
    assert "# pretrained_model_name_or_path" in text
    assert "# evaluation_inputs" in text
    assert as_json("copy-cfg", NAME, "mine")["file"] == str(path)
    path.write_text(text.replace("epochs: 3", "epochs: 2"), encoding="utf-8")
    with pytest.raises(UserError, match="is there already"):
        xtuner("copy-cfg", NAME, "mine")
    with pytest.raises(UserError, match="No config is called"):
        xtuner("copy-cfg", "internlm2_1_8b", "mine")


def test_import_says_by_line_what_became_of_the_settings(here: Path) -> None:
    result = xtuner("import", "configs/mine.py", "-o", "project/recipe.yaml")
    assert result.stdout.strip() == "project/recipe.yaml"
    left, changed = result.stderr.split("Carried over with another meaning:")
    assert "configs/mine.py:36: SYSTEM = alpaca: training never saw it" in left
    assert "configs/mine.py:33: save_steps = 500: every 31 optimizer steps" in changed
    recipe = load(here / "project" / "recipe.yaml", SETTINGS)
    assert recipe.project.model == "../model"  # seen from the recipe, not from where the command ran
    assert recipe.section("source", SETTINGS["source"]).model_dump()["inputs"] == ["../data/train.jsonl"]
    printed = xtuner("import", "configs/mine.py").stdout
    assert "model: ./model" in printed
    found = as_json("import", "configs/mine.py")
    assert found["recipe"]["train"]["r"] == 4
    assert {"line", "setting", "text", "lost"} == set(found["notes"][0])


def test_the_road_from_train_to_chat(here: Path) -> None:
    trained = xtuner("train", "configs/mine.py", "--deepspeed", "deepspeed_zero2", "--seed", "7")
    adapter = Path(trained.stdout.strip())
    assert adapter == here / "work_dirs/mine/train/adapter"
    assert "One process trains" in trained.stderr
    manifest = json.loads((adapter.parent / "manifest.json").read_bytes())
    assert (manifest["project"]["seed"], manifest["settings"]["r"]) == (7, 4)
    again = as_json("train", "work_dirs/mine/recipe.yaml", "--work-dir", "work_dirs/mine", "--resume", "--seed", 7)
    assert not again["stages"]["train"]["fresh"]

    merged = as_json("convert", "merge", "./model", adapter, "merged", "--max-shard-size", "1GB", "--device", "cpu")
    assert merged["alike"]
    said = xtuner("chat", "merged", "--prompt-template", "internlm2_chat", "--ask", "1+1?", "--max-new-tokens", 4,
                  "--stop-words", "x")  # fmt: skip
    assert said.exit_code == 0
    # The config has XTuner's `default`, by which it was trained.
    assert "another one than internlm2_chat" in said.stderr
    other = xtuner("chat", "./model", "--adapter", adapter, "--ask", "1+1?", "--max-new-tokens", 4, "--temperature", 0,
                   "--prompt-template", "default", "--system-template", "alpaca", "--bits", 4)  # fmt: skip
    assert "another one" not in other.stderr
    assert other.stdout.endswith("\n")


@pytest.mark.parametrize(("variables", "arguments", "message"), [
    ({}, ("--launcher", "pytorch"), "torchrun has not started"),
    ({}, ("--launcher", "slurm"), "--launcher slurm: let it start one torchrun"),
    ({"NNODES": "2"}, (), "NNODES is 2"),
    ({"NPROC_PER_NODE": "0"}, (), r"train\.nproc is 0"),
    ({}, ("--deepspeed", "zero2"), "it must be a JSON file or one of deepspeed_zero1"),
    ({}, ("--deepspeed", "ds.json"), "Cannot read the DeepSpeed config"),
])  # fmt: skip
def test_how_processes_are_asked_for(
    here: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        xtuner("train", "configs/mine.py", *arguments)


def test_a_checkpoint_is_converted_with_its_config(here: Path) -> None:
    at = "llm.base_model.model.model.layers.0.attention.wqkv"
    rows = (HEADS + 4) * DIM
    state = {f"{at}.lora_A.default.weight": torch.randn(4, HIDDEN), f"{at}.lora_B.default.weight": torch.randn(rows, 4)}
    torch.save({"state_dict": state}, here / "iter_96.pth")
    found = as_json("convert", "pth_to_hf", "configs/mine.py", "iter_96.pth", "hf", "--max-shard-size", "2GB")
    assert (found["targets"], found["r"], found["alpha"]) == (["k_proj", "q_proj", "v_proj"], 4, 16)
    xtuner("import", "configs/mine.py", "-o", "mine.yaml")
    other = xtuner(
        "convert", "pth_to_hf", "mine.yaml", "iter_96.pth", "hf2", "--layout", "internlm2", "--model", "./model"
    )
    assert other.stdout.strip() == "hf2"
    assert "rank 4, alpha 16, on wqkv" in other.stderr
    (here / "old").mkdir()
    torch.save(state, here / "old" / "adapter_model.bin")
    for verb in (("convert", "merge", "model", "old", "out"), ("chat", "model", "--adapter", "old")):
        with pytest.raises(UserError, match="holds an adapter as a pickle"):
            xtuner(*verb)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train configs/mine.py iter_600.pth --resume", "goes on from the newest checkpoint"),
        ("train configs/mine.py --resume", "nothing to resume"),
        ("train configs/mine.py --cfg-options lr=1", "--cfg-options speaks of XTuner's keys"),
        (f"train {NAME}", "data set tatsu-lab/alpaca is not here"),
        ("train nothing", "No config is called nothing"),
        ("convert merge a b c --is-clip", "vision models"),
        ("chat model --with-plugins calculate", "Plugins are not there"),
        ("chat model --lagent", "Plugins are not there"),
        ("chat model --system-template alpacca", "no system message `alpacca`"),
        ("log-dataset configs/mine.py --show all", "no `log-dataset` here"),
    ],
)
def test_what_has_no_meaning_here_is_refused_with_what_to_do(here: Path, words: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        xtuner(*words.split())
    assert told.value.hint or "vision" in message or "resume" in message


def test_version_and_help() -> None:
    assert xtuner("version").stdout == f"{weitiao.__version__}\n"
    assert "copy-cfg" in xtuner("help").stdout
