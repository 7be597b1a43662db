"""Dates, times, amounts and measures in one written form: 二零零八年八月八日 becomes 2008年8月8日."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Literal

import orjson
import polars as pl
from pydantic import Field

from weitiao import ledger
from weitiao.numerals import NUMERAL, number, spelled
from weitiao.prepare.code import outside_code
from weitiao.prepare.either_script import Rewritten, simple, writer
from weitiao.step import Batch, RewriteSelected

_N = rf"{NUMERAL}+(?:点{NUMERAL}+)?"
# 统一, 周三 and the like are words, and no number begins in them.
_START = (
    rf"(?<!{NUMERAL})(?<![点第几数多\d.¥￥$])(?!一(?<=[统逐唯惟单专划同归合齐均不之如]一)(?!{NUMERAL}))"
    rf"(?![一二三四五六](?<=[周期拜].)(?!{NUMERAL}))"
)
_UNITS = {
    "千克": "kg", "公斤": "kg", "毫克": "mg", "克": "g", "吨": "吨", "千米": "km", "公里": "km", "厘米": "cm", "毫米": "mm", "纳米": "nm",
    "微米": "μm", "平方公里": "km²", "平方千米": "km²", "平方米": "m²", "平米": "m²", "平方厘米": "cm²", "立方米": "m³", "立方厘米": "cm³", "米": "m",
    "毫升": "mL", "升": "L", "摄氏度": "℃", "华氏度": "℉", "毫秒": "ms", "千瓦时": "kWh", "千瓦": "kW", "赫兹": "Hz", "英里": "英里", "海里": "海里", "公顷": "公顷",
    "小时": "小时", "个小时": "个小时", "分钟": "分钟", "秒钟": "秒钟", "个百分点": "个百分点", "摩尔": "mol", "伏特": "V", "瓦特": "W", "安培": "A", "毫安时": "mAh", "毫安": "mA", "千卡": "kcal", "大卡": "kcal", "焦耳": "J", "分贝": "dB",
    "分米": "dm", "微克": "μg", "微升": "μL", "光年": "光年", "马力": "马力", "英亩": "英亩", "像素": "像素", "英尺": "英尺", "英寸": "英寸", "兆字节": "MB", "字节": "字节",
}  # fmt: skip
# 升级, 克服, 米饭: what begins like a unit and is a word.
_NO_UNIT = "克[拉隆服制己什星里莱]|米[饭粥粉线粒色价酒兰老其]|升[级高学大初小入温职降值华起迁旗国空上到为]|吨位|个?小时候|字节[选省]"
_UNIT = f"(?!{_NO_UNIT})(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})"
_CURRENCY = "美元|欧元|英镑|日元|港元|港币|澳元|加元|韩元|卢布|法郎|人民币|新台币|泰铢|卢比"
_AMOUNT = re.compile(rf"{_START}(?P<n>{_N})(?P<of>{_CURRENCY})")
# 元旦, 十元店, 十二元环: what begins like the unit and is a word.
_NO_YUAN = "[宵旦素首件帅气老组祖朝代]|店(?![铺家里面])|环(?![保境卫节])|数(?![目额])|方程|函数"
_YUAN = re.compile(
    rf"{_START}(?P<n>{_N})(?:元(?!{_NO_YUAN})|块(?=钱|[一二三四五六七八九]毛))(?:(?P<jiao>[一二三四五六七八九])[角毛])?(?:(?P<fen>[一二三四五六七八九])分(?![钟之]))?(?P<end>钱|整)?"
)
_YEAR = r"(?:[零〇一二三四五六七八九]{4}|[一二两]千零?[零〇一二三四五六七八九十百]{0,6})"
_SMALL = "(?:[一二三]?十[一二三四五六七八九]?|[一二三四五六七八九])"
_DATE = re.compile(
    rf"{_START}(?:(?P<y>{_YEAR}|[零〇一二三四五六七八九]{{2}}(?=年{_SMALL}月)|\d{{2,4}})年)?(?P<m>{_SMALL}|\d{{1,2}})月(?P<d>{_SMALL}|\d{{1,2}})[日号](?!线)"
)
_MONTH = re.compile(rf"{_START}(?P<y>{_YEAR}|\d{{4}})年(?P<m>{_SMALL})月(?!{NUMERAL})")
_ONLY_YEAR = re.compile(
    rf"{_START}(?:(?<=公元)|(?<=公元前))(?P<ad>[零〇一二三四五六七八九]{{2,4}}|{NUMERAL}+)年"
    rf"|{_START}(?P<y>[一二][零〇一二三四五六七八九]{{3}}|两千零[一二三四]?十?[一二三四五六七八九]|一千[八九]百[一二三四五六七八九]十[一二三四五六七八九]?)年"
)
_CENTURY = re.compile(rf"{_START}(?P<n>[一二]?十[一二三四五六七八九]?)世纪")
_DECADE = re.compile(r"(?<=世纪)(?P<n>[一二三四五六七八九]十)年代")
# Where the other year stands beside it, the reader has both.
_REPUBLIC = re.compile(rf"(?:中华)?民国(?P<y>\d{{1,3}}|{NUMERAL}{{1,5}})年(?!代|[（(](?:公元|西元)?\d)")
_NUMERIC = re.compile(
    r"(?<![A-Za-z0-9_./\-:=\"'])(?<![A-Za-z] )(?<!版本)(?<!版本[ 号：:])(?<!版)(?P<y>(?:19|20)\d\d)"
    r"(?:(?P<sep>[-/])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})|\.(?P<m2>\d\d)\.(?P<d2>\d\d))(?![A-Za-z0-9_/\-=]|\.[A-Za-z0-9]|:| \d\d?:\d\d:\d\d)"
)
_HOUR = "(?:二十[一二三四]?|十[一二三四五六七八九]?|[零一二两三四五六七八九])"
_TEENS = "(?:[二三四五]?十[一二三四五六七八九]?)"
_TIME = re.compile(
    rf"{_START}(?P<h>{_HOUR})[点时](?:(?P<half>半)(?![点天年个])|(?P<m>{_TEENS}|零[一二三四五六七八九])分(?!之|米|钟)(?:(?P<s>{_TEENS}|零?[一二三四五六七八九])秒)?|(?P<quarter>[一三])刻(?!钟)|(?P<bare>[三四五二]十|十五?|零[一二三四五六七八九])(?![{NUMERAL[1:-1]}分点个人名位多几%]))"
)
# 3点5分 may be a score, and 用了1时15分 a while.
_CLOCK = re.compile(
    r"(?<![\d.:点第¥￥$])(?P<h>[01]?\d|2[0-4])(?:点|时(?:(?<=\d\d时)|(?<=0时)|(?<=[午晨上晚日号]\d时)))(?:(?P<half>半)(?![点天年个])|(?P<m>[0-5]\d|(?<=时)\d)分(?!之|米|钟)(?:(?P<s>[0-5]?\d)秒)?"
    r"|(?P<quarter>[一三])刻(?!钟)|(?P<bare>[0-5]\d)(?![\d.点%万亿元块米度倍分个人名位A-Za-z]))"
)
_DAY_PART = re.compile(r"(?:[上下]午|早上|早晨|晚上|凌晨|中午|傍晚|夜里|半夜)$")
_PERCENT = re.compile(
    rf"(?P<sign>负的?)?(?P<of>百|千)分之(?P<n>百|{_N})(?:(?P<till>[到至])(?P<to>{_N}))?(?!分之|{NUMERAL}|[点几⼀⼆⼋⼗秒]|{_UNIT})"
)
_FRACTION = re.compile(
    rf"(?P<sign>负)?(?:{_START}(?P<whole>{NUMERAL}+)又)?(?(whole)|{_START})(?P<n>{NUMERAL}+)分之(?P<m>{NUMERAL}+)(?!点)"
)
_MEASURE = re.compile(
    rf"(?P<sign>负|零下)?{_START}(?:(?P<from>{_N})(?P<till>[到至]))?(?P<n>{_N})(?P<of>{_UNIT})(?!拉|{NUMERAL})"
)
_DEGREES = re.compile(
    rf"(?P<sign>零[下上]|(?<=[摄华]氏)){_START}(?:(?P<from>{_N})(?P<till>[到至]))?(?P<n>{_N})(?P<of>度)(?!{NUMERAL})"
)
_BIG = re.compile(
    rf"{_START}(?P<n>{_N})(?=[余多]?(?:[人名个字元次台辆户件位份条吨亩套家只头篇页本册株艘架枚张票颗粒箱瓶座棵]|$|[，。；！？、,.;!?]))"
)
_EXACT = "人名字元台辆户件条吨亩头篇页"  # 一百零一次, 一百二十个 are said of much
_DECIMAL = re.compile(
    rf"(?P<sign>负)?{_START}(?P<n>{NUMERAL}+点(?:[零一二三四五六七八九]{{2,}}|[零一二三四五六七八九]+(?=[倍万亿])[万亿]?))(?![{NUMERAL[1:-1]}点分])"
)
_SIGNED_PRICE = re.compile(
    r"(?<![A-Za-z0-9_$¥￥])(?:[¥￥]|RMB ?|CNY ?)(?P<n>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\d,.]*[A-Za-z0-9_%万亿元¥￥]|，\d{3}(?!\d))"
)
# Not a number is what these say.
_IDIOM = re.compile(
    "一千零一夜|三百六十行|三百六十五行|十万个为什么|十万八千里|一万个为什么|九牛一毛|百分百|两点一线|一点一滴|八九不离十|三分之一炷香|一万年太久|一米阳光|万分之一"
)
# What can be read two ways is left, and said in the ledger.
_TWO_WAYS = re.compile(
    r"(?<![\d./])(?:\d{1,2}([/.-])\d{1,2}\1(?:19|20)\d\d)(?![\d./])|[一二三四五六七八九]点[一二三四五六七八九]分?(?![点一二三四五六七八九滴])"
    r"|十[一二三四五六七八][二三四五六七八九](?!规划|五)|(?<![一二三四五六七八九零〇])[一二三四五六七八][二三四五六七八九][十百千万](?=[个人元块岁年天斤公米名次])"
)
# The title of a book is a name.
_KEPT = re.compile(r"《[^《》\n]{1,60}》|`[^`\n]*`|https?://\S+|\$[^$\n]+\$")


class NormaliseNumbers(RewriteSelected):
    """Write dates, times, percentages, fractions, amounts, measures and large numbers one way.

    Only what a whole phrase makes sure is touched. Idioms, names, versions, addresses, identifiers, code, formulas and what
    can be read two ways (十五六, 三点五, 05/06/2024) stay.
    """

    dates: Literal["chinese", "iso", "keep"] = Field("chinese", description="2008年8月8日, 2008-08-08, or as it stands")
    times: Literal["clock", "keep"] = Field("clock", description="8:30, or as it stands")
    money: Literal["yuan", "keep"] = Field("yuan", description="13.5元, or as it stands")
    units: Literal["symbol", "word", "keep"] = Field("word", description="25kg, 25千克, or as it stands")
    numbers: Literal["arabic", "keep"] = Field(
        "arabic", description="Percentages, fractions, decimals, large numbers: 62%"
    )

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is a numeral, a date in digits or a sign of money."""
        return text.str.contains(
            NUMERAL + r"|[兩萬億¥￥]|RMB|CNY|(?:19|20)\d\d[-/.]\d|民[国國]\d|\d月\d|\d[点點时時][半一三\d]"
        )

    def apply(self, batch: Batch) -> Batch:
        """Write the numbers, and note where some were left because they can be read two ways."""
        after = super().apply(batch)
        left = after.turns.filter(
            self.selects(pl.col("content")) | pl.col("content").str.contains(r"\d[/.-](?:19|20)\d\d")
        )
        found = [[text[slice(*match.span())] for match in _TWO_WAYS.finditer(simple(text))] for text in left["content"]]
        said = [orjson.dumps(numbers).decode() if numbers else None for numbers in found]
        noted = left.select("id", "turn", detail=pl.Series(said, dtype=pl.String)).drop_nulls("detail")
        if noted.is_empty():
            return after
        event = noted.with_columns(
            step=pl.lit(self.step_name()), action=pl.lit("skipped"), reason=pl.lit("number read two ways")
        )
        return replace(after, events=(*after.events, ledger.events(event)))

    def rewrite_one(self, text: str) -> str:
        """Return the text with its numbers in the written form."""
        return outside_code(self._prose, text)

    def _prose(self, text: str) -> str:
        if not re.search("[一-鿿]", text):  # in English a date stays as it is written there
            return text
        pieces, end = [], 0
        for kept in re.finditer(f"{_IDIOM.pattern}|{_KEPT.pattern}", simple(text)):
            pieces += [self._formed(text[end : kept.start()]), text[kept.start() : kept.end()]]
            end = kept.end()
        return "".join([*pieces, self._formed(text[end:])])

    def _formed(self, text: str) -> str:
        before, rewritten = None, writer(text)
        while before != text:  # what is written now may make its neighbour sure
            before, text = text, self._once(text, rewritten)
        return text

    def _once(self, text: str, rewritten: Rewritten) -> str:
        for pattern, write, kept in (
            (_REPUBLIC, _republic, self.dates == "keep"),
            (_NUMERIC, self._numeric, self.dates == "keep"),
            (_DATE, self._date, self.dates == "keep"),
            (_MONTH, _month, self.dates == "keep"),
            (_ONLY_YEAR, _only_year, self.dates == "keep"),
            (_CENTURY, lambda match: f"{number(match['n'])}世纪", self.dates == "keep"),
            (_DECADE, lambda match: f"{number(match['n'])}年代", self.dates == "keep"),
            (_TIME, _time, self.times == "keep"),
            (_CLOCK, _time, self.times == "keep"),
            (_PERCENT, _percent, self.numbers == "keep"),
            (_FRACTION, _fraction, self.numbers == "keep"),
            (_YUAN, _yuan, self.money == "keep"),
            (_AMOUNT, _amount, self.money == "keep"),
            (_SIGNED_PRICE, lambda match: f"{match['n'].replace(',', '')}元", self.money == "keep"),
            (_MEASURE, self._measure, self.units == "keep"),
            (_DEGREES, self._measure, self.units == "keep"),
            (_BIG, self._big, self.numbers == "keep"),
            (_DECIMAL, _decimal, self.numbers == "keep"),
        ):
            text = text if kept else rewritten(pattern, write, text)
        return text

    def _date(self, match: re.Match[str]) -> str | None:
        year = _year(match["y"]) if match["y"] else None
        month, day = number(match["m"]), number(match["d"])
        if (match["y"] and year is None) or not _is_day(year or "2000", month, day):
            return None
        return self._day(year, int(month or 0), int(day or 0), match[0][-1])

    def _numeric(self, match: re.Match[str]) -> str | None:
        month, day = Decimal(match["m"] or match["m2"]), Decimal(match["d"] or match["d2"])
        return self._day(match["y"], int(month), int(day), "日") if _is_day(match["y"], month, day) else None

    def _day(self, year: str | None, month: int, day: int, sign: str) -> str:
        if self.dates == "iso" and year and len(year) == 4:
            return f"{year}-{month:02}-{day:02}"
        return f"{f'{year}年' if year else ''}{month}月{day}{sign}"

    def _measure(self, match: re.Match[str]) -> str | None:
        said, unit = match["n"], match["of"]
        if said.endswith("千") and f"千{unit}" in _UNITS:  # 二十五千克
            said, unit = said[:-1], f"千{unit}"
        value = number(said)
        # 台上一分钟: so short a time is seldom meant as a measure, but where another follows: 一小时15分钟.
        short = value is not None and value < 10 and "点" not in said and unit in ("小时", "个小时", "分钟", "秒钟")
        if value is None or (short and not match.string[match.end() : match.end() + 1].isdigit()):
            return None
        start = number(match["from"]) if match["from"] else Decimal(0)
        if start is None:
            return None
        range_ = f"{_plain(match['from'], start)}{match['till']}" if match["from"] else ""
        shown = _UNITS.get(unit, unit) if self.units == "symbol" else unit
        sign = "-" if match["sign"] == "负" else match["sign"] or ""
        return f"{sign}{range_}{_plain(said, value)}{shown}"

    def _big(self, match: re.Match[str]) -> str | None:
        """Write numbers that are said in several words: 三百一十五万, and 四百六十五 where something is counted."""
        value, next_ = number(match["n"]), match.string[match.end() : match.end() + 1]
        if (next_ == "元" and self.money == "keep") or (next_ in ("吨", "亩") and self.units == "keep"):
            return None
        counted = next_.isalpha()
        shortest = 3 if value and value >= 10_000 else 4 if counted and next_ in _EXACT else 5
        if value is None or len(match["n"]) < shortest or value < (100 if counted else 10_000):
            return None
        return _plain(match["n"], value)


