"""What stands in a post but is not the post: signatures (发自我的iPhone) and the posts that it quotes."""

# ruff: noqa: E501  (a Chinese letter counts twice)
import re

import polars as pl
from pydantic import Field

from weitiao.prepare.code import in_prose
from weitiao.step import RewriteSelected

_DEVICE = (
    r"(?:iPhone|iPad|iOS|安卓|Android|华为|HUAWEI|小米|Xiaomi|红米|Redmi|vivo|OPPO|魅族|三星|Samsung|荣耀|HONOR|一加|手机|移动端|客户端|App|网易邮箱(?:大师)?"
    r"|QQ邮箱|Mail|Outlook|Foxmail|新浪微博|微博|百度贴吧|贴吧|知乎|虎扑|天涯社区|水木社区)"
)
_SENT = (
    rf"(?:[发發来來]自[:：]?\s?(?:于\s?)?(?:我的)?\s?{_DEVICE}(?:[A-Za-z0-9 +.()-]{{0,20}}|\s?{_DEVICE}){{0,2}}[。.]?|(?:通过|用){_DEVICE}{{1,2}}发[布送表]"
    rf"|[从從]我的\s?{_DEVICE}[A-Za-z0-9 +-]{{0,20}}[发發傳传]送|[发發]送自\s?Windows[ \d]{{0,6}}版?的?(?:邮件|郵件)(?:应用|應用程式)?"
    r"|[Ss]ent (?:from|via|with|using) (?:my [\w ]{2,30}|Mail for .{2,20}|Outlook.{0,20}|Yahoo Mail.{0,20}|Samsung .{2,30}|(?:Proton|Fast)Mail.{0,20}|Tapatalk|the .{2,30} app)[.!]?"
    r"|Get Outlook for (?:iOS|Android)(?:<.{4,40}>)?)"
)
_DATE = r"\d{4}[-/年.]\s?\d{1,2}[-/月.]\s?\d{1,2}"
_SIGNATURES = (
    # A line of dashes above belongs to it.
    re.compile(rf"(?m)^(?:[ \t]*+[-—–_=*~]{{2,}}+[ \t]*+\n)?[ \t]*+[-—–~*·]*+[ \t]*+{_SENT}[ \t]*(?:\n|\Z)"),
    re.compile(rf"(?:(?<=[。！？!?~…])|(?<![ \t])(?=[ \t]))[ \t]*+[-—–]*+[ \t]*+{_SENT}\s*\Z"),
    re.compile(r"(?m)^[ \t]*(?:--\s*)?※ ?(?:来源|來源|修改|发信站|發信站|编辑|編輯)[:：·].*(?:\n|\Z)"),
    re.compile(
        rf"(?m)^[ \t]*+\[?[ \t]*+本帖最[后後]由 ?.{{1,40}}? ?于 ?{_DATE}.{{0,12}}?[编編][辑輯][ \t]*\]?[ \t]*(?:\n|\Z)"
    ),
)
_QUOTED = r"(?:[ \t]*>.*(?:\n|\Z)|[ \t]*\n(?=[ \t]*>))+"
_QUOTES = (
    re.compile(
        r"(?m)^[ \t]*(?:【 ?在 .{1,60}?的(?:大作|来信|來信|文章|帖子)中(?:提到|写道|寫道) ?[:：] ?】|※ ?引述《.{1,60}》之[铭銘]言[:：]?).*(?:\n|\Z)"
        r"(?:[ \t]*[:：].*(?:\n|\Z))*"
    ),
    re.compile(
        rf"(?m)^(?:[ \t]{{0,3}}>[ \t]?)?(?:On [^\n]{{8,120}}?(?:\n[^\n]{{1,80}}?)?wrote:|(?:在|于)?\s?{_DATE}[^\n]{{0,100}}?(?:写道|寫道|wrote)[:：]"
        rf"|[^\n>]{{0,60}}[<@\U000f0000-\U000fffff][^\n]{{0,60}}?(?:写道|寫道|wrote|writes)[:：])[ \t]*\n(?:[ \t]*\n)?{_QUOTED}"
    ),
    re.compile(
        r"(?ms)^[ \t]*-{2,}\s*(?:Original [Mm]essage|Forwarded [Mm]essage|原始邮件|原始信件|转发邮件(?:信息)?|原邮件|回复的原邮件)\s*-{2,}.*"
    ),
    re.compile(
        r"(?m)^\*{0,2}(?:发件人|寄件者|From)\*{0,2}[:：].*\n(?:\*{0,2}(?:发送时间|发送日期|日期|时间|Sent|Date|收件人|收件者|To|抄送|Cc|CC|主题|Subject)\*{0,2}[:：].*(?:\n|\Z)){2,}(?s:.*)"
    ),
    # Of a forum's plain text the quoted post ends at the first empty line; without one, who knows where.
    re.compile(
        rf"(?m)^[ \t]*+(?:引用[:：]?[^\n]{{0,30}}\n?)?(?:原帖由|最初由|以下是引用|引用[:：]?)?[ \t]*+\S{{1,30}}[ \t]*+(?:于|在)?[ \t]*+(?:{_DATE}[ \t]+\d{{1,2}}:\d\d[^\n]{{0,6}}?发[表布]|发表于[ \t]*{_DATE}[ \t]+\d{{1,2}}:\d\d)[^\n]*\n"
        r"(?:[^\n]*\S[^\n]*\n)+[ \t]*\n(?=\s*\S)"
    ),
    re.compile(
        r"(?m)^[ \t]*(?:引用|回复|回覆)[ \t]*(?:第[ \t]*\d+[ \t]*[楼樓]|\d+[ \t]?[楼樓]|\d+#|#\d+)[^\n:：]{0,30}[:：\n][ \t]*"
    ),
    re.compile(r"(?m)^(?:[ \t]*回[复覆][ \t]*@[^\s:：]{1,30}[ \t]*[:：][ \t]*)+"),
    re.compile(r"(?<=[一-鿿。！？…）~\]])[ \t]?//@[^\s:：]{1,30}[:：].*"),
)

