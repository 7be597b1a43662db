"""Chinese numerals read as numbers; what is no well-formed number (十五六, 三四十, 千万) is none here."""

import re
from decimal import Decimal

NUMERAL = "[零〇一二两三四五六七八九十百千万亿]"
_DIGITS = {letter: str(value) for value, letter in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}
# Below ten thousand: 三千零五十, 两百, 十二, 一百一 (110); a place that is skipped is said by 零.
_BELOW = re.compile(
    r"(?:([一二两三四五六七八九])千)?(?:([一二两三四五六七八九])百)?"
    r"(?:(零)?([一二三四五六七八九])?(十))?(?:([零〇])?([一二三四五六七八九]))?"
)


def spelled(text: str) -> str | None:
    """Return the digits of a number read digit by digit: 二零零八 is 2008; None for anything else."""
    return "".join(_DIGITS[letter] for letter in text) if text and all(letter in _DIGITS for letter in text) else None


def number(text: str) -> Decimal | None:
    """Return the value of a numeral (三点一四 and 12.5 too), None where it is not well-formed."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return Decimal(text)
    whole, point, decimals = text.partition("点")
    value = _whole(whole)
    if value is None or not point:
        return None if value is None else Decimal(value)
    # 二十点一万 is 20.1 times ten thousand.
    scale = 10 ** {"万": 4, "亿": 8}.get(decimals[-1:], 0)
    places = spelled(decimals.rstrip("万亿"))
    return Decimal(f"{value}.{places}") * scale if places and len(decimals) - len(places) <= 1 else None


def _whole(text: str) -> int | None:
    for sign, scale in (("亿", 10**8), ("万", 10**4)):
        if sign in text:
            high, _, low = text.rpartition(sign)
            above, below = _whole(high), _whole(low.removeprefix("零")) if low else 0
            if above is None or below is None or not above > 0 or not below < scale:
                return None
            # 三万四 is 34,000, and 三万四五 no number; a gap is said by 零.
            short = len(low) == 1 and low in _DIGITS
            if low and not short and (below < scale // 10) != low.startswith("零"):
                return None
            return above * scale + (below * scale // 10 if short else below)
    return _below(text)


def _below(text: str) -> int | None:
    match = _BELOW.fullmatch(text)
    if text in ("零", "〇", "两"):
        return int(_DIGITS[text])
    if not match or not text:
        return None
    thousand, hundred, zero_ten, ten, tens, zero, one = match.groups()
    parts = [int(_DIGITS[letter]) if letter else 0 for letter in (thousand, hundred, ten, one)]
    parts[2] = parts[2] if ten else int(bool(tens))
    if tens and not ten and (thousand or hundred):
        return None  # 一百十二 may be 一百 and 十二
    filled = [bool(thousand), bool(hundred), bool(tens)]
    gaps = [(zero_ten, tens and thousand and not hundred), (zero, one and not tens and any(filled))]
    last = next((place for place in (2, 1, 0) if filled[place]), None)
    if one and last in (0, 1) and not zero:  # 一百一 is 110
        parts[last + 1], parts[3] = parts[3], 0
        gaps = gaps[:1]
    if any(bool(said) != bool(needed) for said, needed in gaps):
        return None
    return parts[0] * 1000 + parts[1] * 100 + parts[2] * 10 + parts[3]
