"""TRL reads the preference files as they are written, and takes a step on them; it is not needed for anything else."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao import pipeline
from weitiao.cli.terminal import plain_recipe

pytest.importorskip("datasets")
pytest.importorskip("trl")

ROWS: list[dict[str, Any]] = [
    {"prompt": "鱼会不会淹死？", "chosen": "不会：鱼用鳃呼吸。", "rejected": "会。"},
    {"prompt": "水能切开吗？", "chosen": "切不开。", "rejected": "能，用快刀。"},
    {
        "prompt": [
            {"role": "system", "content": "简短回答"},
            {"role": "user", "content": "天为什么蓝？"},
            {"role": "assistant", "content": "因为散射。"},
            {"role": "user", "content": "那晚上呢？"},
        ],
        "chosen": [{"role": "assistant", "content": "没有阳光可散射。"}],
        "rejected": [{"role": "assistant", "content": "天黑了。"}],
    },
]


@pytest.mark.filterwarnings("ignore")  # TRL's own
def test_trl_takes_a_step_on_what_is_exported(tiny_llama: Path, tmp_path: Path, monkeypatch: Any) -> None:
    import datasets
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pairs.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ROWS))
    data = {"source": {"inputs": [str(tmp_path / "pairs.jsonl")]}, "export": {"format": "preference"}}
    done = pipeline.run(plain_recipe(data, "run"), tmp_path / "runs")[-1]
    (file,) = done.stored.folder.glob("*.jsonl")
    pairs = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
    assert pairs.column_names == ["prompt", "chosen", "rejected"]
    settings = DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=3, use_cpu=True, bf16=False,
        report_to=[], save_strategy="no", logging_steps=1, max_length=160, disable_tqdm=True, seed=0,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    trainer = DPOTrainer(
        AutoModelForCausalLM.from_pretrained(tiny_llama), args=settings, train_dataset=pairs, processing_class=tokenizer
    )
    row = trainer.train_dataset[2]
    before, good, bad = (tokenizer.decode(row[name]) for name in ("prompt_ids", "chosen_ids", "rejected_ids"))
    assert before.startswith("<|im_start|>system\n简短回答<|im_end|>\n")
    assert before.endswith("那晚上呢？<|im_end|>\n<|im_start|>assistant\n")
    assert (good.strip(), bad.strip()) == ("没有阳光可散射。<|im_end|>", "天黑了。<|im_end|>")
    told = trainer.train()
    assert told.global_step == 1
    # Before the first step the model is its own reference: -log sigmoid(0).
    assert told.training_loss == pytest.approx(0.6931, abs=1e-3)
