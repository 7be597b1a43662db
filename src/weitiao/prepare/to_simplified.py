"""Traditional Chinese written in simplified characters."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import polars as pl
from opencc import OpenCC

from weitiao.prepare.code import outside_code
from weitiao.prepare.languages import CHINESE, JAPANESE, SHARED
from weitiao.step import RewriteSelected

_KANA_HANGUL = "\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
_HAN = (
    *range(0x4E00, 0x9FA6),
    *range(0x2E80, 0x2FE0),
    *range(0x3400, 0x4DC0),
    *range(0x9FA6, 0xA000),
    *range(0xF900, 0xFB00),
    *range(0x20000, 0x33480),
)
# These change by phrase only: 深沈, 反覆. 么 alone is written otherwise, but the 是么 of a simplified text is right.
_BY_PHRASE, _KEPT = "沈哩藉瞭覆甦", "么"
_LINK_OR_CODE = re.compile(r"(`[^`\n]*`|https?://\S+)")
# A text about the two ways of writing loses what it says. Python looks for a set faster than for one of several.
_ABOUT = re.compile(r"[繁简簡正異异](?:(?<=繁)[体體简簡]|(?<=[简簡])(?:[体體]字|繁)|(?<=[正異异])體|(?<=异)体字)")
_QUOTED = re.compile("[“‘「『《\"'](.)[”’」』》\"']")
# OpenCC takes 打坏了 for 打坯了 and 菜薹 for 菜苔; Taiwan's table takes 著 of writing for 着: 土著, 專著, but 討論著;
# and in its own results, as 显著.
_WRITING = re.compile(
    "([坏薹]|(?<=[土原專专遺遗拙撰顯显卓昭彰])著|(?<=[譯译])(?<!翻[譯译])著|(?<=[論论])(?<![討讨爭争議议談谈評评辯辩理][論论])著"
    "|(?<=明[較较])著|(?<=微知)著|著(?=[称稱录錄述者]|[书書]立))"
)
# And 著 that is no writing beside 名 and 作: 看著名單, but 著名.
_LASTING = re.compile("(?<=[看寫写拿沿望盯讀读抱帶带])著(?=名[單单字片勝胜]|作[業业文])")
# What a simplified text writes so means these: 显著, the names 沈思 and 萧乾, 水土坏了; 乾 of what is dry is a slip.
_MEANT = re.compile("([著沈坏薹]|(?<=甚)夥|(?<![饼擦晒烘吹晾烤风])乾(?![净燥脆枯旱杯粮果冰裂咳涸]))")

_OTHER_LANGUAGE = re.compile(f"[{_KANA_HANGUL}]")
# Words that Japanese does without: it has 給与, 終了, 我慢, 是正 and 目的, too.
_CHINESE_WORD = re.compile(
    f"[{''.join(sorted(set(CHINESE) - set('了是我那没什給给')))}也]"
    "|我(?![々慢])|(?<![終完修満未])了(?!解)|是(?![正非認])|(?<![目性])的|在(?![庫住籍])"
)
_QUOTE = re.compile('([“‘「『《〈（("][^“”‘’「」『』《》〈〉（）()"\n]*[”’」』》〉）)"])')


@cache
def _converters() -> tuple[Callable[[str], str], ...]:
    return OpenCC("tw2s").convert, OpenCC("hk2s").convert


class _Letters(NamedTuple):
    may_change: str  # without any of which a text stays as it is
    changing: re.Pattern[str]  # finds one of them, as the others
    foreign: re.Pattern[str]  # 東京都知事選挙 has no kana, but 挙 stands in no Chinese standard
    traditional: re.Pattern[str]  # show a text to be so
    simple: re.Pattern[str]
    japanese: re.Pattern[str]  # those that only Japanese has, be they in Hong Kong's table: 総
    unshared: re.Pattern[str]  # of one line with 国 and 憲 none stands in a Japanese one: 语, 學


@cache
def _letters() -> _Letters:
    letters = "".join(map(chr, _HAN))
    taiwan, hong_kong = _converters()
    simplified = hong_kong(taiwan("\n".join(letters))).split("\n")
    changing = {letter for letter, simple in zip(letters, simplified, strict=True) if letter != simple} - {_KEPT}
    gb2312, big5, big5hkscs, shift_jis = (
        set(letters.encode(name, "ignore").decode(name)) for name in ("gb2312", "big5", "big5hkscs", "shift_jis")
    )
    japanese = (letter for letter in shift_jis - gb2312 - big5hkscs - changing if "\u4e00" <= letter < "\u9fa6")
    may_change = "".join(sorted(changing.union(_BY_PHRASE)))
    simple = gb2312 - changing - big5
    in_japan = OpenCC("t2jp").convert("".join(sorted(changing)))
    return _Letters(
        may_change,
        _one_of(may_change),
        re.compile(f"[{_KANA_HANGUL}{''.join(sorted(japanese))}]"),
        _one_of(changing - gb2312),
        _one_of(simple),
        _one_of(set(JAPANESE) - changing),  # Hong Kong has 説 too
        _one_of(simple - set(SHARED) | (changing - set(in_japan) - set(JAPANESE))),
    )


def _one_of(letters: Iterable[str]) -> re.Pattern[str]:
    """Return what finds one of the letters; Python tries those beyond the first plane one by one, so it does last."""
    first, others = ("".join(letter for letter in letters if (letter > "\uffff") == beyond) for beyond in (False, True))
    return re.compile(f"[{first}\U00010000-\U0010ffff](?<=[\0-\uffff{others}])")


class ToSimplified(RewriteSelected):
    """Write traditional characters in simplified form by phrase (乾隆 stays, 乾淨 becomes 干净); words are not swapped.

    Lines in Japanese or Korean, lines about traditional characters themselves, code and links stay.
    """

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is a character that may change."""
        return text.str.contains(f"[{_letters().may_change}]")

    def rewrite_one(self, text: str) -> str:
        """Return the text in simplified characters."""
        return outside_code(_lines, text)


