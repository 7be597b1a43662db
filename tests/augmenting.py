"""What the tests of augment share: rows in both languages, and what came of a run."""

from collections.abc import Callable
from typing import Any

from weitiao.pipeline import Done
from weitiao.record import Record, to_records

Augmented = Callable[..., Done]


def row(question: str, answer: str = "") -> dict[str, Any]:
    turns = [("user", question)] + ([("assistant", answer)] if answer else [])
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def passage(text: str) -> dict[str, Any]:
    return {"text": text}


ZH = [
    row("鱼会不会淹死？", "鱼用鳃呼吸，水里缺氧时会窒息，但那不叫淹死。"),
    row("太阳能热水器晚上算不算月亮能？", "不算，它存下的是白天的热。"),
    row("红灯停绿灯行，那黄灯呢？", "已过停止线的可以继续走，没过的停下来。"),
]
EN = [
    row("Can I cut water with the knife?", "The knife parts it, but it closes again: a liquid keeps no shape."),
    row("Why is the alphabet in that order?", "By habit: the order came with the letters from Phoenician."),
]
POST_ZH = passage("岛上的盐洞长六公里，在同类里数一数二。洞里的水比海水咸八倍，所以没有鱼。洞口朝南，冬天也能进去。")
POST_EN = passage(
    "The cave on the island is six kilometres long. Its water is salt eight times over. No fish live in it."
)


def made(done: Done) -> list[Record]:
    """Return the records that were made."""
    return [one for one in to_records(done.stored.records()) if "augment" in one.facts]


def told(done: Done, step: str) -> dict[str, Any]:
    """Return the yield of a step."""
    return next(one for one in done.manifest["facts"]["steps"] if one["step"] == step)


def texts(record: Record) -> list[str]:
    return [text for _, text in record.messages]


def rows_of(done: Done, action: str) -> list[tuple[str, str]]:
    """Return step and reason of the ledger's rows of an action."""
    found = done.stored.ledger()
    return [(step, reason) for step, act, reason in found.select("step", "action", "reason").rows() if act == action]
