"""Questions with the slips that people make when they type."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from pydantic import Field

from weitiao.augment.expand import NO_QUESTION, Child, Derive, Make, asked, with_questions
from weitiao.record import Record

Kind = Literal["homophone", "lookalike", "neighbour", "swap", "double", "miss"]

NOTHING = "nothing in it to mistype"
# Characters that are taken for each other: by their sound in pinyin input, by their shape in handwriting and scans.
# No character that turns a sentence round (不, 没, 有, 无) or counts stands here.
_SOUND = (
    "的地得 在再 做作坐 他她它 哪那 以已 和合 象像向 带戴 到道 知只之 是事试 时实 会回 为位 问文闻 什神 要药"
    " 吗嘛码 把吧 了乐 很狠 因音 可克 想响 给级 个各 样洋 还孩海 过国果 从丛 对队 起启其 觉决 应映 该改"
    " 长常场 吃持 明名 现线 今金 年念 天添"
)
_SHAPE = (
    "己已巳 未末 日曰 人入 土士 大太 午牛 刀力 贝见 免兔 鸟乌 住往 拔拨 即既 侯候 辩辨辫 休体 晴睛"
    " 析折 间问 治冶 拆折 历厉 仓仑 孤狐 暑署 辛幸 侍待 园圆 渴喝 清请情 蓝篮 凉惊 晚挽 极级 抱饱"
    " 钓钩 爪瓜 木本 目自 令今"
)
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# What must stay as it is: quoted words, code, addresses, names with @, and slots.
_KEPT = re.compile(
    r"```.*?(?:```|\Z)|`[^`]*`|“[^”]*”|‘[^’]*’|「[^」]*」|『[^』]*』|《[^》]*》|\"[^\"]*\"|\{[^}]*\}"
    r"|(?:https?://|www\.)\S+|\S*[@\\/_]\S*",
    re.DOTALL,
)
_WORD = re.compile(r"(?<![^\W_])[A-Za-z]{4,}(?![^\W_])")

Slip = tuple[int, int, str]  # start, end, what stands there now


def _taken(groups: str) -> Mapping[str, str]:
    """Return for each character those that it is taken for."""
    found: dict[str, str] = {}
    for group in groups.split():
        for one in group:
            found[one] = found.get(one, "") + "".join(other for other in group if other not in found.get(one, "") + one)
    return found


_SOUNDS, _SHAPES = _taken(_SOUND), _taken(_SHAPE)
_NEIGHBOURS = {
    key: "".join(row[place] for place in (at - 1, at + 1) if 0 <= place < len(row))
    for row in _KEYS
    for at, key in enumerate(row)
}


class CharacterNoise(Derive, Make):
    """Put slips of the keyboard into questions: characters of the same sound or shape, letters hit, swapped, missed.

    Quoted words, code, addresses and numbers stay; answers stay.
    """

    kinds: tuple[Kind, ...] = Field(get_args(Kind), strict=False, min_length=1, description="Which slips")
    rate: float = Field(0.06, gt=0, le=0.5, description="Slips for a character of the question; one at least")
    copies: int = Field(1, ge=1, description="Records made of each")

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        if not asked(record):
            return NO_QUESTION
        return None if any(self.slips(text) for text in asked(record)) else NOTHING

    def make(self, records: Sequence[Record], seed: int) -> Iterator[Child]:
        """Yield each record with slips in its questions; the same ones whatever other records there are."""
        for record in records:
            for copy in range(self.copies):
                draw = self.draw(seed, record.id, copy)
                texts = [self.mistyped(text, draw) for text in asked(record)]
                yield Child(self.child((record,), with_questions(record, texts), {}, same=True), close=True, same=True)

    def mistyped(self, text: str, draw: random.Random) -> str:
        """Return a text with slips, none of which touches another."""
        slips = self.slips(text)
        wanted = max(1, round(self.rate * len(text)))
        chosen: list[Slip] = []
        for slip in draw.sample(slips, len(slips)):
            if len(chosen) == wanted:
                break
            if all(slip[1] < other[0] or other[1] < slip[0] for other in chosen):
                chosen.append(slip)
        for start, end, new in sorted(chosen, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def slips(self, text: str) -> list[Slip]:
        """Return all slips that may happen in a text."""
        open_text = _KEPT.sub(lambda found: " " * len(found[0]), text)
        found: list[Slip] = []
        for kind, table in (("homophone", _SOUNDS), ("lookalike", _SHAPES)):
            if kind in self.kinds:
                found += [(at, at + 1, new) for at, one in enumerate(open_text) for new in table.get(one, "")]
        for match in _WORD.finditer(open_text):
            found += self._in_word(match[0], match.start())
        return found

    def _in_word(self, word: str, start: int) -> list[Slip]:
        """Return the slips in a word, whose first letter people hit."""
        found: list[Slip] = []
        for at in range(1, len(word)):
            one, pair = word[at], word[at : at + 2]
            possible = {
                "neighbour": [(1, key.upper() if one.isupper() else key) for key in _NEIGHBOURS[one.lower()]],
                "double": [(1, 2 * one)],
                "miss": [(1, "")],
                "swap": [(2, pair[::-1])] if len(set(pair)) == 2 else [],
            }
            found += [
                (start + at, start + at + length, new)
                for kind, slips in possible.items()
                if kind in self.kinds
                for length, new in slips
            ]
        return found
