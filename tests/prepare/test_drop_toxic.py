"""Insults, slurs and threats by a list: what it finds, and what a list cannot know."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prepare.toxic_set import HARMLESS, TOXIC
from weitiao import record
from weitiao.errors import UserError
from weitiao.prepare.drop_toxic import DropToxic
from weitiao.record import Record
from weitiao.step import Around, Batch


def gone(step: DropToxic, *texts: str) -> dict[int, list[str]]:
    made = [Record(f"r{n}", (("passage", text),), "f", n) for n, text in enumerate(texts)]
    events = step.apply(Batch.of(record.to_frame(made))).ledger().filter(action="dropped")
    return {int(name[1:]): orjson.loads(detail)["words"] for name, detail in events.select("id", "detail").rows()}


def test_the_words_are_found_and_meaning_is_not() -> None:
    assert gone(DropToxic(), *TOXIC).keys() == set(range(19))
    assert len(TOXIC) == 26
    assert gone(DropToxic(), *HARMLESS) == {2: ["操你"], 22: ["傻逼"], 23: ["bitch"]}


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# mine\n广告位\nspam*\n!spamalot\n!广告位置\n", "utf-8")
    step = DropToxic(lexicon="words.txt", own=False).within(Around(tmp_path))
    assert gone(step, "广-告 位招租", "傻逼", "Spamming, SPAM", "Spamalot", "广告位置在哪", "x") == {
        0: ["广告位"],
        2: ["spamming", "spam"],
    }
    assert gone(DropToxic(least=2), "傻逼", "傻逼，脑残") == {1: ["傻逼", "脑残"]}
    with pytest.raises(UserError, match="list of words"):
        gone(DropToxic(lexicon="none.txt").within(Around(tmp_path)), "x")
    (tmp_path / "gb.txt").write_bytes("广告".encode("gb18030"))
    with pytest.raises(UserError, match="not UTF-8"):
        gone(DropToxic(lexicon="gb.txt").within(Around(tmp_path)), "x")
    (tmp_path / "empty.txt").write_text("")
    assert gone(DropToxic(lexicon="empty.txt", own=False).within(Around(tmp_path)), "傻逼 fuck") == {}


@settings(max_examples=50)
@given(st.lists(st.text("傻逼操你的心a fuck,*", max_size=12), max_size=4))
def test_company_does_not_matter(texts: list[str]) -> None:
    alone = {at: words for at, text in enumerate(texts) for words in gone(DropToxic(), text).values()}
    assert gone(DropToxic(), *texts) == alone
