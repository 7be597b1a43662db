"""Prompts: both languages know the same values, copies stand in for what ships, and what is wrong with them is said."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from weitiao.errors import UserError
from weitiao.llm.prompts import Prompts, _material, about, copy, fill, names, read, template

LANGUAGES = ("zh", "en")


@pytest.mark.parametrize("name", names())
def test_both_languages_know_what_their_first_line_says(name: str) -> None:
    for language in LANGUAGES:
        used = meta.find_undeclared_variables(Environment().parse(read(name, language)))
        said = set(re.split(r"[、, ]+", re.split(r"可用：|Knows: ", about(name, language))[1]))
        assert used == said
        assert ("mark" in used) == (name != "answer")  # there the texts are turns of a talk, which nothing need part


def test_copies_stand_in_for_what_ships(tmp_path: Path) -> None:
    files = {path.parent.name: path for path in copy("evolve", tmp_path / "mine")}
    assert {path.name for path in files.values()} == {"evolve.j2"}
    same = Prompts(tmp_path / "mine", ["evolve", "translate"])
    assert same.digests == Prompts(None, ["evolve", "translate"]).digests
    files["zh"].write_text("改写：{{ question }} {{ mark }} {{ way }}")
    mine = Prompts(tmp_path / "mine", ["evolve", "translate"])
    assert {name for name, digest in mine.digests.items() if digest != same.digests[name]} == {"zh/evolve"}
    text = mine.fill("evolve", "zh", {"question": "鱼？", "way": "x"})
    assert re.fullmatch(r"改写：鱼？ #[0-9a-f]{10} x", text)
    with pytest.raises(UserError, match="there already"):
        copy("evolve", tmp_path / "mine")


def test_what_is_wrong_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no prompt `evolv`"):
        copy("evolv", tmp_path)
    with pytest.raises(UserError, match="There is no folder of prompts"):
        Prompts(tmp_path / "none", ["evolve"])
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "evolv.j2").write_text("")
    with pytest.raises(UserError, match=r"evolv\.j2 is no prompt"):
        Prompts(tmp_path, ["evolve"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("改写下面的问题：{{ way }}", r"evolve\.j2 does not name `question`"),
        ("{{ way }}\n{{ qestion }}", r"evolve\.j2:2: nothing is called `qestion` here"),
    ],
)
def test_a_copy_names_what_it_is_about_and_nothing_else(tmp_path: Path, text: str, said: str) -> None:
    copy("evolve", tmp_path)
    (tmp_path / "zh" / "evolve.j2").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        Prompts(tmp_path, ["evolve"])


def test_what_each_prompt_is_about() -> None:
    found = {language: {name: _material(read(name, language)) for name in names()} for language in LANGUAGES}
    assert found["en"] == found["zh"]
    assert found["en"] == {
        "answer": set(),
        "ask_passage": {"passage"},
        "check_answer": {"passage", "turns"},
        "check_new": {"seeds", "question"},
        "check_rephrased": {"before", "after"},
        "evolve": {"question"},
        "judge": {"question", "a", "b"},
        "rephrase": {"texts"},
        "score": {"question", "answer"},
        "self_instruct": {"seeds"},
        "tag": {"question"},
        "translate": {"texts"},
        "worse": {"question", "answer"},
    }


def test_a_prompt_fills_in_texts_and_nothing_more() -> None:
    with pytest.raises(UserError, match="cannot be filled in"):
        fill(template("{{ ''.__class__.__mro__ }}", Path("evolve.j2")), {}, Path("evolve.j2"))


def test_the_mark_is_another_one_for_other_texts() -> None:
    one = template("{{ mark }}", Path("x.j2"))
    assert fill(one, {"a": "1"}, Path("x.j2")) != fill(one, {"a": "2"}, Path("x.j2"))
