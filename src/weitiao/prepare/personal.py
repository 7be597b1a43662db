"""Where a text names a person's numbers and addresses: found by form, label and check digit."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from weitiao.prepare import addresses, estates, messengers, names
from weitiao.prepare.check_digits import is_bank_card, is_hong_kong_card, is_mainland_card, is_taiwan_card

Kind = Literal[
    "email", "id_card", "bank_card", "phone", "landline", "plate", "passport", "ip", "wechat", "qq", "address", "name"
]


@dataclass(frozen=True)
class Found:
    """One personal datum: where it stands, and its value without spaces, signs, case and width."""

    kind: Kind
    start: int
    end: int
    value: str


@dataclass(frozen=True)
class _Rule:
    """A pattern, of which the named group (or all) is the datum, and what must hold besides."""

    kind: Kind
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = lambda match: True
    spoken: bool = False  # digits may be written 一三八…
    hint: re.Pattern[str] | None = None  # a text without it is not gone through
    begin: Callable[[re.Match[str]], int | None] = lambda match: match.start(match.lastgroup or 0)  # None: no datum

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the datum stands; what does not hold may hide one that begins a character later."""
        if self.hint and not self.hint.search(text):
            return
        position = 0
        while match := self.pattern.search(text, position):
            begin = self.begin(match) if self.holds(match) else None
            if begin is not None:
                yield begin, match.end(match.lastgroup or 0)
            position = match.start() + 1 if begin is None else max(match.end(), match.start() + 1)


def find(text: str, kinds: frozenset[str]) -> list[Found]:
    """Return what personal data of these kinds a text has, in order; of two that overlap the surer one."""
    folded = text.translate(_FOLD)
    spoken = folded.translate(_SPOKEN)
    linked, full = bytearray(len(text)), bytearray(len(text))  # which places are in a link, which are taken
    for match in _LINK.finditer(folded):
        linked[match.start() + 1 : match.end()] = b"\1" * (match.end() - match.start() - 1)
    taken: list[Found] = []
    for rule in _RULES:
        if rule.kind not in kinds:
            continue
        read = spoken if rule.spoken else folded
        for start, end in rule.spans(read):
            if 1 in full[start:end] or (linked[start] and not _NAMED.search(folded, max(0, start - 9), start)):
                continue
            value = text[start:end] if rule.kind == "name" else _value(rule.kind, read[start:end])
            taken.append(Found(rule.kind, start, end, value))
            full[start:end] = b"\1" * (end - start)
    return _joined(sorted(taken, key=lambda one: one.start))


def _joined(found: list[Found]) -> list[Found]:
    """Return two parts of an address with nothing between as one."""
    joined: list[Found] = []
    for one in found:
        if joined and one.kind == joined[-1].kind == "address" and one.start == joined[-1].end:
            first = joined.pop()
            one = Found("address", first.start, one.end, first.value + one.value)
        joined.append(one)
    return joined


def _value(kind: Kind, text: str) -> str:
    """Return a datum as it is compared: signs part the digits of a number, but belong to an address or a name."""
    if kind in ("email", "ip", "wechat"):
        return re.sub(r"\s+", "", text).lower()
    value = re.sub(r"[^\w+]|_", "", text).lower()
    return value.translate(_ALIKE) if kind == "phone" else value


_ALIKE = str.maketrans("oil", "011")


def _digits() -> dict[int, str]:
    """Return the digits of all scripts and styles (full-width, circled, bold …) but raised and lowered ones."""
    table = {}
    for code in range(0x80, 0x1FBFA):
        digit = unicodedata.digit(chr(code), None)
        if digit is not None and not unicodedata.decomposition(chr(code)).startswith(("<sup", "<sub")):
            table[code] = str(digit)
    return table


