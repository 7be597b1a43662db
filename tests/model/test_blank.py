"""The untrained model that the shipped base is made from."""

from pathlib import Path

import pytest
import torch

from weitiao.model.blank import SPECIAL, Shape, build
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.template import Template

SMALL = Shape(vocabulary=320, hidden=128, layers=1, wide=64, kv_heads=1, positions=64)
TEXTS = [f"第{n}句：你好，世界！a b c {n * 37} the quick brown fox" for n in range(2000)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blank") / "model"
    assert build(TEXTS, folder, 0, SMALL) == 320 * 128 + 3 * 128 + 128 * (128 + 64 + 64 + 128) + 3 * 128 * 64
    return folder


def test_it_is_an_internlm2_with_its_template(made: Path) -> None:
    model, template = load_model(str(made), dtype="float32"), Template(load_tokenizer(str(made)))
    assert type(model).__name__ == "InternLM2ForCausalLM"
    encoded = template.encode([("user", "你好"), ("assistant", "世界！")])
    assert template.tokenizer.decode(encoded.ids) == (
        "<s><|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n世界！<|im_end|>\n"
    )
    assert encoded.stops == 1
    assert max(encoded.ids) < 320
    assert [template.tokenizer.convert_tokens_to_ids(name) for name in SPECIAL] == [3, 4]
    with torch.no_grad():
        assert torch.isfinite(model(torch.tensor([encoded.ids])).logits).all()


def test_the_same_texts_and_seed_make_the_same_files(made: Path, tmp_path: Path) -> None:
    build(iter(TEXTS), tmp_path / "again", 0, SMALL)
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (made / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
