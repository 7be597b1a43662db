"""What a merged model comes with: its card, and for an InternLM2 the layout of a Llama that any program loads."""

import json
from pathlib import Path

import makers
import orjson
import pytest
import torch
import yaml
from makers import PIECES, SPECIAL, internlm2_tokenizer, internlm2_weights
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, LlamaForCausalLM

from conftest import TEXTS
from families import make_family
from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.merge import Merge
from weitiao.merge.run import asked, merge
from weitiao.model import pair, save
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.pair import Place
from weitiao.model.template import Template
from weitiao.recipe import load
from weitiao.train import Train, adapter

torch.set_num_threads(1)


def tuned(base: Path, folder: Path) -> Place:
    model = adapter.lay(load_model(str(base), device="cpu"), Train(r=4), "base", 0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.05)
    adapter.save(model, folder)
    return Place(str(base), str(folder))


@pytest.mark.parametrize("bias", [False, True])
def test_internlm2_as_a_plain_llama(bias: bool, tmp_path: Path) -> None:
    base = internlm2_tokenizer(tmp_path / "base", prefix=False)
    internlm2_weights(base, bias=bias, words=PIECES, positions=96)
    place = tuned(base, tmp_path / "adapter")
    found = {
        layout: merge(place, tmp_path / layout, Merge(tokens=4, layout=layout), asked())
        for layout in ("original", "llama")
    }
    assert all(one.alike for one in found.values())
    assert "model.layers.0.attention.wqkv.weight" in _names(tmp_path / "original")
    assert "model.layers.0.self_attn.q_proj.weight" in _names(tmp_path / "llama")
    config = json.loads((tmp_path / "llama" / "config.json").read_bytes())
    assert (config["model_type"], config["architectures"]) == ("llama", ["LlamaForCausalLM"])
    assert "auto_map" not in config
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "llama")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "llama")
    assert type(model) is LlamaForCausalLM
    ids = torch.arange(3, 123)[None]  # beyond the trained length: dynamic scaling is there too
    with torch.no_grad():
        assert torch.allclose(model(ids).logits, load_model(str(tmp_path / "original"))(ids).logits, atol=1e-4)
    own = load_tokenizer(str(base))
    assert len(tokenizer) == PIECES
    for text in (*TEXTS, " a  b\n\n", "<|im_start|>user\n你好<|im_end|>\n"):
        assert tokenizer(text)["input_ids"] == own(text)["input_ids"]
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == own.convert_tokens_to_ids(list(SPECIAL))
    talk = [("user", "水"), ("assistant", "b")]
    assert Template(tokenizer).encode(talk) == Template(own).encode(talk)
    assert model.generation_config.eos_token_id == [own.convert_tokens_to_ids("<|im_end|>"), 2]
    assert (tmp_path / "original" / "chat_template.jinja").read_text() == Template(own).jinja


def test_nf4_on_load_is_nf4_of_the_llama_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes", reason="no bitsandbytes")
    for name, size in {"DIM": 16, "HIDDEN": 64, "WIDE": 128}.items():  # blocks of 64 values must fill whole rows
        monkeypatch.setattr(makers, name, size)
    base = internlm2_tokenizer(tmp_path / "base", prefix=False)
    internlm2_weights(base, bias=False, words=PIECES, positions=96)
    model = load_model(str(base), device="cpu")
    save.write(model, Template(load_tokenizer(str(base))), base, tmp_path / "llama", layout="llama")
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        one, other = (
            AutoModelForCausalLM.from_pretrained(
                folder, quantization_config=nf4, dtype=torch.float32, device_map="cpu"
            )(ids).logits
            for folder in (base, tmp_path / "llama")
        )
        assert torch.equal(one, other)
        assert not torch.allclose(one, model(ids).logits, atol=1e-3)


def _names(folder: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        return list(file.keys())


def test_others_have_no_llama_layout(tmp_path: Path) -> None:
    place = tuned(make_family("phi3", tmp_path / "base"), tmp_path / "adapter")
    with pytest.raises(UserError, match="type phi3 has no Llama layout"):
        merge(place, tmp_path / "out", Merge(tokens=2, layout="llama"), asked()[:1])


def test_card_and_named_template_from_the_recipe(tiny_llama: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for path in tiny_llama.iterdir():
        if path.name != "chat_template.jinja":
            (base / path.name).write_bytes(path.read_bytes())
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
    talks = [[("user", f"问{n}"), ("assistant", f"答{n}")] for n in range(8)]
    rows = [{"messages": [{"role": role, "content": text} for role, text in talk]} for talk in talks]
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    (tmp_path / "r.yaml").write_text(
        "model: base\ntemplate: qwen_chat\nsource: {inputs: [data.jsonl], licence: CC-BY-4.0}\n"
        "split: {ratios: {train: 0.75, test: 0.25}, in_order: true}\nexport:\n"
        "train: {max_steps: 2, max_length: 128}\nmerge: {tokens: 4}\ncompare: {max_new_tokens: 4, samples: 100}\n"
    )
    done = {item.stage.name: item.stored for item in pipeline.run(load(tmp_path / "r.yaml", pipeline.SETTINGS))}
    out = done["merge"].folder / "model"
    text = (out / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert (front["license"], front["base_model"], front["library_name"]) == ("apache-2.0", "base", "transformers")
    assert "| data.jsonl | 6 | CC-BY-4.0 |" in text
    assert "| learning_rate | 0.002 |" in text
    assert "| template | qwen_chat |" in text
    assert "Base model: apache-2.0.\nData: CC-BY-4.0 (6)." in text
    assert str(tmp_path) not in text
    wanted = "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n"
    for place in (Place(str(out)), Place(str(base), str(done["train"].folder / "adapter"))):
        assert pair.template(place).text([("user", "1")], generate=True) == wanted
    card = (done["compare"].folder / "card.md").read_text(encoding="utf-8")
    assert card.startswith(text)
    report = orjson.loads((done["compare"].folder / "report.json").read_bytes())
    likelihood = report["measures"][0]
    assert f"| {likelihood['before']:,.3f} | {likelihood['after']:,.3f} |".replace("-", "−") in card.replace("-", "−")
    assert (out / "README.md").read_text(encoding="utf-8") == text  # a finished stage stays as it is
    models = orjson.loads((done["compare"].folder / "report.json").read_bytes())["models"]
    assert {side["template"] for side in models.values()} == {"qwen_chat"}
