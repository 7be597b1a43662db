"""XTuner's checkpoints become adapters that compute the same: logits equal those of a merge on the original tensors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import DIM, HEADS, HIDDEN, LAYERS, PIECES, WIDE, Tensors, internlm2_tokenizer, internlm2_weights
from safetensors.torch import load_file, save_file

from weitiao.errors import UserError
from weitiao.model.load import load_model
from weitiao.pipeline import SETTINGS
from weitiao.recipe import Recipe, bind
from weitiao.xtuner.convert import pth_to_hf

torch.set_num_threads(1)
R, ALPHA, KV_HEADS = 4, 6, 2
IDS = torch.tensor([[5, 17, 40, 8, 61, 3, 90, 12]])


class Hostile:
    """Writes a file when it is unpickled, as a history of mmengine's might."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.mark, "ran"))


def recipe(folder: Path, r: int = R, model: str = "base") -> Recipe:
    data = {"model": model, "train": {"r": r, "alpha": ALPHA, "dropout": 0.1}}
    return bind(data, SETTINGS, folder)


def lora(skip: tuple[str, ...] = ()) -> Tensors:
    """Return LoRA matrices on every linear layer of the original layout, the head among them, as XTuner names them."""
    draw = torch.Generator().manual_seed(1)
    shapes = {"output": (PIECES, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        shapes[f"{at}.attention.wqkv"] = ((HEADS + 2 * KV_HEADS) * DIM, HIDDEN)
        shapes[f"{at}.attention.wo"] = (HIDDEN, HIDDEN)
        shapes |= {f"{at}.feed_forward.{name}": (WIDE, HIDDEN) for name in ("w1", "w3")}
        shapes[f"{at}.feed_forward.w2"] = (HIDDEN, WIDE)
    found = {}
    for module, (rows, columns) in shapes.items():
        if module not in skip:
            found[f"{module}.lora_A"] = torch.randn(R, columns, generator=draw) * 0.3
            found[f"{module}.lora_B"] = torch.randn(rows, R, generator=draw) * 0.3
    return {f"llm.base_model.model.{name}.default.weight": tensor for name, tensor in found.items()}


def make_base(folder: Path, tied: bool = False) -> Tensors:
    internlm2_tokenizer(folder, prefix=False)
    return internlm2_weights(folder, bias=False, kv_heads=KV_HEADS, tied=tied, words=PIECES, positions=512)


def merged_logits(folder: Path, tensors: Tensors, state: Tensors) -> torch.Tensor:
    """Return the logits of the original tensors with B A alpha / r added to each."""
    out = dict(tensors)
    for name, a in state.items():
        if ".lora_A." in name:
            module = name.removeprefix("llm.base_model.model.").partition(".lora_A")[0]
            b = state[name.replace("lora_A", "lora_B")]
            out[f"{module}.weight"] = tensors[f"{module}.weight"] + ALPHA / R * b.double().mm(a.double()).float()
    copy = folder / "merged"
    internlm2_weights(copy, bias=False, kv_heads=KV_HEADS, words=PIECES, positions=512)
    save_file(out, copy / "model.safetensors", metadata={"format": "pt"})
    return logits(str(copy))


def logits(model: str, adapter: str | None = None) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_model(model, adapter=adapter, dtype="float32", device="cpu")(IDS).logits
    return found


def plain_pth(state: Tensors, folder: Path) -> Path:
    saved = {
        "meta": {"epoch": 3, "iter": 96},
        "state_dict": state,
        "message_hub": {"log_scalars": {"train/loss": Hostile(folder / "mark")}},
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
    }
    torch.save(saved, folder / "iter_96.pth")
    return folder / "iter_96.pth"


def deepspeed(state: Tensors, folder: Path) -> Path:
    place = folder / "iter_96.pth"
    place.mkdir()
    shapes = [{name: tensor.shape for name, tensor in state.items()}]
    saved = {"module": state, "param_shapes": shapes, "dp_world_size": 1, "lr_scheduler": Hostile(folder / "mark")}
    torch.save(saved, place / "mp_rank_00_model_states.pt")
    torch.save(
        {"optimizer_state_dict": Hostile(folder / "mark")}, place / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"
    )
    return place


def old_adapter(state: Tensors, folder: Path) -> Path:
    place = folder / "hf"
    place.mkdir()
    names = {name.removeprefix("llm.").replace(".default.weight", ".weight"): value for name, value in state.items()}
    torch.save(names, place / "adapter_model.bin")
    return place


@pytest.mark.parametrize("make", [plain_pth, deepspeed, old_adapter])
def test_the_adapter_computes_what_the_checkpoint_does(make: Callable[[Tensors, Path], Path], tmp_path: Path) -> None:
    tensors, state = make_base(tmp_path / "base"), lora()
    found = pth_to_hf(recipe(tmp_path), make(state, tmp_path), tmp_path / "out")
    assert not (tmp_path / "mark").exists()
    assert found.targets == ["down_proj", "gate_proj", "k_proj", "lm_head", "o_proj", "q_proj", "up_proj", "v_proj"]
    assert not found.tied
    wanted = merged_logits(tmp_path, tensors, state)
    adapted = logits(str(tmp_path / "base"), str(tmp_path / "out"))
    assert (adapted - wanted).abs().max() < 1e-4
    assert (adapted - logits(str(tmp_path / "base"))).abs().max() > 1  # the head and the rest do change it
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_bytes())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (R, ALPHA, found.targets)
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_without_the_head_merging_and_unloading_keep_it(tmp_path: Path) -> None:
    tensors, state = make_base(tmp_path / "base"), lora()
    pth_to_hf(recipe(tmp_path), plain_pth(state, tmp_path), tmp_path / "out")
    model = load_model(str(tmp_path / "base"), adapter=str(tmp_path / "out"), dtype="float32", device="cpu")
    with torch.no_grad():
        found = model.merge_and_unload()(IDS).logits
    assert (found - merged_logits(tmp_path, tensors, state)).abs().max() < 1e-4


def test_the_original_layout_keeps_names_and_bits(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    state = {name: tensor.bfloat16() for name, tensor in lora(("output",)).items()}
    found = pth_to_hf(recipe(tmp_path), plain_pth(state, tmp_path), tmp_path / "out", "internlm2")
    assert found.targets == ["w1", "w2", "w3", "wo", "wqkv"]
    written = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert len(written) == len(state)
    for name, tensor in state.items():
        key = name.removeprefix("llm.").replace(".default", "")
        assert written[key].dtype == torch.bfloat16
        assert torch.equal(written[key], tensor)


def test_float32_on_request_and_layers_in_full_where_blocks_differ(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    state = {name: tensor.half() for name, tensor in lora(("output", "model.layers.1.attention.wo")).items()}
    found = pth_to_hf(recipe(tmp_path), plain_pth(state, tmp_path), tmp_path / "out", fp32=True)
    assert "model.layers.0.self_attn.o_proj" in found.targets
    assert "model.layers.1.self_attn.o_proj" not in found.targets
    assert {tensor.dtype for tensor in load_file(tmp_path / "out" / "adapter_model.safetensors").values()} == {
        torch.float32
    }
    logits(str(tmp_path / "base"), str(tmp_path / "out"))


def test_other_models_keep_their_names_and_need_no_base(tmp_path: Path) -> None:
    at = "llm.base_model.model.model.layers.0.self_attn.q_proj"
    state = {f"{at}.lora_A.default.weight": torch.ones(R, 8), f"{at}.lora_B.default.weight": torch.ones(8, R)}
    found = pth_to_hf(recipe(tmp_path, model="not/here"), plain_pth(state, tmp_path), tmp_path / "out")
    assert (found.targets, found.tensors) == (["q_proj"], 2)


def test_a_tied_head_is_said(tmp_path: Path) -> None:
    make_base(tmp_path / "base", tied=True)
    assert pth_to_hf(recipe(tmp_path), plain_pth(lora(), tmp_path), tmp_path / "out").tied


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    pth, out = plain_pth(lora(), tmp_path), tmp_path / "out"
    with pytest.raises(UserError, match="has rank 4, the configuration says 8"):
        pth_to_hf(recipe(tmp_path, r=8), pth, out)
    with pytest.raises(UserError, match="No checkpoint"):
        pth_to_hf(recipe(tmp_path), tmp_path / "iter_1.pth", out)
    internlm2_weights(tmp_path / "base", bias=False, kv_heads=1, words=PIECES)
    with pytest.raises(UserError, match="belongs to another base"):
        pth_to_hf(recipe(tmp_path), pth, out)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="no tensors by name"):
        pth_to_hf(recipe(tmp_path), tmp_path / "list.pth", out)
    half = {name: tensor for name, tensor in lora().items() if "lora_A" in name}
    with pytest.raises(UserError, match="no LoRA matrix"):
        pth_to_hf(recipe(tmp_path), plain_pth(half, tmp_path), out)
    spread = tmp_path / "zero3"
    spread.mkdir()
    with pytest.raises(UserError, match="is no checkpoint"):
        pth_to_hf(recipe(tmp_path), spread, out)
    for rank in range(2):
        (spread / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt").write_bytes(b"")
    with pytest.raises(UserError, match="ZeRO-3"):
        pth_to_hf(recipe(tmp_path), spread, out)
    assert not out.exists()
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(UserError, match="is there already"):
        pth_to_hf(recipe(tmp_path), pth, out)
