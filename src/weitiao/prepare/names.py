"""What the name of a person looks like where something beside it says that it is one; never by a surname alone."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

# Those that nearly all bear, less such as stand in more words than names (和 时 师 全 …).
_ONE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊"
    "葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷曲盛冉翁蓝骆路游辛靳管柴蒙鲍华喻祁房滕屈饶解牟艾尤阳穆卓古简项连芦麦褚娄窦戚岑景费卜晏席卫柏瞿桂佟臧闵苟邬边姬仇栾隋刁沙荣巫寇桑郎甄丛虞敖巩佘池查苑迟邝"
)
_TWO = "欧阳|司马|上官|诸葛|皇甫|尉迟|公孙|慕容|司徒|令狐|夏侯|端木|南宫|独孤|宇文|长孙|轩辕|申屠|澹台|呼延"
_SURNAME = rf"(?:{_TWO}|[{_ONE}])"
# Letters of no given name: pronouns, particles, verbs, numbers, what words of place and time are made of.
_NEVER = (
    "的了是我你他她它们在有与或跟及就都也还不没很太最这那哪什么怎吗呢吧啊呀哦嘛着过到从对把被让给往说问想要会能可以个位只"
    "条次年月日号时分点块亿每各此但而且所如果虽却叫来去走看听吃喝做打住找等先后前里外内出进第一二四五六七八九十两几"
    "老某女男生员者人家级目课委机间东上下中化全保术泳业务件品价币额钱费票车店卖包兴便开始功导士产律当何任何夫妇货"
)
_GIVEN = rf"(?:(?![{_NEVER}])[一-鿿])"
_PLACES = "学院部队馆班科室厅局所校处组系团社厂城省市县区镇村街路楼界国语史"  # words of these end in them, hardly names
_NAME = rf"{_SURNAME}{_GIVEN}{{0,1}}(?![{_PLACES}]){_GIVEN}"
_ABROAD = r"[一-鿿]{1,5}(?:[·•][一-鿿]{1,5}){1,2}"  # 约翰·史密斯
_WORDS = (  # they begin like names
    "高三|王牌|王朝|王国|王子|王冠|王储|马虎|马戏|马克|马桶|马达|马尾|马甲|黄金|黄昏|黄色|黄瓜|黄牛|黄豆|黄河|白天|白菜|白酒|白糖|白色|白领|白云|金融|金属|金牌|金毛|金鱼|石头|石油|石榴|高考|高手|高端|高温|高楼|高管|高贵|高铁"
    "|高原|高山|江湖|江山|江苏|江南|江西|河南|海南|云南|温柔|温度|温暖|温泉|温馨|康复|文明|文章|文艺|文案|文物|文献|安慰|安排|安卓|安徽|安装|成绩|成本|成都|成熟|平安|安静|单身|包子|易怒|平台|武器|武汉|武侠|武松|方法|方案|方向|方针|方程|方式"
    "|向往|向量|路由|路程|路径|路灯|游戏|游客|游侠|管理|管道|管家|解释|解决|解放|应用|应聘|应该|连续|连接|连锁|池塘|沙漠|沙发|沙拉|沙龙|席位|关键|关注|关系|关于|关羽|龙虾|龙凤|雷电|雷达|花园|万能|万象|钱包|严格|严肃|莫名|莫非|汤圆"
    "|牛奶|牛肉|牛油|牛郎|齐全|易经|易拉|章鱼|章节|左右|左边|左手|包装|包裹|包容|包括|宁愿|宁静|尚未|纪念|纪录|纪律|童话|童年|童鞋|毕竟|单独|单位|单纯|季节|季度|盛夏|盛宴|蓝色|蓝天|蓝牙|谷歌|谷物|曲线|曲奇|苗条|房屋|房租|房贷|房产"
    "|古代|古典|古董|古琴|简单|简介|简历|景色|景点|费用|查询|查看|迟到|边缘|边境|郎君|桑拿|荣誉|荣幸|项链|柴油|柴犬|华为|华丽|喻体|许愿|许多|何必|何苦|何处|何况|余额|余生|余数|程序|程度|范围|范文|范本|段落|段子|史料|史诗|顾客|顾问|毛巾"
    "|毛病|毛笔|孔雀|施工|施肥|符合|符号|舒服|舒适|梅花|凌晨|乔迁|申请|申诉|颜色|庄严|庄稼|岳父|岳母|曾经|曾祖|任意|任务|陈述|陈旧|陈皮|杨树|杨梅|胡同|胡闹|胡椒|胡萝卜|罗马|罗列|田野|田径|叶子|谢谢|周末|周围|周期|周易|孙子|林业|宋朝"
    "|唐朝|唐僧|唐诗|秦始皇|秦朝|秦岭|汉朝|魏国|赵国|韩剧|韩国|苏联|苏打|夏季|夏令|贾宝玉|林黛玉|孔子|孟子|孙悟空|唐伯虎|诸葛亮|诸葛孔明|曹操|刘备|张飞|司马懿|司马迁"
)
_NAME = rf"(?!{_WORDS}){_SURNAME}{_GIVEN}{{0,1}}(?![{_PLACES}]){_GIVEN}"
_SAID = rf"(?:{_NAME}|(?!{_WORDS}){_SURNAME}{_GIVEN}{{2}})"  # whoever says so may be 建国
_END = r"(?=$|[^一-鿿]|今年|来自|是|的|在|和|与|很|想|住|毕业|现在|目前|电话|手机|微信|身份证|邮箱|先生|女士|老师|收$|同学)"
_LABEL = r"(?:姓名|联系人|收件人|收货人|寄件人|负责人|经办人|申请人|投保人|被保险人|持卡人|开户名|户名|法定代表人|法人|监护人|当事人|患者|病人|学生|客户|真名|全名|本名|签收人|主治医[师生]|紧急联系人|委托人|原告|被告)"
_KIN = r"(?:孩子|儿子|女儿|老公|老婆|丈夫|妻子|男友|女友|男朋友|女朋友|同学|同事|朋友|爸爸|妈妈|父亲|母亲|弟弟|妹妹|哥哥|姐姐|室友|邻居|班主任)"
_HONORIFIC = r"(?:先生|女士|小姐|太太|同学|同志)"
_ROLE = r"(?:老师|医生|大夫|教授|院士|博士|律师|(?:总)?经理|主任|院长|校长|局长|处长|科长|部长|书记|董事长|总监|护士|法官|检察官|警官|师傅|工程师|会计|教练|阿姨|叔叔)"
# Where a name may begin in running text: a word that ends in a letter like 经 or 高 would begin one else.
_BEFORE = r"(?:(?<![一-鿿])|(?<=[的是和与跟给向请找对问叫由让被为把及了致])|(?<=联系|感谢|通知|转告|拜访|采访|认识|看见|遇见|位于|邀请|陪同|委托|主任|经理|教授|院长|校长|书记|医生|老师|律师|同事))"
_LONG = rf"(?!{_WORDS})(?:(?:{_TWO}){_GIVEN}|[{_ONE}]{_GIVEN})(?![{_PLACES}]){_GIVEN}"

_CAPITAL = r"[A-Z](?:[a-z]+(?:[A-Z][a-z]+)?|['’][A-Z][a-z]+)(?:-[A-Z][a-z]+)?"
_NOBODY = (
    r"(?!(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Pepper|Right|Wrong|Who|President|Chairman|Speaker|Nobody|Perfect|Strange|Robot|Children"
    r"|Not|The|And|But|Is|In|On|At|It|This|That|My|You|We|He|She|Everyone|Universe|World|America)(?![a-z]))"
)
_PERSON = rf"{_NOBODY}{_CAPITAL}(?: [A-Z]\.)?(?: {_NOBODY}{_CAPITAL}){{0,2}}"
_FIELD = r"(?=\s*[\n,;|]\s*(?i:age|e-?mail|phone|tel|address|job|gender|sex|date of birth|dob|occupation|id)(?![a-z]))"

CHINESE = re.compile(
    rf"{_LABEL}(?:姓名)?\s?[:：]\s*(?P<labelled>(?:{_SURNAME}(?![某女先])[一-鿿]{{1,2}}|{_ABROAD})){_END}"
    rf"|(?:我的?(?:真名|全名|大名|姓名|名字)|本人|我|俺|{_KIN}(?:的?(?:姓名|名字))?)(?:就?叫做?|名叫|是叫|叫作)\s?(?P<called>{_SAID}|{_ABROAD})(?!的){_END}"
    rf"|(?:我|本人|{_KIN})的?(?:真名|全名|大名|姓名|名字)(?:是|为)\s?(?P<named>{_SAID}|{_ABROAD}){_END}"
    rf"|我姓{_SURNAME}[，,]\s?(?:名字?)?叫(?:做|作)?(?P<surnamed>{_SAID}){_END}"
    rf"|(?:{_LABEL}|本人)(?P<told>{_SURNAME}(?![某女先])[一-鿿]{{1,2}})(?=[，,(（、]\s?(?:性别[:：]?)?[男女](?![一-鿿]))"
    rf"|{_BEFORE}(?P<polite>{_NAME})(?={_HONORIFIC}(?!们))"
    rf"|{_BEFORE}(?P<long>{_LONG})(?={_ROLE}(?!们))"
)
ENGLISH = re.compile(
    rf"(?<![A-Za-z])(?:(?:Mr|Mrs|Ms|Miss|Prof|Professor)\.?|Dr\.|(?<![A-Za-z0-9] )Dr) (?P<titled>{_PERSON})(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?i:my (?:full )?name is|(?:full|customer|patient|contact) name:) ?(?P<told>{_PERSON})(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?i:name): ?(?P<field>{_PERSON})(?![A-Za-z]){_FIELD}"
)
HINT = rf"{_LABEL}(?:姓名)?\s?[:：]|(?:{_LABEL}|本人)[一-鿿]{{2,4}}[，,(（、]|叫|名字|真名|全名|大名|姓名|{_HONORIFIC}|{_ROLE}|\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor)\.? [A-Z]|(?i:\bname)"
