"""Whether the number of a card can be one: what its check digit says of the others."""

import re
from datetime import date

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_PROVINCES = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_COUNTIES = "ABCDEFGHJKLMNPQRSTUVXYWZIO"  # of Taiwan, from 10 on
_ISSUERS = re.compile(
    r"62[0-9]{14,17}|4[0-9]{15}|4[0-9]{18}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|35[0-9]{14}|3[47][0-9]{13}|6[05][0-9]{14}"
    r"|9[0-9]{15}|9558[0-9]{15}|6[0-9]{18}"
)


def is_mainland_card(text: str) -> bool:
    """Hold for the 18 signs of an identity card of the mainland, spaces between or not."""
    number = re.sub(r"[^0-9Xx]", "", text).upper()
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    return bool(_PROVINCES.match(number)) and 1850 <= born.year <= 2100 and "10X98765432"[total % 11] == number[17]


def is_taiwan_card(text: str) -> bool:
    """Hold for a letter and nine digits, the last of which makes the weighted sum a multiple of ten."""
    county, digits = _COUNTIES.index(text[0]) + 10, [int(digit) for digit in text[1:]]
    weighed = sum(weight * digit for weight, digit in zip((8, 7, 6, 5, 4, 3, 2, 1, 1), digits, strict=True))
    return (county // 10 + county % 10 * 9 + weighed) % 10 == 0


def is_hong_kong_card(text: str) -> bool:
    """Hold for one or two letters, six digits and one in brackets that makes the weighted sum a multiple of eleven."""
    signs = re.sub(r"[()\s]", "", text).rjust(9)  # where one letter stands a space counts 36
    values = [36 if sign == " " else int(sign, 36) for sign in signs]
    return sum(weight * value for weight, value in zip(range(9, 0, -1), values, strict=True)) % 11 == 0


def is_bank_card(text: str) -> bool:
    """Hold for a number that Luhn's sum allows, of an issuer's form."""
    number = re.sub(r"[^0-9]", "", text)
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    luhn = sum(value - 9 * (value > 9) for value in doubled) % 10 == 0
    return luhn and len(set(number)) > 1 and bool(_ISSUERS.fullmatch(number))
