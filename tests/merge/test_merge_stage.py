import json
from pathlib import Path

import torch

from weitiao import pipeline
from weitiao.recipe import load
from weitiao.store import Stored

ROWS = [(f"问题{number}是什么？", f"答案是{number}。") for number in range(12)]


def test_the_line_from_rows_to_a_merged_model(tiny_llama: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROWS]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "data.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "r.yaml").write_text(
        f"model: {tiny_llama}\nsource: {{inputs: [data.jsonl]}}\n"
        "split: {ratios: {train: 0.5, validation: 0.25, test: 0.25}, in_order: true}\n"
        "export:\ntrain: {max_steps: 2, max_length: 128}\nmerge: {tokens: 4, prompts: 5}\n",
        encoding="utf-8",
    )
    done = pipeline.run(load(tmp_path / "r.yaml", pipeline.SETTINGS))
    trained, merged = done[-2].stored, done[-1].stored
    events = trained.ledger()
    parts = Stored(done[-3].stored.folder).records()
    seen = parts.filter(parts["id"].is_in(events["id"].implode()))
    assert len(seen) == trained.manifest["kept"] == 6
    assert '"part":"test"' not in "".join(seen["facts"])
    report = json.loads((merged.folder / "merge.json").read_bytes())
    assert (report["same"], report["prompts"], report["alike"]) == (5, 5, True)
    assert merged.manifest["facts"]["difference"] == report["difference"] < 1e-3
    assert (merged.folder / "model" / "model.safetensors").exists()
    again = pipeline.run(load(tmp_path / "r.yaml", pipeline.SETTINGS))
    assert not any(item.fresh for item in again)
