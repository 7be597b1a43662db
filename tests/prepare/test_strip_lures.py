"""Contact lures go, talk about messengers stays; the labelled lines are our own."""

from collections import Counter
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao import record
from weitiao.prepare.strip_lures import StripLures
from weitiao.record import Record
from weitiao.step import Batch

LINES = [
    [cell.replace("\\n", "\n") for cell in line.split("\t")]
    for line in (Path(__file__).parent / "lures.tsv").read_text(encoding="utf-8").splitlines()
]
CLEAN = [text for kind, text, *_ in LINES if kind == "ok"]


def stripped(text: str) -> str:
    return str(StripLures().rewritten(pl.Series([text]))[0])


def trial() -> Counter[str]:
    """Count the labelled lines: `ad` and `ok`, and `ad found` and `ok found` of those that the step changed."""
    counts: Counter[str] = Counter()
    for kind, text, *_ in LINES:
        counts[kind] += 1
        counts[f"{kind} found"] += stripped(text) != text
    return counts


def test_labelled_lines() -> None:
    counts = trial()
    assert counts["ad"] + counts["ok"] > 300
    assert counts["ad found"] >= 0.98 * counts["ad"]
    assert counts["ok found"] == 0


@pytest.mark.parametrize(("text", "left"), [row[1:] for row in LINES if len(row) > 2])
def test_what_is_said_besides_is_left(text: str, left: str) -> None:
    assert stripped(text) == left


@pytest.mark.parametrize(
    "lure",
    [
        "需要方法的私我，V：slim_9981",
        "资料看主页，➕🛰️：kaoyan668",
        "➕🐧群：９８７６５４３２１ 自取",
        "想要的同学➕VX➡️ eng_talk",
        "本店代购，w❤x：shop_pc",
        "办证，电微同步：138-1234-5678",
        "电话（微信同号）13900001111",
        "开锁换锁电话13700001234（微信同号）",
        "想賺外快的朋友加賴 @abc1234x 私訊我",
        "全网最低价，卫星：cheap_mall，先到先得",
        "香烟批发，嶶信 yan-001",
        "理财交流群：QQ 5 6 7 8 9 0 1 2 3",
        "v搜 jianfei_101 教你躺瘦",
        "Join my Telegram channel @cryptopumps for daily profit!",
    ],
)
def test_lures_in_other_clothes_go(lure: str) -> None:
    assert stripped(f"先焯水，再炒糖色。{lure}") == "先焯水，再炒糖色。"


@pytest.mark.parametrize(
    "text",
    [
        "请勿相信群里“加V领红包”的消息",
        "骗局揭秘：对方让我加微信 abc123 领红包",
        "Join Telegram and talk to @BotFather.",
        "配置 key→value，v: foo_1，k: bar_2",
        "卫星编号：GPS_21 和 BDS_3",
        "13800138000 是微信同号吗？",
    ],
)
def test_what_looks_like_one_stays(text: str) -> None:
    assert stripped(text) == text


def test_a_record_that_is_little_else_goes() -> None:
    talks = [
        (("user", "怎么炖红烧肉？"), ("assistant", "先焯水，再炒糖色，最后炖一小时。\n加V信abc12345")),
        (("user", "怎么炖红烧肉？"), ("assistant", "加V信abc12345")),
        (("passage", "好吃好看，加老师微信abc12345领取全套免费资料"),),
        (("user", "微信支付怎么用？"), ("assistant", "")),
    ]
    batch = Batch.of(record.to_frame([Record(f"r{n}", talk, "f", n) for n, talk in enumerate(talks)]))
    after = StripLures().apply(batch)
    assert [one.messages for one in record.to_records(after.frame())] == [
        (("user", "怎么炖红烧肉？"), ("assistant", "先焯水，再炒糖色，最后炖一小时。")),
        talks[3],
    ]
    dropped = after.ledger().filter(pl.col("action") == "dropped")
    assert dropped.select("id", "reason").rows() == [("r1", "ad"), ("r2", "ad")]
    told = [orjson.loads(detail) for detail in dropped["detail"]]
    assert [(one["setting"], one["score"], one["threshold"]) for one in told] == [
        (None, 0.647059, None),
        (None, 1.0, None),
    ]
    assert dropped["before"].to_list() == [None, None], "it says what came: no text is changed before it goes"
    some = Batch.of(
        record.to_frame([Record("r", (("passage", "这个好吃好看，加老师微信abc12345领取全套免费资料"),), "f", 1)])
    )
    for most, action in ((0.7, "dropped"), (0.8, "spared")):
        event = StripLures(most=most).apply(some).ledger().row(0, named=True)
        detail = orjson.loads(event["detail"])
        assert (event["action"], detail["setting"], detail["score"], detail["threshold"]) == (
            action, "most", 0.777778, most,
        )  # fmt: skip
    kept = StripLures(most=1).apply(batch)
    assert kept.records["id"].to_list() == ["r0", "r3"]


def test_a_record_without_letters_is_no_ad() -> None:
    batch = Batch.of(
        record.to_frame([Record(f"r{n}", (("passage", text),), "f", n) for n, text in enumerate(["……", ""])])
    )
    assert StripLures().apply(batch) is batch


def test_code_stays() -> None:
    text = "```\n加V信abc12345\n```"
    assert stripped(text) == text


PIECES = [
    "加V信",
    "abc12345",
    "，",
    "。",
    "\n",
    "领取资料",
    "微信",
    "QQ群：",
    "123456789",
    "怎么",
    "？",
    "好吃",
    "扫码",
    "加",
]
MIXED = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@given(MIXED | st.text(max_size=12))
def test_a_second_time_changes_nothing_and_the_selection_misses_nothing(text: str) -> None:
    once = stripped(text)
    assert stripped(once) == once
    assert once == StripLures().rewrite_one(text)


@given(st.lists(st.sampled_from(CLEAN), max_size=4).map("\n".join))
def test_clean_lines_stay_beside_each_other(text: str) -> None:
    assert stripped(text) == text