_FOLD: dict[int, str] = {
    **_digits(),
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if code != 0xFF0C},  # ， parts numbers
    **dict.fromkeys(map(ord, "‐‑‒–－−"), "-"),
    **dict.fromkeys(map(ord, "\u3000\xa0"), " "),
    # Of labels and addresses in traditional letters.
    **{
        ord(old): new
        for old, new in zip(
            "區號樓縣鄉鎮棟層單門碼電話機證護車傳賬帳訂編運費聯繫絡發於為廈廣場園莊灣國際衛綠",
            "区号楼县乡镇栋层单门码电话机证护车传账帐订编运费联系络发于为厦广场园庄湾国际卫绿",
            strict=True,
        )
    },
}
_SPOKEN = str.maketrans("零〇○一幺壹二贰三叁四肆五伍六陆七柒八捌九玖洞拐", "0001112233445566778899" + "07")
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,9}://[^\s<>\"'，。；）】》一-鿿]+")
# In an address of the web numbers name pages; a person's number stands behind a name like these.
_NAMED = re.compile(r"(?:tel|phone|mobile|mail(?:to)?|sfz|idcard|uin|qq)[=:/]$", re.IGNORECASE)

# ---- numbers
# Before a number stands no other digit, decimal point, letter or sign of a calculation. What it begins with is looked at
# first: most places of a text begin no number. The 34th power of two is nobody's.
_HEAD = (
    r"(?=[0-9(+])(?!17179869184)(?<![0-9])(?:(?<![0-9][.+*/×÷^=])|(?<=(?<![0-9])1[3-9][0-9]{9}/))(?<![A-Za-z][-_])"
    r"(?:(?<![A-Za-z_$¥￥€£])|(?<=(?i:tel))|(?<=(?i:phone))|(?<=(?i:mobile))|(?<=(?i:call))|(?<=(?i:vx))|(?<=(?i:wx))"
    r"|(?<=(?<![A-Za-z])(?i:v))|(?<=(?i:wechat))|(?<=(?i:id))|(?<=(?i:card))|(?<=(?i:no)))"
)
# Behind it neither a digit, nor letters, nor what is counted.
_TAIL = (
    r"(?![0-9])(?!/(?!1[3-9][0-9]{9}(?![0-9]))[0-9]|[.+*×÷^][0-9]|,[0-9]{3}(?![0-9]))(?!(?i:(?!wx|vx|wechat|qq|tel)[A-Za-z_]))"
    r"(?!\s?(?:元|块钱|美元|美金|日元|欧元|字节|[bB]ytes?|[万亿%]|[个次条行秒吨人岁米份套辆颗枚粒箱倍]|台(?![州湾北中南])|毫秒|公里|千克|立方|平方))"
)
_ORDER = re.compile(
    r"(?:订单|单号|编号|流水|运单|快递单|物流单|货号|第|次方|立方|阶乘|等于|序列|型号|条码|条形码|工单|案号|学号|工号|批号|批次|交易|合同|发票"
    r"|时间戳|大小|字节数?|长度|偏移量?|哈希值?|校验和|余额|金额|市值|总数|数量|播放量|浏览量|点击量|人口|size|length|inode|[macb]time|bytes?|offset|checksum|duration|(?<![A-Za-z])(?:isbn|issn|sku|order|serial|tracking|timestamp|uuid|sn|item|goods|total|count|sum|amount|balance|views?|population|pid|seed|hash)|(?<![信A-Za-z_])id)"
    r"[\"']?(?:[A-Z0-9]{1,12}-|_?id|号码?|代码|编码|是|为|no|number|[:：#=\s\"'.])*$",
    re.IGNORECASE,
)


def _is_no_order(match: re.Match[str]) -> bool:
    return not _ORDER.search(match.string[max(0, match.start() - 24) : match.start()])