# RFC 3676: two dashes and a space part the signature from the letter. Of so many letters it is at most.
_CARD = re.compile(r"\n(?:-- |\n--)\n(?:[^\n;={}]{1,80}(?:\n|\Z)){1,4}\Z")
_CARD_MOST = 4 * 81 + 6
_BOX = re.compile(r"(?P<open>\[quote(?:=[^\]\n]{0,200})?\])|\[/quote\][ \t]*\n?", re.IGNORECASE)


class StripQuotes(RewriteSelected):
    """Remove signatures of phones, apps and boards, and quoted posts: BBS, forums, Weibo's //@, letters with `>`.

    A `>` without the line that says who wrote it is a quotation of the text's own, and stays. A text that is nothing else
    stays too.
    """

    signatures: bool = Field(True, description="Remove signatures: 发自我的iPhone, Sent from my phone, -- and a name")
    quotes: bool = Field(True, description="Remove what is quoted of earlier posts and letters")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where a signature or the head of a quote may stand."""
        return text.str.contains(
            r"[发發来來送]自|我的.{1,30}送|本帖最|(?:通过|用).{2,12}发[布送表]|[Ss]ent (?:from|via|with|using)|Get Outlook|※|\n--|中(?:提到|写道|寫道)|[写寫]道|wrote|writes"
            r"|---|发件人|寄件者|From|(?i)\[quote|发[表布]|引用|回[复覆]|//@"
        )

    def rewrite_one(self, text: str) -> str:
        """Return the text without them."""
        new = in_prose(self._prose, text)
        return new if any(map(str.isalnum, new)) else text

    def _prose(self, text: str) -> str:
        before, new = None, text
        while before != new:  # a quote may hide a signature behind it
            before = new
            new = _without_boxes(new) if self.quotes else new
            for pattern in (*(_QUOTES if self.quotes else ()), *(_SIGNATURES if self.signatures else ())):
                new = pattern.sub("", new)
            new = _without_cards(new) if self.signatures else new
        return text if new == text else new.strip("\n") + "\n" * (len(text) - len(text.rstrip("\n")))


def _without_boxes(text: str) -> str:
    """Remove what stands between [quote] and [/quote], one in another too."""
    opened: list[int] = []
    spans: list[tuple[int, int]] = []
    for mark in _BOX.finditer(text):
        if mark["open"]:
            opened.append(mark.start())
        elif opened:
            start = opened.pop()
            while spans and spans[-1][0] > start:
                spans.pop()
            spans.append((start, mark.end()))
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _without_cards(text: str) -> str:
    end = len(text)
    while card := _CARD.search(text, max(0, end - _CARD_MOST), end):
        end = card.start()
    return text[:end]
