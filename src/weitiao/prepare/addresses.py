"""What a postal address looks like: regions, streets and doors from the large to the small; in English the other way round."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

_REGION = (
    r"(?:(?:北京|天津|上海|重庆)市?|(?:河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南"
    r"|陕西|甘肃|青海|台湾)省?|(?:内蒙古|广西壮族|广西|西藏|宁夏回族|宁夏|新疆维吾尔|新疆)(?:自治区)?|香港|澳门)"
)
# Letters of words between an address and what comes before; 和平区, 祥和路, 呼和浩特, 从化 and 无为 have them too.
_LETTER = r"(?:[^\W，。；：、！？\d在住到至是为址从于寄往送位置我他她你的了和与及或有请叫A-Za-z_]|和(?=[平田县龙顺政硕静布林浩])|(?<=[丰仁祥泰永义太嘉瑞中雍颐万惠天人德融协元])和|置(?=[地业])|从(?=[化江])|为(?=市)|(?<![位落处居属自等])于(?=[都洪田家庄谦右]))"
# What its name begins with is not gone over again: lists of places took minutes.
_PLACE = rf"(?>(?!小区){_LETTER}(?:(?!{_REGION}){_LETTER}){{0,7}}?(?:自治州|自治县|开发区|新区|市(?!场|民中)|(?<![小社])区|县|旗(?![村镇乡])|镇|乡|街道|村))"
_ROADS = r"(?:路|街|大道|大街|巷|胡同|弄|里|道|坊|屯|庄|苑|小区|花园|公寓|新村|社区){1,2}(?:[东南西北中一二三四五六七八九十]{0,2}段|[0-9]段)?"
_STREET = rf"(?>{_LETTER}{{1,8}}?{_ROADS})"
# 金雀山路与沂蒙路交汇处, 清河路和人民路交口向东200米路北
_CROSSING = rf"(?:{_STREET}[与和及跟、/]\s?{_STREET}(?:交叉口|交汇处|交会处|交叉处|交界处?|交口|路口)(?:[往向以]?[东南西北]{{1,2}}[侧角]?)?(?:约?[0-9]{{1,4}}米)?(?:路[东南西北])?)"
_DOOR = r"[甲乙丙]?(?:[0-9]{1,5}|[一二三四五六七八九十百零]{1,5})(?:-[0-9]{1,4}|之[0-9一二三四五六七八九十]{1,3})?"
_LANES = rf"(?:\s?{_DOOR}[巷弄衖]){{0,2}}"  # of Taiwan, between road and number
_BEHIND = r"(?:之[0-9一二三四五六七八九十]{1,3}|附[0-9]{1,3}号)?"
# What stands at a number and has a name: 鑫茂科技园, 太平洋金融大厦.
_COMPLEX = (
    r"大厦|大楼|广场|科技园|产业园|工业园|创业园|软件园|创意园|物流园|园区|工业区|中心|花园|小区|公寓|家园|新城|公馆|写字楼|商务楼|国际|酒店|名苑|雅苑|嘉苑|名城|新苑"
    r"|华府|华庭|豪庭|嘉园|雅园|庄园|新村|大院|宿舍|山庄|别墅|商城|新天地|家属院|家属楼|SOHO"
)
_NAMED = rf"(?>(?:{_LETTER}|SOHO){{0,12}}?(?:{_COMPLEX}|[城苑里府庭湾居轩郡])(?:{_COMPLEX})*)"
_NAMED_ALONE = rf"(?>(?:{_LETTER}|SOHO){{0,12}}?(?:{_COMPLEX})+)(?![\u4e00-\u9fff])|(?>(?:{_LETTER}|SOHO){{0,12}}?(?:{_COMPLEX})+)(?=[的内里旁附对门楼一二三四五六七八九十东南西北租住等停])"
_FLAT = r"(?!1[3-9][0-9][ -][0-9]{4})(?!(?:19|20)[0-9]{2}年)-?(?:[0-9]{1,2}A[0-9]{2}|[0-9]{2,4}[A-Z]?)(?![0-9]|\s?[年月日元块人个多平米万点名床间套栋幢:])"
_HOUSE = r"(?:号楼|#楼?|栋|幢|座|单元|组团|层|楼(?!盘|市|下|上|主|梯|道|房)|室|舍(?=[0-9]))"
_BLOCK = rf"(?:[A-Za-z][0-9]{{0,2}}|{_DOOR}[A-Za-z]?|甲|乙|丙)"
_ROOM = (
    rf"(?:\s?(?:{_LETTER}|SOHO){{0,12}}?{_BLOCK}{_HOUSE}{_BEHIND}"
    rf"|\s?(?:{_NAMED}\s?)?(?:[A-Za-z][0-9]?|[东南西北中])(?:区|塔(?!台)|座|栋)"
    r"|(?<=[号楼座])[BFL][0-9]{1,2}(?![0-9A-Za-z])层?"
    rf"|\s?{_BLOCK}(?:房|户|号院|门|号|组|弄|期|区(?=\s?[0-9A-Z])|塔|F(?![A-Za-z]))"
    rf"|(?<=[楼栋幢座元层门区塔期号舍寓院#F])\s?{_FLAT}"
    r"|(?<=[号楼栋幢座元层院#])\s?[0-9]{1,3}(?:-[0-9]{1,4}){1,2}(?![0-9-])(?:室|号)?"
    r"|-[0-9]{1,5}(?:-[0-9]{1,5})?(?:室|号)?|(?<=[层楼元0-9])[东西南北中]边?户"
    rf"|\s?{_LETTER}{{0,12}}?[A-Z]?[0-9]{{1,2}}号?(?:公寓|宿舍)\s?{_FLAT}"
    rf"|\s?{_LETTER}{{2,12}}?{_DOOR}号(?=\s?[0-9]{{3,4}}(?![0-9]|\s?[年月日元块人个多平米万点:]))"
    rf"|\s?{_LETTER}{{2,8}}[0-9]{{1,3}}(?:-[A-Z]?[0-9]{{1,4}}){{1,2}}(?![0-9-]|\s?[年月日元块人个多平米万点:])室?"
    rf"|\s?(?:{_NAMED_ALONE})(?:\s?{_FLAT}室?)?)"
)
_HOUSE_NUMBER = rf"{_DOOR}(?:号楼(?![上下道梯])|号院?|弄|栋|幢|座|楼(?=\s?[0-9]{{1,3}}(?:门|单元)))"
_PREFIX = rf"(?:(?:{_REGION}\s?{_PLACE}{{0,5}}|{_PLACE}{{1,5}})(?:\s?{_CROSSING})?)"
_ESTATE = rf"{_BLOCK}(?:栋|幢|座|号楼|#楼?|区|塔|期|楼|层)"
_NUMBERED = r"(?=[^0-9一二三四五六七八九十百零\n，。；]{0,90}+[0-9一二三四五六七八九十百零])"  # no number, no address
ADDRESS = re.compile(
    rf"{_NUMBERED}(?:{_PREFIX}\s?{_STREET}{{0,2}}(?:{_LANES}\s?(?:(?:{_DOOR}|[东西南北中前后上下])[组队社])?{_HOUSE_NUMBER}{_BEHIND}{_ROOM}{{0,6}}"
    # a village has groups, a road may stand without 号
    rf"|(?:(?<=[村屯庄寨湾坪坝沟])(?:委会)?|(?<=社区))\s?{_DOOR}(?:组|队|社)(?![织队员长级会委区])(?:{_DOOR}号)?"
    rf"|(?<=[路街道巷])\s?(?!(?:19|20)[0-9]{{2}}(?![0-9]))[0-9]{{1,4}}(?:-[0-9]{{1,3}})?(?![0-9-])(?=[，。；;)]|\s*$))"
    # A house of an estate: only with the number of the flat, for squares and towers are public.
    rf"|(?>{_PREFIX})(?>\s?{_STREET}{{0,2}})\s?(?:{_NAMED}\s?)?(?:{_ESTATE}{_ROOM}{{1,5}}|(?<=[\u4e00-\u9fffO])[A-Z]?[0-9]{{3,4}}室)"
    rf"|{_STREET}{_LANES}\s?{_DOOR}(?:号院?|弄){_BEHIND}{_ROOM}{{1,6}}"
    rf"|{_STREET}\s?(?:{_NAMED}\s?)?(?:[A-Z]区|[一二三四五六七八九十][期区])?\s?{_BLOCK}(?:栋|幢|座|号楼|#楼?)(?:\s?{_DOOR}单元)?\s?-?[0-9]{{3,4}}(?![0-9]|\s?[年月日元块人个多平米万点名床间套栋幢:])[室房户]?)"
)
ADDRESS_LABELLED = re.compile(
    r"(?:地址|住址|住在|家住|寄到|寄往|送到|户籍|搬到|租在|(?<=[我他她妈爸奶爷家])住)(?:是|为|在|[:： ])*"
    rf"(?P<it>{_PLACE}{{0,3}}(?:{_STREET}{{1,2}}{_LANES}\s?{_HOUSE_NUMBER}{_BEHIND}{_ROOM}{{0,6}}|{_STREET}{{0,2}}\s?{_NAMED}\s?{_ESTATE}{_ROOM}{{0,5}}))"
)
_IS_FLAT = re.compile(
    r"室|单元\s?[0-9]|[市县镇乡].*单元|户|组|队|[0-9]房|(?:[楼栋幢座元层塔期号院#]|[A-Za-z东西南北中一二三四]区)\s?-?[0-9]{2,4}[A-Z]?(?![0-9号])|[0-9]-[0-9]|[0-9]门|[栋幢座楼][0-9]{1,3}号"
)
_AT = rf"(?:(?!^){_ROADS}|[县镇乡].{{1,9}}村[^\W\d]{{0,6}}){_LANES}\s?{_DOOR}"
_AT_CROSSING = "交[叉汇会界口].{0,14}[0-9]号"
_STREET_HOUSE = re.compile(f"{_AT}|{_AT_CROSSING}")
# What is said of a whole house, 翠苑新村12幢加装电梯, is about nobody, unless a label says that one lives there.
_STREET_DOOR = re.compile(f"{_AT}(?![0-9]|[栋幢座]|号楼)|{_AT_CROSSING}")


def is_address(match: re.Match[str]) -> bool:
    """Hold that there is a street or a room: `北京市1号线` is a metro line, `海淀区8号` no address."""
    rest = match.string[match.end() : match.end() + 2]
    if re.match(r"线|桥|公交|地铁|文件|令|公告|台风|[0-9]", rest) or re.search("线路|公交|高速|航班", match[0]):
        return False
    if re.search(r"某|(?:政府|医院|法院|派出所|办事处)\d", match[0]):
        return False
    if match[0][-1] in "组队社" and not re.search("[省市县区旗镇乡]", match[0]):
        return False
    door = _STREET_HOUSE if match.lastgroup else _STREET_DOOR
    return bool(door.search(match[0]) or _IS_FLAT.search(match[0]))


# ---- English ones
_WORD = r"[A-Z][A-Za-z'-]{0,20}\.?"
_UNIT = (
    r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Flat|Floor|Fl|Bldg|Building|Block|Blk|Tower)\b\.? ?(?:No\.? ?)?#?[A-Z0-9][A-Z0-9-]{0,5}(?![a-z])"
    r"|#[0-9A-Z-]{1,6}|[0-9]{1,3}(?:/F|F|(?:st|nd|rd|th) (?:Floor|Fl))\b)"
)
_ROAD = (
    r"(?:St(?:reet)?|Ave(?:nue)?|R(?:oa)?d|Dr(?:ive)?|Blvd|Boulevard|Hwy|Highway|Way|Lane|Ln|Court|Ct|Place|Pl|Plaza|Pike"
    r"|Parkway|Pkwy|Square|Sq|Terrace|Ter|Circle|Cir|Turnpike|Tpke|Lynnway|Center|Ctr|Mall|Route|Rt|Trail|Trl|Loop|Row|Crescent|Alley|Close|Grove|Walk|Mews|Gardens)\b\.?"
)
_BEGIN = r"(?<![0-9A-Za-z.$'-])"
_NAMES = rf"(?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{0,4}}"
_NUMBER = r"[0-9]{1,5}[A-Z]?(?:-[0-9]{1,4})?"
_UNITS_BEHIND = rf"(?:,? {_UNIT}){{0,3}}"
US_STREET = re.compile(
    rf"{_BEGIN}(?:{_UNIT}, ?){{0,2}}{_NUMBER} (?:[NSEW]{{1,2}}\.? )?{_NAMES}{_ROAD}(?: [NSEW]{{1,2}}\b)?(?:[ -](?:[A-Z0-9][A-Za-z0-9]*|[0-9]+)){{0,6}}{_UNITS_BEHIND}"
    r"(?:, ?[A-Z][A-Za-z. ]{1,30}?,? (?:[A-Z]{2,3}\b(?: [0-9]{4,5}(?:-[0-9]{4})?(?![0-9])| [A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]\b)?|[A-Z][a-z]{3,}(?: [A-Z][a-z]{3,})? [0-9]{5}(?:-[0-9]{4})?(?![0-9])))(?:, USA)?"
    rf"|{_BEGIN}P\.?O\.? Box [0-9]{{1,6}}, [A-Z][A-Za-z. ]{{1,30}}?,? [A-Z]{{2}} [0-9]{{5}}(?![0-9])"
    # with a flat behind the street the town may be missing
    rf"|{_BEGIN}{_NUMBER} (?:[NSEW]{{1,2}}\.? )?{_NAMES}{_ROAD}(?:,? {_UNIT}){{1,3}}"
)
_PLACES = rf"(?:, ?{_WORD}(?:[ -]{_WORD}){{0,3}})"
UK_ADDRESS = re.compile(
    rf"{_BEGIN}(?:(?:{_UNIT}|{_WORD} House), ?){{0,2}}{_NUMBER},? {_WORD}(?: (?:{_WORD}|of|the|on|upon)){{0,4}}(?:, ?{_WORD}(?:[ -](?:{_WORD}|on|the|upon|under|le|in)){{0,4}}|,? {_UNIT}){{0,4}},? [A-Z]{{1,2}}[0-9][0-9A-Z]? [0-9][A-Z]{{2}}\b(?:, (?:UK|United Kingdom|England|Scotland|Wales)\b)?"
)
_LANE = r"(?:(?:Aly|Alley|Ln|Lane|Sec|Section)\.? ?[0-9]{1,4},? )"
_TOWER = r"(?:Plaza|Building|Bldg\.?|Tower|Mansion|Gardens?|Cent(?:er|re)|Court|Estate|House|Park|Square|Apartments?|Village)"
# As addresses of China are written in English: from the room to the town.
CHINA_IN_ENGLISH = re.compile(
    rf"{_BEGIN}(?:{_UNIT},? |{_WORD}(?: {_WORD}){{0,3}} {_TOWER}, ){{0,5}}(?:(?:No\.? ?)?{_NUMBER},? {_LANE}{{0,3}}|{_LANE}{{1,3}}){_NAMES}(?:{_ROAD}|Lu\b|Jie\b|Dadao\b)(?: \(?[NSEWM](?:orth|outh|ast|est|iddle)?\.?\)?(?![a-z]))?{_UNITS_BEHIND}"
    rf"{_PLACES}{{1,5}}(?:,? [0-9]{{3}}(?:[0-9]{{2,3}})?(?![0-9]))?(?:, (?:P\.? ?R\.? ?)?China\b)?(?<!\.)"
)
_CHINESE_END = re.compile(r"[0-9]{6}|China|Hong Kong|HK|Taiwan|Taipei|Macau|Singapore|Kowloon")
_UNIT_BEFORE = re.compile(rf"{_UNIT},? |No\.? ?[0-9]")
EN_LABELLED = re.compile(
    r"(?=[lsmhbdnLSMHBDN])(?i:(?<![A-Za-z])(?:(?:live|lives|living|staying) at|(?:my|his|her|home|mailing|shipping|billing|delivery|new) address(?: is)?:?|(?:ship|deliver|mail|send)(?:ed)? (?:it |this |them )?to|moved to)) "
    rf"(?P<it>{_NUMBER} (?:[NSEW]{{1,2}}\.? )?{_NAMES}{_ROAD}{_UNITS_BEHIND}{_PLACES}{{0,2}}(?<!\.))(?![A-Za-z])"
)


def is_chinese_address(match: re.Match[str]) -> bool:
    """Hold that a street in English has a room before it, or the code or the name of a Chinese place behind."""
    return bool(_CHINESE_END.search(match[0]) or _UNIT_BEFORE.match(match[0]))