_SEP = r"(?: ?[.·•_~—-] ?| {1,2})"
_MOBILE = re.compile(
    rf"{_HEAD}(?:(?:\+|00)?86{_SEP}?|\(\+?86\)[ -]?)?"
    rf"1[3-9](?:[0-9]{{9}}|[0-9]{_SEP}[0-9]{{4}}{_SEP}[0-9]{{4}}|[0-9][ -][0-9]{{8}}|[0-9]{{5}}[ -][0-9]{{4}}"
    rf"|[0-9][ -][0-9]{{3}}[ -][0-9]{{5}}|[0-9]{{2}}[ -][0-9]{{3}}[ -][0-9]{{4}}|[0-9][ -][0-9]{{5}}[ -][0-9]{{3}}"
    rf"|(?: [0-9]){{9}}|(?:-[0-9]){{9}}|[0-9]{{3}}[ -][0-9]{{6}})(?!{_SEP}?[0-9]{{1,3}}(?![0-9])-){_TAIL}"
)
# One by one, with the same kind of sign between, or each in its keycap; 1.3.6.1.… names an object, 1,3,… counts.
_APART = r"(?: ?[·•_~—-] ?| |\ufe0f?\u20e3)"
_MOBILE_APART = re.compile(rf"{_HEAD}1{_APART}[3-9](?:{_APART}[0-9]){{9}}(?:\ufe0f?\u20e3)?{_TAIL}")
_MOBILE_BRACKETED = re.compile(rf"{_HEAD}(?:\+?86 ?)?\(1[3-9][0-9]\){_SEP}?[0-9]{{4}}{_SEP}?[0-9]{{4}}{_TAIL}")
_CALL = (
    r"(?:手机|电话|(?<![A-Za-z])(?i:tel|phone|mobile|cell|call|whatsapp))(?:号码?|是|为| (?i:is|number|no)\b|[:： .])*"
)
_MOBILE_TAIWAN = re.compile(
    rf"{_HEAD}09[0-9]{{2}}[ -][0-9]{{3}}[ -]?[0-9]{{3}}{_TAIL}|{_CALL}(?P<it>09[0-9]{{8}}){_TAIL}"
)
# Parted at any places, where the line says that one may call.
_MOBILE_UNEVEN = re.compile(
    r"(?:打|拨|电话|手机|联系|致电|短信|(?<![A-Za-z])(?i:tel|phone|mobile|cell|call|text))(?:号码?|是|为|我|给|方式|[:： .])*"
    rf"(?!1[ -]8(?:00|88|77|66|55|44|33|22)[ -])(?P<it>1[ -]?[3-9](?:[ -]?[0-9]){{9}})(?![ -]?[0-9]){_TAIL}"
)
_MOBILE_UK = re.compile(
    rf"{_HEAD}(?:07[0-9]{{3}} [0-9]{{3}} ?[0-9]{{3}}|07[0-9]{{3}}-[0-9]{{6}}){_TAIL}|(?:{_CALL}|(?i:\b(?:text|ring|reach) me (?:on|at) ))(?P<it>07[0-9]{{9}}){_TAIL}"
)
_MOBILE_TAIWAN_BARE = re.compile(rf"{_HEAD}09[0-9]{{8}}(?![0-9-]){_TAIL}")


@lru_cache(maxsize=1)  # asked for each number of a text
def _is_traditional(text: str) -> bool:
    return bool(re.search("[臺這個們來時與說賣買謝請東開關點後會學經過還錢長頭實對無嗎給讓]", text))


def _is_called(match: re.Match[str]) -> bool:
    """Hold for ten digits from 09 on where someone may be reached, or the text is in Taiwan's letters."""
    before = match.string[max(0, match.start() - 12) : match.start()]
    near = re.search("电话|手机|行动|联[络系]|打|拨|收件人|小姐|先生|女士", before)
    return _is_no_order(match) and bool(near or _is_traditional(match.string))


