"""What servers are asked, and how."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from openai import OpenAI

from weitiao.model.generate import Answer
from weitiao.model.hub import place
from weitiao.serve.run import Service

NANO = str(place("nano", Path()))
QUESTIONS = (
    "水的沸点是多少？",
    "Is soap better boiled or fried?",
    "鱼会不会淹死？",
    "a",
    "为什么水不能兑水？",
    "石头能吃吗？",
)
Opened = Callable[..., AbstractContextManager[Service]]
Alone = Callable[..., Answer]


def ask(client: OpenAI, question: str, **how: Any) -> Any:
    """Ask nano a question as a chat."""
    how = {"temperature": 0, "max_tokens": 24, **how}
    return client.chat.completions.create(model="nano", messages=[{"role": "user", "content": question}], **how)


def streamed(events: Any) -> tuple[str, str | None]:
    """Return the text and the finish reason of a stream."""
    text, finish = "", None
    for event in events:
        for choice in event.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish
