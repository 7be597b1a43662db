"""Code that a checkpoint brings along: never run without consent, said when it runs, not run where we have a class."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import PIECES, internlm2_tokenizer, internlm2_weights
from typer.testing import CliRunner, Result

from weitiao.cli import chat, check, merge, run
from weitiao.errors import UserError
from weitiao.model.load import load_config, load_model, load_tokenizer

torch.set_num_threads(1)

OWN = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""
MAP = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
EVIL = "raise SystemExit('remote code ran')"


def ask(folder: Path, code: str, **config: Any) -> Path:
    """Let the checkpoint in a folder ask for code of its own."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "auto_map": MAP, **config}))
    (folder / "own.py").write_text(code)
    return folder


@pytest.fixture
def own(tiny_llama: Path, tmp_path: Path) -> Path:
    """A Llama that says that it is something else, and how it is computed."""
    shutil.copytree(tiny_llama, tmp_path / "model")
    return ask(tmp_path / "model", OWN, model_type="own", architectures=["OwnForCausalLM"])


def test_no_consent_no_code(own: Path) -> None:
    ask(own, EVIL)
    for load in (load_model, load_tokenizer, load_config):
        with pytest.raises(UserError, match=r"code of its own: own\.py; it was not run") as error:
            load(str(own))
        assert "--trust-remote-code" in error.value.hint


@pytest.mark.parametrize("value", ["someone/kernel", {"": "someone/kernel"}])
def test_kernels_are_not_fetched(own: Path, value: object) -> None:
    ask(own, OWN, text_config={"_attn_implementation": value})
    with pytest.raises(UserError, match="asks for compiled code from the hub"):
        load_model(str(own), trust=True)


def test_with_consent_it_is_the_model(own: Path, tiny_llama: Path) -> None:
    ids = torch.tensor([[5, 6, 7]])
    found, plain = load_model(str(own), device="cpu", trust=True), load_model(str(tiny_llama), device="cpu")
    assert type(found).__name__ == "OwnForCausalLM"
    with torch.no_grad():
        assert torch.equal(found(ids).logits, plain(ids).logits)


def test_what_has_a_class_is_loaded_by_it_whatever_it_asks_for(tiny_llama: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama, tmp_path / "llama")
    internlm2_tokenizer(tmp_path / "internlm2", prefix=False)
    internlm2_weights(tmp_path / "internlm2", bias=False, words=PIECES)
    for name in ("llama", "internlm2"):
        folder = str(ask(tmp_path / name, EVIL))
        for trust in (False, True):
            assert load_config(folder, trust=trust).model_type == name
            assert load_tokenizer(folder, trust=trust)
            assert not type(load_model(folder, device="cpu", trust=trust)).__module__.startswith("transformers_modules")


def weitiao(app: Any, *words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_line_says_it_on_the_screen_and_in_its_papers(own: Path, tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"{n}+1?"}, {"role": "assistant", "content": str(n + 1)}]}
        for n in range(4)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "r.yaml").write_text(
        "model: model\nsource: {inputs: [data.jsonl]}\nsplit: {ratios: {train: 0.5, test: 0.5}, in_order: true}\n"
        "export:\ntrain: {max_steps: 1}\nmerge: {prompts: 1, tokens: 2}\ncompare: {max_new_tokens: 2, samples: 100}\n"
    )
    with pytest.raises(UserError, match="it was not run"):
        weitiao(run.app, "run", tmp_path / "r.yaml")
    assert not (tmp_path / "runs" / "r" / "source").exists()
    result = weitiao(run.app, "run", tmp_path / "r.yaml", "--trust-remote-code")
    assert "runs code of its own: own.py" in result.stderr
    folder = tmp_path / "runs" / "r"
    manifest = json.loads((folder / "train" / "manifest.json").read_bytes())
    assert manifest["project"]["trust_remote_code"] is True
    assert manifest["facts"]["remote_code"] == ["own.py"]
    assert "own.py" in (folder / "compare" / "report.html").read_text(encoding="utf-8")
    assert "own.py" in (folder / "merge" / "model" / "README.md").read_text(encoding="utf-8")
    merged = folder / "merge" / "model"
    assert (merged / "own.py").read_text() == OWN
    with pytest.raises(UserError, match="it was not run"):
        weitiao(chat.app, "chat", merged, "--ask", "1")
    said = weitiao(chat.app, "chat", merged, "--ask", "1", "--max-new-tokens", 2, "--trust-remote-code")
    assert "runs code of its own: own.py" in said.stderr
    adapter = folder / "train" / "adapter"
    with pytest.raises(UserError, match="it was not run"):
        weitiao(merge.app, "merge", own, adapter, tmp_path / "out")
    words = ("merge", own, adapter, tmp_path / "out", "--prompts", 1, "--tokens", 2, "--trust-remote-code")
    assert "runs code of its own" in weitiao(merge.app, *words).stderr
    assert weitiao(check.app, "check", tmp_path / "data.jsonl", "--model", own, "--trust-remote-code").exit_code == 0
