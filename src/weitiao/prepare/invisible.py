"""Characters that show nothing, by class: which are in a text for nothing, and which carry meaning and stay."""

import re
from typing import Literal

Invisible = Literal["control", "zero_width", "variation", "bidi", "tags", "private"]

_CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_JOINED = (
    "\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1a00-\u1aff\ua840-\ua9ff"  # Arabic, Indic, Khmer, Mongolian and so on
)
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"
_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f"  # 🏴󠁧󠁢󠁥󠁮󠁧󠁿
# Each class of characters, as a set for Rust and Python alike, and where in a text they are for nothing.
SETS: dict[Invisible, str] = {
    "control": f"{_CONTROL}\ufff9-\ufffc",
    "zero_width": "\u00ad\u200b-\u200d\u2060-\u2064\ufeff",
    "variation": "\ufe0e\ufe0f\U000e0100-\U000e01ef",
    "bidi": "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069",
    "tags": "\U000e0000-\U000e007f",
    "private": "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd",
}
_USELESS: dict[Invisible, re.Pattern[str]] = {
    **{kind: re.compile(f"[{SETS[kind]}]") for kind in ("control", "bidi", "private")},
    "zero_width": re.compile(
        "[\u00ad\u2060-\u2064\ufeff]"
        "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"  # Thai, Lao, Burmese and Khmer part words with it
        f"|(?<![{_JOINED}])(?:\u200c|(?<![{_EMOJI}\ufe0f\u20e3\U000e007f])\u200d|\u200d(?![{_EMOJI}]))"
    ),
    # Which of its looks an emoji or a Chinese character has, where there is none.
    "variation": re.compile(rf"(?<![^\sA-Za-z\u4e00-\u9fff])[\ufe0e\ufe0f]|(?<![{_HAN}])[\U000e0100-\U000e01ef]"),
    "tags": re.compile(f"(?P<flag>{_FLAG})|[{SETS['tags']}]"),
}


def without_invisible(text: str, kinds: tuple[Invisible, ...]) -> str:
    """Return the text without characters of these classes that are there for nothing.

    Stay: the joiners of emoji and of the scripts of India and Arabia, the looks of emoji and names, the tags of flags,
    and the signs of direction in a text that has a script from right to left.
    """
    useless = [_USELESS[kind] for kind in kinds if kind != "bidi" or not _RIGHT_TO_LEFT.search(text)]
    before = None
    while before != text:  # what is removed may have kept its neighbour in place
        before = text
        for pattern in useless:
            text = pattern.sub(lambda match: match.groupdict().get("flag") or "", text)
    return text