# Letters that look like 0 and 1 keep a number from being seen.
_MOBILE_ALIKE = re.compile(rf"(?:{_CALL}|加我|联系|微信[:： ]?)(?P<it>[1Il|][3-9][0-9OoIl|]{{9}})(?![0-9A-Za-z])")
_MOBILE_SPOKEN = re.compile(
    rf"{_HEAD}(?<![十百千万亿点.])1[3-9][0-9][ -]?[0-9]{{4}}[ -]?[0-9]{{4}}(?![0-9十百千万亿点.]){_TAIL}"
)
_NO_TOLL_FREE = r"(?!(?:\+?1[ -]?)?\(?(?:400|8(?:00|88|77|66|55|44|33|22))\)?[ .-])"  # nobody's: all may call them
_TAIWAN = r"0(?:[2-8]|37|49|8[29])"
_AREA = r"0(?:10|2[0-9]|(?!80)[3-9][0-9]{2})"
_LANDLINE = re.compile(
    rf"(?=[0-9(+])(?:{_HEAD}(?:\+?86[ -]?)?(?:\({_AREA}\) ?|{_AREA}-|{_AREA} )[2-9][0-9]{{2,3}}[ -]?[0-9]{{4}}"
    rf"|{_HEAD}(?:\({_TAIWAN}\) ?|{_TAIWAN}-(?=[0-9]{{3,4}}-))[2-9][0-9]{{2,3}}[ -]?[0-9]{{4}}"
    rf"|{_HEAD}\+86[ -]?(?:\(0\)|\(?0?)(?:10|2[0-9]|[3-9][0-9]{{2}})\)?[ -]?[2-9][0-9]{{2,3}}[ -]?[0-9]{{4}}"
    # English ones, and those of other countries
    rf"|(?<![0-9A-Za-z(]){_NO_TOLL_FREE}(?:\+?1[ -]?)?\([2-9][0-9]{{2}}\) ?[0-9]{{3}}[ -][0-9]{{4}}"
    rf"|(?<![0-9A-Za-z-]){_NO_TOLL_FREE}(?:\+?1-)?[2-9][0-9]{{2}}-[0-9]{{3}}-[0-9]{{4}}(?!-)|(?<![0-9A-Za-z.-]){_NO_TOLL_FREE}[2-9][0-9]{{2}}\.[2-9][0-9]{{2}}\.[0-9]{{4}}(?![.-]?[0-9A-Za-z])"
    r"|(?<![0-9A-Za-z-])0(?:1[0-9]{2} [0-9]{3} [0-9]{4}|1[0-9]{3} [0-9]{5,6})(?![ -]?[0-9])"
    rf"|(?<![0-9A-Za-z+]){_NO_TOLL_FREE}\+(?!86(?!6))[1-9][0-9]{{0,2}}(?:[ -][0-9](?=[ -]))?(?:[ -]?(?:\([0-9]{{1,4}}\)|[0-9]{{2,4}})){{2,4}})"
    rf"(?:(?:-| ?(?:转|分机|转分机|(?i:ext\.?))[号:]?| x) ?[0-9]{{1,5}})?{_TAIL}"
)
_LANDLINE_LABELLED = re.compile(
    r"(?:电话|致电|座机|固话|传真|(?<![A-Za-z])(?i:tel|phone|fax|whatsapp))(?:号码?|是|为|[:： .])*"
    rf"(?P<it>(?:{_AREA}|{_TAIWAN}[ -]?|\+?86[ -](?:10|2[0-9]|[3-9][0-9]{{2}})[ -])?[2-9][0-9]{{2,3}}[ -]?[0-9]{{4}}(?:(?:-| ?(?:转|分机|转分机)[号:]?) ?[0-9]{{1,5}})?){_TAIL}"
)
_GAP = r"[ \t-]{0,2}"
_ID_CARD = re.compile(rf"{_HEAD}[1-9](?:{_GAP}[0-9]){{16}}{_GAP}[0-9Xx](?![0-9A-Za-z_])(?!\.[0-9])")
_ID_CARD_15 = re.compile(
    r"(?:身份证|证件)(?:号码?|编号|是|为|[:： ])*(?P<it>[1-9][0-9]{5}[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3})"
    r"(?![0-9A-Za-z])"
)
_ID_TAIWAN = re.compile(
    r"(?:身[份分]证|(?<![A-Za-z])(?i:id))[^\n。；]{0,9}?(?<![A-Za-z0-9])(?P<it>[A-Z][1289][0-9]{8})(?![A-Za-z0-9])"
)
_ID_HONG_KONG = re.compile(
    r"(?:身[份分]证|(?i:id))[^\n。；]{0,9}?(?<![A-Za-z0-9])(?P<it>[A-Z]{1,2}[0-9]{6} ?\([0-9A]\))(?![A-Za-z0-9])"
)
_CARD = re.compile(rf"{_HEAD}[2-69](?:{_GAP}[0-9]){{14,18}}(?![0-9])(?!{_GAP}[0-9]){_TAIL}")


