"""Text that was decoded by the wrong table: çš„ and 鐨勪腑 become 的中 again, where that is sure."""

import re
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import polars as pl
from ftfy import TextFixerConfig, fix_encoding_and_explain
from ftfy.badness import is_bad

from weitiao.prepare.code import outside_code
from weitiao.step import RewriteSelected

_FTFY = TextFixerConfig(
    explain=False,
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_control_chars=False,
    normalization=None,
)
# The five hundred characters that make up three quarters of modern Chinese: hardly one comes out of a wrong table.
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都"
    "同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由"
    "问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真"
    "论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空"
    "决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识"
    "候带导争运吗呢吧请谢您啊简语言码乱试测数据汉字网站错误问答案怎呀哪编程"
)
_HAN = re.compile("[\u4e00-\u9fff]")


def _row(lead: int) -> str:
    """Return the letters of GBK with this first byte."""
    return b"".join(bytes((lead, second)) for second in range(0x80, 0xFF) if second != 0x7F).decode("gbk", "ignore")


_SIGNS = frozenset("，。！？；：、“”‘’《》（）【】…—·　～")
# A run that one wrong table may have written: letters and signs outside ASCII, with what stands between.
_RUN_GBK = re.compile("[\u2e80-\ufffc\u00a4-\u04ff\u2010-\u2642€]{2,}[\x40-\x7e]?")
# Of UTF-8 read as GBK every third character begins with the first byte of a Chinese one, and is rare.
_LEADS = "".join(letter for lead in (*range(0xE4, 0xEA), 0xEF) for letter in _row(lead)) + "銇銈銉"  # the last of kana
_LED = re.compile(f"[{_LEADS}]..[{_LEADS}]")
# Three characters in a row of UTF-8 hardly ever stand in the bytes of sound text; two do, and may be a name.
_UTF8 = re.compile(rb"(?:[\xe3-\xe9\xef][\x80-\xbf]{2}){3,}")
_SPELT = re.compile("[\u3105-\u3129]")
_SIGN = re.compile("([，。！？；：、“”‘’《》（）【】…—]+)")
# Letters that ftfy finds where bytes of Japanese or Korean happen to be UTF-8, and that hardly any text has.
_ODD = re.compile(
    "[\u0180-\u019f\u01b1-\u01cc\u01dd-\u01f7\u01fa-\u0217\u021c-\u024f\u03f0-\u03ff\u0460-\u0489\u04c0-\u058f\u0700-\u08ff]"
)
_ACCENTED = re.compile("[\x00-\x7f\u00a0-\u017f\u2010-\u2026€]*")
_WITHIN = re.compile("[A-Za-z][^\x00-\x7f]{1,6}[A-Za-z]")
_KANA = re.compile("[\u3041-\u30fe]")
_RUSSIAN = re.compile("[\x00-\x7f\u00a0«»–—…№\u0401-\u0451]*[\u0401-\u0451]{4}[\x00-\x7f\u00a0«»–—…№\u0401-\u0451]*")
_RUN_LATIN = re.compile("[\x80-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{4,}")


class FixMojibake(RewriteSelected):
    """Undo wrong decodings: UTF-8 read as Latin, Cyrillic, GBK or Big5, GBK and Big5 read as Latin or each other.

    What lost a byte (锟斤拷, ����) cannot be mended and stays; so does what is sound, names with accents among it.
    """

    def selects(self, text: pl.Expr) -> pl.Expr:
        """Return true where there is a character outside ASCII that may come from a wrong table."""
        common = text.str.count_matches(f"[{''.join(sorted(_COMMON))}]")
        garbled = common * 2 < text.str.count_matches("[\u4e00-\u9fff]")
        garbled |= text.str.contains(_LED.pattern)
        return garbled | text.str.contains("[\x80-\u04ff\u2500-\u257f\ue000-\uf8ff]")

    def rewrite_one(self, text: str) -> str:
        """Return the mended text."""
        before, rounds = None, 0
        while before != text and rounds < 4:  # what went wrong twice is mended twice
            before, text, rounds = text, outside_code(_mended, text), rounds + 1
        return text


def _mended(text: str) -> str:
    mended = _piece(text)
    if mended != text or "\n" not in text:
        return mended
    return "\n".join(_piece(line) for line in text.split("\n"))  # a garbled line among sound ones


def _piece(text: str) -> str:
    if text.isascii():
        return text
    whole = _latin(text)
    if whole == text:
        whole = _foreign(text)
    if whole != text:
        return whole
    garbled = _may_be_garbled(text)
    if garbled and (whole := _chinese(text)) != text:  # before ftfy, which rewrites the control characters in it
        return whole
    if is_bad(text):
        whole = _by_ftfy(text)
        # Letters of GBK hold pairs that ftfy takes for UTF-8; among sound Chinese the whole makes sense all the same.
        sure = _sense(whole) > 0.3 and not _HAN.search(text)
        text = whole if sure else _by_ftfy(_RUN_LATIN.sub(lambda run: _latin(run[0]), text))
        garbled = _may_be_garbled(text)
    if garbled:
        text = _RUN_GBK.sub(lambda run: _run(run[0]), text)
    return _among(text) if _LED.search(text) else text


def _run(run: str) -> str:
    whole = _chinese(run)
    return whole if whole != run else "".join(map(_chinese, _SIGN.split(run)))