def _lines(text: str) -> str:
    letters = _letters()
    traditional, simple = letters.traditional.search(text), letters.simple.search(text)
    kept = _MEANT if simple and not traditional else _WRITING
    mixed = (simple and traditional) or letters.japanese.search(text) or letters.foreign.search(text)
    if _KEPT not in text and not mixed and not _speaks_of_it(text):  # what holds for the text holds for its lines
        return _prose(text, kept)
    chinese = not _OTHER_LANGUAGE.search(text) and bool(_CHINESE_WORD.search(text))
    return "\n".join(_line(line, kept, chinese) for line in text.split("\n"))


def _line(line: str, kept: re.Pattern[str], chinese: bool) -> str:
    letters = _letters()
    if not letters.changing.search(line) or _speaks_of_it(line) or _japanese(line, chinese):
        return line
    if not letters.foreign.search(line):
        return _prose(line, kept)
    pieces = _QUOTE.split(line)
    stays = [place % 2 == 1 and bool(letters.foreign.search(piece)) for place, piece in enumerate(pieces)]
    # の and 壱 stand in Chinese names of shops.
    own = "".join(piece for piece, quoted in zip(pieces, stays, strict=True) if not quoted).replace("の", "")
    if _OTHER_LANGUAGE.search(own) or not _CHINESE_WORD.search(own):
        return line
    return "".join(piece if quoted else _prose(piece, kept) for piece, quoted in zip(pieces, stays, strict=True))


def _japanese(line: str, chinese: bool) -> bool:
    """Say whether a line without kana is Japanese: 総務省統計局, 日本国憲法; but a `chinese` text may mix the forms."""
    letters = _letters()
    # One simplified letter may be a slip, as in 中国電信, or stand in a mark: 電話 [手机号1].
    mixed = letters.traditional.search(line) and len(set(letters.simple.findall(line))) > 1
    mixed = mixed and not chinese and not letters.unshared.search(line)
    return bool(mixed or letters.japanese.search(line)) and not _CHINESE_WORD.search(line)


def _speaks_of_it(text: str) -> bool:
    return bool(_ABOUT.search(text)) or _tells_apart(text)


def _tells_apart(text: str) -> bool:
    """Say whether a text names a character in both its forms, as “后” and “後”."""
    quoted = set(_QUOTED.findall(text))
    return len(quoted) > 1 and len(set(map(_converted, quoted))) < len(quoted)


def _prose(text: str, kept: re.Pattern[str]) -> str:
    # Links and code within a line are names, not words.
    pieces = _LINK_OR_CODE.split(text)
    return "".join(piece if place % 2 else _simplified(piece, kept) for place, piece in enumerate(pieces))


def _simplified(text: str, kept: re.Pattern[str]) -> str:
    if kept is _WRITING and "著" not in text and "坏" not in text and "薹" not in text:
        return _converted(text)
    pieces = kept.split(_LASTING.sub("着", text))
    return "".join(piece if place % 2 else _converted(piece) for place, piece in enumerate(pieces))


def _converted(text: str) -> str:
    changing, before = _letters().changing, None
    while before != text:
        before = text
        for convert in _converters():  # what Hong Kong writes its own way the first leaves: 裏 説 啟
            if not changing.search(text):
                return text
            text = str(convert(text)).replace("甚么", "什么")
    return text