def _is_card(match: re.Match[str]) -> bool:
    return is_bank_card(match[0]) and _is_no_order(match)


# ---- plates and passports
_PLATE = re.compile(
    r"(?<![A-Za-z0-9])(?:[京津沪渝冀豫辽黑湘皖鲁浙赣鄂桂甘晋陕闽粤琼]|(?<![最全更崭重创翻刷焕])新|(?<![里为讯度上私公有混白])云"
    r"|(?<![昂宝珍名太很可])贵|(?<![年])青|(?<![安])宁|(?<![收珍隐])藏|(?<![复])苏|(?<![大天即致促])使|(?<![本占率引带])领|[吉蒙川])"
    r"(?:(?:(?<=[京津沪渝冀豫辽黑湘皖鲁浙赣鄂桂甘晋陕闽粤琼苏川]) )?[A-HJ-NP-Z](?:[·• -]? ?(?:[DF][A-HJ-NP-Z0-9][0-9]{4}|[0-9]{5}[DF]|[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳领])))"
    r"(?![A-Za-z0-9])"
)
_PLATE_LABELLED = re.compile(
    r"(?:车牌|号牌|牌照|[使领]馆车)(?:号码?|是|为|[:： ])*(?P<it>(?:[一-鿿]|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼] )[A-Za-z][·• -]?[A-Za-z0-9]{5,6}|使[0-9]{3}·?[0-9]{3}|[0-9]{3}·?[0-9]{3}使)(?![A-Za-z0-9])"
    r"|(?P<spaced>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼] [A-Z](?: [A-Z0-9]){5,6})(?![A-Za-z0-9]| [A-Z0-9](?![A-Za-z0-9]))"
    # of Taiwan and Hong Kong
    r"|(?:车牌|车号|号牌|牌照)(?:号码?|是|为|[:： ])*(?P<taiwan>[A-Z]{2,3}[- ]?[0-9]{3,4}|[0-9]{3,4}[- ][A-Z]{2,3})(?![A-Za-z0-9-])"
    r"|(?<![A-Za-z0-9-])(?P<owned>[A-Z]{2,3}-(?!20[0-9]{2})[0-9]{4}|[0-9]{4}-[A-Z]{2})(?=\s?的?(?:车主|[这這那]台车|[这這那]部车))"
    r"|(?i:licen[cs]e plate|number plate|plate (?:number|no\.?))(?: is|[:# ])* ?(?P<abroad>[A-Z0-9]{5,7}|[A-Z0-9]{2,4}[ -][A-Z0-9]{3,4})(?![A-Za-z0-9-])"
    r"|(?P<dotted>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Za-z][·•][A-Za-z0-9]{5,6})(?![A-Za-z0-9])"
)


_PLATE_HINT = re.compile(
    r"车|牌|(?i:plate)|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼](?: [A-Z] |[A-Za-z][·•])"
)


def _has_digits(match: re.Match[str]) -> bool:
    return sum(letter.isdigit() for letter in match[0]) >= 2


_PAPER = r"(?:护照|通行证|回乡证|台胞证|旅行证|(?i:passport))"
_PASSPORT = re.compile(
    rf"{_PAPER}(?:[^\n。；;!！?？]{{0,12}}?|[^\n0-9A-Za-z]{{0,12}}?(?:号码?|编号|证号|(?i:number|no\.?))(?:是|为|[:： ])*)(?<![A-Za-z0-9])(?P<it>[A-Z]{{1,2}}[0-9]{{7,8}}|[HM][0-9]{{10}}|[A-Z]{{2}}[0-9]{{6}}|(?<=[:： ])[0-9]{{9}})"
    r"(?![A-Za-z0-9])"
)
# The next one beside the mark of a first.
_PASSPORT_NEXT = re.compile(
    r"\[(?:证件号|PASSPORT)[0-9]+\][^\n。；;\[]{0,12}?(?:[新旧老换改另和、,，]|新|new|old|and|now)[^\n。；;\[A-Z0-9]{0,8}(?P<it>[A-Z]{1,2}[0-9]{7,8})(?![A-Za-z0-9])"
)
# Taiwan's permit is digits alone.
_PERMIT = re.compile(
    r"(?:台胞证|台[湾灣](?:居民|同胞)[^\n\d，。；]{0,8}通行证)(?:号码?|是|为|[:： ])*(?P<it>[0-9]{8}(?:[0-9]{2})?(?:\([A-Z]\))?)(?![0-9A-Za-z])"
)
_PASSPORT_BEFORE = re.compile(
    rf"(?<![A-Za-z0-9])(?P<it>[EGDSPHCM][A-Z]?[0-9]{{7,8}})(?![A-Za-z0-9]) ?[(是为]{{0,2}}.{{0,4}}{_PAPER}"
)

