"""What is no prose, code above all: it is left as it is by the steps that tidy prose."""

import re
from collections.abc import Callable

# A fence is a line that begins with three backticks or tildes; it ends at such a line, or at the end of the text.
_FENCE = re.compile(
    r"^[ \t]*(?P<mark>```++|~~~++)[^\n]*\n.*?(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
# Code within a line, formulas, links and addresses.
_SHOWN = re.compile(
    r"(?<!`)(?P<tick>`+)(?!`)[^\n]{1,20000}?(?<!`)(?P=tick)(?!`)|\$\$[^$]{1,4000}\$\$|\\\([^\n]{1,400}?\\\)|\\\[.{1,4000}?\\\]"
    r"|\$(?=\S)[^$\n一-鿿]+?(?<=\S)\$(?!\d)|[A-Za-z][A-Za-z0-9+.-]{1,9}://[^\s<>\"'一-鿿，。；！？）】》”’]*[^\s<>\"'一-鿿，。；！？）】》”’,.;:!?)]"
    r"|(?<![\w.+-])[\w.+-]++@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z0-9]",
    re.DOTALL,
)
_MARK = 0xF0000  # of the private plane: a letter of no text, one for each thing shown
_MOST = 0xFF00
_MARKS = re.compile("[\U000f0000-\U000fffff]")


def outside_code(change: Callable[[str], str], text: str) -> str:
    """Apply `change` to what stands before, between and behind the code fences of a text."""
    if "```" not in text and "~~~" not in text:
        return change(text)
    pieces, end = [], 0
    for fence in _FENCE.finditer(text):
        pieces += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, change(text[end:])])


def in_prose(change: Callable[[str], str], text: str) -> str:
    """Apply `change` outside code fences; code within a line, formulas, links and addresses are a letter to it each."""
    return outside_code(lambda piece: _without_shown(change, piece), text)


def _without_shown(change: Callable[[str], str], text: str) -> str:
    if _MARKS.search(text):
        return text
    shown: list[str] = []

    def hide(match: re.Match[str]) -> str:
        shown.append(match[0])
        return chr(_MARK + min(len(shown), _MOST) - 1)

    prose = _SHOWN.sub(hide, text)
    if len(shown) > _MOST:  # no prose, and no letter left for what is shown
        return text
    return _MARKS.sub(lambda mark: shown[ord(mark[0]) - _MARK], change(prose))
