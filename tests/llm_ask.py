"""What tests ask a teacher, and how."""

from collections.abc import Callable

from pydantic import BaseModel

from weitiao.llm.call import Request
from weitiao.llm.client import Outcome

Ask = Callable[..., dict[int, Outcome]]


class Verdict(BaseModel):
    score: int
    why: str


def asking(*questions: str, schema: type[BaseModel] | None = None) -> list[Request]:
    return [Request((("user", question),), schema=schema) for question in questions]