def _plain(written: str, value: Decimal) -> str:
    """Write a value in digits; one that was said in whole 万 or 亿 stays so, and 三亿两千万 is 3.2亿."""
    if "亿" in written and written.endswith("万"):
        return f"{(value / 10**8).normalize():f}亿"
    for sign, scale in (("万", 10**4), ("亿", 10**8)):
        if written.endswith(sign):
            return f"{(value / scale).normalize():f}{sign}"
    places = written.partition("点")[2]
    return f"{value:.{len(places)}f}" if places else f"{value:f}"


def _year(text: str) -> str | None:
    if text.isdigit():  # ２００８ too
        return unicodedata.normalize("NFKC", text)
    value = spelled(text) or number(text)
    return None if value is None else str(value)


def _is_day(year: str, month: Decimal | None, day: Decimal | None) -> bool:
    if month is None or day is None:
        return False
    try:
        date(int(year) if len(year) == 4 else 2000, int(month), int(day))
    except ValueError:
        return False
    return True


def _republic(match: re.Match[str]) -> str | None:
    year = _year(match["y"])
    return f"{int(year) + 1911}年" if year else None


def _month(match: re.Match[str]) -> str | None:
    year, month = _year(match["y"]), number(match["m"])
    return f"{year}年{month}月" if year and month and month <= 12 else None


