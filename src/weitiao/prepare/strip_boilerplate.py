"""Lines that stand in many texts of one source: headers, footers, disclaimers, 点击展开全文."""

# ruff: noqa: E501  (a Chinese letter counts twice)
from typing import Literal

import polars as pl
from pydantic import Field

from weitiao.gather import Survey
from weitiao.step import Batch

Part = Literal["passage", "assistant", "user", "system", "tool"]
# Whole lines that are part of no text, wherever they stand.
_KNOWN = (
    r"^\W*(?:点击(?:展开|查看|阅读|显示)?(?:全文|更多(?:精彩)?(?:内容|推荐|信息|文章|回[答复])?|原文|剩余\d+%)|展开(?:全[文部]|阅读全文)|阅读(?:全文|原文)|(?:(?:本[文帖站])?未经(?:作者|本站|本人|书面)?(?:授权|允许|许可|同意)[，,]?)?(?:不得|禁止|请勿|谢绝|严禁)(?:以任何形式)?(?:擅自)?转载(?:和?(?:使用|摘编))?.{0,12}"
    r"|(?:商业)?转载请(?:注明|联系|标明).{0,24}|(?:版权声明[:：]\s*)?本文(?:由|为).{1,24}原创(?:发布|文章|作品)?.{0,16}|(?:本文)?版权(?:归.{1,16}所有|所有.{0,16})|责任编辑[:：].{1,12}|本文来源[:：].{1,24}"
    r"|扫一扫[，,]?(?:分享|手机阅读).{0,12}|(?:分享|收藏|举报|打印|返回顶部|上一篇|下一篇|相关阅读|相关推荐|猜你喜欢|热门评论|登录后.{0,6}评论)(?:[\s|·/]+(?:分享|收藏|举报|打印|返回顶部|上一篇|下一篇|点赞|评论|回复))*"
    r"|(?i:©.{0,40}all rights reserved|all rights reserved|read more|click here to (?:read|view|subscribe).{0,40}|share this (?:article|post|story).{0,30}|skip to (?:main )?content|back to top|accept (?:all )?cookies))\W*$"
)
# Lines that give a text its form recur by right: headings, tables, fences, bold openings, what a colon introduces.
_FORM = r"^\s*(?:#|\||```|~~~|\*\*.*\*\*\W*$|[-=*_]{3,}\s*$)|[:：]\s*$"


class StripBoilerplate(Survey):
    """Remove lines that stand in many texts of one source, and lines known to be no part of any text.

    One source is the pages of a site, or the files of a folder. Headings, tables,
    code, what a colon introduces, and texts that are nothing else stay. It keeps 20 bytes for each line that differs.
    """

    parts: tuple[Part, ...] = Field(
        ("passage", "assistant"),
        strict=False,
        description="Whose texts; in questions a task may recur by right",
    )
    min_records: int = Field(20, ge=2, description="In how many records of its source a line stands at least")
    min_share: float = Field(0.1, gt=0, le=1, description="In which share of the records of its source, at least")
    min_chars: int = Field(6, ge=1, description="Characters that such a line has at least")
    known: bool = Field(True, description="Remove lines known to be no part of a text, however rare: 点击展开全文")

    def columns(self, batch: Batch) -> pl.DataFrame:
        """Return in how many records of each `source` each `line` stands (hashes); line null: the records themselves."""
        lines = self._lines(batch).filter(pl.col("line").is_not_null())
        counted = lines.unique(["id", "line"]).group_by("source", "line").agg(pl.len().alias("records"))
        records = (
            _sources(batch)
            .group_by("source")
            .agg(pl.lit(None, dtype=pl.UInt64).alias("line"), pl.len().alias("records"))
        )
        return pl.concat([records, counted])

    def found(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return `source, line` of what recurs."""
        summed = columns.group_by("source", "line").agg(pl.col("records").sum())
        totals = summed.filter(pl.col("line").is_null()).select("source", total="records")
        lines = summed.filter(pl.col("line").is_not_null(), pl.col("records") >= self.min_records)
        often = lines.join(totals, on="source").filter(pl.col("records") >= self.min_share * pl.col("total"))
        return often.select("source", "line").sort("source", "line")

    def change(self, batch: Batch, found: pl.DataFrame) -> Batch:
        """Return the batch without these lines."""
        lines = self._lines(batch).join(
            found.with_columns(recurs=True), on=["source", "line"], how="left", maintain_order="left", nulls_equal=False
        )
        known = pl.col("text").str.contains(_KNOWN) & ~pl.col("fenced") if self.known else pl.lit(False)
        stays = ~(pl.col("recurs").fill_null(False) | known)
        worded = pl.col("text").str.contains(r"[\p{L}\p{N}]")
        texts = lines.group_by("place", maintain_order=True).agg(
            pl.col("text").filter(stays).str.join("\n").str.strip_chars("\n").alias("text"),
            (stays.all() | ~(stays & worded).any()).alias("same"),
        )
        texts = texts.filter(~pl.col("same"))
        if texts.is_empty():
            return batch
        return batch.with_texts(batch.turns["content"].clone().scatter(texts["place"], texts["text"]), self.step_name())

    def _lines(self, batch: Batch) -> pl.DataFrame:
        """Return `place` of the turn, `id`, `source`, `text`, `line` (a hash, null where it cannot be boilerplate), `fenced`."""
        many = pl.col("role").is_in(self.parts) & pl.col("content").str.contains("\n")
        turns = (
            batch.turns.with_row_index("place")
            .filter(many)
            .select("place", "id", text=pl.col("content").str.split("\n"))
        )
        lines = turns.explode("text").join(_sources(batch), on="id", how="left", maintain_order="left")
        fence = pl.col("text").str.contains(r"^\s*(?:```|~~~)")
        lines = lines.with_columns(fenced=(fence.cum_sum().over("place") % 2 == 1) | fence)
        same = pl.col("text").str.strip_chars()
        may = (same.str.len_chars() >= self.min_chars) & ~pl.col("text").str.contains(_FORM) & ~pl.col("fenced")
        return lines.with_columns(line=pl.when(may & same.str.contains(r"\p{L}")).then(same.hash()))


def _sources(batch: Batch) -> pl.DataFrame:
    """Return `id` and `source`, a hash of the site of a page or the folder of a file."""
    uri = pl.col("origin").struct.field("uri")
    site = uri.str.extract(r"^(\w+://[^/]+)").fill_null(uri.str.replace(r"[^/]*$", ""))
    return batch.records.select("id", source=site.hash())
