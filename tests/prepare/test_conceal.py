"""What redact takes out of the records stands nowhere in the run's folder from prepare on."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from weitiao import pipeline
from weitiao.recipe import bind
from weitiao.store import Run
from weitiao.trace import Match, tell

PHONE, OTHER, HIDDEN, FIELD = "13812345678", "13987654321", "15012345678", "18612345678"
ROWS = [
    {"text": f"<p>有事打我　{PHONE}，&amp; 不要发短信</p>", "tel": FIELD, "shop": {"phones": [int(FIELD)]}},
    {"text": f"<p>有事打我　{PHONE}，&amp; 不要发短信！</p>"},  # a near-duplicate: dropped before redact came by
    {"text": f"<p>我的电话是{HIDDEN[:3]}<b>{HIDDEN[3:7]}</b>{HIDDEN[7:]}，晚上　在家</p>"},
    {"text": f"　　{OTHER}"},
    {"text": f"<i>{OTHER}</i>", "note": "too short if no number was there"},
    {"text": "天下没有不散的筵席，　那么相聚的意义是什么"},
]
STEPS = [
    "strip_html",
    "fold_width",
    "tidy_whitespace",
    "drop_near_duplicates",
    "redact",
    {"drop_short": {"min_chars": 9}},
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    data: dict[str, Any] = {
        "name": "r",
        "source": {"inputs": ["in.jsonl"], "text": "text"},
        "prepare": {"steps": STEPS},
    }
    data["split"] = {"ratios": {"train": 0.7, "test": 0.3}}
    pipeline.run(bind(data, pipeline.SETTINGS, tmp_path))
    return Run(tmp_path / "runs" / "r")


def test_a_planted_number_is_nowhere(run: Run) -> None:
    source = run.stored("source")
    assert source
    assert PHONE in str(source.records().rows()), "the source stage holds the texts as they came"
    stages = [stored for name in ("prepare", "split") if (stored := run.stored(name))]
    assert len(stages) == 2
    for stored in stages:
        for path in stored.folder.rglob("*.parquet"):
            said = str(pl.read_parquet(path).rows())
            for number in (PHONE, OTHER, HIDDEN, FIELD):
                assert number not in said, path
            assert HIDDEN[3:7] not in said, path
        assert PHONE not in (stored.folder / "manifest.json").read_text(encoding="utf-8")


def test_the_rest_of_the_story_is_told(run: Run) -> None:
    prepare = run.stored("prepare")
    assert prepare
    kept = prepare.records()
    assert [one[0]["content"] for one in kept["messages"]] == [
        "有事打我 [手机号1]，& 不要发短信",
        "我的电话是[手机号1]，晚上 在家",
        "天下没有不散的筵席， 那么相聚的意义是什么",
    ]
    assert orjson.loads(kept["facts"][0])["source"] == {"tel": "[PHONE1]", "shop": {"phones": ["[PHONE1]"]}}
    noted = prepare.ledger().filter(pl.col("action").is_in(["changed", "dropped"]))
    first = noted.filter(pl.col("id") == kept["id"][0]).select("step", "before").rows()
    assert first == [
        ("strip_html", "<p>有事打我　[手机号1]，&amp; 不要发短信</p>"),
        ("fold_width", "有事打我　[手机号1]，& 不要发短信"),
        ("redact", "有事打我 [手机号1]，& 不要发短信"),
        ("redact", None),
    ]
    broken = noted.filter((pl.col("id") == kept["id"][1]) & (pl.col("step") == "strip_html"))
    assert broken["before"].to_list() == [None], "broken up by tags it would still be read"
    twin = noted.filter(pl.col("step") == "drop_near_duplicates")["id"][0]
    life = tell(Match(run.folder, twin, ""))
    assert [(event.step, event.before, event.after) for event in life.events if event.action == "changed"] == [
        ("strip_html", "<p>有事打我　[手机号1]，&amp; 不要发短信！</p>", "有事打我　[手机号1]，& 不要发短信！"),
        ("fold_width", "有事打我　[手机号1]，& 不要发短信！", "有事打我 [手机号1]，& 不要发短信！"),
    ]
    assert life.events[-1].before == "有事打我 [手机号1]，& 不要发短信！"