def _only_year(match: re.Match[str]) -> str | None:
    year = _year(match["y"] or match["ad"])
    return f"{year}年" if year else None


def _time(match: re.Match[str]) -> str | None:
    hour = number(match["h"])
    # 一点零二 alone is 1.02.
    if (match["bare"] or "").startswith("零") and not _DAY_PART.search(
        match.string, max(0, match.start() - 2), match.start()
    ):
        return None
    minute: Decimal | None = {"一": Decimal(15), "三": Decimal(45)}.get(match["quarter"] or "", Decimal(30))
    if match["m"] or match["bare"]:
        minute = number((match["m"] or match["bare"]).removeprefix("零"))
    second = number(match["s"].removeprefix("零")) if match["s"] else None
    if hour is None or minute is None:
        return None
    return f"{hour}:{int(minute):02}" + (f":{int(second):02}" if second is not None else "")


def _percent(match: re.Match[str]) -> str | None:
    value = Decimal(100) if match["n"] == "百" else number(match["n"])
    to = number(match["to"]) if match["to"] else Decimal(0)
    if value is None or to is None:
        return None
    sign = "%" if match["of"] == "百" else "‰"
    range_ = f"{match['till']}{_plain(match['to'], to)}{sign}" if match["to"] else ""
    return f"{'-' if match['sign'] else ''}{_plain(match['n'], value)}{sign}{range_}"