# ---- on the net
_MAIL_HOSTS = r"(?:qq|163|126|139|189|gmail|sina|foxmail|outlook|hotmail|yeah|sohu|icloud|yahoo|aliyun|live|vip\.qq)"
_DOT = r"(?:\.| ?[(\[【]?(?i:dot|点)[)\]】]? ?)"
_HOST = r"(?!(?:the|a|an|this|that|each|every) )[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_DOT_SAID = r"(?: ?[(\[{](?i:dot)[)\]}] ?| (?i:dot) )"
_TOP = r"(?:com|cn|net|org|edu|gov|io|me)(?:\.[a-z]{2})?(?![A-Za-z0-9])"
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])(?!git@[\w.-]+:)[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}"
    r"(?:@(?!v?[0-9]+\.[0-9])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?\.)+(?!(?:avif|jpe?g|png|webp|gif|svg|js|ts|jsx|tsx|vue|css|html?|json|py|md|txt|zip|mp[34])(?![A-Za-z]))"
    r"[A-Za-z]{2,24}(?![A-Za-z0-9])(?!\.[A-Za-z0-9-]+@)"
    rf"| ?(?:[(\[【{{](?i:at|艾特)[)\]】}}]|@|#| at |艾特) ?{_MAIL_HOSTS}{_DOT}(?:com|cn|net)(?:\.cn)?(?![A-Za-z0-9])"
    # With both signs in words, or @ in brackets, any host.
    rf"|(?: ?[(\[{{](?i:at)[)\]}}] ?(?:{_HOST}(?:\.|{_DOT_SAID})){{1,4}}| (?i:at) (?:{_HOST}{_DOT_SAID}){{1,4}}){_TOP})"
)
_IP = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9A-Za-z][._/+-])(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}"
    r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?![0-9A-Za-z]|[.-][0-9A-Za-z]|/[0-9]{1,2}(?![0-9])|\s?版)"
)
_NO_IP = re.compile(
    r"(?:版本|版|固件|驱动|内核|升级?|降级?|更新|回退|回滚|安装|(?<![A-Za-z])(?:v|ver|version|release|build|firmware|python|chrome|==|>=|<=|~=)|第|§|章节?|小节"
    r"|编号|条款?|图|表|section|sec\.?)(?:号|是|为|到|至|[:：=\s\"'.])*$",
    re.IGNORECASE,
)
# Resolvers that all may ask, addresses for examples (RFC 5737), and a network's router at home.
_ANYBODYS_IP = re.compile(
    r"8\.8\.(?:8\.8|4\.4)|1(?:\.[01]){2}\.1|9\.9\.9\.9|208\.67\.22[02]\.22[02]|114(?:\.114){2}\.11[0459]|223\.[56]\.\d\.\d|119\.29\.29\.29"
    r"|180(?:\.76){3}|1\.2\.4\.8|(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+|192\.168\.\d+\.1"
)
_TITLE = re.compile(r"\s+[^\W\d]")
_HEADING = re.compile(r"(?:^|\n)[#\s]*$")


def _is_ip(match: re.Match[str]) -> bool:
    """Leave out versions, headings, masks and the machine's own address."""
    before, address = match.string[max(0, match.start() - 16) : match.start()], match[0]
    numbers = [int(part) for part in address.split(".")]
    if _NO_IP.search(before) or numbers[0] in (0, 127, 255) or _ANYBODYS_IP.fullmatch(address):
        return False
    heading = _HEADING.search(before) and _TITLE.match(match.string, match.end())
    product = numbers[0] < 20 and re.search(r"[A-Za-z0-9)]\s$", before)
    return not (heading or product or max(numbers[:2]) < 20) or _is_about_ip(match.string)


