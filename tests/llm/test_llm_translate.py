"""Texts go sentence by sentence and come back whole."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from translators import THERE, make_marian

from weitiao.llm import Translation, Translator
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Reply, Request
from weitiao.llm.client import ask_all
from weitiao.llm.translate import _joined, sentences


class Texts(BaseModel):
    texts: list[str]


@given(st.text(alphabet='ab A.!?。！？…”" \n鱼Dr'))
def test_no_character_is_lost(text: str) -> None:
    assert "".join(sentences(text)) == text.lstrip("\n")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("鱼会淹死吗？“会的。”他说。真的?", ["鱼会淹死吗？", "“会的。”", "他说。", "真的?"]),
        ("Can it? Mr. Wu says 3.5 times. Yes!", ["Can it? ", "Mr. Wu says 3.5 times. ", "Yes!"]),
        ("one\n\n two", ["one\n\n ", "two"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_do(text: str, found: list[str]) -> None:
    assert sentences(text) == found


def test_sentences_are_joined_as_the_new_language_writes_them() -> None:
    assert _joined([("Is it so?", "是吗？"), ("Yes.", "是的。\n"), ("End.", "完。")]) == "Is it so? Yes.\nEnd."
    assert _joined([("是吗？", "Is it? "), ("是的。", "Yes.")]) == "是吗？是的。"


def test_a_prefix_stands_before_each_sentence_and_answers_are_kept(cache: Cache, tmp_path: Path) -> None:
    said = THERE["我问一句。"]
    folder = str(make_marian(tmp_path / "zh-en", {"我问一句。": said}))
    request = Request((("text", "我问一句。\n……\n我问一句。"), ("text", "😀")), schema=Texts)
    for prefix, read in (("", 14), (">>zh<<", 16)):
        translator = Translator(model=folder, by=Translation(model=folder, prefix=prefix, beams=1))
        ((_, reply),) = ask_all([request], translator, cache, "augment")
        assert isinstance(reply, Reply)
        assert (reply.data, reply.usage.prompt) == (Texts(texts=[f"{said}\n……\n{said}", "😀"]), read)
        assert cache.find(keys(translator, [request])[0], request)
    assert cache.spent("augment").calls == 2
