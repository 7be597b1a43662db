"""Records are parted by what they are about, and a topic says in words what that is."""

import json
from collections import Counter
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prepare.test_pick_diverse import SAID, TEXTS, batch
from weitiao.prepare.cap import Cap
from weitiao.prepare.cluster_topics import ClusterTopics
from weitiao.step import Batch

DATA = Path(__file__).parents[3] / "shared" / "data"


def topics(step: ClusterTopics, before: Batch) -> list[tuple[int, str] | None]:
    facts = [orjson.loads(text).get("cluster_topics") for text in step.apply(before).records["facts"]]
    return [(fact["topic"], fact["words"]) if fact else None for fact in facts]


def purity(labelled: list[tuple[str, str]], count: int, seed: int = 0) -> float:
    """Return the share of texts that are under the commonest label of their topic."""
    found = topics(ClusterTopics(topics=count, seed=seed), batch([text for _, text in labelled]))
    by_topic: dict[object, Counter[str]] = {}
    for topic, (label, _) in zip(found, labelled, strict=True):
        by_topic.setdefault(topic, Counter())[label] += 1
    return sum(labels.most_common(1)[0][1] for labels in by_topic.values()) / len(labelled)


def cqia() -> list[tuple[str, str]]:
    """Return the name of a file and a question with its answer."""
    return [
        (name, f"{row['instruction']}\n{row['output']}")
        for name in ("cqia/logi_qa", "cqia/segmentfault", "ruozhiba/ruozhiba_raw")
        for row in map(json.loads, (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    ]


def test_what_is_about_one_matter_is_one_topic() -> None:
    found = topics(ClusterTopics(topics=4), batch(TEXTS))
    assert all(len(set(found[start : start + 4])) == 1 for start in range(0, 16, 4))
    assert len(set(found)) == 4
    for topic, said in zip(found[::4], SAID, strict=True):
        assert topic
        assert topic[1]
        assert set(topic[1]) <= set(said.lower()) | {" "}


def test_cap_evens_topics_out() -> None:
    before = batch([*TEXTS, *(f"{SAID[0]}{number}" for number in range(9))])
    after = Cap(per="cluster_topics.topic", most=2).apply(ClusterTopics(topics=4).apply(before))
    assert Counter(text[:3] for text in after.turns["content"]) == dict.fromkeys(
        ("怎么给", "排序数", "How", "手机电"), 2
    )


@settings(max_examples=30)
@given(st.lists(st.text("水电脑机a b1。", max_size=12), max_size=12), st.integers(2, 12))
def test_texts_stay_twice_is_once_and_the_order_does_not_matter(texts: list[str], count: int) -> None:
    step, before = ClusterTopics(topics=count), batch(texts)
    after = step.apply(before)
    assert after.turns.equals(before.turns)
    assert after.ledger().is_empty()
    assert step.apply(after).records.equals(after.records)
    turned = step.apply(Batch(before.records.reverse(), before.turns.reverse()))
    assert turned.records.reverse().equals(after.records)


def test_what_is_like_no_other_has_no_topic() -> None:
    assert topics(ClusterTopics(), batch(["", "水", "甲乙丙", "丁戊己"])) == [None] * 4


def test_many_parts_give_what_one_gives() -> None:
    step, whole = ClusterTopics(topics=4), batch(TEXTS)
    halves = [Batch.of(whole.frame()[:8]), Batch.of(whole.frame()[8:])]
    found = step.found(pl.concat(step.columns(half) for half in halves))
    apart = pl.concat(step.change(half, found).records for half in halves)
    assert apart.equals(step.apply(whole).records)


@pytest.mark.skipif(not (DATA / "cqia").exists(), reason="no ../shared/data/cqia beside the checkout")
def test_topics_tell_files_apart() -> None:
    assert purity(cqia(), 20) > 0.9
