from pathlib import Path

import torch

from weitiao.model import tiny
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.template import Template

TEXTS = ["为什么水不能兑水？\n因为兑了还是水。", "Why is the sky blue?\nBecause short waves scatter more."] * 20


def test_same_bytes_for_same_texts_and_seed(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    state = torch.get_rng_state()
    facts = [tiny.build(TEXTS, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert torch.equal(torch.get_rng_state(), state)
    first, second, third = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc")
    assert first == second
    assert first["model.safetensors"] != third["model.safetensors"]
    assert facts[0] == facts[1]
    model, template = load_model(str(tmp_path / "a")), Template(load_tokenizer(str(tmp_path / "a")))
    assert model.num_parameters() == facts[0]["parameters"]
    encoded = template.encode([("user", "水"), ("assistant", "<b>")])
    supervised = [token for token, carries in zip(encoded.ids, encoded.mask, strict=True) if carries]
    assert template.tokenizer.decode(supervised) == "<b><|im_end|>"
    assert max(encoded.ids) < model.config.vocab_size
    assert (encoded.stops, encoded.turns) == (1, 1)
