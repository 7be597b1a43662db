"""Lines that recur over a source go; lines that recur by right stay; what is found does not depend on the parts."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao import record
from weitiao.prepare.drop_exact_duplicates import DropExactDuplicates
from weitiao.prepare.run import prepare
from weitiao.prepare.strip_boilerplate import StripBoilerplate
from weitiao.record import Record
from weitiao.stage import Silent
from weitiao.step import Batch
from weitiao.store import Draft

FEW = StripBoilerplate(min_records=3)


def of(texts: list[str], uri: str = "https://a.b/{n}", role: str = "passage") -> Batch:
    return Batch.of(
        record.to_frame([Record(f"r{n}", ((role, text),), uri.format(n=n), n) for n, text in enumerate(texts)])
    )


def stripped(texts: list[str], step: StripBoilerplate = FEW, **chosen: Any) -> list[str]:
    return step.apply(of(texts, **chosen)).turns["content"].to_list()


BODIES = ["月亮为什么跟着我走？", "鱼会不会淹死？", "咖啡是豆浆吗？", "水能不能兑水？"]


def test_headers_and_footers_go() -> None:
    pages = [f"某某论坛 首页 帮助\n{body}\n本帖最后由小明编辑" for body in BODIES]
    assert stripped(pages) == BODIES
    assert stripped(pages, StripBoilerplate(min_records=5)) == pages
    assert stripped(pages, role="user") == pages
    talks = [Record(f"r{n}", (("user", page), ("assistant", "好")), "f", n) for n, page in enumerate(pages)]
    questions = FEW.apply(Batch.of(record.to_frame(talks))).turns["content"].to_list()[::2]
    assert questions == pages  # a task may recur by right
    assert stripped([*pages[:2], *BODIES[2:]]) == [*pages[:2], *BODIES[2:]]


def test_each_source_for_itself() -> None:
    pages = [f"{body}\n某某论坛欢迎你" for body in BODIES]
    assert stripped(pages, uri="https://site{n}.b/1") == pages
    assert stripped(pages, uri="posts/{n}.txt") == BODIES
    assert stripped([*pages, *["别的\n文字"] * 40]) == [*pages, *["别的\n文字"] * 40]


@pytest.mark.parametrize(
    "line",
    [
        "点击展开全文",
        "【阅读原文】",
        "点击查看更多精彩内容",
        "展开全部",
        "本文未经作者许可，禁止转载。",
        "版权声明：本文为博主原创文章，未经允许不得转载。",
        "未经允许，不得转载！",
        "责任编辑：小明",
        "© 2024 Acme. All rights reserved.",
        "分享 | 收藏 | 举报",
    ],
)
def test_known_lines_go_however_rare(line: str) -> None:
    assert stripped([f"鱼会不会淹死？\n{line}"]) == ["鱼会不会淹死？"]
    assert stripped([f"鱼会不会淹死？\n{line}"], StripBoilerplate(known=False)) == [f"鱼会不会淹死？\n{line}"]


@pytest.mark.parametrize(
    "line",
    [
        "## 总结与建议",
        "答案如下所示：",
        "**关键的原因**",
        "| 甲 | 乙 | 丙 |",
        "```\nimport numpy as np\n```",
        "谢谢大家",
        "-----------",
    ],
)
def test_lines_that_recur_by_right_stay(line: str) -> None:
    texts = [f"{line}\n{body}" for body in BODIES]
    assert stripped(texts) == texts


def test_numbers_tell_lines_apart() -> None:
    texts = [f"先算括号里面的。\n{body}\n所以答案是{n}。" for n, body in enumerate(BODIES)]
    assert stripped(texts) == [text.removeprefix("先算括号里面的。\n") for text in texts]


def test_prose_about_it_and_texts_that_are_nothing_else_stay() -> None:
    texts = ["点击展开全文", "点击展开全文\n阅读原文", "为什么网页上要写“未经允许不得转载”？\n怎么办", ""]
    assert stripped(texts) == texts


LINES = st.sampled_from(
    ["某某论坛 首页 1", "某某论坛 首页 2", "点击展开全文", "```", "正文甲乙丙丁戊己", "", "# 题", "好"]
)


@given(st.lists(st.lists(LINES, max_size=5).map("\n".join), min_size=1, max_size=6))
def test_what_is_found_goes_once_and_for_all(texts: list[str]) -> None:
    batch = of(texts)
    found = FEW.found(FEW.columns(batch))
    once = FEW.change(batch, found)
    assert FEW.change(once, found).turns.equals(once.turns)
    for before, after in zip(texts, once.turns["content"], strict=True):
        assert set(after.split("\n")) <= set(before.split("\n"))


def test_in_a_run_the_parts_are_seen_together(tmp_path: Path) -> None:
    pages = [f"某某论坛 首页 帮助\n{body}" for body in [*BODIES, BODIES[0]]]
    pages[-1] += "\n点击展开全文"
    frame = of(pages).frame()
    parts = []
    for n in range(5):
        frame[n : n + 1].write_parquet(part := tmp_path / f"in-{n}.parquet")
        parts.append(part)
    (tmp_path / "out").mkdir()
    draft = Draft(tmp_path / "out")
    funnel = prepare([DropExactDuplicates(), FEW, DropExactDuplicates()], parts, draft, Silent())
    assert [(row["step"], row["in"], row["changed"], row["out"]) for row in funnel] == [
        ("drop_exact_duplicates", 5, 0, 5),
        ("strip_boilerplate", 5, 5, 5),
        ("drop_exact_duplicates", 5, 0, 4),
    ]
    left = pl.concat([pl.read_parquet(draft.part(n)) for n in range(5)])
    assert [one.messages[0][1] for one in record.to_records(left)] == BODIES
