"""Where an address begins, and the flats that are named by their estate alone: 锦绣江南8栋1单元2703."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

_PROVINCE = (
    r"(?:北京|天津|上海|重庆|香港|澳门|(?:河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南"
    r"|陕西|甘肃|青海|台湾)省?|(?:内蒙古|广西壮族|广西|西藏|宁夏回族|宁夏|新疆维吾尔|新疆)(?:自治区)?)"
)
# The cities with districts and counties of their own, and those of Taiwan.
_CITY = (
    r"(?:石家庄|唐山|秦皇岛|邯郸|邢台|保定|张家口|承德|沧州|廊坊|衡水|太原|大同|阳泉|长治|晋城|朔州|晋中|运城|忻州|临汾|吕梁|呼和浩特|包头|乌海|赤峰|通辽"
    r"|鄂尔多斯|呼伦贝尔|巴彦淖尔|乌兰察布|沈阳|大连|鞍山|抚顺|本溪|丹东|锦州|营口|阜新|辽阳|盘锦|铁岭|朝阳|葫芦岛|长春|四平|辽源|通化|白山|松原|白城|延边|哈尔滨"
    r"|齐齐哈尔|鸡西|鹤岗|双鸭山|大庆|伊春|佳木斯|七台河|牡丹江|黑河|绥化|南京|无锡|徐州|常州|苏州|南通|连云港|淮安|盐城|扬州|镇江|泰州|宿迁|杭州|宁波|温州|嘉兴"
    r"|湖州|绍兴|金华|衢州|舟山|台州|丽水|合肥|芜湖|蚌埠|淮南|马鞍山|淮北|铜陵|安庆|黄山|滁州|阜阳|宿州|六安|亳州|池州|宣城|福州|厦门|莆田|三明|泉州|漳州|南平"
    r"|龙岩|宁德|南昌|景德镇|萍乡|九江|新余|鹰潭|赣州|吉安|宜春|抚州|上饶|济南|青岛|淄博|枣庄|东营|烟台|潍坊|济宁|泰安|威海|日照|临沂|德州|聊城|滨州|菏泽|郑州"
    r"|开封|洛阳|平顶山|安阳|鹤壁|新乡|焦作|濮阳|许昌|漯河|三门峡|南阳|商丘|信阳|周口|驻马店|济源|武汉|黄石|十堰|宜昌|襄阳|鄂州|荆门|孝感|荆州|黄冈|咸宁|随州"
    r"|恩施|长沙|株洲|湘潭|衡阳|邵阳|岳阳|常德|张家界|益阳|郴州|永州|怀化|娄底|湘西|广州|韶关|深圳|珠海|汕头|佛山|江门|湛江|茂名|肇庆|惠州|梅州|汕尾|河源|阳江"
    r"|清远|东莞|中山|潮州|揭阳|云浮|南宁|柳州|桂林|梧州|北海|防城港|钦州|贵港|玉林|百色|贺州|河池|来宾|崇左|海口|三亚|儋州|成都|自贡|攀枝花|泸州|德阳|绵阳|广元"
    r"|遂宁|内江|乐山|南充|眉山|宜宾|广安|达州|雅安|巴中|资阳|阿坝|甘孜|凉山|贵阳|六盘水|遵义|安顺|毕节|铜仁|昆明|曲靖|玉溪|保山|昭通|丽江|普洱|临沧|楚雄|红河"
    r"|文山|西双版纳|大理|德宏|拉萨|西安|铜川|宝鸡|咸阳|渭南|延安|汉中|榆林|安康|商洛|兰州|嘉峪关|金昌|白银|天水|武威|张掖|平凉|酒泉|庆阳|定西|陇南|西宁|海东"
    r"|银川|石嘴山|吴忠|固原|中卫|乌鲁木齐|克拉玛依|吐鲁番|哈密|喀什|台北|新北|桃园|台中|台南|高雄|基隆|新竹|嘉义)"
)
_HAN = "[\u4e00-\u9fff]"
# A street may bear the name of a city: 南京东路.
_REGION = re.compile(rf"{_PROVINCE}(?=[省市]|{_HAN}{{1,7}}[市区县州盟])|{_CITY}(?:市|(?={_HAN}{{1,5}}?[区县]))")
_INSIDE = re.compile(r"[省市区县州盟旗镇乡村路街道巷]$")
# What people say just before an address, nothing parting the two.
_LEAD = re.compile(
    r"(?:(?:收货|收件|寄件|发货|寄送|家庭|通讯|联系|详细|公司|快递)?地址|[^\W\d]{0,6}(?:坐落|座落|位于|改成|换成|改为|变更为|修改为|更新为|填写?的?|写的?(?!字))于?"
    r"|坐标|定位|导航|位置|新家|老家|家住|家里|我家|租房|房子|房屋|单位|现居住?|籍贯|户口|目的地|楼上|楼下|对面|隔壁|附近|旁边|邻居|房东|业主|物业|师傅|快递|外卖|包裹|东西"
    r"|收货人?|收件人?|寄件人?|整租|合租|转租|出租|急租|招租|求租|直租|分租|短租|出售|急售|急转|转让|自住|本人|系|即|直接|麻烦|劳驾|上门|目前|现在|今天|今晚|周末|晚上|明天"
    r"|昨天|昨晚|昨日|去年|小姐|先生|女士|同学|老师|师兄|搬[进来去回]?|放[在到]?|租[在的]?|售|卖|买|查|看|急|来(?=[^\W\d]{4})|进(?!贤)|回(?!龙|民)|地点|[:，、 ])+"
)

# ---- a house of an estate
# Words end with these; 和平里, 理想城 and 人才公寓 have them too.
_CUT = re.compile(
    rf"[在住到至是址从寄往送我他她你您咱它的了及或有叫说把被让跟问还很给又也找吗呢吧啊呀哦嘛么们这那哪没刚该吃喝拿带帮请已但却再并而等去对就像比只第]"
    rf"|别(?!墅)|(?<![理梦联])想|(?<![人英贤育])才|和(?![平谐美悦园睦泰畅顺庭苑])(?<![丰仁祥泰永义太嘉瑞中雍颐万惠天人德融协元]和)(?!{_HAN}{{1,8}}[路街道巷]交)|与(?!{_HAN}{{1,8}}[路街道巷]交)|为(?!民)|于(?![都洪田家庄])"
)
_HEAD = re.compile(
    rf"(?:{_HAN}|[·A-Z]|(?<![0-9])[0-9]{{1,2}}(?=[期区街])|(?<=阳光)100|(?<=[A-Z])[0-9]{{1,2}}|(?<=[路街道段巷代村区])[0-9]{{1,5}}(?=号))*\Z"
)
_HOME = re.compile(
    r"(?:苑|园|城|府|湾|庭|居|郡|轩|邸|墅|里|村|庄|坊|寓|舍|小区|家园|公馆|山庄|雅筑|新天地|名都|时代|江南|天下|[一二三四五六七八九十0-9A-Z][期区]|[东西南北中][区院]|家属[院区楼]|大院|山|岛|国际|印象|半岛|江山|豪门|水岸|华都|尚都)$"
)
# Names that any place has, and houses where nobody lives.
_NOBODYS = re.compile(
    r"某|^(?:(?:本|学校|大学|男生|女生|学生|员工|职工|研究生|单身|老|新|旧|整个|同|各|公司|单位)?(?:小区|园区|校区|厂区|社区|库区|厂房|工业园|产业园|公寓|宿舍|花园|家属[院区]|楼盘|项目|工地|期|栋|室)|.{0,2}[东西南北中新老一二三四五六七八九A-Z]区)$"
    r"|(?:教学|实验|办公|行政|门诊|住院|科研|综合|图书|逸夫|科技|商业|写字)楼?$|[医法]院$|(?:大学|学院|中学|小学|幼儿园|医院|学校|酒店|宾馆|政府|大厅|中心|市场|工厂|公司|机场|车站|食堂|仓库|基地|机房|考场|会场|厂|局|馆|部|所|店|校|系|楼)$"
)
_HOUSE = r"(?:(?:[A-Z]?[0-9]{1,3}[A-Z]?|[A-Z])\s?(?:号楼|#楼?|栋|幢|座|号?舍|号公寓)|[东西南北]座)"
_UNIT = r"\s?(?:[0-9]{1,2}|[A-Z甲乙丙一二三四五六七八九])(?:单元|门)"
_FLAT = r"-?(?:[0-9]{1,2}A[0-9]{2}|[0-9]{3,4}[A-Z]?|[0-9]{1,2}[A-H])(?:室|号(?![楼床线院机]))?"
# Behind the flat neither what is counted nor a room where people meet.
_TAIL = (
    r"(?![0-9A-Za-z]|[.,/%*×+~-][0-9]|\s?(?:[年月日元块个平米万点床户名间套位届级版斤度页路班亿㎡%:]|次(?!卧)|多(?!层)|人(?!家)|公[里斤顷]|[分千](?!户)|余[户人名]|栋|幢|张床|家(?:企业|公司|店|商)"
    r"|会议|教室|办公|病房|机房|车间|包[厢间房]|房间|实验|阶梯|活动|诊室|窗口|报告厅))"
)
ESTATE = re.compile(
    rf"(?<![0-9A-Za-z.×*+-])(?P<it>(?P<unit>(?:{_HOUSE}|[一二三四五六七八九十]{{1,3}}(?:号楼|栋|幢|座)|[0-9]{{1,4}}号院?){_UNIT}\s?(?:[0-9]{{1,2}}-[0-9]{{1,3}}|{_FLAT}|(?:[0-9]{{1,2}}[层楼])?[东西南北中]边?户|[0-9]{{1,2}}[室号]|[一二三四五六七八九零〇]{{3,4}}室?))"
    rf"|(?P<house>{_HOUSE})\s?(?:[0-9]{{1,2}}-)?{_FLAT}"
    # without 栋: behind the name of a place to live
    rf"|(?P<doors>[A-Z]?[0-9]{{1,3}}-(?:[0-9]{{1,2}}-)?(?!(?:19|20)[0-9]{{2}}(?!室))[0-9]{{3,4}}室?|[0-9]{{1,2}}门[0-9]{{3,4}}|[A-Z]?[0-9]{{3,4}}室)){_TAIL}"
)


_PLACE_BEFORE = re.compile(
    rf"(?:(?:{_PROVINCE}|{_CITY}市?) ?)?(?:{_HAN}{{2,7}}?(?:市|自治[州县]|地区|盟|区|县|旗|镇|乡|街道) ?){{0,3}}(?:{_HAN}{{1,8}}[路街道巷][与和及、])?\Z"
)


def address_begin(match: re.Match[str]) -> int:
    """Return where an address begins: at its province or city, which may stand a space or a crossing street before."""
    start = match.start(match.lastgroup or 0)
    start += begin(re.split(r"\d", match.string[start : match.end()], maxsplit=1)[0])
    before = match.string[max(0, start - 30) : start]
    if place := _PLACE_BEFORE.search(before):
        cut = max((word.end() for word in _CUT.finditer(place[0][:-1])), default=0)
        start -= len(place[0]) - cut - begin(place[0][cut:])
    return start


def begin(head: str) -> int:
    """Return where in the letters before the first number of an address it begins."""
    start = 0
    if (region := _REGION.search(head, 0, 40)) and not _INSIDE.search(head[: region.start()]):
        start = region.start()
    lead = _LEAD.match(head, start)
    return lead.end() if lead else start


def estate_begin(match: re.Match[str]) -> int | None:
    """Return where the name of the estate before a house and flat begins, None where it is none."""
    offset = max(0, match.start() - 40)
    if not (letters := _HEAD.search(match.string[offset : match.start()])):
        return None
    head = letters[0]
    cut = max((word.end() for word in _CUT.finditer(head)), default=0)
    cut += begin(head[cut:])
    name = head[cut:].strip("·")
    if len(name) < 2 or _NOBODYS.search(name):
        return None
    if not match["unit"] and not _HOME.search(name) and (match["doors"] or len(name) < 4):
        return None
    return offset + letters.start() + head.rindex(name)
