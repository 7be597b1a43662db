"""Text that is no prose goes, good short posts stay, and the figures say why."""

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from weitiao import record
from weitiao.prepare.drop_low_quality import DropLowQuality
from weitiao.record import Record
from weitiao.step import Around, Batch

DATA = Path(__file__).parents[3] / "shared" / "data"
GOOD = (
    "浓硫酸里98%是酸，那剩下的2%是水吗？老师说是的，可是我不明白水为什么不会和酸打起来。后来我去问化"
    "学课代表，她说它们早就打过了，打得又热又冒烟，打完才住在一起，所以倒的时候一定要把酸往水里倒，反过来"
    "会溅你一脸。我听完觉得和我爸妈差不多。"
)
LIST = (
    "手机壳 充电宝 数据线 耳机 音箱 键盘 鼠标 显示器 打印机 路由器 摄像头 平板 相机 镜头 滤"
    "镜 三脚架 手环 手表 台灯 风扇 空调 冰箱 洗衣机 电视 投影仪 微波炉 烤箱 电饭煲 豆浆机 "
    "榨汁机 净水器 吸尘器 扫地机 加湿器 剃须刀 电吹风 牙刷 毛巾 拖鞋 雨伞 书包 铅笔 橡皮"
)


def batch(*texts: str) -> Batch:
    return Batch.of(record.to_frame([Record(f"r{n}", (("passage", text),), "f", n) for n, text in enumerate(texts)]))


def gone(step: DropLowQuality, *texts: str) -> dict[int, str]:
    """Return why each text goes, by its number."""
    events = step.within(Around(Path())).apply(batch(*texts)).ledger().filter(action="dropped")
    return {int(name[1:]): orjson.loads(detail)["setting"] for name, detail in events.select("id", "detail").rows()}


JUNK = {
    "？？！！……": "words",
    "点击购买" * 40: "max_repeated",
    "★☆◆◇■□●○▲△▼▽" * 12: "max_symbols",
    "".join(f"{n * 7919 % 9973:04d} " for n in range(60)): "max_digits",
    "\n".join(chr(0x4E00 + 7 * n) + chr(0x5E00 + 11 * n) for n in range(60)): "min_line",
    LIST: "min_stop_words",
}


def test_each_figure_has_its_limit() -> None:
    found = gone(DropLowQuality(), *JUNK, GOOD, "666", "哈哈", "😂", "ok", GOOD + "\n```\n" + "{}\n" * 200 + "```")
    assert found == dict(enumerate(JUNK.values()))
    lines = "\n".join(["加入会员享受优惠", "专属客服随时在线", "点这里领取大礼包"] * 6)
    assert gone(DropLowQuality(max_repeated=1.0), lines) == {0: "max_same_lines"}
    loose = {
        "max_repeated": 1,
        "max_same_lines": 1,
        "max_symbols": 1,
        "max_digits": 1,
        "min_line": 0,
        "min_stop_words": 0,
    }
    assert gone(DropLowQuality.model_validate(loose | {"words": False}, strict=False), *JUNK) == {}


def test_the_figures_are_facts_of_what_stays() -> None:
    after = DropLowQuality().apply(batch("水为什么不能兑水", GOOD))
    short, long = (orjson.loads(facts)["drop_low_quality"] for facts in after.records["facts"])
    assert short == {"characters": 8, "words": True}
    assert list(long) == ["characters", "words", "same_lines", "symbols", "digits", "repeated", "stop_words"]


def test_what_just_stays_is_noted_on_its_own_side_of_the_limit() -> None:
    step = DropLowQuality(max_repeated=0.99, max_same_lines=1.0, min_stop_words=0.0, min_line=0.0)
    events = step.apply(batch("点击购买" * 40)).ledger()
    assert set(events["action"]) == {"spared"}
    told = {one["setting"]: one for one in map(orjson.loads, events["detail"])}
    assert {name: one["goes"] for name, one in told.items()} == {"max_repeated": ">", "min_stop_words": "<"}
    assert told["max_repeated"]["noted_to"] < told["max_repeated"]["score"] < told["max_repeated"]["threshold"]


def test_good_posts_and_answers_stay() -> None:
    folder = DATA / "ruozhiba"
    if not folder.exists():
        pytest.skip(f"no {folder}")
    posts = [
        row["text"] for path in sorted((folder / "posts").glob("*.json")) for row in json.loads(path.read_text("utf-8"))
    ]
    rows = [json.loads(line) for line in (folder / "ruozhiba_raw.jsonl").read_text("utf-8").splitlines()]
    assert len(posts) > 2000
    assert gone(DropLowQuality(), *posts, *(row["instruction"] + "\n" + row["output"] for row in rows)) == {}


def test_a_small_model_may_judge(stories: Path) -> None:
    story = (
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends. "
    )
    noise = (
        "Zx quorb vlint, the a of grumph xylo wibble and to frotz quux in blarg snark the is plugh of zork yttrium and "
    )
    step = DropLowQuality(model=str(stories), max_perplexity=100.0, min_chars=50)
    assert gone(step, story, noise) == {1: "max_perplexity"}
    with pytest.raises(ValidationError, match="go together"):
        DropLowQuality(model="x")


@settings(max_examples=50)
@given(st.lists(st.text(max_size=300), max_size=4))
def test_a_second_time_changes_nothing_and_company_does_not_matter(texts: list[str]) -> None:
    once = DropLowQuality(min_chars=20).apply(batch(*texts))
    assert DropLowQuality(min_chars=20).apply(once).records.equals(once.records)
    kept = [text for text in texts if not gone(DropLowQuality(min_chars=20), text)]
    assert [texts[int(name[1:])] for name in once.records["id"]] == kept