@lru_cache(maxsize=1)  # asked for each address of a text
def _is_about_ip(text: str) -> bool:
    return bool(re.search(r"(?i)\bip|[\u4e00-\u9fff]ip|地址|主机|服务器|网关|\bping|\bhost|server|inet", text))


_IP6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?=[0-9A-Fa-f:]*[0-9])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z:.])"
)


def _is_ip6(match: re.Match[str]) -> bool:
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return False
    return len(match[0]) >= 7 and not address.is_loopback


# In the order of how sure they are: a span that one has taken no later one takes.
_RULES = (
    _Rule("email", _EMAIL),
    _Rule("id_card", _ID_CARD, lambda match: is_mainland_card(match[0]), spoken=True),
    _Rule("id_card", _ID_CARD_15),
    _Rule("id_card", _ID_TAIWAN, lambda match: is_taiwan_card(match["it"])),
    _Rule("id_card", _ID_HONG_KONG, lambda match: is_hong_kong_card(match["it"])),
    _Rule("bank_card", _CARD, _is_card),
    _Rule("address", addresses.UK_ADDRESS),
    _Rule("address", addresses.US_STREET),
    _Rule("address", addresses.CHINA_IN_ENGLISH, addresses.is_chinese_address),
    _Rule("address", addresses.EN_LABELLED),
    _Rule("address", addresses.ADDRESS, addresses.is_address, begin=estates.address_begin),
    _Rule("address", addresses.ADDRESS_LABELLED, addresses.is_address, begin=estates.address_begin),
    _Rule("address", estates.ESTATE, begin=estates.estate_begin),
    _Rule("phone", _MOBILE, _is_no_order),
    _Rule("phone", _MOBILE_APART, _is_no_order),
    _Rule("phone", _MOBILE_BRACKETED, _is_no_order),
    _Rule("phone", _MOBILE_SPOKEN, _is_no_order, spoken=True),
    _Rule("phone", _MOBILE_TAIWAN, _is_no_order),
    _Rule("phone", _MOBILE_UNEVEN),
    _Rule("phone", _MOBILE_UK, _is_no_order),
    _Rule("phone", _MOBILE_TAIWAN_BARE, _is_called),
    _Rule("phone", _MOBILE_ALIKE, lambda match: sum(map(str.isdigit, match["it"])) > 4),
    _Rule("qq", messengers.QQ, hint=messengers.QQ_HINT),
    _Rule("qq", messengers.QQ_BEFORE, hint=messengers.QQ_HINT),
    _Rule("qq", messengers.QQ_CLAUSE, messengers.is_offered, hint=messengers.QQ_HINT),
    _Rule("qq", messengers.QQ_SPOKEN, spoken=True, hint=messengers.QQ_HINT),
    _Rule("landline", _LANDLINE, _is_no_order),
    _Rule("landline", _LANDLINE_LABELLED),
    _Rule("plate", _PLATE, _has_digits),
    _Rule("plate", _PLATE_LABELLED, _has_digits, hint=_PLATE_HINT),
    _Rule("passport", _PASSPORT),
    _Rule("passport", _PASSPORT_BEFORE),
    _Rule("passport", _PERMIT),
    _Rule("passport", _PASSPORT_NEXT),
    _Rule("ip", _IP, _is_ip),
    _Rule("ip", _IP6, _is_ip6),
    _Rule("wechat", messengers.WECHAT, messengers.is_wechat, hint=messengers.WECHAT_HINT),
    _Rule("wechat", messengers.WECHAT_ADDED, hint=messengers.WECHAT_HINT),
    _Rule("wechat", messengers.WECHAT_CLAUSE, hint=messengers.WECHAT_NAMED),
    _Rule("wechat", messengers.WECHAT_BEFORE, hint=messengers.WECHAT_NAMED),
    _Rule("wechat", messengers.WECHAT_DIGITS, hint=messengers.WECHAT_NAMED),
    _Rule("name", names.CHINESE),
    _Rule("name", names.ENGLISH),
)
