"""Languages are told from short, mixed and look-alike texts; what cannot be told stays."""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prepare.language_set import TEXTS
from weitiao import record
from weitiao.prepare import languages as module
from weitiao.prepare.keep_languages import KeepLanguages
from weitiao.prepare.languages import languages
from weitiao.record import Record
from weitiao.step import Batch

WORDS = Path(__file__).parents[3] / "shared" / "data" / "text" / "language_id"


def told(texts: list[str], certainty: float = 0.5) -> list[str]:
    found = languages(pl.Series(texts, dtype=pl.String))
    return [name if share >= certainty else "und" for name, share in found.rows()]


@cache
def library() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def alone(text: str) -> str:
    """Return what the library says by itself, of all the languages that it knows."""
    return str(library().classify(text)[0])


def words(kind: str, name: str) -> list[str]:
    return [line for line in (WORDS / kind / f"{name}.txt").read_text("utf-8").splitlines() if line.strip()]


def test_each_text_of_the_set_is_told() -> None:
    found = told([text for text, _ in TEXTS])
    assert len(TEXTS) > 75
    wrong = [(text, wanted, name) for (text, wanted), name in zip(TEXTS, found, strict=True) if name != wanted]
    assert wrong == []


def test_words_that_are_asked_about_are_not_the_language() -> None:
    asked = ["“안녕하세요”是什么意思？", "日语里的「ありがとう」怎么读？", "彼は「さようなら」と言った", "“안녕하세요”"]
    assert told(asked) == ["zh", "zh", "ja", "ko"]
    assert told(["我哋今晚去邊度食飯呀，大家話啦", "Tôi muốn mua một chiếc điện thoại mới cho mẹ."]) == ["yue", "vi"]


@pytest.mark.parametrize(
    ("name", "least"), [("en", 0.85), ("de", 0.9), ("fr", 0.9), ("ru", 0.9), ("ko", 1), ("ja", 0.5)]
)
def test_word_pairs_are_told_or_left_open(name: str, least: float) -> None:
    if not WORDS.exists():
        pytest.skip(f"no {WORDS}")
    pairs = words("word_pairs", name)
    found = told(pairs)
    wrong = sum(one not in (name, "und") for one in found) / len(pairs)
    print(name, found.count(name) / len(pairs), wrong)
    assert wrong <= 1 - least


def batch(*texts: str, facts: str = "{}") -> Batch:
    made = [Record(f"r{n}", (("passage", text),), "f", n, facts=orjson.loads(facts)) for n, text in enumerate(texts)]
    return Batch.of(record.to_frame(made))


def test_others_go_with_what_was_found_and_the_rest_knows_its_language() -> None:
    after = KeepLanguages().apply(batch("你好", "Ich hätte gern ein Stück Kuchen, bitte.", "ok", facts='{"a":1}'))
    assert after.records["facts"].to_list() == [
        '{"a":1,"keep_languages":{"language":"zh","certainty":1.0}}',
        '{"a":1,"keep_languages":{"language":"ar","certainty":0.04}}',
    ]
    (event,) = after.ledger().to_dicts()
    assert (event["id"], event["reason"]) == ("r1", "wrong language")
    assert orjson.loads(event["detail"])["language"] == "de"


def test_traditional_is_chinese_and_can_be_asked_for_alone() -> None:
    both = ("我們相聚的意義是什麼", "我们相聚的意义是什么")
    assert len(KeepLanguages(languages=("zh",)).apply(batch(*both)).records) == 2
    assert KeepLanguages(languages=("zh-hant",)).apply(batch(*both)).records["id"].to_list() == ["r0"]


def test_a_recipe_may_name_the_languages_alone() -> None:
    assert KeepLanguages.model_validate(["ja", "ko"]) == KeepLanguages(languages=("ja", "ko"))
    with pytest.raises(ValidationError):
        KeepLanguages.model_validate([])


def test_the_characters_of_japanese_are_those_of_the_converter() -> None:
    from opencc import OpenCC

    convert = OpenCC("jp2t").convert
    changed = [one for one in module.JAPANESE if convert(one) != one]
    assert [one for one in module.JAPANESE if one not in changed] == list("込働畑峠辻枠栃匂")
    for one in module.JAPANESE:
        assert not one.encode("gb2312", "ignore") + one.encode("big5", "ignore")
    for one in module.SHARED:
        assert convert(one) != one
        assert (len(one.encode("gb2312", "ignore")), one.encode("big5", "ignore")) == (2, b"")


@settings(max_examples=50)
@given(st.lists(st.text(max_size=40), max_size=5))
def test_a_second_time_changes_nothing_and_company_does_not_matter(texts: list[str]) -> None:
    once = KeepLanguages().apply(batch(*texts))
    again = KeepLanguages().apply(once)
    assert again.records.equals(once.records)
    for text in texts:
        assert told([text]) == told([text, *texts])[:1]


def test_a_language_that_cannot_be_told_is_named() -> None:
    with pytest.raises(ValidationError, match="zho is no language that can be told: zh, zh-hant, yue, ja, ko, ar"):
        KeepLanguages(languages=("zh", "zho"))
