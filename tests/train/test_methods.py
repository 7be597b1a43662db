"""Each method trains what it says, and what it writes is what it trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import internlm2_weights
from peft.tuners.lora import LoraLayer
from pydantic import ValidationError
from safetensors.torch import load_file

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.merge import Merge
from weitiao.merge.run import asked, merge, tell
from weitiao.model import pair, quantise
from weitiao.model.load import load_model
from weitiao.model.loss import PackedLoss, pack
from weitiao.model.pair import Place
from weitiao.model.quantise import Quantised, noted
from weitiao.model.template import Encoded
from weitiao.recipe import load
from weitiao.stage import Job, Silent
from weitiao.train import Chosen, Train, adapter
from weitiao.train.loop import groups
from weitiao.train.run import run

torch.set_num_threads(1)
MakeJob = Callable[..., Job]
IDS = torch.tensor([[5, 6, 7, 8, 9]])
ITEM = Encoded([5, 6, 7, 8, 9, 10], [True] * 6, 1, 1)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(IDS, use_cache=False).logits
    return found


def moved(base: Path, settings: Train, quantised: Quantised | None = None) -> Any:
    """Return a model with its method laid on, each trained weight moved a bit away from where it starts."""
    model = adapter.lay(load_model(str(base), device="cpu", quantised=quantised), settings, "base", 0)
    torch.manual_seed(1)
    with torch.no_grad():
        for _, value in adapter.trained(model):
            value.add_(torch.randn_like(value), alpha=0.02)
    return model


@pytest.mark.parametrize("method", ["lora", "rslora", "dora", "pissa"])
def test_merged_onto_the_original_base_is_what_was_trained(tiny_llama: Path, tmp_path: Path, method: str) -> None:
    model = moved(tiny_llama, Train.model_validate({"method": method, "r": 4}))
    adapter.save(model, tmp_path / "adapter")
    base, on_base = (
        load_model(str(tiny_llama), adapter=where, device="cpu") for where in (None, str(tmp_path / "adapter"))
    )
    assert torch.allclose(logits(on_base), logits(model), atol=1e-4)
    assert not torch.allclose(logits(base), logits(model), atol=1e-2)
    found = merge(Place(str(tiny_llama), str(tmp_path / "adapter")), tmp_path / "out", Merge(tokens=4), asked())
    assert (found.same, found.alike, found.trained_on) == (4, True, None)
    assert torch.allclose(logits(load_model(str(tmp_path / "out"), device="cpu")), logits(model), atol=1e-4)


@pytest.mark.parametrize("method", ["lora", "rslora", "dora", "pissa"])
def test_at_the_start_nothing_has_changed(tiny_llama: Path, method: str) -> None:
    base = load_model(str(tiny_llama), device="cpu")
    before = logits(base)
    model = adapter.lay(base, Train.model_validate({"method": method, "r": 4}), "base", 0)
    assert torch.allclose(logits(model), before, atol=1e-4)


def test_pissa_takes_the_main_directions_and_restores_to_the_bit(tiny_llama: Path, tmp_path: Path) -> None:
    model = adapter.lay(load_model(str(tiny_llama), device="cpu"), Train(method="pissa", r=4), "base", 0)
    whole = load_model(str(tiny_llama), device="cpu").model.layers[0].mlp.up_proj.weight.detach()
    layer = model.get_base_model().model.layers[0].mlp.up_proj
    assert isinstance(layer, LoraLayer)
    there = torch.linalg.svdvals(layer.get_delta_weight("default"))[:4]
    assert torch.allclose(there, torch.linalg.svdvals(whole)[:4], rtol=0.02)
    model = moved(tiny_llama, Train(method="pissa", r=4))
    adapter.save(model, tmp_path)
    again = adapter.lay(load_model(str(tiny_llama), device="cpu"), Train(method="pissa", r=4), "base", 0)
    adapter.restore(again, tmp_path)
    pairs = zip(adapter.trained(model), adapter.trained(again), strict=True)
    assert all(torch.equal(one, other) for (_, one), (_, other) in pairs)
    with pytest.raises(UserError, match=r"than `model\.layers\.0\.self_attn\.k_proj` has directions: 16"):
        adapter.lay(load_model(str(tiny_llama), device="cpu"), Train(method="pissa", r=17), "base", 0)


def test_full_changes_all_but_what_is_frozen(make_job: MakeJob, tiny_llama: Path) -> None:
    job = make_job(method="full", freeze=["model.layers.0.*"], max_steps=2)
    outcome = run(job)
    base, tuned = (load_file(folder / "model.safetensors") for folder in (tiny_llama, job.folder / "model"))
    assert base.keys() == tuned.keys()
    for name, value in base.items():
        assert torch.equal(value, tuned[name]) == name.startswith("model.layers.0."), name
    assert outcome.facts["trained"] == sum(v.numel() for k, v in base.items() if not k.startswith("model.layers.0."))
    assert outcome.facts["targets"] == []
    assert (job.folder / "model" / "tokenizer.json").read_bytes() == (tiny_llama / "tokenizer.json").read_bytes()
    with pytest.raises(UserError, match=r"No parameter of the model is called `layers\.7`"):
        run(make_job("b", method="full", freeze=["layers.7"]))
    with pytest.raises(UserError, match="nothing to train"):
        run(make_job("c", method="full", freeze=["*"]))


def test_full_in_bfloat16_products_keeps_float32_weights(make_job: MakeJob) -> None:
    job = make_job(method="full", dtype="bfloat16", epochs=6, learning_rate=1e-3)
    outcome = run(job)
    assert outcome.facts["dtype"] == "float32"
    assert outcome.facts["loss"][1] < 0.9 * outcome.facts["loss"][0]


def test_the_line_of_a_whole_model(tiny_llama: Path, tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "是"}]} for n in range(9)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "r.yaml").write_text(
        f"model: {tiny_llama}\nsource: {{inputs: [data.jsonl]}}\nsplit: {{in_order: true}}\nexport:\n"
        "train: {method: full, max_steps: 2, max_length: 64}\nmerge: {tokens: 2}\ncompare: {max_new_tokens: 2}\n"
    )
    done = {item.stage.name: item.stored for item in pipeline.run(load(tmp_path / "r.yaml", pipeline.SETTINGS))}
    train, merged = done["train"].folder, done["merge"].folder
    one, other = (load_file(folder / "model" / "model.safetensors") for folder in (train, merged))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert done["merge"].manifest["facts"]["alike"]
    assert pair.after(train, None) == pair.Place(str(train / "model"))
    assert pair.named(str(train.parent), tmp_path) == pair.Place(str(merged / "model"))
    assert done["compare"].manifest["facts"]["models"]["after"]["model"] == "merge/model"


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_adapter_is_merged_onto_the_full_base(
    make_job: MakeJob, tiny_llama: Path, tmp_path: Path, bits: Any
) -> None:
    job = make_job(bits=bits, max_steps=3)
    run(job)
    made = job.folder / "adapter"
    assert noted(made) == Quantised(bits) == pair.Place("x", str(made)).trained_on
    found = merge(Place(str(tiny_llama), str(made)), tmp_path / "out", Merge(tokens=4), asked())
    assert found.alike
    assert found.trained_on is not None
    assert found.trained_on.bits == bits
    assert found.trained_on.difference > 1e-3
    assert found.trained_on.divergence > 0
    full = load_model(str(tiny_llama), adapter=str(made), device="cpu")
    assert torch.allclose(logits(load_model(str(tmp_path / "out"), device="cpu")), logits(full), atol=1e-4)
    notes = Notes()
    tell(found, notes)
    assert notes.said[0].startswith(
        f"Merged onto the full-precision base; the adapter was trained on it in {bits} bits"
    )


def test_answering_leaves_four_bit_weights_as_they_are(tiny_llama: Path) -> None:
    model = moved(tiny_llama, Train(r=4), Quantised(4))
    layer = model.get_base_model().model.layers[0].mlp.up_proj.base_layer
    assert type(layer).__name__ == "Linear4bit"
    weight, scales = layer.weight.data.clone(), layer.weight.quant_state.absmax.clone()
    before = PackedLoss(model.train())(pack([ITEM], [0])).detach()
    logits(model.to(torch.bfloat16))
    assert torch.equal(layer.weight.data, weight)
    assert torch.equal(layer.weight.quant_state.absmax, scales)
    assert torch.allclose(PackedLoss(model.float().train())(pack([ITEM], [0])).detach(), before, atol=0.1)


def test_internlm2_is_quantised_on_load(tmp_path: Path) -> None:
    internlm2_weights(tmp_path, bias=True)
    full, four = (load_model(str(tmp_path), device="cpu", quantised=how) for how in (None, Quantised(4)))
    kinds = {type(module).__name__ for name, module in four.named_modules() if name.endswith("_proj")}
    assert kinds == {"Linear4bit"}
    assert type(four.lm_head).__name__ == "Linear"
    assert 1e-4 < (logits(full) - logits(four)).abs().mean() < 1


def test_without_the_library_the_install_line_is_said(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "find_spec", lambda _: None)
    with pytest.raises(UserError) as error:
        load_model(str(tiny_llama), quantised=Quantised(4))
    assert error.value.hint == "pip install 'weitiao[qlora]'"


def test_loraplus_lets_b_learn_faster(tiny_llama: Path) -> None:
    model = adapter.lay(load_model(str(tiny_llama), device="cpu"), Train(), "base", 0)
    plain, (slow, fast) = groups(model, Chosen()), groups(model, Chosen(loraplus_ratio=16))
    assert [(len(group["params"]), group["ratio"]) for group in plain] == [(28, 1.0)]
    assert (len(slow["params"]), slow["ratio"], len(fast["params"]), fast["ratio"]) == (14, 1.0, 14, 16)
    assert all(not value.any() for value in fast["params"])


@pytest.mark.parametrize(("settings", "message"), [
    ({"method": "full", "bits": 4}, "must not be quantised"),
    ({"method": "pissa", "bits": 8}, "must not be quantised"),
    ({"freeze": ["model.*"]}, "trains nothing but the adapter"),
    ({"method": "full", "loraplus_ratio": 4}, "no B matrices"),
    ({"mix": {"a.jsonl": 0}}, "greater than 0"),
    ({"bits": 3}, "4"),
])  # fmt: skip
def test_what_does_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Train.model_validate(settings)
