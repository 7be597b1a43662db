"""Which texts say the contrary, or another amount, though they differ in one place only."""

import re
from itertools import product

from weitiao.similar.keys import common_head

_LONGEST = 8  # characters of what is exchanged or put in
_BEFORE, _BEHIND = 3, 4  # characters that the exchanged words may have in common: 摄氏 and 华氏, enable and disable
_NEGATION = re.compile(
    r"(?:[并从绝毫尚还也都就])?[不没未](是|能|会|要|得|可以?|应该?|必须?|用|有|再|准|许)?|[无非莫勿]|[请切]勿|禁止|not|never|nt"
)
_AFFIRMED = re.compile(r"[是能会要得可应必先有需已]|可以|能够|应该|应当|必须|需要|允许|准许|已经")
# Of each group any two are another statement; what stands in one place of it, between strokes, is the same.
_CHARACTERS = (
    "大小 多少 高低 长短 上下 左右 前后 先后 里外 内外 男女 冷热 凉热 冷暖 干湿 快慢 早晚 新旧 好坏 好差 买卖 "
    "进出 来去 开关 开闭 启禁 增减 增删 加减 乘除 升降 涨跌 涨降 阴阳 阴晴 正负 正反 对错 东西南北 生死 胜负 "
    "胜败 输赢 得失 真假 黑白 轻重 粗细 深浅 厚薄 强弱 软硬 胖瘦 肥瘦 公母 雌雄 父母 爸妈 儿女 夫妻 春夏秋冬 "
    "昼夜 首尾 头尾 始终 起终 贵贱 难易 远近 宽窄 松紧 明暗 动静 善恶 美丑 老少 借还 收支 收付 攻守 呼吸 已未 "
    "有无 古今 优劣 优缺 盈亏 赚赔 赚亏 奇偶 横竖 纵横 单双 浓淡 咸淡 咸甜 香臭 穿脱 推拉 拆装 存取 问答 笑哭 "
    "爱恨 酸碱 主被 直间 顺逆 公自 肯否 积消 合违 合非 贫富 穷富 顶底 晴雨 旱涝 凹凸 升跌 借贷"
)
_WORDS = (
    "升高 降低|下降 上升|升高|提高|提升",
    "增加|增大|增多 减少|减小|降低",
    "开始 结束|终止|停止",
    "打开|开启 关闭|关掉",
    "允许|准许 禁止",
    "同意|支持|赞成 反对|拒绝",
    "接受 拒绝",
    "成功 失败",
    "安全 危险",
    "正确 错误",
    "喜欢 讨厌",
    "延长 缩短",
    "扩大|放大 缩小",
    "膨胀 收缩",
    "吸收 释放",
    (
        "毫米 厘米|公分 分米 米|公尺 千米|公里 英里 海里 丈 尺 寸 英尺 英寸 微米 纳米 光年 毫克 克 千克|公斤 "
        "斤|市斤 吨 磅 盎司 毫升 升 加仑 平方厘米 平方米 平方公里 亩 公顷 立方厘米 立方米"
    ),
    "秒 分|分钟 时|小时|钟头 天|日 周|星期|礼拜 月|个月 季度 年 世纪",
    "元|块|人民币 角|毛 美元|美金 日元 欧元 英镑 港元|港币 台币|新台币 韩元 卢布",
    "摄氏 华氏",
    "kg mg km cm mm ml kb mb gb tb",
    (
        "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy "
        "eighty ninety"
    ),
    "enable disable",
    "increase decrease",
    "maximum minimum",
    "left right",
    "before after",
    "import export",
    "buy sell",
    "true false",
    "install uninstall",
)


def _meanings() -> dict[str, dict[int, int]]:
    """Return for each word its place in each of the groups that have it."""
    groups = [[[letter] for letter in group] for group in _CHARACTERS.split()]
    groups += [[words.split("|") for words in group.split()] for group in _WORDS]
    found: dict[str, dict[int, int]] = {}
    for number, group in enumerate(groups):
        for place, words in enumerate(group):
            for word in words:
                found.setdefault(word, {})[number] = place
    return found


_MEANINGS = _meanings()


def is_opposed(one: str, other: str) -> bool:
    """Say whether two keys differ in one place only: in a negation, in opposites, or in the unit of an amount."""
    if abs(len(one) - len(other)) > _LONGEST or one == other:
        return False
    head = common_head(one, other)
    tail = common_head(one[head:][::-1], other[head:][::-1])
    ends = (len(one) - tail, len(other) - tail)
    if max(ends) - head > _LONGEST:
        return False
    words = (one[head : ends[0]], other[head : ends[1]])
    if _is_negated(words, one[:head], tail) or _is_negated(words[::-1], one[:head], tail):
        return True
    for before, behind in product(range(min(head, _BEFORE) + 1), range(min(tail, _BEHIND) + 1)):
        left, right = (text[head - before : end + behind] for text, end in zip((one, other), ends, strict=True))
        mine, others = _MEANINGS.get(left, {}), _MEANINGS.get(right, {})
        if any(mine[group] != others[group] for group in mine.keys() & others.keys()):
            return True
    return False


def _is_negated(words: tuple[str, str], before: str, behind: int) -> bool:
    """Say whether the second of two words negates what the first leaves as it is, or affirms."""
    said, denied = words
    match = _NEGATION.fullmatch(denied)
    if not match or (said and not _AFFIRMED.fullmatch(said)):
        return False
    # 能不能 and 去了没 ask.
    return bool(said) or (behind > 0 and not (match[1] and before.endswith(match[1])))
