"""What the ids of WeChat and QQ look like: behind their label, a few words after it, or before it."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

_OPEN = r"[“\"「『【《(]?"  # no [: a mark begins with it
# What people say between a label and an id: 我的QQ号还是…, 微信换成了….
_IS = r"(?:(?:没变|没换|不变|没改)过?[，,]?)?(?:现在|目前|一直|已经?|[也就还都]|仍然?|依然|好像|应该|其实|可能|大概)*(?:是|为|叫|用的是?|换成了?|改成了?|改为|换了)(?:这个|我的)?"
_WHO = r"(?:我|个|一下|下|他|她|老师|老板|店主|客服|小编|本人|群主)?的?"

# What a text has that names one: the rest is not gone through.
WECHAT_HINT = re.compile(
    r"[微威薇葳徽維维唯][信号讯心❤♥\s:：+A-Za-z0-9]|薇|卫星|🛰|绿泡|绿色软件|[Vv]\s?[:：我xX信心❤♥]|[Vv][.·][Xx]|(?:加|[+➕我系加找私师服个下的])\s?[Vv]|[Ww]\s?[xX]|(?i:we ?chat|wei\s?xin)|wei信"
)
WECHAT_NAMED = re.compile(r"[微威薇]\s?信|(?i:[vw] ?x|v信|we ?chat)|加我|加好友|绿泡泡|唯信|微[号讯]|薇|卫星")
QQ_HINT = re.compile("[Qq]|扣|抠抠|球球|秋秋|企鹅|🐧")

# ---- WeChat
_SLANG = r"(?:[薇葳维維唯]\s?信|wei信|[微威薇]\s?xin|[微薇]心|[微威薇葳徽維维][❤♥]\ufe0f?|[Vv](?:信|心|[❤♥]\ufe0f?)|绿泡泡?|绿色软件|薇(?=[号:：+])|(?<![\u4e00-\u9fff])薇(?=\s?[a-z]))"  # names nothing but the id
_VX = r"(?<![A-Za-z0-9/=_.-])(?<![A-Za-z0-9]\+)(?i:vx(?!lan|works|id)|v[ .·]x(?![A-Za-z]))"
_WX = rf"(?:{_SLANG}|[微威徽]\s?信|微[号讯]|{_VX}|(?<![A-Za-z0-9/=-])(?<![A-Za-z0-9]\+)(?i:wei ?xin|we ?chat(?![a-z])|wx|w x(?![A-Za-z]))|(?:(?<=加)|(?<=加我))卫星号?|(?:卫星号?|🛰\ufe0f?)(?=\s?[:：])|卫星号(?=\s?[a-z]))"
_ID = r"[A-Za-z][A-Za-z0-9_-]{4,18}[A-Za-z0-9_](?![A-Za-z0-9_@]|[.-][A-Za-z0-9])"
_WORDS = r"(?!(?i:weixin|wechat|official|official_account|public|miniprogram|android|iphone|version)(?![A-Za-z0-9_-]))"
# A name in a program: its parts are words like these. Few parts are looked at, for texts of nothing else.
_CODE = (
    r"(?!(?:[A-Za-z0-9]{1,20}[_-]){0,4}(?i:pay|sign|login|api|sdk|token|config|users?|open|access|key|secret|callback|url|notify|share|auth|jsapi|mini|program|apps?"
    r"|web|bot|test|dev|version|ios|android|iphone|windows|linux|macos|official|account|public|messages?|msg|hook|plugin|server|client|service|data|json|xml|python|java|javascript"
    r"|node|nodejs|vue|react|spring|php|html|id|code|type|list|status|error|debug|log|spider|export|backup|get|set|group|based|like)(?![A-Za-z]))"
)
_NO_CODE = r"(?!\s?(?:公众号|小程序|服务号|视频号|错误|接口|参数|字段|函数|变量|模块|插件|报错|框架|方法|版|文件|脚本|项目|教程|格式|=|\((?!\s?(?:[\u4e00-\u9fff]|(?i:vx|wx|wechat)))))"
_HEXADECIMAL = r"(?![0-9a-f]{16}(?![A-Za-z0-9]))"
_DIGIT_ID = rf"{_WORDS}{_HEXADECIMAL}(?=[A-Za-z_-]*[0-9_]){_ID}"
_MARKED_ID = rf"{_CODE}{_HEXADECIMAL}(?=[A-Za-z]*[0-9_]){_ID}{_NO_CODE}"
# Letters alone are an id where the clause ends with them, or goes on about reaching someone.
_ALONE = (
    r"(?=\s*(?:$|[，。,、；;！!~～)）】」”\"|/\n]|\.(?![A-Za-z])|备注|或|电话|手机|QQ|联系|欢迎|加我|加好友|[(（]))"
)
_LETTER_ID = rf"{_WORDS}{_CODE}[a-z][a-z_-]{{4,18}}[a-z](?![A-Za-z0-9_@.-]){_ALONE}"
_NAME_ID = rf"{_WORDS}{_CODE}[A-Za-z][A-Za-z_-]{{4,18}}[A-Za-z](?![A-Za-z0-9_@.-]){_ALONE}"
# With a hyphen it may be a word: the clause ends with it.
_HYPHEN_ID = rf"{_WORDS}{_CODE}(?=[A-Za-z]+-[A-Za-z-]*[0-9]){_ID}{_ALONE}"
_PROGRAMS = r"(?!(?i:v?(?:scode|mware|pn|ue|im|isual|box|irtual|ivo|ultr|ercel|ant|ite|ersion|r?ay|chat|lookup|let|iew|alue|ideo|log|ip)))"  # VSCode, VMware
# V alone is a label behind these, where no English word goes on.
_V = rf"(?<![A-Za-z0-9/=_])(?:(?i:v)\s?[:：]\s?|(?i:v)\s|[Vv]{_PROGRAMS}|[薇威微]\s?[:：]?\s?)"
# No id is a word that says how it is: my wechat is blocked.
_ENGLISH = r"(?!(?:[a-z]*(?:ed|ing|ly|able|ible|ful|less|ous|ive|ion|ent|ant|ment|ness|ish|ary|ory|al|ical|ized|thing|where|ever|ic|ure)|broken|frozen|stolen|hidden|private|because|another|through|without|unknown|nowhere|somewhat|whatever|forgotten|attached|underneath|however|already|instead|offline|overdue|outdated|english|chinese|whatsapp|messenger|software|together|between|against|obsolete|complete|separate|ridiculous|terrible|awesome|trouble|friends?|contacts?|account|username)(?![a-z]))"
_WX_SAID = rf"(?:{_IS}\s?[:：]?|\s?[:：=])\s?{_OPEN}"

_BESIDE = r"(?:[小大新旧老主]号|(?:工作|私人|备用)号?|在这里?|如下|发[一这]下|发这里?|放这里?|奉上|[同和与]步?(?:抖音|快手|手机|电话|QQ|小红书)(?:同?号)?|[/或、](?:电话|手机|短信|QQ|(?i:whatsapp|line|telegram|tg|tel|phone)))"

WECHAT = re.compile(
    r"(?=[wWvV微威徽薇葳维維唯绿卫🛰])(?:(?<![A-Za-z0-9_])(?P<own>wxid_[0-9a-z]{10,20})(?![A-Za-z0-9_])"
    rf"|{_WX}\s?(?:(?:号码?|ID|id|账号|帐号|同号)\s?(?:是|为|叫|[:：=])?|(?:是|为|叫)?[:：=])\s?{_OPEN}(?P<it>{_WORDS}(?:(?<![Ii][Dd] )|{_ENGLISH}){_ID})"
    rf"|{_WX}是\s?{_OPEN}(?P<is>{_LETTER_ID})"
    rf"|{_WX}(?:\s?(?:搜索?|搜一下|添加|加|联系|私聊|咨询|预约|[+➕])\s?[:：]?\s?{_OPEN}|\s(?=(?:[a-z_-]*[0-9]){{3}}))?(?P<bare>{_WORDS}{_CODE}(?=[A-Za-z_-]*[0-9]){_HEXADECIMAL}{_ID})(?!\s?(?:公众号|小程序|服务号|视频号))"
    rf"|(?:{_SLANG}|[微威徽]\s?信|{_VX})\s?(?:(?:搜索?|搜一下|添加|加|联系|私聊|咨询|预约|[+➕])\s?[:：]?\s?{_OPEN})?(?P<marked>{_MARKED_ID}|{_HYPHEN_ID})"
    rf"|{_WX}(?:号码?|账号|帐号)?{_WX_SAID}(?P<said>{_MARKED_ID})"
    rf"|{_WX}{_BESIDE}[:\s]\s?{_OPEN}(?P<beside>{_MARKED_ID}|{_HYPHEN_ID})"
    rf"|{_WX}\s?[(【「『“\"]\s?(?P<bracketed>{_MARKED_ID})(?=\s?[)】」』”\"])"
    rf"|(?:(?:(?<=[Mm]y )|(?<=his )|(?<=her )|(?<=our ))(?i:wechat)(?: id)?(?: is|'s)|(?i:wechat id)(?: is)?) (?P<named>{_WORDS}{_CODE}{_ENGLISH}[a-z]{{7,20}}(?![A-Za-z0-9_@.-]|\.[A-Za-z]))"
    rf"|(?i:wechat)(?![A-Za-z])(?: me)?(?:,? (?:my )?(?i:id|username|handle))?(?: is|'s| -|,| at| as)? ?:? ?@?(?P<english>{_CODE}(?=[A-Za-z]*[0-9_])(?=[A-Za-z_-]*[0-9]|[a-z]+_[a-z_]+\b){_ID}(?! ?[(=]))"
    rf"|{_SLANG}\s?[:：]?\s?(?P<letters>{_LETTER_ID})"
    rf"|(?:(?<=[\u4e00-\u9fff，。；！、\n])|(?<=[\u4e00-\u9fff，。；！、] ))(?i:vx)\s?(?P<plain>{_LETTER_ID}))"
)
WECHAT_ADDED = re.compile(
    rf"(?:加|(?<![A-Za-z0-9/=])[+➕]|我的?|联系|添加)\s?{_WHO}\s?{_WX}(?:号码?|账号)?[吧呗]?\s?[:：，,]?\s?{_OPEN}(?P<it>{_DIGIT_ID})"
    rf"|加\s?(?:我|他|她|老师|客服|小编|本人)的?{_WX}\s?[:：]?\s?{_OPEN}(?P<letters>{_WORDS}[a-z]{{6,20}}(?![A-Za-z0-9_@.-]))"
    rf"|(?:加|(?<![A-Za-z0-9/=])[+➕]|我的?|联系|添加|私)\s?{_WHO}\s?{_WX}[\s:：，,]{{0,2}}{_OPEN}(?P<alone>{_LETTER_ID})"
    rf"|(?:加|(?<![A-Za-z0-9/=])[+➕]|我的?|联系|添加|找|私|老师|客服)\s?(?:我|个|一下)?\s?的?{_V}{_OPEN}(?P<bare>{_CODE}{_DIGIT_ID})"
    rf"|(?:加|(?<![A-Za-z0-9/=])[+➕]|联系|添加)\s?(?:我|个|一下)?\s?(?:(?i:v)\s?[:：]|[薇威微]\s?[:：])\s?(?P<coloned>{_NAME_ID})"
    rf"|(?<![A-Za-z0-9])[Vv]\s?我(?:\s?[:：]\s?(?P<me_letters>{_LETTER_ID})|\s?[:：]?\s?(?P<me>{_CODE}{_DIGIT_ID}))"
    rf"|(?:(?<=[\u4e00-\u9fff，。；！、])|(?<=[\u4e00-\u9fff，。；！、] ))[Vv薇威]\s?[:：]\s?(?P<v>{_CODE}{_DIGIT_ID})"
    rf"|(?<![^\n])[Vv]\s?[:：]\s?(?P<line>{_CODE}(?=[A-Za-z_-]*[0-9]){_DIGIT_ID})(?=[\s(（，,。]{{0,2}}[\u4e00-\u9fff])"
)
# Ids a clause behind the label: where one is offered, and where the clause says that it is one.
_CLAUSE = r"[^，。,;!?\n0-9A-Za-z]"
_BREAK = r"[，,:。!?~…—\s]{1,3}"
_DEVICE = r"(?!(?i:img|dsc|vid_|redmi|mate|screenshot|mmexport|file|win|office|chrome|edge|excel|word|ppt|ipad|miui|harmony|gpt|chat|thinkpad|galaxy|reno|vivo|oppo|honor))"
_THIS = r"(?:(?:我|他|她|现在|目前|以后|这个?)?的?(?:是|叫|就是)?(?:我的?|他的?|她的?)?(?:新|旧|老|原来|大|小|主|副|备用|工作|私人|个人|另一个)?的?(?:号码?|[微威薇]信号?|账号|(?i:id)|联系方式)\s?(?:是|为|叫|换成了?|改成了?|[:\s]){0,2}|(?:我|新|现在|他|她|我们|老师|客服)的(?:是|为|叫|:)+|(?:(?:现在|目前|其实|应该)(?:是|用的?是?)|改用|改成了?|换成了?)(?:的是|:)?)\s?"
WECHAT_CLAUSE = re.compile(
    r"(?=[加留换推给发告报这就附随直有详具可私咨需想wWvV微威徽薇葳維维唯绿卫])"
    rf"(?:(?:(?<![参增更施附])(?:加|留|换|推|给|发|告诉|报)(?:一?[下个]|我|你|他|她|老师|客服)?的?{_WX}(?:号码?|账号)?{_CLAUSE}{{0,5}}"
    rf"|{_WX}(?:号码?|账号)?{_CLAUSE}{{0,4}}(?:给[你您大]|我|吧|聊|加我|加一下|联系|私我|发[你您给我]|推[你您给]|留[给个]|找我|多少|呗){_CLAUSE}{{0,4}}"
    rf"|(?:随时|直接|有事|详情|具体|可以?|私聊|咨询|需要的?|想要的?){_WX}"
    rf"|(?:这是|就是|附上)(?:我|他|她|老师|老板|客服)的?{_WX}号?)"
    rf"{_BREAK}(?:我的?|(?i:id))?\s?(?P<offered>{_DEVICE}(?:{_MARKED_ID}|{_HYPHEN_ID})){_ALONE}"
    rf"|{_WX}(?:号码?|账号)?[^\n0-9A-Za-z]{{0,14}}?[，,。!?;、\s]{_THIS}{_OPEN}(?P<told>{_DEVICE}(?:{_MARKED_ID}|{_HYPHEN_ID}|{_LETTER_ID})))"
)
_WX_NAME = r"(?:[微威薇]信|[Vv]信|(?i:vx|wx|wechat))"
# The label comes after: abc_123（微信）, 手动输：abc_123，微信搜这个.
WECHAT_BEFORE = re.compile(
    rf"(?<![A-Za-z0-9_@./-])(?P<it>{_MARKED_ID})(?=\s?[(（【]\s?{_WX_NAME}(?:同?号)?\s?[)）】]"
    rf"|[，,、]?\s?(?:这个?)?就?是(?:我|他|她|老板|客服|老师|本人|店主)的?{_WX_NAME}(?!公|小程|群)"
    rf"|[，,。]?\s?(?:[上在去]?{_WX_NAME}(?:上|里|直接)?(?:搜|加|添加)|加(?:我|一下)?{_WX_NAME}(?![A-Za-z0-9公群])))"
    rf"|(?:手动输入?|搜索?|搜一下|复制|查找|输入)\s?[:：]?\s?{_OPEN}(?P<sought>{_MARKED_ID})(?=[^\nA-Za-z0-9]{{0,6}}?(?:加我|加好友|添加好友|加{_WX_NAME}))"
)
# An id of digits is told from the rest by a label that names an id.
WECHAT_DIGITS = re.compile(
    rf"{_WX}(?:号码?|账号)?\s?[:：]\s?(?P<it>[1-9][0-9]{{6,9}})(?![0-9A-Za-z@%.,-])(?!\s?[个元万亿人次年条位块])"
)
_APP = re.compile(r"(?i)app_?id\W{1,4}$")  # of a program: wx and letters


def is_wechat(match: re.Match[str]) -> bool:
    """Leave out the id of a program."""
    return not _APP.search(match.string, max(0, match.start() - 12), match.start())


# ---- QQ
_QQ_LABEL = r"(?<![A-Za-z])(?i:q\s?q|扣扣|球球|抠抠|企鹅|🐧|秋秋|(?<=加)[q扣]|q(?=号|群)|(?:(?<=我)|(?<=我的))q(?=是))"
_QQ_TAIL = r"(?!-?[0-9A-Za-z@%]|[ .,][0-9])(?!\s?(?:[个元万亿人次年块分点]|[是和与]?(?:不是|和|与|除|乘|减|加上|等于|[*/×=])|是(?!我)|有(?=[几多0-9])|能被))"
_GROUPS = (  # 410 583 927, but no date
    r"(?!(?:19|20)[0-9]{2}[ -][01]?[0-9][ -])[1-9][0-9]{1,3}(?:(?: [0-9]{3,4}){1,2}(?: [0-9]{2})?|(?:-[0-9]{3,4}){1,2})(?![ -]?[0-9])"
)
QQ = re.compile(
    rf"(?:{_QQ_LABEL})\s?(?:交流|讨论|学习|粉丝|在线|咨询|客服|联系|业务|商务|售后|合作|[搜添]?加|搜索?|我|私聊?|滴滴|预约|报名|好友|[小大新旧老主副]号|备用号?|留言|详?聊|找我)*(?:[1-9一二三四五六七八九]?群|号码?|账号|[吧呗](?=[\s:：])| ?(?i:number|id)| is|[12](?=[:：]))*(?:\s?[/和&或、]\s?(?:微信|电话|手机|短信|(?i:vx?|wx))号?){{0,2}}(?:同号|联系|咨询|均可|都行)?\s?(?:{_IS}\s?[:：]?|[也就]?[是为]|[:：=+])?\s?{_OPEN}"
    rf"(?P<it>[1-9](?:[0-9]{{4,10}}|(?: [0-9]){{4,10}}|(?:-[0-9]){{4,10}})(?!-?[0-9A-Za-z@%]| [0-9](?![:：]))|{_GROUPS})(?!\s?[个元万亿人次年只])"
    r"|(?<=[聊系私加我找戳敲扣意+])[Qq]\s?[:：]?\s?(?P<bare>[1-9][0-9]{7,9}(?![0-9A-Za-z@%-]))"
    r"|\[QQ号?[0-9]+\]\s?(?:[、/或和]|[2-9][:：])\s?(?P<next>[1-9][0-9]{5,10}(?![0-9A-Za-z@%]))(?!\s?[个元万亿人次年])"
    rf"|(?:加|我的?|联系|添加)\s?{_WHO}(?:{_QQ_LABEL})(?:号码?)?[，,]\s?(?P<comma>[1-9][0-9]{{5,9}}){_QQ_TAIL}"
    # 扣 and Q alone need a number of full length: shorter ones are sums and items.
    rf"|(?:(?<![^\s，。；！、,.!;:：)\]】加我系私可号])扣我?|(?<![折克回纽税被暂代])扣(?=\s?[:：])|(?<![A-Za-z0-9_+*/=-])(?i:q)我)\s?[:：]?\s?(?P<told>[1-9][0-9]{{7,9}}){_QQ_TAIL}"
    rf"|(?<![A-Za-z0-9_+*/=.&?-])(?i:q)(?:\s?[:：]\s?(?P<colon>[1-9][0-9]{{8,9}})|(?<![^\s，。；！、,.!;:)\]】加我系私滴价][Qq])\s?(?P<glued>[1-9][0-9]{{9}})){_QQ_TAIL}"
)
QQ_CLAUSE = re.compile(
    rf"(?:(?<![参增更施附])(?:加|留|换|给|发)(?:一?[下个]|我|你|他|她|老师|客服)?的?(?:{_QQ_LABEL})(?:好友|号码?|账号)?{_CLAUSE}{{0,5}}"
    rf"|(?:{_QQ_LABEL})(?:好友|号码?|账号)?{_CLAUSE}{{0,4}}(?:给[你您大]|我|吧|聊|加我|加一下|联系|私我|发[你您给我]|留[给个]|找我|多少|呗){_CLAUSE}{{0,4}})"
    rf"{_BREAK}(?P<offered>[1-9][0-9]{{7,9}}){_QQ_TAIL}{_ALONE}"
    rf"|(?:{_QQ_LABEL})(?:号码?|账号)?[^\n0-9A-Za-z]{{0,14}}?[，,。!?;、\s]{_THIS}{_OPEN}(?P<told>[1-9][0-9]{{5,9}}){_QQ_TAIL}"
    rf"|(?:{_QQ_LABEL})群[^\n0-9A-Za-z]{{0,8}}?[，,。!?;、\s]?(?:请?[加进])?(?:新|[1-9一二三四五六]|备用)群号?\s?(?:是|[:])?\s?(?P<group>[1-9][0-9]{{6,9}}){_QQ_TAIL}"
    # Behind an offer: 10块一次，Q438562917
    rf"|(?<=[，。,;!、\s])[Qq]\s?(?P<it>[1-9][0-9]{{7,8}}){_QQ_TAIL}"
)
_OFFER = re.compile(
    "加|联系|咨询|私|价|元|块|[0-9]r|接|代[练写做购肝打刷]|出|收|租|售|卖|教|招|包邮|滴滴|聊|有意|求|找|组队|帮|拼|互|扩列|交友"
)
_TYPE = re.compile("编[号码]|型号|序列|单号|款号|货号|批[号次]|零件|图号|料号|条码|芯片|电阻|轴承|钢|[:=]\\s?$")


def is_offered(match: re.Match[str]) -> bool:
    """Hold that a number behind Q alone stands beside an offer, and none beside a part of a machine."""
    before = match.string[max(0, match.start() - 60) : match.start()]
    return not match["it"] or bool(_OFFER.search(before) and not _TYPE.search(before))


QQ_SPOKEN = re.compile(
    rf"{_QQ_LABEL}\s?(?:群|号码?|账号)?\s?[是为:：]?\s?(?P<it>[1-9][0-9]{{6,9}})(?![0-9A-Za-z十百千万亿点年])"
)
QQ_BEFORE = re.compile(
    r"(?<![0-9A-Za-z_.+*/=-])(?P<it>[1-9][0-9]{5,9})(?=\s?[(（【]\s?(?:(?i:qq)|扣扣|企鹅)(?:同?号)?群?\s?[)）】]"
    r"|[，,、]?\s?(?:这个?)?就?是(?:我|他|她|老板|客服|老师|本人|群主)的?(?:(?i:qq)|扣扣|企鹅)(?:号|[，。,！!\s]|$))"
)
