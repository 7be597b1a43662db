"""Code fences: what stands in one is left as it is by the steps that tidy prose."""

import re
from collections.abc import Callable

# A fence is a line that begins with three backticks or tildes; it ends at such a line, or at the end of the text.
_FENCE = re.compile(
    r"^[ \t]*(?P<mark>```+|~~~+)[^\n]*\n.*?(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)


def outside_code(change: Callable[[str], str], text: str) -> str:
    """Apply `change` to what stands before, between and behind the code fences of a text."""
    pieces, end = [], 0
    for fence in _FENCE.finditer(text):
        pieces += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, change(text[end:])])
