"""Emoji kept, dropped or named; faces of signs (^_^) and of forums ([微笑]) kept or dropped; repeated ones cut short."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re
from typing import Literal

import polars as pl
from pydantic import Field

from weitiao.prepare.code import in_prose
from weitiao.step import RewriteSelected

_FACE = re.compile(
    r"[ヽヾ╮╭┐٩୧ᕙ~～¯\\_oOΣ]{0,3}[(（](?=[^()（）\n]*[ω∀▽△дДД≧≦´｀ಥಠ◕‿╥﹏￣□⌒ᴗ˘ㅂ╯╰ヮ︿◡⊙ﾟ益ツ^•])[^()（）\n\d一-鿿A-NP-Za-np-z]{2,16}[)）]"
    r"(?:[ﾉノ╯ヽヾ/~～♡♪┌┘┐づっ☆★彡_¯b╭]|︵\s?┻━┻){0,5}"
    r"|(?<![A-Za-z0-9_=<>^/*+-])[(（]?(?:[TＴ][_^﹏.][TＴ]|[>＞][_﹏.]{1,2}[<＜]|\^[_o.-]{1,2}\^|Q[AwWoO]Q|[qT]wq|=_=|-_-[|b]*|o_O|O_o|orz|OTZ)[)）]?(?![A-Za-z0-9_=<>^/*+-])"
    r"|¯\\_\(ツ\)_/¯|(?<=\s)[:;]-?[)(DP](?=\s|$)|(?<=[一-鿿])[:;]-[)(DP](?=\s|$|[一-鿿，。！？])|ಠ[_‸﹏]+ಠ|ʕ[^ʔ\n一-鿿A-Za-z0-9]{1,8}ʔ",
    re.MULTILINE,
)
# The names that forums and messengers write in brackets for a face.
_NAMES = (
    "微笑|撇嘴|发呆|得意|流泪|害羞|闭嘴|大哭|尴尬|发怒|调皮|呲牙|惊讶|难过|囧|抓狂|偷笑|愉快|白眼|傲慢|困|惊恐|憨笑|悠闲|咒骂|疑问|嘘|晕|衰|骷髅"
    "|敲打|再见|擦汗|抠鼻|鼓掌|坏笑|右哼哼|左哼哼|哼|鄙视|委屈|快哭了|阴险|亲亲|可怜|笑脸|生病|脸红|破涕为笑|恐惧|失望|无语|嘿哈|捂脸|奸笑|机智|皱眉|耶"
    "|吃瓜|加油|汗|天啊|社会社会|旺柴|好的|打脸|哇|翻白眼|让我看看|叹气|苦涩|裂开|嘴唇|爱心|心碎|拥抱|强|弱|握手|胜利|抱拳|勾引|拳头|合十|啤酒|咖啡"
    "|蛋糕|玫瑰|凋谢|菜刀|炸弹|便便|月亮|太阳|庆祝|礼物|红包|发财|猪头|跳跳|发抖|转圈|笑哭|哭笑不得|二哈|喵喵|允悲|泪|爱你|心|伤心|赞|作揖|哈哈|嘻嘻"
    "|呵呵|可爱|怒|怒骂|思考|挖鼻|吐|吐血|色|抱抱|good|ok|OK|NO|doge|tv_doge|滑稽|阿鲁|狗头|大笑|喜极而泣|酸了|妙啊|给心心|星星眼|打call|呆|吃惊|干杯|笑|哦呼"
    "|辣眼睛|嫌弃|冷|热|墨镜|点赞|送花花|比心|飞吻|石化|黑线|惊喜|花心|勉强|狂汗|喷|睡觉|真棒|钱|香槟|手机|灯泡|彩虹|乖|咦|呼~|what|太开心|不高兴|冷笑|犀利|what|酷|鲜花|茶杯|haha"
)
_FORUM = re.compile(rf"\[(?:{_NAMES})R?\](?!\([\U000f0000-\U000fffff/#.])")  # no text of a link
_PICTURED = (
    "[\U0001f000-\U0001faff\u231a\u231b\u23e9-\u23f3\u25fd\u25fe\u2600-\u27bf\u2b1b\u2b1c\u2b50\u2b55\ufe0f\u20e3]"
)
# Emoji without the sign that asks for a picture are ordinary signs (©, ✔, ↔), but for these.
_ALWAYS = "❤☺☹"
# How many there are of these says something: ratings, and pictures made of squares.
_COUNTED = "⭐🌟⬛⬜🟥🟦🟧🟨🟩🟪🟫🔴🔵🟠🟡🟢🟣🟤⚫⚪"
# The longest emoji joins four signs; what joins on and on is none, and would take the library long.
_CHAIN = re.compile("((?:[^\u200d\n]{1,3}\u200d){16,}[^\u200d\n]{0,3})")
_TONE = re.compile("[\U0001f3fb-\U0001f3ff]")
_HAN = re.compile("[\u4e00-\u9fff]")


class NormaliseEmoji(RewriteSelected):
    """Keep, drop or name emoji, keep or drop kaomoji and the faces of forums, and cut short what is repeated.

    Signs that are no emoji (©, ™, ✔, →) stay, and of a keycap its digit.
    """

    emoji: Literal["keep", "drop", "text"] = Field("keep", description="Emoji as they stand, gone, or by name: [笑哭]")
    kaomoji: Literal["keep", "drop"] = Field("keep", description="Faces made of signs, as (^_^), kept or gone")
    forum: Literal["keep", "drop"] = Field("keep", description="Faces of forums, as [微笑], kept or gone")
    most: int = Field(3, ge=1, description="How often the same emoji stands in a row at most")
    language: Literal["auto", "zh", "en"] = Field("auto", description="Language of the names; auto: the text's own")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is an emoji or a face."""
        faces = (
            r"[(（][^\n]{2,16}[)）]|[T＞>^QqO=o-][_^﹏.oAwO-]{1,2}[T＜<^QqO=o-]|(?i:orz|otz)|ツ|ಠ|ʔ|(?:\s|\p{Han})[:;]"
        )
        return text.str.contains(
            rf"{_PICTURED}|\[[\p{{Han}}A-Za-z_~]{{1,9}}\]" + (f"|{faces}" if self.kaomoji == "drop" else "")
        )

    def rewrite_one(self, text: str) -> str:
        """Return the text with emoji and faces as the settings want them."""
        before = None
        while before != text:  # what is gone may have parted two backticks
            before, text = text, in_prose(self._prose, text)
        return text

    def _prose(self, text: str) -> str:
        if re.search(_PICTURED, text):
            parts = _CHAIN.split(text)
            text = "".join(part if place % 2 else self._pictures(part) for place, part in enumerate(parts))
        if self.forum == "drop":
            text = _without(_FORUM, text)
        else:
            text = re.sub(rf"({_FORUM.pattern})\1{{{self.most},}}", lambda run: run[1] * self.most, text)
        return _without(_FACE, text) if self.kaomoji == "drop" else text

    def _pictures(self, text: str) -> str:
        from emoji import emoji_list  # its tables are large, and few recipes need them

        chinese = self.language == "zh" or (self.language == "auto" and bool(_HAN.search(text)))
        pieces, end, run = [], 0, 0
        before = ""
        for found in emoji_list(text):
            sign = str(found["emoji"])
            if not _is_picture(sign):
                continue
            start = int(found["match_start"])
            run = run + 1 if sign == before and start == end else 1
            pieces.append(text[end:start])
            if run <= self.most or sign in _COUNTED:
                pieces.append(self._as_wanted(sign, "zh" if chinese else "en"))
            before, end = sign, int(found["match_end"])
            if self.emoji != "keep" and text.startswith("\ufe0f", end):  # asks for a picture, of one that is gone
                end += 1
        return _closed("".join([*pieces, text[end:]]))

    def _as_wanted(self, sign: str, language: str) -> str:
        if self.emoji == "keep":
            return sign
        if sign.endswith("\u20e3"):
            return sign[0]
        return _GONE if self.emoji == "drop" else f"[{_name(sign, language)}]"


_GONE = "\U000ffffd"  # of the private plane: where something was


def _is_picture(sign: str) -> bool:
    from emoji import EMOJI_DATA, STATUS

    return EMOJI_DATA[sign]["status"] != STATUS["unqualified"] or ord(sign[0]) >= 0x1F000 or sign[0] in _ALWAYS


def _name(sign: str, language: str) -> str:
    from emoji import demojize

    name = demojize(_TONE.sub("", sign), language=language)
    return name.strip(":").replace("_", " ")


def _without(faces: re.Pattern[str], text: str) -> str:
    return _closed(faces.sub(_GONE, text))


def _closed(text: str) -> str:
    """Close the gaps that are left: no space before a stop or at the end of a line, and one between words."""
    text = re.sub(rf"(?<![ \t{_GONE}])[ \t]*{_GONE}[ \t{_GONE}]*+(?=$|[，。！？；,.!?;])", "", text, flags=re.MULTILINE)
    text = re.sub(rf"^{_GONE}+[ \t]*|(?<= ){_GONE}+ ", "", text, flags=re.MULTILINE)
    return text.replace(_GONE, "")
