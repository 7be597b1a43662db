"""What the steps share that ask for new questions: the shape of the answer, and the check."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from weitiao.augment.expand import Child, Teach, Verdict, question
from weitiao.llm.desk import Question
from weitiao.record import Record

CHECK = "check_new"


class Questions(BaseModel):
    """New questions."""

    questions: list[str] = Field(min_length=1)


class NewQuestion(Verdict):
    """Whether a question is worth asking, and of the kind of those it was made of."""

    reasons: ClassVar[dict[str, str]] = {
        "sensible": "makes no sense",
        "answerable": "nobody could answer it",
        "same_kind": "another kind of question",
    }
    sensible: bool
    answerable: bool
    same_kind: bool


class AskNew(Teach):
    """Make questions, still without answers, of questions."""

    def new(self, parents: Sequence[Record], text: str, note: dict[str, Any]) -> Child:
        """Return a question of its own, to be checked beside those that it was made of."""
        seeds = [question(parent) for parent in parents]
        wanted = Question(CHECK, {"seeds": seeds, "question": text}, seeds[0], NewQuestion)
        record = self.child(parents, (("user", text),), note, same=False)
        return Child(record, check=wanted if self.check else None)
