"""Ads and contact lures (加V信…, ＋薇…, 扣扣群…, telegram…) taken out of posts; a post that is little else goes."""

import polars as pl
from pydantic import Field

from weitiao import ledger
from weitiao.prepare.code import outside_code
from weitiao.prepare.lures import LOOK_ALIKES, without_lures
from weitiao.step import Batch, RewriteSelected

_FANCY = "".join(map(chr, (code for code, plain in LOOK_ALIKES.items() if code > 0xFF and plain in "vwqtl")))
_CHANNEL = (
    r"(?i)[微威薇葳徽維维徵溦嶶]|电v|v搜|卫[星❤♥]|绿[泡色]|扣|抠抠|球球|秋秋|口口|企鹅|[群裙賴赖]|电报|飞机|tele|tg|whats|line|chat|wei|t\.me|skype"
    rf"|v[^\w]{{0,6}}[信芯❤♥]|[vwV]\W{{0,3}}[xхχ×]|[加+＋➕✚十艹伽].{{0,8}}[vq]|(?:老师|客服|助理|学姐|学长|小编)的?v|q[\W_]{{0,3}}[q群裙:：0-9]|[{_FANCY}]"
)
_ID = r"[\p{N}_@]|t\.me/|whatsapp\.com/|qq\.com/|(?i:skype)|[〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺]{7}"
_BAIT = r"扫|二维码|公[众重仲種粽]号|私信|私我|私聊|头像|主页|(?i)[加+＋➕].{0,12}(?:[信群裙vq❤♥芯扣]|vx|wx)"
_TRADE = r"代理|代办|证|贷款|抵押|放款|票|日结|刷单|返现|兼职|赚钱|高仿|出货|套现|低价|代开"


class StripLures(RewriteSelected):
    """Remove the clauses that lure to a messenger, a group or a telephone, and drop records that are little else.

    Questions and talk about 微信, QQ, groups and codes stay, and so do warnings, prices, models and formulas.
    """

    most: float = Field(0.8, gt=0, le=1, description="Drop a record of which a lure takes more than this share")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where a messenger stands with a number, or a bait may stand."""
        sure = text.str.contains(_CHANNEL) & text.str.contains(_ID)
        return sure | text.str.contains(_BAIT) | (text.str.contains(_TRADE) & text.str.contains(r"\p{N}"))

    def rewrite_one(self, text: str) -> str:
        """Return the text without its lures."""
        new = outside_code(_without, text)
        return new if new == text else new.strip("\n")

    def apply(self, batch: Batch) -> Batch:
        """Drop the records of which nothing or too little would be left, and take the lures out of the others."""
        new = self.contents(batch.turns)
        noted = ledger.weighed(self._scores(batch.turns, new), ">")
        noted = noted.with_columns(step=pl.lit(self.step_name()), reason=pl.lit("ad"))
        gone = noted.filter(pl.col("action") == "dropped")["id"]
        stays = ~batch.turns["id"].is_in(gone.implode())
        return batch.without(noted).with_texts(new.filter(stays), self.step_name())

    def _scores(self, turns: pl.DataFrame, new: pl.Series) -> pl.DataFrame:
        """Return which share of each record the lures take; no threshold where they are all of a text."""
        chars = [text.str.count_matches(r"[\p{L}\p{N}]").cast(pl.Int64) for text in (turns["content"], new)]
        counts = turns.select("id").with_columns(before=chars[0], after=chars[1])
        counts = counts.filter((pl.col("after") < pl.col("before")).any().over("id"))
        share = (1 - pl.col("after").sum() / pl.col("before").sum()).round(6)
        empty = ((pl.col("before") > 0) & (pl.col("after") == 0)).any()
        judged = counts.group_by("id", maintain_order=True).agg(score=share, partly=~empty)
        partly = pl.when("partly")
        return judged.select(
            "id", "score", setting=partly.then(pl.lit("most")), threshold=partly.then(pl.lit(self.most))
        )


def _without(text: str) -> str:
    before = None
    while before != text:
        before = text
        lines = [(line, without_lures(line)) for line in text.split("\n")]
        text = "\n".join(new for line, new in lines if new.strip() or not line.strip())
    return text