def _among(text: str) -> str:
    """Mend what is UTF-8 read as GBK among sound characters: 请鑱旂郴瀹㈡湇 is 请联系客服."""
    data = text.encode("gb18030")
    spans = list(_UTF8.finditer(data))
    if not spans:
        return text
    edges = {0, *accumulate(len(letter.encode("gb18030")) for letter in text)}
    pieces, done = [], 0
    for span in spans:
        start, end = span.span()
        while end not in edges and end > start:  # what follows looked like one more
            end -= 3
        garbled, fixed = data[start:end].decode("gb18030", "ignore"), data[start:end].decode()
        clear = _KANA.sub("", _simplified()(fixed))
        if start in edges and end - start >= 9 and _sense(garbled) <= 0.34 and (not clear or _plain(clear) >= 0.85):
            pieces += [data[done:start].decode("gb18030"), fixed]
            done = end
    return "".join([*pieces, data[done:].decode("gb18030")])


def _by_ftfy(text: str) -> str:
    fixed = fix_encoding_and_explain(text, _FTFY).text
    return text if fixed != text and set(_ODD.findall(fixed)) - set(text) else fixed


def _foreign(text: str) -> str:
    """Read a whole text as UTF-8 read as Cyrillic: ж•°жЌ® is 数据; of accents also as GBK: r茅sum茅 is résumé."""
    for encoding in ("cp1251", "gb18030"):
        fixed = _decoded(text, encoding, "utf-8")
        if fixed is None:
            continue
        if encoding == "cp1251" and _sense(fixed) > 0.2 and _plain(fixed) >= 0.8:
            return fixed
        if _ACCENTED.fullmatch(fixed) and _WITHIN.search(text):
            return fixed
        if encoding == "gb18030" and _RUSSIAN.fullmatch(fixed) and not _of_gb2312(text):
            return fixed
    return text


def _may_be_garbled(text: str) -> bool:
    letters = _HAN.findall(text)
    return sum(letter in _COMMON for letter in letters) * 2 < len(letters) or bool(re.search("[\ue000-\uf8ff]", text))


def _latin(run: str) -> str:
    """Read Latin letters as the bytes of GBK or Big5: ÄãºÃ is 你好."""
    if sum(letter >= "\x80" for letter in run) < 4:
        return run
    for real in ("gb18030", "big5"):
        for encoding in ("latin-1", "cp1252"):
            fixed = _decoded(run, encoding, real)
            clear = _simplified()(fixed) if fixed and real == "big5" else fixed
            if fixed and clear and _sense(clear) >= 0.4 and _plain(clear) >= 0.85:
                return fixed
    return run


def _chinese(run: str) -> str:
    """Read Chinese characters as the bytes of another table; the better by far is taken, else nothing is changed."""
    own = _sense(run)
    if own > 0.34:
        return run
    for encoding in ("gb18030", "big5hkscs", "cp950", "cp932"):
        fixed = _utf8(run, encoding)
        # That other bytes are whole UTF-8 is rare; that they spell common Chinese besides does not happen by chance.
        if fixed and _sense(clear := _KANA.sub("", _simplified()(fixed))) > max(0.2, own) and _plain(clear) >= 0.8:
            return fixed
    if sum(letter >= "\x80" for letter in run) < 6 or own > 0.25:  # a few characters make sense by chance
        return run
    pairs = (("big5", "gb18030"), ("cp950", "gb18030"), ("big5hkscs", "gb18030"), ("gb18030", "big5hkscs"))
    fixes = [fixed for encoding, real in pairs if (fixed := _decoded(run, encoding, real))]
    fixes = [fixed for fixed in fixes if not _SPELT.search(fixed)]  # a sound sign makes one of these: ！ ㄐ
    best = max(fixes, key=lambda fixed: _sense(_simplified()(fixed)), default="")
    simplified = _simplified()(best)
    return best if _sense(simplified) >= 0.5 and _plain(simplified) >= 0.85 else run


def _utf8(run: str, encoding: str) -> str | None:
    """Read a run as UTF-8; the first letter behind it may have been swallowed, or the last one be its own."""
    for end in (len(run), len(run) - 1):
        fixed = _decoded(run[:end], encoding, "utf-8")
        if fixed:
            return fixed + run[end:]
    return None


def _decoded(text: str, encoding: str, real: str) -> str | None:
    try:
        return text.encode(encoding).decode(real)
    except (UnicodeEncodeError, UnicodeDecodeError):
        return None


def _of_gb2312(text: str) -> bool:
    """Say whether all Chinese characters stand in GB 2312, as those of a plain text do: 谢谢谢谢谢 is no лллллл."""
    return all(letter.encode("gb2312", "ignore") for letter in _HAN.findall(text))


def _sense(text: str) -> float:
    """Return which share of the Chinese characters is common; a text without any makes no sense here."""
    letters = _HAN.findall(text)
    return sum(letter in _COMMON for letter in letters) / len(letters) if letters else 0.0


def _plain(text: str) -> float:
    """Return the share of characters that a plain text has: the first part of GB 2312, signs, ASCII."""
    return sum(map(_is_plain, text)) / len(text)


def _is_plain(letter: str) -> bool:
    """Say whether a letter stands among the 3,755 that GB 2312 has in its first part, or is a sign or ASCII."""
    if letter in _SIGNS or letter.isascii():
        return True
    try:
        return 0xB0 <= letter.encode("gb2312")[0] <= 0xD7
    except UnicodeEncodeError:
        return False


@cache
def _simplified() -> Callable[[str], str]:
    from opencc import OpenCC  # slow to load, and seldom needed

    convert = OpenCC("t2s").convert
    return lambda text: str(convert(text))
