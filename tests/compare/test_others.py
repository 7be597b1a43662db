"""Further models that are not loaded here: one behind an address on a real socket, and a GGUF file."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_server import FAULTS, Fault, Server, serving
from selectolax.lexbor import LexborHTMLParser

from weitiao import pipeline
from weitiao.compare import Compare, others
from weitiao.errors import UserError
from weitiao.model.generate import Sampling, answer
from weitiao.model.llama import Engine
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.score import answer_only, token_losses
from weitiao.model.template import Template
from weitiao.recipe import Recipe

Recipes = Callable[..., Recipe]
CUT = Fault(text="half an ans", finish="length")


def compared(recipe: Recipe, runs: Path) -> tuple[dict[str, Any], Path]:
    folder = pipeline.run(recipe, runs)[-1].stored.folder
    facts: dict[str, Any] = orjson.loads((folder / "report.json").read_bytes())
    return facts, folder


def test_a_model_behind_an_address_is_a_column(
    data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", "sesame-sesame")
    said = {"a": CUT, "Why?": FAULTS["declined"], "水": FAULTS["empty"]}
    with serving(Server(key="sesame-sesame", script=said.get)) as server:
        far = {"endpoint": server.address, "model": "big", "key_env": "FAR_KEY"}
        facts, folder = compared(recipe(data, tiny_llama, other_llama, models={"far": far}), tmp_path)
        assert sum(server.asked.values()) == 8
        body = server.bodies[0]
        assert (body["model"], body["max_tokens"], body["temperature"]) == ("big", 12, 0)
        assert "seed" not in body
        # Another comparison asks nothing that is known, an answer without its end included: only the failed ones.
        again = compared(recipe(data, tiny_llama, other_llama, models={"far": far}, samples=300), tmp_path)[0]
        assert {name for name, times in server.asked.items() if times == 2} == {"Why?", "水"}
        assert again["records"] == facts["records"]
    rows = {row["question"][0]["content"]: row["far"] for row in facts["records"]}
    assert rows["蓝"]["text"] == "answer to 蓝"
    assert (rows["蓝"]["tokens"], rows["蓝"]["stopped"]) == (5, True)
    assert (rows["a"]["text"], rows["a"]["tokens"], rows["a"]["stopped"]) == ("half an ans", 12, False)
    assert (rows["Why?"]["text"], rows["Why?"]["tokens"]) == ("I cannot do that", None)
    assert not rows["水"]["text"].strip()
    assert facts["unit"] == "token"
    assert facts["models"]["far"] == {"model": "big @ local", "template": "its server's own"}
    names = [item["name"] for item in facts["others"]["far"]]
    assert "likelihood" not in names
    assert "tokens" not in names  # of two answers it is not known
    assert {"right", "overlap", "stopped"} <= set(names)
    assert facts["tested"] == sum(
        len([i for i in each if i["better"] != "neither"]) for each in (facts["measures"], facts["others"]["far"])
    )
    table = LexborHTMLParser((folder / "report.html").read_text()).css_first("#models")
    assert table is not None
    assert "No likelihood is known of far" in table.text()
    assert "| – |" in (folder / "report.md").read_text()
    assert "sesame" not in (folder / "report.json").read_text()


def test_a_question_that_the_server_refuses_is_skipped_with_its_reason(
    data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path
) -> None:
    with serving(Server(script={"a": FAULTS["refused"]}.get)) as server:
        place = f"big@{server.address}"
        done = pipeline.run(recipe(data, tiny_llama, other_llama, models={"far": place}), tmp_path)[-1]
    assert done.manifest["refused"] == {"refused by a model's server": 1}
    assert done.manifest["kept"] == 7


def test_no_figure_stands_on_answers_that_are_not_there(
    data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path
) -> None:
    far = {"model": "big", "attempts": 1, "concurrency": 2}
    with serving(Server(script={"a": FAULTS["500 always"]}.get)) as server:
        wanted = recipe(data, tiny_llama, other_llama, models={"far": {**far, "endpoint": server.address}})
        with pytest.raises(UserError, match="far leaves 1 of 8 questions without an answer: error in the server 1"):
            pipeline.run(wanted, tmp_path)
        assert sum(server.asked.values()) == 8
        server.script = None
        pipeline.run(wanted, tmp_path)
        assert sum(server.asked.values()) == 9  # what had arrived is not asked again


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"endpoint": "http://127.0.0.1:9/v1", "model": "m", "key_env": "NOT_SET_HERE"}, "NOT_SET_HERE is not set"),
        ({"endpoint": "http://127.0.0.1:9/v1", "model": "m", "budget": 1}, "price"),
        ({"model": "m"}, "compare.models.far.server.endpoint"),
        ("nowhere.gguf", "No model at"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is(
    data: Path, tiny_llama: Path, recipe: Recipes, tmp_path: Path, model: Any, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        pipeline.run(recipe(data, tiny_llama, tiny_llama, models={"far": model}), tmp_path)


def test_what_is_given_for_a_server_stands_above_the_comparisons_own() -> None:
    given = Compare.model_validate(
        {
            "models": {
                "a": "m/x@https://h.org/v1",
                "b": {"endpoint": "http://h", "model": "m", "max_tokens": 9, "temperature": None},
            }
        }
    ).models
    a, b = given["a"], given["b"]
    assert not isinstance(a, str)
    assert not isinstance(b, str)
    assert (a.model, a.endpoint) == ("m/x", "https://h.org/v1")
    assert a.asked(5, 0.5, 3).sampling == {"max_tokens": 5, "temperature": 0.5, "seed": 3}
    assert b.asked(5, 0.5, 3).sampling == {"max_tokens": 9, "seed": 3}


def test_without_what_runs_it_a_gguf_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("weitiao.model.llama.find_spec", lambda name: None)
    with pytest.raises(UserError, match="llama-cpp-python") as caught:
        others.Gguf.of("q", tmp_path / "m.gguf", tmp_path)
    assert caught.value.hint == "pip install 'weitiao[llama]'"


@pytest.fixture
def gguf(tiny_llama: Path, tmp_path: Path) -> Path:
    pytest.importorskip("llama_cpp", reason="no llama-cpp-python")
    from weitiao.model.gguf_file import write

    path = tmp_path / "m.gguf"
    write(load_model(str(tiny_llama)), Template(load_tokenizer(str(tiny_llama))), path, "f16", "m")
    return path


@pytest.mark.gguf_engine
def test_a_gguf_file_says_and_expects_what_its_model_does(gguf: Path, tiny_llama: Path) -> None:
    model, template = load_model(str(tiny_llama)), Template(load_tokenizer(str(tiny_llama)))
    chats = [[("user", "为什么水不能兑水？"), ("assistant", "因为兑了还是水。")], [("user", "a"), ("assistant", "b")]]
    with Engine(gguf, 8192) as engine:
        assert engine.room == 160
        for chat in chats:
            (wanted,) = token_losses(model, [answer_only(template, chat)], 100)
            assert (engine.losses(chat) or [])[: len(wanted)] == pytest.approx(wanted, abs=0.02)
            said = engine.answer(chat[:1], Sampling(max_new_tokens=8))
            (same,) = answer(model, template, [chat[:1]], Sampling(max_new_tokens=8), batch_tokens=1)
            assert said is not None
            assert (said.text[:4], said.tokens) == (same.text[:4], same.tokens)
        long = [("user", "长" * 300), ("assistant", "b")]
        assert engine.answer(long[:1], Sampling()) is None
        assert not engine.holds(long)


@pytest.mark.gguf_engine
def test_a_gguf_file_is_a_column(
    gguf: Path, data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path
) -> None:
    facts, _ = compared(recipe(data, tiny_llama, other_llama, models={"f16": str(gguf)}), tmp_path / "runs")
    assert facts["unit"] == "token"
    assert facts["models"]["f16"] == {"model": "m.gguf", "template": "the file's own"}
    for row in facts["records"]:
        assert row["f16"]["loss_tokens"] == row["before"]["loss_tokens"]
        assert math.isclose(row["f16"]["loss"], row["before"]["loss"], rel_tol=0.01)
