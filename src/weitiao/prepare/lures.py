"""Where a text lures its reader to a messenger, a group or a telephone: read past look-alike letters and digits."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re
import unicodedata


def _look_alikes() -> dict[int, str]:
    """Return the letters and digits of other styles (full-width, bold, circled …) with the plain ones they show."""
    ranges = ((0xB2, 0xBA), (0x2070, 0x2190), (0x2460, 0x2500), (0x1D400, 0x1D800), (0x1F100, 0x1F150), (0x1FBF0, 0x1FBFA), (0xFF01, 0xFF5F))  # fmt: skip
    table = {}
    for code in (code for start, end in ranges for code in range(start, end)):
        plain = unicodedata.normalize("NFKC", chr(code)).strip("().,").lower()
        if len(plain) == 1 and plain.isascii():
            table[code] = plain
    for first in (0x1F150, 0x1F170, 0x1F1E6):  # letters in black circles, in black squares, of flags
        table |= {first + place: chr(97 + place) for place in range(26)}
    for first in (0x2776, 0x2780, 0x278A):  # ❶ ➀ ➊
        table |= {first + place: str(1 + place) for place in range(9)}
    table |= {ord(a): b for a, b in zip("νѴѵхχХΧωш➕✚：﹕︰➡⇒→👉⓿🐧🛰", "vvvxxxxww++:::::::0qv", strict=True)}
    return table


LOOK_ALIKES = _look_alikes()
_GAP = "[ \\t\\ufe0f\\u20e3.·*~|—-]{0,3}"
_HAN_DIGIT = "〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺"
_DIGIT = f"[0-9{_HAN_DIGIT}]"
_PHONE = rf"(?<![0-9])[1一壹幺]{_GAP}[3-9三四五六七八九叁肆伍陆柒捌玖](?:{_GAP}{_DIGIT}){{9}}(?!{_GAP}[0-9])"
_NUMBER = rf"(?:[1-9](?:{_GAP}[0-9]){{5,11}}(?!{_GAP}[0-9])|[{_HAN_DIGIT}]{{7,11}})(?!\s?[个只元人块次年月万亿%])"
_MIXED = r"(?=[a-z-]*[0-9_])[a-z][a-z0-9_-]{4,19}(?![a-z0-9])"
_SPACED = r"[a-z0-9](?: [a-z0-9]){4,19}(?![a-z0-9])"
_ID = f"(?:{_PHONE}|{_MIXED}|{_SPACED})"
_WECHAT = (
    rf"(?:[微威薇葳徽維维徵溦嶶][^\w，。、：:\n]{{0,3}}(?:信|芯|亻言|心(?!愿)|xin)|[微威薇葳徽維维徵溦卫]{_GAP}[❤♥💗💕💓💖🧡]|微号|电[微v](?=同|[:号 ])|(?<![a-z0-9])(?:[vw]{_GAP}[信芯❤♥]|wei{_GAP}(?:xin|信)|we ?chat"
    rf"|[vw](?:{_GAP}|[❤♥💗💕💓💖🧡\ufe0f]{{1,2}})x(?![a-z]))|卫星号|绿泡泡|绿色软件)"
)
_QQ = rf"(?:(?<![a-z])q{_GAP}q|扣扣|抠抠|球球|秋秋|口口|企鹅(?=[群裙号:]| ?[1-9][0-9]{{7}}))"
_GROUP = "(?:[群裙]|qun)"
_TELEGRAM = r"(?:(?<![a-z])(?:telegram|tg)|电报|纸飞机|飞机(?=号|联系| ?[:@]))"
_PERSON = "(?:我|一下|下|个|他|她|老师|客服|助理|小编|本人|学姐|学长)"
_ADD = rf"(?:添?加|(?<![a-z0-9)] )(?<![a-z0-9)=])\+|十|[艹伽嘉](?={_GAP}[vq微威薇])|联系|咨询|搜){_PERSON}*的?{_GAP}"
_IS = rf"{_GAP}(?:号码?|id|账号|同号|同步)?{_GAP}(?:咨询|了解|搜|吧|呀|哦|聊聊?|在这里?|如下)?\s?(?:[:=是]|为)?[)）]?{_GAP}@?"
# With what a lure baits; a clause that has it goes with the lure.
_BAIT = re.compile(
    r"更多精彩|领取|领资料|领[红飆优優]|免费|优惠|稳赚|内部|荐股|牛股|涨停|拉你|进群|资料|全套|完整版|福利|详聊|私聊|私我|咨询|名额|红包|诚招|代理|代办|办证|证件"
    r"|贷款|抵押|放款|发票|日结|刷单|返现|兼职|高仿|出货|低价|代购|套现|欢迎加入|赚钱|看貨|試用品"
    r"|(?<![a-z])(?:earn|free|profit|cheap|signals|guaranteed|add me|dm me)(?![a-z])"
)
_ASIDE = re.compile("备注|验证(?:码|信息)|有货|验货|非诚勿扰|有需要|需要的|需要.{1,6}的(?=[，,]|$)|加我")
_TRADE = re.compile(
    "诚招|代理|代办|办证|证件|贷款|抵押|放款|开发票|代开|日结|刷单|返现|兼职|在家赚钱|高仿|出货|套现|低价"
)
# Sure by an id; what they say is no lure only where the sentence warns, or complains.
_WITH_ID = re.compile(
    rf"(?:{_ADD})?{_WECHAT}{_IS}{_ID}"
    rf"|{_ADD}(?:{_WECHAT}{_IS}|卫星{_IS}|[v微威薇维維](?:咨询|了解|看货)?{_GAP}:?{_GAP})(?:{_ID}|{_NUMBER})"
    rf"|{_ADD}(?:{_QQ}{_GROUP}?{_IS}|(?<![a-z])[q扣](?![a-z])\s?[:+]?{_GAP}|{_GROUP}号?\s?:?\s?(?:{_GROUP}号\s?:?\s?)?){_NUMBER}|进{_GROUP}[^\n0-9。！？]{{0,6}}?{_NUMBER}"
    rf"|{_QQ}(?:号码?)?{_GAP}(?::{_GAP}{_NUMBER}|[1-9][0-9]{{8,10}}(?![0-9只个元]))|(?:{_QQ}|[q扣]){_GROUP}号?{_GAP}:?{_GAP}{_NUMBER}"
    rf"|(?<![a-z0-9一-鿿])[q扣](?:\s?:\s?| )[1-9][0-9]{{7,10}}(?![0-9])|(?:交流|学习|粉丝|福利|讨论){_GROUP}号?\s?:\s?(?:{_QQ}\s?:?\s?)?{_NUMBER}|(?<![a-z0-9一-鿿])[v薇]搜{_GAP}:?{_GAP}{_MIXED}"
    rf"|(?:老师|客服|助理|学姐|学长|小编)的?v\s?:\s?{_MIXED}|(?<![一-鿿])[薇葳微]{_GAP}号?\s?:\s?{_ID}|{_GROUP}号\s?:\s?{_NUMBER}|{_TELEGRAM}(?:号|联系)?{_GAP}:?{_GAP}@[a-z0-9_]{{4,}}"
    r"|(?:join|group|群|加|channel|频道|telegram|电报)[^\n]{0,30}?t\.me/[a-z0-9_+]{3,}|t\.me/[a-z0-9_+]{3,}\s?(?:join|加)|t\.me/(?:joinchat|\+)|(?<![a-z0-9.])(?:jq|qm)\.qq\.com/|chat\.whatsapp\.com/[a-z0-9]|skype\s?:\s?[a-z]"
    r"|whats ?app\s*(?:at|me|:)*\s*\+?[0-9][0-9 ()-]{7,}[0-9]"
    rf"|(?:join|follow|关注|订阅|加入?|进)[^\n。！？]{{0,12}}?{_TELEGRAM}[^\n@。！？]{{0,12}}?(?:channel|group|频道|群){_GAP}:?{_GAP}@[a-z0-9_]{{4,}}|{_PHONE}{_GAP}[（(，,]?{_GAP}(?:{_WECHAT}|v)同[号步]"
    rf"|(?:{_ADD}|add (?:me on )?)(?:line|[賴赖])(?:\s?id)?\s?:?\s?@?(?:{_MIXED})|(?<![a-z])line\s?id\s?:\s?(?:{_MIXED})"
)
_WITH_PHONE = re.compile(rf"(?:电话|热线|联系|致电|手机|加|代开发票|办证)[^0-9\n]{{0,6}}{_PHONE}")
# Sure by a bait; not in a question.
_WITH_BAIT = re.compile(
    rf"(?:添?加|\+|扫码){_PERSON}*的?{_GAP}(?:{_WECHAT}|{_QQ}|v(?![a-z])|{_GROUP}(?!主|里|友))"
    r"|(?:扫码|(?:扫描?|扫一扫|长按|识别)[^\n]{0,8}二维码)[^\n]{0,15}?(?:进群|加我|加老师|添加|领|拉你)"
    r"|(?:关注|搜索?)[^\n]{0,6}公众号[^\n]{0,20}?(?:回复|领取|免费送)"
    r"|私信?[“\"「]?[0-9a-z一-鿿]{0,4}[”\"」]?[^\n]{0,8}?(?:领取|资料包|名额)|(?:点击?|戳|看)我?的?(?:头像|主页)[^\n]{0,12}?(?:福利|领取|惊喜)"
    r"|主页有(?:联系方式|资料)|公[众重仲種粽]号\s?:|关注我们?的公众号|公众号[^\n]{0,6}(?:搜|关注)[^\n]{0,20}?(?:领取|免费送)|(?:评论区?|扣)\s?[16][^\n]{0,12}?(?:领取|拉你|发你|私你)"
    rf"|(?<![a-z0-9一-鿿])(?:[v薇]|卫星)\s?:\s?{_MIXED}"
)
_WARNING = re.compile(
    r"骗子|诈骗|被骗|是骗|警方|警惕|小心|千万别|(?:不要|别|(?<!非诚)勿)(?:再|轻易|随便|随意|乱|去)?(?:相信|轻信|[加信])|骗局|上当|谨防|当心|举报|被盗|忘记|忘了|找回|打不通|scam|fraud"
)
_QUESTION = re.compile(r"[?？]|吗|怎么|如何|为什么|什么|哪[个里些]|(?<![一-鿿])何")
_STOP = r"(?:(?:[。！？!；;]|\?(?![A-Za-z0-9_]+=))+|\.\s+(?=[A-Z])|\.?$)"
_SENTENCE = re.compile(rf"(?:[^。！？!?；;\n]|\?(?=[A-Za-z0-9_]+=))*?{_STOP}")
_CLAUSE = re.compile(r"[^，,、]*(?:[，,、]+\s*|$)")
# Fewer letters than these say nothing without the lure: `亲`, `支持验货`.
_REST = 5


def without_lures(line: str) -> str:
    """Return a line without the clauses that lure and bait, and without a sentence of which next to nothing is left."""
    folded = line.translate(LOOK_ALIKES).lower()
    if len(folded) != len(line):  # İ becomes two letters
        folded = line.translate(LOOK_ALIKES)
    pieces = []
    for match in _SENTENCE.finditer(line):
        start, end = match.span()
        pieces.append(_rest(match[0], folded[start:end]))
    left = "".join(pieces)
    return left if left == line else left.rstrip()


def _rest(sentence: str, folded: str) -> str:
    found = None if _WARNING.search(folded) else _WITH_ID.search(folded)
    if not found and not _WARNING.search(folded) and _TRADE.search(folded):
        found = _WITH_PHONE.search(folded)
    if not found and _BAIT.search(folded) and not _WARNING.search(folded) and not _QUESTION.search(folded):
        found = _WITH_BAIT.search(folded)
    if not found:
        return sentence
    kept = ""
    for clause in _CLAUSE.finditer(folded):
        lures = clause.start() < found.end() and found.start() < clause.end()
        if not lures and not _BAIT.search(clause[0]) and not _ASIDE.search(clause[0]):
            kept += sentence[clause.start() : clause.end()]
    if sum(letter.isalnum() for letter in kept) < _REST:
        return ""
    stop = re.search(rf"{_STOP}\s*\Z", sentence)
    kept = re.sub(r"[，,、\s。！？!?；;.]+$", "", kept)
    return kept + (stop[0] if stop else "")
