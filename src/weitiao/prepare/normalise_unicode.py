"""Characters by class: what cannot be seen dropped, one form composed, and old forms of letters made plain."""

import re
import unicodedata
from typing import Literal, get_args

import polars as pl
from pydantic import Field

from weitiao.prepare.code import outside_code
from weitiao.prepare.fold_width import composed
from weitiao.prepare.invisible import SETS, Invisible, without_invisible
from weitiao.step import RewriteSelected

Fold = Literal["ligatures", "radicals", "kana", "math"]
_FOLDED: dict[Fold, str] = {
    "ligatures": "\ufb00-\ufb06",  # ﬁ
    "radicals": "\u2e80-\u2fd5",  # ⼀ in place of 一: PDF files are full of them
    "kana": "\uff66-\uff9f",  # ｶﾞ
    "math": "\U0001d400-\U0001d7ff",  # 𝗯𝗼𝗹𝗱
}
# Unicode gives these no plain form, though they are none but the letter.
_RADICALS = str.maketrans(
    "⺟⺠⻄⻅⻆⻉⻋⻓⻔⻘⻚⻛⻜⻝⻢⻣⻤⻥⻦⻨⻩⻬⻮⻰⻳",
    "母民西见角贝车长门青页风飞食马骨鬼鱼鸟麦黄齐齿龙龟",
)
_MARK = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20dc\u20e1\u20e5-\u20f0\ufe20-\ufe2f"


class NormaliseUnicode(RewriteSelected):
    """Drop characters that show nothing, compose letters with their accents, make ligatures and radicals plain letters.

    Stay: joiners that emoji and scripts need, directions in Arabic and Hebrew, ², ①, ½, ℃, full-width signs,
    and letters of mathematics unless `fold` names them. Accents piled up on a letter are cut to `marks`.
    """

    form: Literal["nfc", "nfkc", "keep"] = Field(
        "nfc", description="Composed; or composed and plain, which makes x² x2 and …… dots; or as it stands"
    )
    drop: tuple[Invisible, ...] = Field(
        get_args(Invisible), strict=False, description="Which classes of invisible characters to drop"
    )
    fold: tuple[Fold, ...] = Field(
        ("ligatures", "radicals", "kana"), strict=False, description="Which old or styled letters to make plain"
    )
    marks: int = Field(3, ge=0, description="How many accents a letter has at most")

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is such a character, or one that can be composed."""
        classes = "".join([*(SETS[kind] for kind in self.drop), *(_FOLDED[kind] for kind in self.fold)])
        found = text.str.contains(rf"[{_MARK}]{{{self.marks + 1}}}")
        if classes:
            found |= text.str.contains(f"[{classes}]")
        return found if self.form == "keep" else found | (text.str.normalize(_FORMS[self.form]) != text)

    def rewrite_one(self, text: str) -> str:
        """Return the text with its characters in one form, but for what stands in code fences."""
        before = None
        while before != text:  # what is plain now may be composed, or pile up
            before, text = text, outside_code(self._normal, without_invisible(text, self.drop))
        return text

    def _normal(self, text: str) -> str:
        if self.fold:
            classes = "".join(_FOLDED[kind] for kind in self.fold)
            text = re.sub(f"[{classes}]+", _plain, text)
        if self.form == "nfc":
            text = composed(text)
        elif self.form == "nfkc":
            text = unicodedata.normalize("NFKC", text)
        return re.sub(rf"([{_MARK}]{{{self.marks}}})[{_MARK}]+", r"\1", text)


def _plain(run: re.Match[str]) -> str:
    kana = "\uff66" <= run[0][0] <= "\uff9f"
    # One or two half-width kana are the arms of a face: ヽ(ﾟ∀ﾟ)ﾉ
    return run[0] if kana and len(run[0]) < 3 else unicodedata.normalize("NFKC", run[0].translate(_RADICALS))


_FORMS: dict[str, Literal["NFC", "NFKC"]] = {"nfc": "NFC", "nfkc": "NFKC"}
