"""An XTuner config becomes a recipe, and every setting is carried, said to mean something else, or said to be left."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS
from weitiao.recipe import load
from weitiao.train import Train
from weitiao.xtuner import names
from weitiao.xtuner.carry import Imported, import_config
from weitiao.xtuner.render import render

HERE = Path(__file__).parent
ALPACA, DUMPED = ((HERE / name).read_text(encoding="utf-8") for name in ("alpaca_e3.txt", "dumped.txt"))
# The tutorial's edits: model, data, questions, map function (imported, then used), files.
EDITS = (
    ("'internlm/internlm2-1_8b'", "'./model'"),
    ("'tatsu-lab/alpaca'", "'./data/train.jsonl'"),
    ("'请给我介绍五个上海的景点', 'Please tell me five scenic spots in Shanghai'", "'浓硫酸里有水吗？'"),
    ("import alpaca_map_fn", "import openai_map_fn"),
    ("path=alpaca_en_path", "path='json', data_files=dict(train=alpaca_en_path)"),
    ("dataset_map_fn=alpaca_map_fn", "dataset_map_fn=openai_map_fn"),
)


def edited(*edits: tuple[str, str]) -> str:
    """Return the config with texts replaced, each of which must be there."""
    text = ALPACA
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


TUTORIAL = edited(*EDITS)


def imported(folder: Path, text: str) -> Imported:
    path = folder / "config.py"
    path.write_text(text, encoding="utf-8")
    return import_config(path)


def lost(found: Imported) -> dict[str, int]:
    """Return the settings that were not carried, and their lines; those that training may yet get are left out."""
    yet = ("load_in_4bit",)
    return {
        note.setting.split(" = ")[0]: note.line for note in found.notes if note.lost and note.setting[:12] not in yet
    }


def line_of(text: str, start: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith(start))


def test_the_config_of_the_tutorial_has_its_hyperparameters_exactly(tmp_path: Path) -> None:
    found = imported(tmp_path, ALPACA)
    train = found.recipe["train"]
    wanted = {
        "max_length": 2048, "packing": True, "accumulate": 16, "epochs": 3, "learning_rate": 2e-4, "weight_decay": 0,
        "clip": 1, "warmup": 0.03, "r": 64, "alpha": 16, "dropout": 0.1, "save_every": 31, "save_total_limit": 2,
        "probe_every": 31, "gradient_checkpointing": True,
    }  # fmt: skip
    wanted |= {key: value for key, value in {"bits": 4, "double_quant": True}.items() if key in Train.model_fields}
    assert {key: train.get(key) for key in wanted} == wanted
    assert train["probes"] == ["请给我介绍五个上海的景点", "Please tell me five scenic spots in Shanghai"]
    assert (found.recipe["model"], found.recipe["template"]) == ("internlm/internlm2-1_8b", "default")
    assert found.recipe["source"] == {"inputs": ["tatsu-lab/alpaca"], "shape": "alpaca"}
    assert lost(found) == {"SYSTEM": line_of(ALPACA, "SYSTEM")}
    changed = {note.setting.split(" = ")[0] for note in found.notes if not note.lost}
    assert {"accumulative_counts", "save_steps", "evaluation_freq", "start_factor", "prompt_template", "lora"} < changed


def test_the_name_is_the_config(tmp_path: Path) -> None:
    assert names.generate("internlm2_1_8b_qlora_alpaca_e3") == imported(tmp_path, ALPACA).recipe


@pytest.mark.parametrize(("old", "new"), EDITS)
def test_each_edit_of_the_tutorial_has_its_place(tmp_path: Path, old: str, new: str) -> None:
    with_it = imported(tmp_path, TUTORIAL)
    without = imported(tmp_path, edited(*[edit for edit in EDITS if edit != (old, new)]))
    assert with_it != without


def test_the_edited_config(tmp_path: Path) -> None:
    found = imported(tmp_path, TUTORIAL)
    assert found.recipe["model"] == "./model"
    assert found.recipe["source"] == {"inputs": ["./data/train.jsonl"], "shape": "openai"}
    assert found.recipe["train"]["probes"] == ["浓硫酸里有水吗？"]
    assert lost(found) == {"SYSTEM": line_of(TUTORIAL, "SYSTEM")}


def test_a_config_that_mmengine_dumped(tmp_path: Path) -> None:
    found = imported(tmp_path, DUMPED)
    train = found.recipe["train"]
    assert (found.recipe["model"], found.recipe["seed"]) == ("/data/m", 7)
    assert found.recipe["source"] == {"inputs": ["/data/train.jsonl"], "shape": "xtuner"}
    assert train["targets"] == ["q_proj", "k_proj", "v_proj", "o_proj"]
    wanted = (96, 0.03, 8, 32, 100, 1000, 20, 50, 1)
    keys = (
        "accumulate",
        "warmup",
        "r",
        "alpha",
        "save_every",
        "save_total_limit",
        "probe_every",
        "probe_tokens",
        "clip",
    )
    assert tuple(train[key] for key in keys) == wanted
    assert set(lost(found)) == {"betas", "eta_min", "test"}


@pytest.mark.parametrize(("word", "template"), [("internlm2_chat", "internlm2_chat"), ("my_own", None)])
def test_the_chat_template_is_carried_by_its_name(tmp_path: Path, word: str, template: str | None) -> None:
    found = imported(tmp_path, edited(("PROMPT_TEMPLATE.default", f"PROMPT_TEMPLATE.{word}")))
    assert found.recipe.get("template") == template
    assert ("prompt_template" in lost(found)) is (template is None)


def test_misspelt_and_unknown_names_are_listed(tmp_path: Path) -> None:
    text = edited(
        ("max_norm = 1\n", "max_norm = 1\nmax_epoch = 9\n"),
        ("accumulative_counts=accumulative_counts", "accumulatve_counts=accumulative_counts"),
        ("r=64,", "r=64, lora_dropuot=0.3,"),
        ("log_level = 'INFO'", "log_level = 'INFO'\nmy_own = 3\nmodel.llm = 4\nprint(1)"),
    )
    found = imported(tmp_path, "with read_base():\n    from .base import *\n" + text)
    told = {note.setting.split(" = ")[0]: note for note in found.notes if note.lost}
    assert set(told) >= {"max_epoch", "lora_dropuot", "my_own", "model.llm", "print(1)"}
    assert "`max_epochs`" in told["max_epoch"].text
    assert "`lora_dropout`" in told["lora_dropuot"].text
    assert "another file" in told["with read_base(): from .base import *"].text
    assert found.recipe["train"]["accumulate"] == 16  # the top-level name is asked where the wrapper has none


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (("optim_type = AdamW", "optim_type = SGD"), "the optimizer is AdamW"),
        (("lr = 2e-4", "lr = float('2e-4')"), "only running the file"),
        (("max_norm = 1\n", "max_norm = 'one'\n"), "not a number"),
        (("eta_min=0.0", "eta_min=1e-6"), "falls to 0"),
        (("type=CosineAnnealingLR", "type=PolyLR"), "falls in a cosine"),
        (("begin=0, end=", "begin=0, x=1, end="), "no such setting"),
        (("max_epochs=max_epochs", "max_iters=320"), "`train.max_steps` to 20"),
        (("type=DatasetInfoHook", "type=EarlyStoppingHook"), "no such hook"),
        (("dataset_map_fn=alpaca_map_fn", "dataset_map_fn=my_map_fn"), "found from their fields"),
        (("bnb_4bit_quant_type='nf4'", "bnb_4bit_quant_type='fp4'"), "4 bits are always NF4|not quantised"),
        (("bias='none'", "bias='all'"), "biases are not trained"),
        (("load_from = None", "load_from = 'x.pth'"), "no such setting"),
        (("by_epoch=False, interval=save_steps", "by_epoch=True, interval=2"), "once an epoch"),
    ],
)
def test_what_has_no_place_is_said_with_its_reason(tmp_path: Path, edit: tuple[str, str], reason: str) -> None:
    found = imported(tmp_path, edited(edit))
    texts = [note.text for note in found.notes if note.lost]
    assert any(part in text for text in texts for part in reason.split("|")), texts


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("type=SupervisedFinetune", "type=DPO"), "not a fine-tuning on conversations"),
        (("'internlm/internlm2-1_8b'", "input()"), "config.py:17: no `pretrained_model_name_or_path`"),
        (("path=alpaca_en_path", "path='json'"), "no data that can be read"),
        (("lr = 2e-4", "lr = -1"), r"config.py:28: train.learning_rate is -1"),
        (("r=64", "r=6.5"), "train.r is 6.5"),
    ],
)
def test_what_cannot_be_a_training_is_refused_by_line(tmp_path: Path, edit: tuple[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        imported(tmp_path, edited(edit))


def test_a_config_without_lora_is_a_full_fine_tuning(tmp_path: Path) -> None:
    lora = "    lora=dict(type=LoraConfig, r=64, lora_alpha=16, lora_dropout=0.1, bias='none', task_type='CAUSAL_LM'))"
    text = edited((lora, "    )"), ("load_in_4bit=True", "load_in_4bit=False"))
    if "method" in Train.model_fields:
        assert imported(tmp_path, text).recipe["train"]["method"] == "full"
    else:
        with pytest.raises(UserError, match="full fine-tuning is not there yet"):
            imported(tmp_path, text)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    for text in (ALPACA, TUTORIAL, DUMPED):
        recipe = imported(tmp_path, text).recipe
        assert read_back(recipe, tmp_path) == recipe


@settings(max_examples=100)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=3))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    recipe = {"model": texts[0], "seed": 1, "source": {"inputs": texts}}
    assert read_back(recipe, tmp_path_factory.getbasetemp()) == recipe


def read_back(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "recipe.yaml"
    path.write_bytes(render(recipe, ["a head", ""]).encode())
    found = load(path, SETTINGS)
    sections = {
        name: {key: value for key, value in section.model_dump(mode="json").items() if key in recipe[name]}
        for name, section in found.sections.items()
    }
    named = {"template": found.project.template} if "template" in recipe else {}
    return {"model": found.project.model, "seed": found.project.seed, **named, **sections}


TOKENS = re.findall(r"\w+|\s+|[^\w\s]", ALPACA)


@settings(max_examples=60)
@given(st.data())
def test_a_config_broken_anywhere_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tokens = list(TOKENS)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(tokens) - 1))
        tokens[place] = data.draw(st.sampled_from(["", "0", "-1", "None", "[]", "dict()", "'x'", "x", *TOKENS[:400]]))
    path = tmp_path_factory.getbasetemp() / "broken.py"
    path.write_text("".join(tokens), encoding="utf-8")
    with contextlib.suppress(UserError):
        import_config(path)


def test_every_name_is_a_right_recipe(tmp_path: Path) -> None:
    found = names.names()
    assert len(found) >= 200
    assert len(names.names("INTERNLM2_1_8B_QLORA")) == 5
    for name in found:
        assert read_back(names.generate(name), tmp_path) == names.generate(name)


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(UserError) as told:
        names.generate("internlm2_1_8b_qlora_alpac_e3")
    assert "internlm2_1_8b_qlora_alpaca_e3" in told.value.hint
