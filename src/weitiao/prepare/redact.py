"""Personal data replaced by what it is: a phone number becomes [手机号1], the same number the same mark."""

import re
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import orjson
import polars as pl
from pydantic import Field

from weitiao import ledger
from weitiao.prepare.names import HINT
from weitiao.prepare.personal import Kind, find
from weitiao.step import Batch, RewriteTalks

_NAMES: dict[str, dict[str, str]] = {
    "zh": {
        "email": "邮箱",
        "id_card": "身份证号",
        "bank_card": "银行卡号",
        "phone": "手机号",
        "landline": "电话号",
        "plate": "车牌号",
        "passport": "证件号",
        "ip": "IP地址",
        "wechat": "微信号",
        "qq": "QQ号",
        "address": "地址",
        "name": "姓名",
    },
    "en": {kind: kind.upper() for kind in get_args(Kind)},
}
_HAN = re.compile("[\u4e00-\u9fff]")
_MARK = re.compile(r"\[([A-Z_]+|[A-Z]*[\u4e00-\u9fff]+)(\d+)\]")


class Redact(RewriteTalks):
    """Replace phone, identity and card numbers, plates, passports, e-mail, addresses, IP, WeChat and QQ ids by marks.

    A mark names the kind and numbers what differs, alike in all turns of a record. Order numbers, versions, hotlines,
    prices and numbers whose check digit is wrong stay.
    """

    hiding_marks: ClassVar[str] = r"\[(?:[A-Z_]+|[A-Z]*[\x{4e00}-\x{9fff}]+)\d+\]"
    kinds: tuple[Kind, ...] = Field(
        tuple(kind for kind in get_args(Kind) if kind != "name"),
        strict=False,
        description="Which personal data to replace",
    )
    names: bool = Field(False, description="Also names of people, where a label, a title or 我叫 says that it is one")
    language: Literal["auto", "zh", "en"] = Field("auto", description="Language of the marks; auto: the record's own")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is a digit, an @ or the name of a messenger; with names, what stands beside one."""
        other = text.str.contains(HINT) if "name" in self._wanted else pl.lit(False)
        return other | text.str.contains(
            r"\p{Nd}|\p{No}|[@＠]|[零〇一幺二三四五六七八九洞拐壹贰叁肆伍陆柒捌玖]{3}"
            r"|(?i)[微威薇葳徽維维]|we ?chat|wei ?xin|wei信|v[ .·]?x|w ?x|v ?[信心❤♥]|[加+＋➕][我个一下\s]*[vｖ]"
            r"|(?i)唯信|(?:^|[^a-z])[vｖ]\s?[:：我]"
            r"|(?i)绿泡|绿色软件|卫星|🛰|艾特| dot |[(\[{]at[)\]}]"
            r"|[一二三四五六七八九十][号弄栋幢座组队]"
        )

    @property
    def _wanted(self) -> frozenset[str]:
        return frozenset(self.kinds) | ({"name"} if self.names else set())

    def apply(self, batch: Batch) -> Batch:
        """Redact the texts, and the fields of a row that were kept beside them (`facts.source`)."""
        after = super().apply(batch)
        facts = after.records["facts"]
        chosen = pl.select(pl.lit(facts).str.contains('"source":', literal=True) & self.selects(pl.lit(facts)))
        places = chosen.to_series().arg_true()
        new = facts.clone().scatter(places, pl.Series(map(self._fields, facts.gather(places)), dtype=pl.String))
        changed = after.records.select("id").filter(new != facts)
        if changed.is_empty():
            return after
        name = pl.lit(self.step_name())
        noted = changed.with_columns(step=name, action=pl.lit("changed"), reason=pl.lit("fields rewritten"))
        records = after.records.with_columns(new.alias("facts"))
        return replace(after, records=records, events=(*after.events, ledger.events(noted)))

    def _fields(self, facts: str) -> str:
        data = orjson.loads(facts)
        return (
            facts
            if (new := self._value(data["source"])) == data["source"]
            else orjson.dumps(data | {"source": new}).decode()
        )

    def _value(self, value: Any) -> Any:
        """Return a value of a row with marks for what stands in it, at any depth."""
        if isinstance(value, dict):
            return {key: self._value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            text = self.rewrite_one(str(value))
            return value if text == str(value) else text
        return value

    def rewrite_talk(self, texts: list[str]) -> list[str]:
        """Return the texts with marks."""
        language = ("zh" if any(map(_HAN.search, texts)) else "en") if self.language == "auto" else self.language
        marks = _Marks(_NAMES[language], texts)
        redacted: list[str] = []
        while texts != redacted:  # beside a name that gets its mark by the second, another may show itself
            redacted = [self._redacted(text, marks) for text in texts]
            texts = marks.named(redacted)
        return texts

    def _redacted(self, text: str, marks: "_Marks") -> str:
        # A mark is shorter than what it stands for, so a label may come near to something further on.
        while found := find(text, self._wanted):
            pieces, end = [], 0
            for one in found:
                pieces += [text[end : one.start], marks.of(one.kind, one.value)]
                end = one.end
            text = "".join([*pieces, text[end:]])
        return text


class _Marks:
    """The marks of one record: the next number of each kind, and what has its own already."""

    def __init__(self, names: dict[str, str], texts: list[str]) -> None:
        self.names = names
        self.given: dict[tuple[str, str], str] = {}
        self.last: dict[str, int] = {}
        for name, number in (mark for text in texts for mark in _MARK.findall(text)):  # of an earlier run
            self.last[name] = max(self.last.get(name, 0), int(number))

    def of(self, kind: Kind, value: str) -> str:
        """Return the mark of a value."""
        if kind in ("phone", "landline"):
            value = re.sub(r"^(?:\+|00)?86(?=1[3-9]\d{9}$)", "", value)
        if (kind, value) not in self.given:
            name = self.names[kind]
            self.last[name] = self.last.get(name, 0) + 1
            self.given[kind, value] = f"[{name}{self.last[name]}]"
        return self.given[kind, value]

    def named(self, texts: list[str]) -> list[str]:
        """Return the texts with the mark of a name also where nothing beside it says that it is one."""
        names = {name: mark for (kind, name), mark in self.given.items() if kind == "name" and len(name) > 2}
        if not names:
            return texts
        edge = "(?![A-Za-z])"
        pattern = re.compile(
            "(?<![A-Za-z])(?:" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + f"){edge}"
        )
        return [pattern.sub(lambda name: names[name[0]], text) for text in texts]
