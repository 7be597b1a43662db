"""Conversations written as one text, each turn after a mark: `### Human: … ### Assistant: …`."""

import re

_TURN = re.compile(r"###\s*(Human|Assistant):(.*?)(?=###\s*(?:Human|Assistant):|\Z)", re.DOTALL)
_ROLES = {"Human": "user", "Assistant": "assistant"}


def read_marked(text: str) -> list[tuple[str, str]]:
    """Return role and text of each turn, in order; a text without marks has none."""
    return [(_ROLES[mark], content.strip()) for mark, content in _TURN.findall(text)]
