"""What a postal address looks like: regions, streets and doors from the large to the small; English ones of the USA."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

_REGION = (
    r"(?:(?:北京|天津|上海|重庆)市?|(?:河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南"
    r"|陕西|甘肃|青海|台湾)省?|(?:内蒙古|广西壮族|广西|西藏|宁夏回族|宁夏|新疆维吾尔|新疆)(?:自治区)?|香港|澳门)"
)
# Letters of words between an address and what comes before; 和平区, 呼和浩特, 从化 and 无为 have them too.
_LETTER = r"(?:[^\W，。；：、！？\d在住到至是为址从寄往送位置我他她你的了和与及或有请叫A-Za-z_]|和(?=[平田县龙顺政硕静布林浩])|从(?=[化江])|为(?=市))"
# What its name begins with is not gone over again: lists of places took minutes.
_PLACE = (
    rf"(?>(?!于){_LETTER}(?:(?!{_REGION}){_LETTER}){{0,7}}?(?:自治州|自治县|开发区|新区|市|区|县|旗|镇|乡|街道|村))"
)
_STREET = rf"(?>(?!于){_LETTER}{{1,8}}?(?:路|街|大道|大街|巷|胡同|弄|里|道|坊|屯|庄|苑|小区|花园|公寓|新村|社区){{1,2}}(?:[东南西北中一二三四五六七八九十]{{0,2}}段)?)"
_DOOR = r"[甲乙丙]?(?:[0-9]{1,5}|[一二三四五六七八九十百零]{1,5})(?:-[0-9]{1,4})?"
_ROOM = (
    rf"(?:\s?[^\W\d_A-Za-z，。；]{{0,10}}?(?:[A-Za-z]|{_DOOR}|甲|乙|丙)(?:号楼|栋|幢|座|单元|层|楼|室|房|户|号院|门|号|组|弄|期)|(?<=[楼栋幢座元层门])\s?-?[0-9]{{2,4}}(?![0-9])"
    r"|-[0-9]{1,5}(?:-[0-9]{1,5})?(?:室|号)?)"
)
ADDRESS = re.compile(
    rf"(?:{_REGION}\s?{_PLACE}{{0,4}}|{_PLACE}{{1,4}})\s?{_STREET}{{0,2}}\s?(?:{_DOOR}[组队社])?{_DOOR}(?:号院?|弄|栋|幢|座|号楼|楼(?=\s?[0-9]{{1,3}}(?:门|单元))){_ROOM}{{0,5}}"
    rf"|{_STREET}\s?{_DOOR}(?:号院?|弄){_ROOM}{{1,5}}"
    # a house of an estate only with the number of the flat
    rf"|{_STREET}\s?{_DOOR}(?:栋|幢|座|号楼)(?:\s?{_DOOR}单元)?\s?-?[0-9]{{3,4}}(?![0-9])[室房户]?"
)
ADDRESS_LABELLED = re.compile(
    r"(?:地址|住址|住在|家住|寄到|寄往|送到|户籍)(?:是|为|在|[:： ])*"
    rf"(?P<it>{_PLACE}{{0,3}}{_STREET}{{1,2}}\s?{_DOOR}(?:号院?|弄|栋|幢|座|号楼){_ROOM}{{0,5}})"
)


def is_address(match: re.Match[str]) -> bool:
    """Hold that there is a street or a room: `北京市1号线` is a metro line, `海淀区8号` no address."""
    rest = match.string[match.end() : match.end() + 2]
    streets = re.search(rf"(?:{_STREET}|[县镇乡].*村)\s?{_DOOR}", match[0]) or re.search(
        "室|单元|号楼|栋|幢|座|组|门", match[0]
    )
    return bool(streets) and not re.match(r"线|桥|公交|地铁|文件|令|公告|台风|[0-9]", rest)


US_STREET = re.compile(
    r"(?<![0-9A-Za-z.$-])[0-9]{1,5}(?:-[0-9]{1,4})? (?:[NSEW]\.? )?(?:[A-Z][A-Za-z'.-]* |[0-9]{1,3}(?:st|nd|rd|th) ){0,4}"
    r"(?:(?:St(?:reet)?|Ave(?:nue)?|R(?:oa)?d|Dr(?:ive)?|Blvd|Boulevard|Hwy|Highway|Way|Lane|Ln|Court|Ct|Place|Pl|Plaza|Pike"
    r"|Parkway|Pkwy|Square|Sq|Terrace|Ter|Circle|Cir|Turnpike|Tpke|Lynnway|Center|Ctr|Mall|Route|Rt)\b\.?)"
    r"(?:[ -](?:[A-Z0-9][A-Za-z0-9]*|[0-9]+))*(?:, ?[A-Z][A-Za-z. ]+?,? [A-Z]{2}\b(?: [0-9]{4,5}(?:-[0-9]{4})?)?)"
)