def _fraction(match: re.Match[str]) -> str | None:
    below, above = number(match["n"]), number(match["m"])
    whole = number(match["whole"]) if match["whole"] else Decimal(0)
    if not below or not above or whole is None:
        return None
    return f"{'-' if match['sign'] else ''}{f'{whole}又' if match['whole'] else ''}{above}/{below}"


def _yuan(match: re.Match[str]) -> str | None:
    value = number(match["n"])
    # 一元二次方程, 三元 and the like are no money.
    if value is None or (value < 10 and "点" not in match["n"] and not (match["jiao"] or match["fen"] or match["end"])):
        return None
    if match["jiao"] or match["fen"]:
        cents = int(spelled(match["jiao"] or "零") or 0) * 10 + int(spelled(match["fen"] or "零") or 0)
        return f"{value + Decimal(cents) / 100:f}元"
    unit = "元" if "元" in match[0] else "块"
    return f"{_plain(match['n'], value)}{unit}{match['end'] or ''}"


def _amount(match: re.Match[str]) -> str | None:
    value = number(match["n"])
    return None if value is None else f"{_plain(match['n'], value)}{match['of']}"


def _decimal(match: re.Match[str]) -> str | None:
    value = number(match["n"])
    return None if value is None else f"{'-' if match['sign'] else ''}{_plain(match['n'], value)}"
