"""Lines with names of invented people (between ⟨ and ⟩), and lines with words that begin as names do."""

WITH = """\
姓名：⟨王建国⟩，性别：男
联系人：⟨李晓梅⟩ 13812345678
收件人:⟨张伟⟩，地址见下
收货人：⟨欧阳振华⟩
紧急联系人：⟨赵敏⟩（母亲）
患者：⟨孙丽华⟩，女，45岁
客户姓名：⟨周志强⟩
户名：⟨吴桂芳⟩，开户行工商银行
法定代表人：⟨郑国栋⟩
申请人：⟨冯雪⟩
原告：⟨陈立新⟩，被告：⟨褚大勇⟩
被告：⟨卫东升⟩
持卡人：⟨蒋文丽⟩
负责人：⟨沈浩然⟩
学生：⟨韩梅梅⟩
姓名：⟨约翰·史密斯⟩
我叫⟨张三丰⟩，今年二十岁
你好，我叫⟨刘洋⟩，是新来的同事
大家好，我叫⟨司马青云⟩。
我叫⟨朱元⟩今年刚毕业
我叫⟨许文强⟩来自上海
本人名叫⟨何志远⟩，现住北京
我的名字是⟨吕小布⟩
我的真名是⟨施耐德⟩，别告诉别人
我的名字叫⟨孔繁森⟩。
我女儿叫⟨曹雨桐⟩，五岁了
我老公叫⟨严守一⟩，是个司机
他的同事叫⟨华国锋⟩。
我儿子叫⟨金鑫⟩
我的男朋友叫⟨魏晨⟩，分手了
班主任叫⟨姜文静⟩。
我的室友叫⟨戚继光⟩
我叫⟨玛丽·安娜⟩。
请联系⟨王小明⟩老师
感谢⟨李时珍⟩医生的帮助
⟨张文宏⟩教授说过
这件事由⟨陈光标⟩经理负责
我找⟨林书豪⟩律师
昨天和⟨高圆圆⟩女士见面
⟨周杰⟩先生：您好
尊敬的⟨孙悦⟩女士
感谢⟨马伟明⟩先生
致⟨诸葛瑾瑜⟩先生
⟨杨幂⟩小姐，您的快递到了
请转告⟨赵大海⟩师傅
⟨董明珠⟩董事长出席
采访了⟨袁隆平⟩院长
患者由⟨钟南山⟩医生接诊
联系⟨郭靖⟩同学拿资料
⟨徐志摩⟩同志
我跟⟨罗永浩⟩总经理谈过
请⟨黄晓明⟩主任签字
被⟨邓紫棋⟩警官带走了
Mr. ⟨Smith⟩ called yesterday.
Please ask Mrs. ⟨Mary Johnson⟩ about it.
Dr. ⟨Alan Grant⟩ will see you now.
My name is ⟨John Smith⟩ and I live here.
my name is ⟨Alice⟩.
I spoke to Ms ⟨O'Brien⟩ on Monday.
Prof. ⟨Ada K. Lovelace⟩ wrote it.
Customer name: ⟨Peter Parker⟩
Name: ⟨Jane Doe⟩, Age: 30
Patient name: ⟨Bruce Wayne⟩
Professor ⟨Anne-Marie Duff⟩ agreed.
Miss ⟨McDonald⟩ left early.
我的英语老师是 Mr. ⟨Brown⟩。""".splitlines()

# Words that begin with a surname, in sentences that end where a name would.
_WORDS = [
    "王者",
    "高兴",
    "马上",
    "方便",
    "张开",
    "平安",
    "成功",
    "安静",
    "安全",
    "和平",
    "黄牛",
    "金毛",
    "车夫",
    "保安",
    "石头",
    "高手",
    "任何人",
    "许多人",
    "马克思",
    "白领",
    "温柔",
    "文明",
    "方向",
    "管家",
    "程序员",
    "项目",
    "房东",
    "安保",
    "高级",
    "万能",
    "路人",
    "时间",
    "于是",
    "单身",
    "何必",
    "胡说",
    "江湖",
    "常常",
    "明白",
    "花生",
    "龙虾",
    "牛奶",
    "包子",
    "汤圆",
    "叶子",
    "孙子",
    "孔雀",
    "毛病",
    "顾客",
    "余额",
    "游客",
    "乔迁",
    "谢谢",
    "严格",
    "段子",
    "施工",
    "左右",
    "齐全",
    "易怒",
    "古怪",
    "连忙",
]
_TITLES = [
    "房东太太",
    "项目经理",
    "武术教练",
    "游泳教练",
    "高中老师",
    "任课老师",
    "班主任老师",
    "语文老师",
    "高级工程师",
    "安保经理",
    "公安局长",
    "文学院院长",
    "农业部部长",
    "党委书记",
    "司机师傅",
    "车间主任",
    "财务总监",
    "金融学教授",
    "程序员同学",
    "江西省省长",
    "高三同学",
    "单身女士",
    "年轻小姐",
    "万能先生",
    "白衣护士",
    "平安大哥",
    "钢琴老师",
    "马术教练",
    "客户经理",
    "大堂经理",
]
WITHOUT = [
    *(form.format(word) for word in _WORDS for form in ("他很{}，老师来了", "我叫{}的人过来", "联系{}先生们")),
    *(form.format(title) for title in _TITLES for form in ("{}来了", "请联系{}", "我和{}说过")),
    *"""\
我叫车去机场
我叫外卖，你吃什么
我叫他来的
我叫马上来
我叫红领巾
王老师好，李医生在吗
张总、刘姐、陈哥都来了
先生，您贵姓
女士们先生们，晚上好
老师，我能请假吗
医生说没事
姓名：
姓名：未知
姓名：必填，不超过十个字
联系人：（略）
联系人：见附件
请填写姓名、电话和地址
你叫什么名字？
这首歌叫成都
这条狗叫旺财
他的名字很好听
我的名字是什么
我叫你一声你敢答应吗
这道菜叫夫妻肺片
孩子叫妈妈
儿子叫爸爸来
女儿叫我起床
老婆叫我马上回家
学生：老师好
病人：我还有救吗
医生：你得了重病
患者：五百人
客户：全部
原告：某公司
被告：某单位
白雪公主和七个小矮人
高三（二）班同学
王者荣耀真好玩
张开双臂
方便面多少钱
马上就到
高兴得跳起来
明天向阳路见
金先生，韩小姐
任何同学都可以来
多位同学，几位女士
江苏、安徽和河南的老师
数学老师和英语老师
全体同志
主任医师，副教授
Dr. Pepper is a drink.
Is he Mr. Right?
My name is not important.
The file name: README
Name: Project X
variable name: userName
Miss you!
Dear Sir or Madam,
Mr. and Mrs.
Dr. Who is a series.
The doctor is in.
Main Dr Springfield
Product name: Super Glue
my name isn't on the list""".splitlines(),
]
